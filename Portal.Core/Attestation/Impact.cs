namespace Portal.Core.Attestation;

/// <summary>What a change of baselines or policy would do to a host.</summary>
public enum ImpactEffect
{
    /// <summary>Trusted now; its evidence would no longer match.</summary>
    LosesTrust,

    /// <summary>Not trusted now; its evidence would match, and count as fresh.</summary>
    GainsTrust,

    /// <summary>It has sent no evidence, or none that is fresh: what it runs now is not known.</summary>
    CannotTell,

    /// <summary>As it is.</summary>
    Unchanged,
}

/// <summary>A VM that would be marked.</summary>
/// <param name="Id">The VM.</param>
/// <param name="Name">Its name.</param>
public sealed record TouchedMachine(Guid Id, string Name);

/// <summary>What would happen to one host.</summary>
/// <param name="HostId">The host.</param>
/// <param name="HostName">Its name.</param>
/// <param name="ClusterName">Its cluster's name.</param>
/// <param name="Effect">What it comes to.</param>
/// <param name="Before">The word shown now.</param>
/// <param name="After">The word that would be shown.</param>
/// <param name="Reason">Why, in a few words.</param>
public sealed record HostImpact(Guid HostId, string HostName, string ClusterName, ImpactEffect Effect, TrustStatus Before, TrustStatus After, string Reason)
{
    /// <summary>For a host that would lose trust: its running VMs that require it.</summary>
    public IReadOnlyList<TouchedMachine> Machines { get; init; } = [];
}

/// <summary>A preview under way.</summary>
/// <param name="Hosts">Hosts in the clusters concerned when it began, for progress.</param>
/// <param name="Clusters">Names of the clusters whose approved set or policy would change.</param>
/// <param name="ByHost">Every host of them, cluster by cluster and by name; appraised as they are asked for. Each page is read at its own moment.</param>
public sealed record Impact(int Hosts, IReadOnlyList<string> Clusters, IAsyncEnumerable<HostImpact> ByHost);

/// <summary>A preview added up, in memory that does not grow with the fleet.</summary>
public sealed class ImpactSummary
{
    /// <summary>How many hosts are kept by name, for each effect.</summary>
    public const int MostListed = 100;

    private readonly Dictionary<ImpactEffect, int> counts = [];
    private readonly Dictionary<ImpactEffect, List<HostImpact>> listed = [];
    private readonly List<TouchedMachine> machines = [];

    /// <summary>Hosts counted so far.</summary>
    public int Hosts { get; private set; }

    /// <summary>Running VMs that require trust and would be marked.</summary>
    public int MachineCount { get; private set; }

    /// <summary>The first of those VMs, at most <see cref="MostListed"/>.</summary>
    public IReadOnlyList<TouchedMachine> Machines => machines;

    /// <summary>How many hosts it comes to that for.</summary>
    public int Count(ImpactEffect effect) => counts.GetValueOrDefault(effect);

    /// <summary>The first of those hosts, at most <see cref="MostListed"/>.</summary>
    public IReadOnlyList<HostImpact> Of(ImpactEffect effect) => listed.GetValueOrDefault(effect) ?? [];

    /// <summary>Counts a host.</summary>
    public void Add(HostImpact impact)
    {
        Hosts++;
        counts[impact.Effect] = Count(impact.Effect) + 1;
        if (!listed.TryGetValue(impact.Effect, out var list))
        {
            listed[impact.Effect] = list = [];
        }

        if (list.Count < MostListed)
        {
            list.Add(impact);
        }

        MachineCount += impact.Machines.Count;
        machines.AddRange(impact.Machines.Take(MostListed - machines.Count));
    }
}
