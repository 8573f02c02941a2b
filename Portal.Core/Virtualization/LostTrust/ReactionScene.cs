using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>A host that is untrusted now and not set aside.</summary>
/// <param name="Id">The host.</param>
/// <param name="Name">Its name.</param>
/// <param name="ClusterId">Its cluster.</param>
/// <param name="UntrustedSince">Since when its verdict is Untrusted.</param>
/// <param name="Machines">VMs there that require trust.</param>
internal sealed record FallenHost(Guid Id, string Name, Guid ClusterId, DateTimeOffset UntrustedSince, IReadOnlyList<Guid> Machines);

/// <summary>A cluster as reactions see it.</summary>
/// <param name="Id">The cluster.</param>
/// <param name="Name">Its name.</param>
/// <param name="Hosts">How many hosts it has.</param>
/// <param name="Policy">What it does when one falls.</param>
internal sealed record ReactingCluster(Guid Id, string Name, int Hosts, ReactionPolicy Policy);

/// <summary>An evacuation a reaction recorded.</summary>
/// <param name="Id">The operation.</param>
/// <param name="HostId">The host it empties.</param>
/// <param name="State">Where it is.</param>
/// <param name="CancelRequested">Whether it is about to stop.</param>
/// <param name="Says">What it says of itself.</param>
/// <param name="ReasonWentAway">Whether it ended because the host was not untrusted any more.</param>
/// <param name="IsOfOne">Whether it is about one VM only.</param>
/// <param name="Machines">VMs it had to do with.</param>
internal sealed record ReactionOperation(
    Guid Id, Guid HostId, OperationState State, bool CancelRequested, string Says, bool ReasonWentAway, bool IsOfOne, IReadOnlySet<Guid> Machines)
{
    public bool HasEnded => State is OperationState.Succeeded or OperationState.Failed or OperationState.Cancelled;
}

/// <summary>Everything reactions are decided by, at one moment.</summary>
/// <param name="Now">The moment.</param>
/// <param name="Clusters">All clusters.</param>
/// <param name="Fallen">Hosts that are untrusted and not set aside.</param>
/// <param name="Rows">The reactions there are.</param>
/// <param name="Operations">Evacuations that have not ended, and those the rows name.</param>
internal sealed record ReactionScene(
    DateTimeOffset Now,
    IReadOnlyDictionary<Guid, ReactingCluster> Clusters,
    IReadOnlyDictionary<Guid, FallenHost> Fallen,
    IReadOnlyList<HostReaction> Rows,
    IReadOnlyList<ReactionOperation> Operations);

/// <summary>What becomes of a reaction.</summary>
/// <param name="HostId">The host.</param>
internal abstract record ReactionDecision(Guid HostId)
{
    /// <summary>The host fell: a reaction to it begins.</summary>
    public sealed record Begin(FallenHost Host) : ReactionDecision(Host.Id);

    /// <summary>There is no reason for it any more.</summary>
    public sealed record End(Guid HostId) : ReactionDecision(HostId);

    /// <summary>It waits on, for the reason given.</summary>
    public sealed record Wait(Guid HostId, string Sentence) : ReactionDecision(HostId);

    /// <summary>Too many fell: it is held until a person says so.</summary>
    public sealed record Hold(Guid HostId, ReactingCluster Cluster, string Sentence, bool IsFirst) : ReactionDecision(HostId);

    /// <summary>VMs are moved.</summary>
    public sealed record Act(FallenHost Host, ReactionPolicy Policy, Guid? Joined) : ReactionDecision(Host.Id);

    /// <summary>What there was to do is done.</summary>
    public sealed record Finish(Guid HostId, string Name, string Sentence, bool IsTold) : ReactionDecision(HostId);

    /// <summary>Its operation ended, but not what it was for: it goes on with another.</summary>
    public sealed record GoOn(Guid HostId, string Sentence) : ReactionDecision(HostId);
}
