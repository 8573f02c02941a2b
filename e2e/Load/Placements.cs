using System.Diagnostics;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Placement;

namespace Portal.E2E.Load;

/// <summary>Placement decisions over clusters of 100, 1,000 and 10,000 hosts, with trust required: each tells of every host why not.</summary>
internal static class Placements
{
    private const int Batches = 8;
    private const int Decisions = 150;
    private const double Target = 10;

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        var fleet = await Fleet.SharedAsync(ct);
        await fleet.AttestAllAsync(ct);
        var figures = new List<Figure>();
        for (var i = Fleet.Sizes.Length - 1; i >= 0; i--)
        {
            var size = Fleet.Sizes[i].ToString("N0", CultureInfo.InvariantCulture);
            var request = new PlacementRequest { ClusterId = fleet.Clusters[i], Cpus = 4, Memory = 16L << 30, TrustLevel = TrustLevel.Trusted, Purpose = PlacementPurpose.Preview };
            figures.Add(await FigureAsync($"placement over {size} hosts, all of them trusted", fleet, request, null, ct));
            if (i == 0)
            {
                figures.Add(await FigureAsync("… while hosts change, one before each decision", fleet, request, token => ChangeAsync(fleet, 1, token), ct));
                figures.Add(await FigureAsync("… while hosts change, 100 before each decision", fleet, request, token => ChangeAsync(fleet, 100, token), ct));
                await DistrustAsync(fleet, ct);
                figures.Add(await FigureAsync("… 99 of 100 hosts untrusted", fleet, request, null, ct));
                figures.Add(await FigureAsync("… every host refused for three reasons", fleet, request with { Memory = 1L << 60, Cpus = 1 << 20 }, null, ct));
                await fleet.Get<TrustFacts>().LoadAsync(ct);
            }
        }

        return figures;
    }

    /// <summary>The best of some batches: the machine may be busy with other things.</summary>
    private static async Task<Figure> FigureAsync(string what, Fleet fleet, PlacementRequest request, Func<CancellationToken, Task>? change, CancellationToken ct)
    {
        var placer = fleet.Get<Placer>();
        var (p99, median, cpu) = (double.MaxValue, double.MaxValue, TimeSpan.MaxValue);
        for (var batch = 0; batch < Batches; batch++)
        {
            var samples = new double[Decisions];
            var spent = TimeSpan.Zero;
            for (var i = 0; i < samples.Length; i++)
            {
                await (change?.Invoke(ct) ?? Task.CompletedTask);
                var (from, clock) = (Machine.Cpu, Stopwatch.GetTimestamp());
                var decision = await placer.DecideAsync(request, ct);
                samples[i] = Stopwatch.GetElapsedTime(clock).TotalMilliseconds;
                spent += Machine.Cpu - from;
                if (decision.Considered == 0)
                {
                    throw new InvalidOperationException("No host was considered.");
                }
            }

            p99 = Math.Min(p99, Machine.Percentile(samples, 0.99));
            median = Math.Min(median, Machine.Percentile(samples, 0.5));
            cpu = spent < cpu ? spent : cpu;
        }

        return Figure.AtMost(what + ", p99", p99, Target, "ms", Figure.Text($"; median {median:0.00} ms, {Decisions / cpu.TotalSeconds:N0} decisions/s and core"));
    }

    /// <summary>Changes hosts in the database and tells of it, as a claim does.</summary>
    private static async Task ChangeAsync(Fleet fleet, int hosts, CancellationToken ct)
    {
        var at = Random.Shared.Next(Fleet.Sizes[0] - hosts);
        var ids = fleet.Hosts.Skip(at).Take(hosts).Select(h => h.Id).ToList();
        await using var db = fleet.Database();
        await db.Hosts.Where(h => ids.Contains(h.Id)).ExecuteUpdateAsync(set => set.SetProperty(h => h.CpusClaimed, h => (h.CpusClaimed + 1) % 8), ct);
        fleet.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host, ids));
    }

    /// <summary>In placement's memory only: the database stays as it is.</summary>
    private static async Task DistrustAsync(Fleet fleet, CancellationToken ct)
    {
        var (facts, number) = (fleet.Get<TrustFacts>(), 0);
        await using var db = fleet.Database();
        await foreach (var row in db.Attestations.AsNoTracking().AsAsyncEnumerable().WithCancellation(ct))
        {
            if (number++ % 100 != 0)
            {
                row.Verdict = Verdict.Untrusted;
                row.Reason = "boot loader not approved";
                facts.Set(row);
            }
        }
    }
}
