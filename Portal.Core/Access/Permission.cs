using System.Collections.Frozen;

namespace Portal.Core.Access;

/// <summary>One thing a person may do. Every command checks exactly one before it looks at anything else.</summary>
public enum Permission
{
    /// <summary>See hosts, VMs, clusters, baselines and activity.</summary>
    Read,

    /// <summary>Create, edit, start, stop, migrate and delete VMs.</summary>
    OperateVirtualMachines,

    /// <summary>Attest now, maintenance, enrol an attester.</summary>
    ManageHosts,

    /// <summary>Create clusters, change and confirm their trust policy.</summary>
    ManageClusters,

    /// <summary>Write baselines and submit them for review.</summary>
    WriteBaselines,

    /// <summary>Approve, reject and retire baselines others wrote.</summary>
    ApproveBaselines,

    /// <summary>Change simulated hosts (demo only).</summary>
    Simulate,
}

/// <summary>Which role grants what.</summary>
public static class Permissions
{
    private static readonly FrozenDictionary<Role, FrozenSet<Permission>> Grants = new Dictionary<Role, FrozenSet<Permission>>
    {
        [Role.Administrator] = [Permission.Read, Permission.OperateVirtualMachines, Permission.ManageHosts, Permission.ManageClusters, Permission.Simulate],
        [Role.Operator] = [Permission.Read, Permission.OperateVirtualMachines],
        [Role.Security] = [Permission.Read, Permission.ManageClusters, Permission.WriteBaselines, Permission.ApproveBaselines],
        [Role.Auditor] = [Permission.Read],
    }.ToFrozenDictionary();

    /// <summary>The permissions of a role.</summary>
    public static IReadOnlySet<Permission> Of(Role role) => Grants[role];

    /// <summary>The roles that grant a permission, for the remedy of a refusal.</summary>
    public static IEnumerable<Role> Granting(Permission permission) => Grants.Where(g => g.Value.Contains(permission)).Select(g => g.Key).Order();
}
