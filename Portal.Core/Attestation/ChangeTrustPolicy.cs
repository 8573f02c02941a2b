using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>
/// Changes the trust policy of a cluster. A change that is looser in no respect takes effect at once; one that is looser in any respect,
/// whatever else it tightens, becomes as a whole a proposal that a second person confirms.
/// </summary>
/// <param name="desk">What commands on trust policies share.</param>
public sealed class ChangeTrustPolicy(PolicyDesk desk)
{
    /// <summary>The wanted policy.</summary>
    /// <param name="ClusterId">The cluster.</param>
    /// <param name="Policy">All of the wanted policy; fractions of a second are dropped.</param>
    /// <param name="AgainstRevision">The policy revision the person looked at.</param>
    public sealed record Input(Guid ClusterId, TrustPolicy Policy, long AgainstRevision);

    /// <summary>
    /// Changes or proposes. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>cluster.policy.*</c>, <c>cluster.proposal.waiting</c>.
    /// </summary>
    public Task<Outcome<PolicyStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) => desk.RunAsync(
        caller,
        Permission.ManageClusters,
        ClusterStep.Unread(input.ClusterId),
        step => AttemptAsync(step, input),
        standing => standing.Effect == PolicyEffect.InForce ? standing.ClusterId : null,
        ReappraisalCause.PolicyChanged,
        ct);

    private static async Task<Outcome<PolicyStanding>> AttemptAsync(ClusterStep step, Input input)
    {
        var found = await step.FindAsync(input.ClusterId);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var (cluster, wanted) = (found.Value, input.Policy);
        if (TrustPolicyRules.Instance.Refusal(wanted) is { } invalid)
        {
            return invalid;
        }

        if (cluster.PolicyRevision != input.AgainstRevision)
        {
            return ClusterRefusals.Meanwhile(cluster.Name);
        }

        var servers = await step.Db.ServerNamesAsync(step.Ct);
        if (ClusterRefusals.UnknownService(wanted.Services, servers) is { } unknown)
        {
            return unknown;
        }

        wanted = wanted.InWholeSeconds();
        var differences = PolicyWords.Differences(cluster.Policy, wanted, servers);
        if (differences.Count == 0)
        {
            return new PolicyStanding(cluster.Id, PolicyEffect.Unchanged, cluster.PolicyRevision);
        }

        var waiting = await step.Db.PolicyProposals.SingleOrDefaultAsync(p => p.ClusterId == cluster.Id, step.Ct);
        return wanted.IsLooserThan(cluster.Policy) ? Propose(step, cluster, wanted, differences, waiting) : Apply(step, cluster, wanted, differences, waiting);
    }

    private static Outcome<PolicyStanding> Apply(ClusterStep step, Cluster cluster, TrustPolicy wanted, IReadOnlyList<PolicyDifference> differences, PolicyProposal? waiting)
    {
        if (waiting is not null)
        {
            step.Db.PolicyProposals.Remove(waiting);
            step.Audit("cluster.proposal.void", $"The looser policy that {waiting.PersonName} proposed for {cluster.Name} is void: the policy was tightened.");
        }

        PolicyChange.Apply(step, cluster, wanted);
        step.Audit("cluster.policy.changed", $"{step.Person.Name} tightened the trust policy of {cluster.Name}: {PolicyWords.Story(differences)}.", JsonSerializer.Serialize(wanted));
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return new PolicyStanding(cluster.Id, PolicyEffect.InForce, cluster.PolicyRevision);
    }

    private static Outcome<PolicyStanding> Propose(ClusterStep step, Cluster cluster, TrustPolicy wanted, IReadOnlyList<PolicyDifference> differences, PolicyProposal? waiting)
    {
        if (waiting is not null && !waiting.IsVoidFor(cluster))
        {
            return ClusterRefusals.ProposalWaiting(waiting);
        }

        if (waiting is not null)
        {
            step.Db.PolicyProposals.Remove(waiting);
        }

        var proposal = new PolicyProposal
        {
            ClusterId = cluster.Id,
            AgainstRevision = cluster.PolicyRevision,
            Policy = JsonSerializer.Serialize(wanted),
            Issuer = step.Person.Issuer,
            Subject = step.Person.Subject,
            PersonName = step.Person.Name,
            At = step.Now,
        };
        step.Db.PolicyProposals.Add(proposal);
        step.Audit("cluster.policy.proposed", $"{step.Person.Name} proposed a looser trust policy for {cluster.Name}: {PolicyWords.Story(differences)}.", proposal.Policy);
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        return new PolicyStanding(cluster.Id, PolicyEffect.WaitsForSecondPerson, cluster.PolicyRevision, proposal.Id);
    }
}

/// <summary>Puts a policy in force.</summary>
internal static class PolicyChange
{
    /// <summary>Applies it; where other services are asked from now on, or keep their policies otherwise, what was said before is forgotten in the same transaction.</summary>
    public static void Apply(ClusterStep step, Cluster cluster, TrustPolicy wanted)
    {
        var asksOthers = !cluster.Policy.Services.Equals(wanted.Services);
        cluster.Apply(wanted);
        if (asksOthers)
        {
            step.OnCommit(async () =>
            {
                await ServiceReset.ForgetAsync(step.Db, h => h.ClusterId == cluster.Id, step.Ct);
                return true;
            });
            step.Changes.Add(Change.Of(ChangeTopic.Attestation));
        }
    }
}
