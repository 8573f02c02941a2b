using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>Decides on a proposed change of the way to a host's hypervisor: a second person confirms it, anybody who may drops it.</summary>
/// <param name="desk">Permission, transaction, audit.</param>
public sealed class DecideConnection(ClusterDesk desk)
{
    /// <summary>Puts it in force; the host counts as not answering until it is reached there. Needs <see cref="Permission.ManageClusters"/> and somebody else than the proposer. Refusals: <c>host.proposal.*</c>.</summary>
    public Task<Outcome<HostChange>> ConfirmAsync(Caller caller, Guid hostId, Guid proposalId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ConnectionSteps.Unread(hostId, null), step => ConfirmAsync(step, hostId, proposalId), ct);

    /// <summary>Drops it. Needs <see cref="Permission.ManageClusters"/>. Refusal: <c>host.proposal.not_found</c>.</summary>
    public Task<Outcome<HostChange>> RejectAsync(Caller caller, Guid hostId, Guid proposalId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ConnectionSteps.Unread(hostId, null), step => RejectAsync(step, hostId, proposalId), ct);

    private static async Task<Outcome<HostChange>> ConfirmAsync(ClusterStep step, Guid hostId, Guid proposalId)
    {
        if (await FindAsync(step, hostId, proposalId) is not ({ } host, { } proposal))
        {
            return ConnectionRefusals.ProposalGone();
        }

        if (proposal.IsBy(step.Person))
        {
            return ConnectionRefusals.OwnProposal(step.Person.Name);
        }

        if (await step.FindConnectionAsync(hostId) is not { } connection || proposal.AgainstVersion != connection.Version)
        {
            return ConnectionRefusals.ProposalVoid(host.Name);
        }

        if (await step.TakenAsync(proposal.LibvirtUri, hostId) is { } taken)
        {
            return taken;
        }

        var story = ConnectionSteps.Story(ConnectionSteps.Words(host, connection), proposal.Words());
        (host.LibvirtUri, connection.Authority, connection.SshHostKey) = (proposal.LibvirtUri, proposal.Authority, proposal.SshHostKey);
        connection.Version++;
        (host.State, host.StateReason) = (host.State == HostState.Maintenance ? HostState.Maintenance : HostState.NonResponsive, AddHost.NotReachedYet);
        step.Db.ConnectionProposals.Remove(proposal);
        step.Audit("host.connection.confirmed", $"{step.Person.Name} confirmed what {proposal.PersonName} proposed for the host {host.Name}: {story}.");
        step.Tell(hostId);
        return new HostChange(hostId, PolicyEffect.InForce);
    }

    private static async Task<Outcome<HostChange>> RejectAsync(ClusterStep step, Guid hostId, Guid proposalId)
    {
        if (await FindAsync(step, hostId, proposalId) is not ({ } host, { } proposal))
        {
            return ConnectionRefusals.ProposalGone();
        }

        step.Db.ConnectionProposals.Remove(proposal);
        var own = proposal.IsBy(step.Person);
        step.Audit(
            own ? "host.connection.withdrawn" : "host.connection.rejected",
            own ? $"{step.Person.Name} withdrew the change proposed for the host {host.Name}." : $"{step.Person.Name} rejected the change that {proposal.PersonName} proposed for the host {host.Name}.");
        step.Tell(hostId);
        return new HostChange(hostId, PolicyEffect.Dropped);
    }

    private static async Task<(Host? Host, ConnectionProposal? Proposal)> FindAsync(ClusterStep step, Guid hostId, Guid proposalId) =>
        (await step.FindHostAsync(hostId), await step.FindProposalAsync(hostId) is { } proposal && proposal.Id == proposalId ? proposal : null);
}
