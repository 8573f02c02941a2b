using System.Diagnostics;
using Portal.Core.Inventory;

namespace Portal.E2E.Load;

/// <summary>The queries behind the Hosts page: every sort, typical searches and the chips' counts, over 11,100 hosts. The slowest of each sort counts, at its best of five.</summary>
internal static class HostQueries
{
    private const int Page = 48;
    private const int Times = 5;
    private const double Target = 500;

    private static readonly string[] Sorts = ["name", "cluster", "state", "address", "cpu", "memory", "vms", "firmware", "model", "os", "trust", "baseline"];

    private static readonly string[] Searches =
    [
        "a0", "name=kvm-a1*", "cluster=load-1000", "trust=trusted", "trust!=trusted", "trust=stale", "trust=unknown", "state=up firmware=*2.1*",
        "model=*R7* trust=trusted", "os=RHEL* cluster=load*", "baseline=RHEL*", "baseline!=RHEL*",
    ];

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        var fleet = await Fleet.SharedAsync(ct);
        await fleet.AttestAllAsync(ct);
        var hosts = fleet.Get<HostDirectory>();
        var first = await BestAsync(() => ListAsync(hosts, new HostQuery { Take = Page }, ct));
        var sorts = await SlowestAsync(
            Sorts.SelectMany(sort => new[] { (sort, false, 0), (sort, true, 0), (sort, false, fleet.Hosts.Count - Page) }),
            s => Figure.Text($"{s.sort}{(s.Item2 ? " descending" : s.Item3 > 0 ? ", last page" : "")}"),
            s => ListAsync(hosts, new HostQuery { SortBy = s.sort, Descending = s.Item2, Skip = s.Item3, Take = Page }, ct));
        var searches = await SlowestAsync(Searches, s => s, s => ListAsync(hosts, new HostQuery { Search = s, SortBy = "trust", Take = Page }, ct));
        var counts = await SlowestAsync(Searches.Prepend(""), s => s, s => hosts.CountsAsync(s, ct));
        return
        [
            Figure.AtMost($"Hosts page query, {fleet.Hosts.Count:N0} hosts: first {Page} rows", first, 1000, "ms"),
            Figure.AtMost($"… slowest of {Sorts.Length * 3} sorts", sorts.Milliseconds, Target, "ms", $" ({sorts.Which})"),
            Figure.AtMost($"… slowest of {Searches.Length} searches, sorted by trust", searches.Milliseconds, Target, "ms", $" ({searches.Which})"),
            Figure.AtMost("… slowest counts for the chips", counts.Milliseconds, Target, "ms", $" ({counts.Which})"),
        ];
    }

    private static async Task ListAsync(HostDirectory hosts, HostQuery query, CancellationToken ct)
    {
        var page = await hosts.ListAsync(query, ct);
        if (!page.Succeeded)
        {
            throw new InvalidOperationException(page.Refusal.ToString());
        }
    }

    private static async Task<(double Milliseconds, string Which)> SlowestAsync<T>(IEnumerable<T> cases, Func<T, string> name, Func<T, Task> query)
    {
        var slowest = (Milliseconds: 0.0, Which: "");
        foreach (var one in cases)
        {
            var took = await BestAsync(() => query(one));
            slowest = took > slowest.Milliseconds ? (took, name(one)) : slowest;
        }

        return slowest;
    }

    private static async Task<double> BestAsync(Func<Task> query)
    {
        var best = double.MaxValue;
        for (var i = 0; i < Times; i++)
        {
            var clock = Stopwatch.GetTimestamp();
            await query();
            best = Math.Min(best, Stopwatch.GetElapsedTime(clock).TotalMilliseconds);
        }

        return best;
    }
}
