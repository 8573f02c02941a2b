using Portal.Core.Audit;

namespace Portal.Core.Access;

/// <summary>The one place that says whether a caller may do something. A refusal is written to the audit.</summary>
/// <param name="audit">Where refusals are recorded.</param>
public sealed class AccessControl(AuditLog audit)
{
    /// <summary>Null when the caller holds the permission; otherwise the refusal, which has been audited.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="permission">What for.</param>
    /// <param name="target">What it would have been done to.</param>
    /// <param name="ct">Cancels the wait for the audit.</param>
    public async Task<Refusal?> DemandAsync(Caller caller, Permission permission, AuditTarget target, CancellationToken ct)
    {
        if (caller.May(permission))
        {
            return null;
        }

        var refusal = Denied(caller, permission);
        await audit.RefusedAsync(caller.Person, target, refusal, ct);
        return refusal;
    }

    /// <summary>The refusal itself, for pages that say beforehand why something is not on offer; audits nothing.</summary>
    public static Refusal Denied(Caller caller, Permission permission)
    {
        if (caller.Session is { IsOver: true })
        {
            return new Refusal("access.session_over", RefusalKind.Forbidden, $"The session of {caller.Person.Name} is over, so nothing is done in its name any more.", "Sign in again.");
        }

        var roles = string.Join(" or ", Permissions.Granting(permission).Select(r => r.ToString().ToLowerInvariant()));
        return new Refusal(
            "access.denied",
            RefusalKind.Forbidden,
            $"{caller.Person.Name} may not {Words(permission)}.",
            $"Ask somebody with the role {roles}.");
    }

    private static string Words(Permission permission) => permission switch
    {
        Permission.Read => "read this",
        Permission.OperateVirtualMachines => "create or change virtual machines",
        Permission.ManageHosts => "manage hosts",
        Permission.ManageClusters => "change clusters or their trust policy",
        Permission.WriteBaselines => "write baselines",
        Permission.ApproveBaselines => "approve baselines",
        Permission.Simulate => "change simulated hosts",
    };
}
