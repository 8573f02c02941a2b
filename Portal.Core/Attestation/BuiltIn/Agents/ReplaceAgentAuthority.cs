using Portal.Core.Access;
using Portal.Core.Audit;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>Replaces the certificate authority by which agents know the portal.</summary>
/// <param name="access">Who may.</param>
/// <param name="authority">The authority.</param>
public sealed class ReplaceAgentAuthority(AccessControl access, AgentAuthority authority)
{
    /// <summary>
    /// Makes a new authority, which counts at once: agents that do not have it yet let the portal in no more. Needs <see cref="Permission.ManageHosts"/>.
    /// </summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="ct">Cancels before it is made.</param>
    public async Task<Outcome<Done>> ExecuteAsync(Caller caller, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.ManageHosts, new AuditTarget("portal", null, "agents CA"), ct) is { } denied)
        {
            return denied;
        }

        authority.Rotate(caller.Person);
        return Done.Value;
    }
}
