using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>Puts a proposed looser policy in force: a second person, and only against the very revision it was written for.</summary>
/// <param name="desk">What commands on trust policies share.</param>
public sealed class ConfirmTrustPolicy(PolicyDesk desk)
{
    /// <summary>
    /// Confirms it. Needs <see cref="Permission.ManageClusters"/> and somebody else than the proposer (issuer and subject).
    /// Refusals: <c>cluster.proposal.own</c>, <c>cluster.proposal.void</c>, <c>cluster.proposal.not_found</c>.
    /// </summary>
    /// <param name="caller">The second person.</param>
    /// <param name="clusterId">The cluster.</param>
    /// <param name="proposalId">The proposal the person looked at.</param>
    /// <param name="ct">Cancels until the commit.</param>
    public Task<Outcome<PolicyStanding>> ExecuteAsync(Caller caller, Guid clusterId, Guid proposalId, CancellationToken ct) => desk.RunAsync(
        caller,
        Permission.ManageClusters,
        ClusterStep.Unread(clusterId),
        step => AttemptAsync(step, clusterId, proposalId),
        standing => standing.ClusterId,
        ReappraisalCause.PolicyChanged,
        ct);

    private static async Task<Outcome<PolicyStanding>> AttemptAsync(ClusterStep step, Guid clusterId, Guid proposalId)
    {
        var found = await step.FindAsync(clusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var cluster = found.Value;
        var proposal = await step.Db.PolicyProposals.SingleOrDefaultAsync(p => p.Id == proposalId && p.ClusterId == clusterId, step.Ct);
        if (proposal is null)
        {
            return ClusterRefusals.ProposalGone();
        }

        if (proposal.IsBy(step.Person))
        {
            return ClusterRefusals.OwnProposal(step.Person);
        }

        if (proposal.IsVoidFor(cluster))
        {
            return ClusterRefusals.ProposalVoid(cluster.Name);
        }

        // Limits may be tighter today than when it was written.
        var wanted = proposal.ReadPolicy();
        if (TrustPolicyRules.Instance.Refusal(wanted) is { } invalid)
        {
            return invalid;
        }

        var servers = await step.Db.ServerNamesAsync(step.Ct);
        if (ClusterRefusals.UnknownService(wanted.Services, servers) is { } unknown)
        {
            return unknown;
        }

        var differences = PolicyWords.Differences(cluster.Policy, wanted, servers);
        PolicyChange.Apply(step, cluster, wanted);
        step.Db.PolicyProposals.Remove(proposal);
        step.Audit(
            "cluster.policy.confirmed",
            $"{step.Person.Name} confirmed the looser trust policy that {proposal.PersonName} proposed for {cluster.Name}: {PolicyWords.Story(differences)}.",
            proposal.Policy);
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return new PolicyStanding(cluster.Id, PolicyEffect.InForce, cluster.PolicyRevision);
    }
}

/// <summary>Drops a proposed policy: the proposer withdraws it, anybody else who may manage clusters rejects it.</summary>
/// <param name="desk">What commands on trust policies share.</param>
public sealed class RejectTrustPolicy(PolicyDesk desk)
{
    /// <summary>Drops it. Needs <see cref="Permission.ManageClusters"/>. Refusal: <c>cluster.proposal.not_found</c>.</summary>
    public Task<Outcome<PolicyStanding>> ExecuteAsync(Caller caller, Guid clusterId, Guid proposalId, CancellationToken ct) => desk.RunAsync(
        caller,
        Permission.ManageClusters,
        ClusterStep.Unread(clusterId),
        step => AttemptAsync(step, clusterId, proposalId),
        static _ => null,
        ReappraisalCause.PolicyChanged,
        ct);

    private static async Task<Outcome<PolicyStanding>> AttemptAsync(ClusterStep step, Guid clusterId, Guid proposalId)
    {
        var found = await step.FindAsync(clusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var cluster = found.Value;
        var proposal = await step.Db.PolicyProposals.SingleOrDefaultAsync(p => p.Id == proposalId && p.ClusterId == clusterId, step.Ct);
        if (proposal is null)
        {
            return ClusterRefusals.ProposalGone();
        }

        var own = proposal.IsBy(step.Person);
        step.Db.PolicyProposals.Remove(proposal);
        step.Audit(
            own ? "cluster.proposal.withdrawn" : "cluster.proposal.rejected",
            own
                ? $"{step.Person.Name} withdrew the looser trust policy proposed for {cluster.Name}."
                : $"{step.Person.Name} rejected the looser trust policy that {proposal.PersonName} proposed for {cluster.Name}.",
            proposal.Policy);
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return new PolicyStanding(cluster.Id, PolicyEffect.Dropped, cluster.PolicyRevision);
    }
}
