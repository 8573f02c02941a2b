using Portal.Core.Inventory;

namespace Portal.Core.Placement;

/// <summary>A host as placement sees it: a row of the in-memory snapshot.</summary>
/// <param name="Id">The host.</param>
/// <param name="Name">Its name.</param>
/// <param name="ClusterId">Its cluster.</param>
/// <param name="State">What it is doing.</param>
/// <param name="Cpus">Logical CPUs.</param>
/// <param name="CpusFree">Virtual CPUs not claimed.</param>
/// <param name="Memory">Bytes.</param>
/// <param name="MemoryFree">Bytes not claimed.</param>
public sealed record HostCandidate(Guid Id, string Name, Guid ClusterId, HostState State, int Cpus, int CpusFree, long Memory, long MemoryFree)
{
    /// <summary>Since when it takes no VM that requires trust, because it lost trust; null when it does take them.</summary>
    public DateTimeOffset? QuarantinedSince { get; init; }

    /// <summary>Its storage pools as it described them last; null for a host that has none to describe (a simulated one).</summary>
    public IReadOnlyList<PoolCandidate>? Pools { get; init; }
}

/// <summary>A storage pool of a host as placement sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="IsShared">Whether other hosts see the same volumes.</param>
/// <param name="Available">Bytes.</param>
/// <param name="Images">Names of volumes disks may be clones of.</param>
public sealed record PoolCandidate(string Name, bool IsShared, long Available, IReadOnlySet<string> Images);

/// <summary>
/// Says of one host why it is not eligible. A contribution: a site registers its own with
/// <c>services.AddSingleton&lt;IHostFilter, MyFilter&gt;()</c>. Called for every host of a cluster: must be fast,
/// allocate little and touch no database.
/// </summary>
public interface IHostFilter
{
    /// <summary>Order among the filters; reasons are told in this order.</summary>
    int Order { get; }

    /// <summary>Null when the host will do; otherwise a stable, dotted code, for example <c>memory.short</c>.</summary>
    string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now);

    /// <summary>The sentence for a code this filter gave, with the host's figures.</summary>
    string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now);

    /// <summary>A code in words without figures, to count by: <c>untrusted</c>, <c>not enough memory</c>. Null for a code that is not this filter's.</summary>
    string? Words(string code);
}

/// <summary>Ranks eligible hosts. A contribution like <see cref="IHostFilter"/>; weights add up.</summary>
public interface IHostWeigher
{
    /// <summary>0 (worst) to 1 (best) times the weigher's own importance.</summary>
    double Weigh(PlacementRequest request, HostCandidate host, DateTimeOffset now);
}
