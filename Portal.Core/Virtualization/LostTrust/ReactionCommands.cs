using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>Lets reactions go on that the blast-radius guard holds.</summary>
/// <param name="desk">What commands on clusters and their hosts share.</param>
public sealed class LetReactionGoOn(ClusterDesk desk)
{
    /// <summary>VMs that require trust leave the host. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>host.not_found</c>, <c>reaction.not_held</c>.</summary>
    public Task<Outcome<Done>> OfHostAsync(Caller caller, Guid hostId, CancellationToken ct) => ReactionScope.Host(hostId).RunAsync(desk, caller, GoOn, ct);

    /// <summary>The same for every host of a cluster whose reaction is held. Refusals: <c>cluster.not_found</c>, <c>reaction.not_held</c>.</summary>
    public Task<Outcome<Done>> OfClusterAsync(Caller caller, Guid clusterId, CancellationToken ct) => ReactionScope.Cluster(clusterId).RunAsync(desk, caller, GoOn, ct);

    /// <summary>It acts without an operation yet: that one is recorded in its turn, and the guard is not asked again.</summary>
    private static Refusal? GoOn(ClusterStep step, ReactionScope scope, List<HostReaction> rows)
    {
        var held = rows.FindAll(r => r.State == ReactionState.Held);
        foreach (var row in held)
        {
            (row.State, row.Since, row.Sentence) = (ReactionState.Acting, step.Now, $"{step.Person.Name} let it go on.");
        }

        if (held.Count == 0)
        {
            return Refusal.Conflict("reaction.not_held", $"No reaction of {step.Target.Name} is held back.", "Look at it again; it may have been let go on, or be trusted by now.");
        }

        step.Audit("reaction.continued", $"{step.Person.Name} let the evacuation of {scope.Words(step, held.Count)} go on.");
        return null;
    }
}

/// <summary>Dismisses reactions that have not begun: VMs stay where they are.</summary>
/// <param name="desk">What commands on clusters and their hosts share.</param>
public sealed class DismissReaction(ClusterDesk desk)
{
    /// <summary>Nothing moves until the host has been trusted and falls again. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>host.not_found</c>, <c>reaction.not_waiting</c>, <c>reaction.acting</c>.</summary>
    public Task<Outcome<Done>> OfHostAsync(Caller caller, Guid hostId, CancellationToken ct) => ReactionScope.Host(hostId).RunAsync(desk, caller, Dismiss, ct);

    /// <summary>The same for every host of a cluster whose reaction is held. Refusals: <c>cluster.not_found</c>, <c>reaction.not_waiting</c>.</summary>
    public Task<Outcome<Done>> OfClusterAsync(Caller caller, Guid clusterId, CancellationToken ct) => ReactionScope.Cluster(clusterId).RunAsync(desk, caller, Dismiss, ct);

    private static Refusal? Dismiss(ClusterStep step, ReactionScope scope, List<HostReaction> rows)
    {
        var waiting = rows.FindAll(r => r.State == ReactionState.Held || (scope.IsHost && r.State == ReactionState.Waiting));
        foreach (var row in waiting)
        {
            (row.State, row.Since, row.Sentence) = (ReactionState.Done, step.Now, $"{step.Person.Name} dismissed it; virtual machines stay where they are.");
        }

        if (waiting.Count > 0)
        {
            step.Audit("reaction.dismissed", $"{step.Person.Name} dismissed the evacuation of {scope.Words(step, waiting.Count)}: virtual machines stay where they are.");
            return null;
        }

        return scope.IsHost && rows.Exists(r => r.State == ReactionState.Acting)
            ? Refusal.Conflict("reaction.acting", $"Virtual machines are being moved away from {step.Target.Name} already.", "Cancel that operation; the Tasks drawer shows it.")
            : Refusal.Conflict("reaction.not_waiting", $"No reaction of {step.Target.Name} waits or is held back.", "Look at it again; it may be trusted by now.");
    }
}

/// <summary>Whose reactions a command is about.</summary>
/// <param name="Kind">What the id names: <c>host</c> or <c>cluster</c>.</param>
/// <param name="Id">The host or the cluster.</param>
internal sealed record ReactionScope(string Kind, Guid Id)
{
    public bool IsHost => Kind == "host";

    public static ReactionScope Host(Guid id) => new("host", id);

    public static ReactionScope Cluster(Guid id) => new("cluster", id);

    public string Words(ClusterStep step, int hosts) => IsHost ? step.Target.Name : $"{(hosts == 1 ? "1 host" : $"{hosts} hosts")} of {step.Target.Name}";

    public Task<Outcome<Done>> RunAsync(ClusterDesk desk, Caller caller, Func<ClusterStep, ReactionScope, List<HostReaction>, Refusal?> change, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, new AuditTarget(Kind, Id, Id.ToString()), step => AttemptAsync(step, change), ct);

    private async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Func<ClusterStep, ReactionScope, List<HostReaction>, Refusal?> change)
    {
        var name = IsHost
            ? await step.Db.Hosts.Where(h => h.Id == Id).Select(h => h.Name).SingleOrDefaultAsync(step.Ct)
            : await step.Db.Clusters.Where(c => c.Id == Id).Select(c => c.Name).SingleOrDefaultAsync(step.Ct);
        if (name is null)
        {
            return Refusal.NotFound(Kind, Id.ToString());
        }

        step.About(new AuditTarget(Kind, Id, name));
        var rows = await step.Db.HostReactions.Where(r => IsHost ? r.HostId == Id : r.ClusterId == Id).ToListAsync(step.Ct);
        if (change(step, this, rows) is { } refusal)
        {
            return refusal;
        }

        step.Changes.Add(new Change(ChangeTopic.Host, [.. rows.Select(r => r.HostId)]));
        return Done.Value;
    }
}
