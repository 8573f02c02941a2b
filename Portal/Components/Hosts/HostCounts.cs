using System.Collections.Concurrent;
using Portal.Components.Shared;
using Portal.Core.Inventory;

namespace Portal.Components.Hosts;

/// <summary>How many hosts there are, and how many have which value of a facet.</summary>
/// <param name="Hosts">All hosts.</param>
/// <param name="Facets">Counts over all hosts.</param>
public sealed record HostTotals(int Hosts, IReadOnlyList<FacetCount> Facets);

/// <summary>Counts of hosts, shared by every open page.</summary>
/// <param name="hosts">Counts.</param>
/// <param name="time">Our clock.</param>
public sealed class HostCounts(HostDirectory hosts, TimeProvider time)
{
    private const int MostSearches = 64;

    private readonly Recent<HostTotals> totals = new(time, async ct => new HostTotals(await hosts.TotalAsync(ct), await hosts.CountsAsync("", ct)));
    private readonly ConcurrentDictionary<string, Recent<IReadOnlyList<FacetCount>>> searches = new(StringComparer.Ordinal);

    /// <summary>Over all hosts.</summary>
    public Task<HostTotals> CurrentAsync(CancellationToken ct) => totals.GetAsync(ct);

    /// <summary>Over the hosts a search finds, each facet without its own terms.</summary>
    public Task<IReadOnlyList<FacetCount>> OfAsync(string search, CancellationToken ct)
    {
        if (searches.Count >= MostSearches)
        {
            searches.Clear();
        }

        return searches.GetOrAdd(search, s => new(time, token => hosts.CountsAsync(s, token))).GetAsync(ct);
    }
}
