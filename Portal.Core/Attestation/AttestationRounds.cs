using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Asks many hosts: each in its turn, or all of a cluster at once, as slots allow. Whoever starts a VM does not wait here.</summary>
public sealed partial class AttestationRounds : IDisposable
{
    private readonly IDbContextFactory<PortalDbContext> contexts;
    private readonly TimeProvider time;
    private readonly ILogger<AttestationRounds> log;
    private readonly ConcurrentDictionary<Guid, object> inTurn = new();
    private readonly ConcurrentDictionary<Guid, LastTime> last = new();
    private readonly CancellationTokenSource closing = new();
    private readonly WalkParts parts;

    /// <summary>Rounds over the hosts in the database.</summary>
    /// <param name="contexts">The database.</param>
    /// <param name="desk">Attests one host.</param>
    /// <param name="policies">Policies of clusters.</param>
    /// <param name="slots">How many at the same time.</param>
    /// <param name="time">Our clock.</param>
    /// <param name="log">For operators.</param>
    public AttestationRounds(IDbContextFactory<PortalDbContext> contexts, AttestationDesk desk, PolicyReader policies, AskingSlots slots, TimeProvider time, ILogger<AttestationRounds> log)
    {
        (this.contexts, this.time, this.log) = (contexts, time, log);
        parts = new WalkParts(desk, policies, slots, time, (host, at, wasSlow) => last[host] = new LastTime(at, wasSlow), log);
    }

    /// <summary>Asks every host of a cluster once, whosever turn it is, and waits for all; returns how many.</summary>
    public async Task<int> RoundAsync(Guid clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == clusterId, ct) is { Policy.Services.HasBuiltIn: false })
        {
            return 0;
        }

        var hosts = await StandingsAsync(db, db.Hosts.Where(h => h.ClusterId == clusterId), ct);
        await AskAsync(clusterId, hosts, AttestationPurpose.Round, Urgency.Turn, ct);
        return hosts.Count;
    }

    /// <summary>Begins to ask the hosts of a cluster whose turn has come, and does not wait for their answers; returns how many.</summary>
    public async Task<int> TurnAsync(Guid clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == clusterId, ct) is not { Policy.Services.HasBuiltIn: true } cluster)
        {
            return 0;
        }

        var (now, interval, mark) = (time.GetUtcNow(), cluster.Policy.Interval, new object());
        var standings = await StandingsAsync(db, db.Hosts.Where(h => h.ClusterId == clusterId), ct, h => !inTurn.ContainsKey(h.Id) && Cadence.IsDue(h.Id, interval, h.AskedAt, h.SilentSince, now));

        // Marked when nothing can fail any more: a mark that nobody takes away would cost the host all its turns to come.
        var due = standings.FindAll(h => inTurn.TryAdd(h.Id, mark));
        if (due.Count > 0)
        {
            _ = TakeTurnAsync(clusterId, due, mark);
        }

        return due.Count;
    }

    /// <summary>Asks hosts of one cluster once each and waits for all. Those that answer promptly and those that do not never wait for each other.</summary>
    internal Task AskAsync(Guid clusterId, IReadOnlyList<Standing> hosts, AttestationPurpose purpose, Urgency urgency, CancellationToken ct, Action<Guid>? asked = null)
    {
        var lanes = hosts.OrderByDescending(h => h.MachineWaits).ThenBy(h => h.AskedAt).ToLookup(h => h.IsSlow);
        return Task.WhenAll(WalkAsync(false), WalkAsync(true));

        Task WalkAsync(bool isSlow) => new RoundWalk(parts, clusterId, [.. lanes[isSlow]], isSlow, purpose, urgency, asked).ToEndAsync(ct);
    }

    /// <summary>How hosts stand before they are asked; of those that are wanted, if not all are.</summary>
    internal async Task<List<Standing>> StandingsAsync(PortalDbContext db, IQueryable<Host> hosts, CancellationToken ct, Func<Standing, bool>? wanted = null)
    {
        var rows = await (
            from host in hosts.AsNoTracking()
            join row in db.Attestations.AsNoTracking() on host.Id equals row.HostId into results
            from row in results.DefaultIfEmpty()
            let enrolledAt = db.Attesters.Where(a => a.HostId == host.Id).Select(a => (DateTimeOffset?)a.EnrolledAt).FirstOrDefault()
            select new { host.Id, EnrolledAt = enrolledAt, AskedAt = row == null ? null : row.CheckedAt, SilentSince = row != null && row.Outcome == CheckOutcome.AgentUnreachable ? row.FailingSince : null }).ToListAsync(ct);
        var standings = rows.Select(row =>
        {
            // What was asked and could not be recorded was asked nevertheless.
            var known = last.GetValueOrDefault(row.Id);
            var askedAt = known is not null && (row.AskedAt is null || known.AskedAt > row.AskedAt) ? known.AskedAt : row.AskedAt;

            // Of a key that was enrolled since, for example just before a crash, nothing was ever asked.
            askedAt = row.EnrolledAt > askedAt ? null : askedAt;
            return new Standing(row.Id, askedAt, row.SilentSince, row.SilentSince is not null || known is { WasSlow: true }, MachineWaits: false);
        }).Where(s => wanted is null || wanted(s)).ToList();
        if (standings.Count == 0)
        {
            return standings;
        }

        var awaited = await db.VirtualMachines.AsNoTracking()
            .Where(v => v.TrustLevel == TrustLevel.Trusted
                && (v.Status == VirtualMachineStatus.Creating || v.Status == VirtualMachineStatus.Starting || v.Status == VirtualMachineStatus.Migrating))
            .Select(v => v.TargetHostId ?? v.HostId)
            .ToHashSetAsync(ct);
        return awaited.Count == 0 ? standings : standings.ConvertAll(s => s with { MachineWaits = awaited.Contains(s.Id) });
    }

    /// <summary>Those who wait for a slot give up.</summary>
    public void Dispose()
    {
        closing.Cancel();
        closing.Dispose();
    }

    private async Task TakeTurnAsync(Guid clusterId, List<Standing> due, object mark)
    {
        try
        {
            await AskAsync(clusterId, due, AttestationPurpose.Round, Urgency.Turn, closing.Token, Leave);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            TurnFailed(log, clusterId, fault);
        }
        finally
        {
            due.ForEach(host => Leave(host.Id));
        }

        void Leave(Guid host) => inTurn.TryRemove(KeyValuePair.Create(host, mark));
    }

    [LoggerMessage(403, LogLevel.Error, "Hosts of cluster {Cluster} whose turn it was could not be asked; their next turn tries again")]
    private static partial void TurnFailed(ILogger log, Guid cluster, Exception fault);

    private sealed record LastTime(DateTimeOffset AskedAt, bool WasSlow);
}
