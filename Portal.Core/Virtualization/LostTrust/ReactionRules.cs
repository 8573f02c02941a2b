using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>
/// Decides what becomes of reactions, as a function of what is so: pure, and the same after a crash. Only an untrusted verdict is a reason;
/// a host that is silent, stale or without a verdict is not among the fallen.
/// </summary>
internal static class ReactionRules
{
    /// <summary>So many hosts are evacuated at the same time; each holds one of the scheduler's threads, and starts of VMs need those too.</summary>
    public const int MostAtOnce = 4;

    /// <summary>What is to be done now, in order; nothing when all is as it should be.</summary>
    public static IReadOnlyList<ReactionDecision> Decide(ReactionScene scene)
    {
        var ended = scene.Rows.Where(row => !IsReason(scene, row)).Select(row => row.HostId).ToHashSet();
        var begun = scene.Fallen.Values
            .Where(host => PolicyOf(scene, host) is { Kind: ReactionKind.Evacuate } && !scene.Rows.Any(row => row.HostId == host.Id && !ended.Contains(row.HostId)))
            .OrderBy(host => host.Name, StringComparer.Ordinal)
            .ToList();
        if (ended.Count + begun.Count > 0)
        {
            // First the rows are made to say what is so; what follows from them is decided on the next look.
            return [.. ended.Select(id => new ReactionDecision.End(id)), .. begun.Select(host => new ReactionDecision.Begin(host))];
        }

        return [.. Standing(scene)];
    }

    /// <summary>When something becomes due by the clock alone; null when nothing does.</summary>
    public static DateTimeOffset? NextDue(ReactionScene scene) => scene.Rows
        .Where(row => row.State == ReactionState.Waiting && scene.Fallen.ContainsKey(row.HostId))
        .Select(row => (DateTimeOffset?)(row.FellAt + PolicyOf(scene, scene.Fallen[row.HostId])?.ReactAfter))
        .Where(due => due > scene.Now)
        .Min();

    private static ReactionPolicy? PolicyOf(ReactionScene scene, FallenHost host) => scene.Clusters.GetValueOrDefault(host.ClusterId)?.Policy;

    /// <summary>A row stands while its host is untrusted by the same fall, in the same cluster, and that evacuates; one that acts goes on by the policy it began under.</summary>
    private static bool IsReason(ReactionScene scene, HostReaction row) =>
        scene.Fallen.GetValueOrDefault(row.HostId) is { } host
        && host.ClusterId == row.ClusterId
        && host.UntrustedSince <= row.FellAt
        && (PolicyOf(scene, host) is { Kind: ReactionKind.Evacuate } || (row is { State: ReactionState.Acting, OperationId: not null }));

    private static IEnumerable<ReactionDecision> Standing(ReactionScene scene)
    {
        var open = scene.Operations.Count(o => !o.HasEnded);
        var held = scene.Rows.Where(r => r.State == ReactionState.Held).Select(r => r.ClusterId).ToHashSet();
        foreach (var row in scene.Rows.OrderBy(r => r.FellAt).ThenBy(r => r.HostId))
        {
            var (host, cluster) = (scene.Fallen[row.HostId], scene.Clusters[row.ClusterId]);
            var decision = row.State switch
            {
                ReactionState.Waiting => Waiting(scene, row, host, cluster, held, open),
                ReactionState.Acting => Acting(scene, row, host, cluster, open),
                ReactionState.Held or ReactionState.Done => null,
            };
            open += decision is ReactionDecision.Act { Joined: null } ? 1 : 0;
            if (decision is not null)
            {
                yield return decision;
            }
        }
    }

    private static ReactionDecision? Waiting(ReactionScene scene, HostReaction row, FallenHost host, ReactingCluster cluster, HashSet<Guid> held, int open)
    {
        var policy = cluster.Policy;
        if (scene.Now < row.FellAt + policy.ReactAfter)
        {
            return Says(row, $"Virtual machines move if it is still untrusted {PolicyWords.Duration(policy.ReactAfter)} after it fell.");
        }

        if (host.Machines.Count == 0)
        {
            return new ReactionDecision.Finish(row.HostId, host.Name, "No virtual machine that requires trust runs there.", IsTold: false);
        }

        var together = scene.Rows.Count(r => r.ClusterId == row.ClusterId && (r.FellAt - row.FellAt).Duration() <= policy.GuardWindow);
        if (together >= policy.GuardLimit(cluster.Hosts))
        {
            var sentence = $"{together} of {cluster.Hosts} hosts of {cluster.Name} lost trust within {PolicyWords.Duration(policy.GuardWindow)}: nothing moves until a person lets it go on.";
            return new ReactionDecision.Hold(row.HostId, cluster, sentence, held.Add(cluster.Id));
        }

        return Begin(scene, row, host, policy, open);
    }

    private static ReactionDecision? Acting(ReactionScene scene, HostReaction row, FallenHost host, ReactingCluster cluster, int open)
    {
        if (row.OperationId is not { } id)
        {
            return host.Machines.Count == 0
                ? new ReactionDecision.Finish(row.HostId, host.Name, "No virtual machine that requires trust runs there.", IsTold: false)
                : Begin(scene, row, host, cluster.Policy, open);
        }

        var operation = scene.Operations.FirstOrDefault(o => o.Id == id);
        return operation switch
        {
            null => new ReactionDecision.Finish(row.HostId, host.Name, "Its operation is not on record any more.", IsTold: true),
            { HasEnded: false } => null,
            { State: OperationState.Succeeded } when operation.ReasonWentAway || (!operation.IsOfOne && host.Machines.Any(m => !operation.Machines.Contains(m))) =>
                new ReactionDecision.GoOn(row.HostId, "It is untrusted still, and virtual machines that require trust run there."),
            _ => new ReactionDecision.Finish(row.HostId, host.Name, operation.Says, IsTold: true),
        };
    }

    private static ReactionDecision? Begin(ReactionScene scene, HostReaction row, FallenHost host, ReactionPolicy policy, int open)
    {
        var there = scene.Operations.FirstOrDefault(o => o.HostId == row.HostId && !o.HasEnded);
        return there switch
        {
            { CancelRequested: true } or { State: OperationState.Undoing } or { IsOfOne: true } => Says(row, "An evacuation of it is still ending."),
            { } joined => new ReactionDecision.Act(host, policy, joined.Id),
            null when open >= MostAtOnce => Says(row, $"It waits for its turn: {MostAtOnce} hosts are being evacuated."),
            null => new ReactionDecision.Act(host, policy, null),
        };
    }

    private static ReactionDecision.Wait? Says(HostReaction row, string sentence) => row.Sentence == sentence ? null : new ReactionDecision.Wait(row.HostId, sentence);
}
