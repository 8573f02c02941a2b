using Portal.Core.Inventory;

namespace Portal.Components.Hosts;

/// <summary>How many hosts there are, and how many have which value of a facet.</summary>
/// <param name="Hosts">All hosts.</param>
/// <param name="Facets">Counts over all hosts.</param>
public sealed record HostTotals(int Hosts, IReadOnlyList<FacetCount> Facets);

/// <summary>Counts over all hosts, shared by every open page: however many look, the database is asked once every other second.</summary>
/// <param name="hosts">Counts.</param>
/// <param name="time">Our clock.</param>
public sealed class HostCounts(HostDirectory hosts, TimeProvider time)
{
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim counting = new(1, 1);
    private (DateTimeOffset At, HostTotals Totals)? last;

    /// <summary>The counts, not older than two seconds.</summary>
    public async Task<HostTotals> CurrentAsync(CancellationToken ct)
    {
        if (Recent is { } known)
        {
            return known;
        }

        await counting.WaitAsync(ct);
        try
        {
            if (Recent is { } counted)
            {
                return counted;
            }

            var at = time.GetUtcNow();
            var totals = new HostTotals(await hosts.TotalAsync(ct), await hosts.CountsAsync("", ct));
            last = (at, totals);
            return totals;
        }
        finally
        {
            counting.Release();
        }
    }

    private HostTotals? Recent => last is { } kept && (time.GetUtcNow() - kept.At).Duration() < Kept ? kept.Totals : null;
}
