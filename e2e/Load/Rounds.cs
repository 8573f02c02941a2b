using System.Diagnostics;
using Portal.Core.Attestation;
using Portal.Core.Simulation.Attesters;

namespace Portal.E2E.Load;

/// <summary>
/// Attestation rounds over 10,000 hosts, from the question to the committed database. What the simulated TPMs cost, above all their signing,
/// is measured apart: it is part of the machine's load, not of the portal's.
/// </summary>
internal static class Rounds
{
    private const int Steady = 4;

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        var fleet = await Fleet.SharedAsync(ct);
        var desk = fleet.Get<AttestationRounds>();
        var (cluster, hosts) = (fleet.Clusters[0], Fleet.Sizes[0]);
        var first = await RoundAsync(desk, cluster, ct);
        var rounds = new List<Round>(Steady);
        for (var i = 0; i < Steady; i++)
        {
            rounds.Add(await RoundAsync(desk, cluster, ct));
        }

        var signing = await AttestersAsync(fleet, cluster, ct);
        var best = rounds.MinBy(r => r.Wall)!;
        var cpu = rounds.Min(r => r.Cpu);
        var ours = (cpu - signing).TotalSeconds;
        return
        [
            Figure.AtLeast($"round over {hosts:N0} hosts, to the committed database", hosts / best.Wall.TotalSeconds, 1000, "hosts/s"),
            Figure.Only("… the first round: every host changes its verdict", $"{hosts / first.Wall.TotalSeconds:N0} hosts/s"),
            Figure.Only("… processor time of a round", $"{cpu.TotalSeconds:0.0} s, of it {signing.TotalSeconds:0.0} s in the simulated TPMs; of {Environment.ProcessorCount} cores busy: {best.Cpu / best.Wall:0.00}"),
            Figure.AtLeast($"… by processor time alone, {Environment.ProcessorCount} cores", hosts * Environment.ProcessorCount / cpu.TotalSeconds, 1000, "hosts/s", Figure.Text($"; without the TPMs {hosts * Environment.ProcessorCount / ours:N0}")),
            Figure.Only($"… managed heap after each of {Steady + 1} rounds, collected", $"{Joined([first, .. rounds], r => r.Heap)} MiB"),
            Figure.Only("… resident memory after each", $"{Joined([first, .. rounds], r => r.Resident)} MiB"),
        ];
    }

    private static string Joined(IEnumerable<Round> rounds, Func<Round, double> value) => string.Join(", ", rounds.Select(r => Figure.Text($"{value(r):0}")));

    private static async Task<Round> RoundAsync(AttestationRounds desk, Guid cluster, CancellationToken ct)
    {
        var (clock, cpu) = (Stopwatch.StartNew(), Machine.Cpu);
        await desk.RoundAsync(cluster, ct);
        var (wall, spent, resident) = (clock.Elapsed, Machine.Cpu - cpu, Machine.ResidentMiB);
        return new Round(wall, spent, Machine.HeapMiB(), resident);
    }

    /// <summary>The same questions asked of the attesters alone.</summary>
    private static async Task<TimeSpan> AttestersAsync(Fleet fleet, Guid cluster, CancellationToken ct)
    {
        var policy = await fleet.Get<PolicyReader>().OfAsync(cluster, ct) ?? throw new InvalidOperationException("The cluster is gone.");
        var channel = fleet.Get<SimulatedAttesterChannel>();
        var request = new QuoteRequest("abcdefghijklmnopqrstuvwxyz012345", policy.Bank, policy.Pcrs, WithEventLog: true);
        var from = Machine.Cpu;
        await Parallel.ForEachAsync(
            fleet.Hosts.Take(Fleet.Sizes[0]),
            new ParallelOptions { MaxDegreeOfParallelism = AskingSlots.Prompt, CancellationToken = ct },
            async (host, token) => await channel.QuoteAsync(host, request, token));
        return Machine.Cpu - from;
    }

    private sealed record Round(TimeSpan Wall, TimeSpan Cpu, double Heap, double Resident);
}
