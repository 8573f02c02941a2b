using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>
/// Asks every host of a scope that was not asked since the operation was recorded. What is done is what the database says of each host, so
/// that after a crash it goes on where it was, and whatever asked a host meanwhile counts.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="rounds">Asks.</param>
/// <param name="time">Our clock.</param>
internal sealed class AskHostsStep(IDbContextFactory<PortalDbContext> contexts, AttestationRounds rounds, TimeProvider time) : OperationStep<FleetScope>
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    public override string Title => "Ask each host for new evidence";

    /// <summary>Never known to be done: what is left is asked.</summary>
    public override Task<string?> CheckAsync(OperationContext<FleetScope> context, CancellationToken ct) => Task.FromResult<string?>(null);

    public override async Task<Outcome<string>> DoAsync(OperationContext<FleetScope> context, CancellationToken ct)
    {
        // As the database keeps instants.
        var created = context.Operation.CreatedAt;
        var since = created.AddTicks(-(created.Ticks % TimeSpan.TicksPerMicrosecond));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var (asking, estimate) = await BeginAsync(context.Data, since, stop.Token);
        try
        {
            while (!asking.IsCompleted)
            {
                await Task.WhenAny(asking, Task.Delay(Tick, time, ct));
                var tally = await CountAsync(context.Data, since, ct);
                if (!await context.TellAsync(tally.Percent, tally.Words(estimate.Left()), ct) && !asking.IsCompleted)
                {
                    await StopAsync(asking, stop);
                    return OperationStop.Refusal((await CountAsync(context.Data, since, ct)).StoppedWords());
                }
            }

            await asking;
            return (await CountAsync(context.Data, since, ct)).EndWords();
        }
        finally
        {
            await StopAsync(asking, stop);
        }
    }

    /// <summary>Nothing is taken back: new evidence is new evidence.</summary>
    public override Task UndoAsync(OperationContext<FleetScope> context, CancellationToken ct) => Task.CompletedTask;

    private static async Task StopAsync(Task asking, CancellationTokenSource stop)
    {
        await stop.CancelAsync();
        await asking.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private static IQueryable<Host> InScope(PortalDbContext db, FleetScope scope) => db.Hosts.Where(h => scope.ClusterId == null || h.ClusterId == scope.ClusterId);

    private async Task<(Task Asking, FleetEstimate Estimate)> BeginAsync(FleetScope scope, DateTimeOffset since, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await InScope(db, scope).Select(h => h.ClusterId).Distinct().ToListAsync(ct);
        var left = new List<(Guid Cluster, List<Standing> Hosts)>();
        foreach (var cluster in clusters)
        {
            var hosts = await rounds.StandingsAsync(db, db.Hosts.Where(h => h.ClusterId == cluster), ct);
            left.Add((cluster, hosts.FindAll(h => h.AskedAt is not { } asked || asked < since)));
        }

        var estimate = new FleetEstimate(time, left.SelectMany(l => l.Hosts));
        var asking = Task.WhenAll(left.Select(l => rounds.AskAsync(l.Cluster, l.Hosts, AttestationPurpose.AttestNow, Urgency.Many, ct, estimate.Asked)));
        return (asking, estimate);
    }

    private async Task<FleetTally> CountAsync(FleetScope scope, DateTimeOffset since, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = InScope(db, scope);
        var outcomes = await hosts.Join(db.Attestations.Where(a => a.CheckedAt >= since), h => h.Id, a => a.HostId, (h, a) => a.Outcome)
            .GroupBy(o => o)
            .Select(g => new { g.Key, Hosts = g.Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        return new FleetTally(await hosts.CountAsync(ct), outcomes);
    }
}
