using Portal.Core.Access;
using Portal.Core.Audit;

namespace Portal.Core.Attestation.BuiltIn.Agents;

/// <summary>Replaces the certificate authority by which agents know the portal, in two steps: agents get the next one before the old one is retired.</summary>
/// <param name="access">Who may.</param>
/// <param name="authority">The authority.</param>
public sealed class ReplaceAgentAuthority(AccessControl access, AgentAuthority authority)
{
    /// <summary>Publishes the next authority beside the one in use. Needs <see cref="Permission.ManageHosts"/>. Refusal: <c>agents.authority.next</c>.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="ct">Cancels before it is made.</param>
    public Task<Outcome<Done>> PrepareAsync(Caller caller, CancellationToken ct) => RunAsync(caller, authority.Prepare, ct);

    /// <summary>
    /// Retires the authority in use: agents that were not given the next one let the portal in no more. Needs <see cref="Permission.ManageHosts"/>.
    /// Refusal: <c>agents.authority.only</c>.
    /// </summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="ct">Cancels before it is retired.</param>
    public Task<Outcome<Done>> RetireAsync(Caller caller, CancellationToken ct) => RunAsync(caller, authority.Retire, ct);

    private async Task<Outcome<Done>> RunAsync(Caller caller, Func<Person, Outcome<Done>> change, CancellationToken ct) =>
        await access.DemandAsync(caller, Permission.ManageHosts, new AuditTarget("portal", null, "agents CA"), ct) is { } denied ? denied : change(caller.Person);
}
