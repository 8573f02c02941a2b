using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Quartz;

namespace Portal.Core.Attestation;

/// <summary>Looks which hosts of a cluster have their turn and begins to ask them; never twice of a cluster at once. Holds no thread while they answer.</summary>
/// <param name="rounds">Asks.</param>
/// <param name="upkeep">Heals what a crash left behind and tells of verdicts that ran out.</param>
/// <param name="log">For operators.</param>
[DisallowConcurrentExecution]
internal sealed partial class AttestationRoundJob(AttestationRounds rounds, RoundUpkeep upkeep, ILogger<AttestationRoundJob> log) : IJob
{
    public const string ClusterKey = "cluster";

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        var cluster = Guid.Parse(context.MergedJobDataMap.GetString(ClusterKey)!);
        try
        {
            await rounds.TurnAsync(cluster, cancellationToken);
            await upkeep.KeepAsync(cluster, cancellationToken);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            RoundFailed(log, cluster, fault);
        }
    }

    [LoggerMessage(411, LogLevel.Error, "Looking whose turn it is in cluster {Cluster} failed; the next look tries again")]
    private static partial void RoundFailed(ILogger log, Guid cluster, Exception fault);
}

/// <summary>What is looked after in each cluster beside asking its hosts, less often than whose turn it is.</summary>
/// <param name="reappraisal">Heals what a crash left behind.</param>
/// <param name="staleness">Tells of verdicts that ran out.</param>
/// <param name="time">Our clock.</param>
internal sealed class RoundUpkeep(Reappraisal reappraisal, StalenessWatch staleness, TimeProvider time)
{
    private static readonly TimeSpan AtMostEvery = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<Guid, DateTimeOffset> last = new();

    public async Task KeepAsync(Guid cluster, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        if (last.TryGetValue(cluster, out var at) && at <= now && now - at < AtMostEvery)
        {
            return;
        }

        last[cluster] = now;
        await reappraisal.HealAsync(cluster, ct);
        await staleness.TellAsync(cluster, ct);
    }
}

/// <summary>Tells once when a trusted host's verdict ran out: an alarm, a row of history, a change for the pages. Moves no VM.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class StalenessWatch(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    /// <summary>Of a service that is down there was an alarm already: one, not one for each of its hosts. A host in maintenance may be silent.</summary>
    private static AuditSeverity SeverityOf(HostAttestation row, HostState state) =>
        row.Outcome == CheckOutcome.ServiceUnreachable || state == HostState.Maintenance ? AuditSeverity.Notice : AuditSeverity.Alarm;

    public async Task TellAsync(Guid clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var ranOut = await db.Attestations
            .Where(a => a.Verdict == Verdict.Trusted && a.StaleSince == null && a.ValidUntil <= now)
            .Join(db.Hosts.Where(h => h.ClusterId == clusterId), a => a.HostId, h => h.Id, (a, h) => new { Row = a, h.Name, h.State })
            .ToListAsync(ct);
        if (ranOut.Count == 0)
        {
            return;
        }

        foreach (var host in ranOut)
        {
            var row = host.Row;
            row.StaleSince = row.ValidUntil;
            audit.Add(db, Person.Portal, "host.stale", new AuditTarget("host", row.HostId, host.Name), $"Host {host.Name} is stale: {(row.Reason.Length > 0 ? row.Reason : "no new evidence came")}.", SeverityOf(row, host.State));
            db.AttestationTransitions.Add(new AttestationTransition
            {
                HostId = row.HostId,
                At = now,
                Purpose = AttestationPurpose.Round,
                Verdict = row.Verdict,
                Outcome = row.Outcome,
                Reason = row.Reason,
                Sentence = $"stale: {(row.Reason.Length > 0 ? row.Reason : "no new evidence came")}",
                Findings = row.Findings,
                PolicyRevision = row.PolicyRevision,
                ResetCount = row.ResetCount,
            });
        }

        await db.SaveChangesAsync(ct);
        feed.Publish(new Change(ChangeTopic.Attestation, [.. ranOut.Select(r => r.Row.HostId)]));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }
}

/// <summary>Keeps one round job per cluster on the scheduler, as often as its interval asks for.</summary>
/// <param name="schedulers">Quartz.</param>
/// <param name="contexts">The database.</param>
/// <param name="facts">Loaded before the first round.</param>
/// <param name="feed">Tells of clusters that change.</param>
/// <param name="log">For operators.</param>
internal sealed partial class RoundScheduler(ISchedulerFactory schedulers, IDbContextFactory<PortalDbContext> contexts, TrustFacts facts, IChangeFeed feed, ILogger<RoundScheduler> log) : BackgroundService
{
    private readonly Dictionary<Guid, int> intervals = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await facts.LoadAsync(stoppingToken);
        using var changed = new SemaphoreSlim(1);
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic == ChangeTopic.Cluster)
            {
                changed.Release();
            }
        });
        while (!stoppingToken.IsCancellationRequested)
        {
            await changed.WaitAsync(stoppingToken);
            try
            {
                await ArrangeAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                ArrangingFailed(log, fault);
            }
        }
    }

    private async Task ArrangeAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await db.Clusters.AsNoTracking().Select(c => new { c.Id, c.IntervalSeconds }).ToListAsync(ct);
        var scheduler = await schedulers.GetScheduler(ct);
        foreach (var gone in intervals.Keys.Except(clusters.Select(c => c.Id)).ToList())
        {
            await scheduler.DeleteJob(KeyOf(gone), ct);
            intervals.Remove(gone);
        }

        foreach (var cluster in clusters.Where(c => intervals.GetValueOrDefault(c.Id) != c.IntervalSeconds))
        {
            await ScheduleAsync(scheduler, cluster.Id, cluster.IntervalSeconds, ct);
            intervals[cluster.Id] = cluster.IntervalSeconds;
        }
    }

    private static JobKey KeyOf(Guid cluster) => new(cluster.ToString("N"), "rounds");

    private static async Task ScheduleAsync(IScheduler scheduler, Guid cluster, int seconds, CancellationToken ct)
    {
        var job = JobBuilder.Create<AttestationRoundJob>()
            .WithIdentity(KeyOf(cluster))
            .UsingJobData(AttestationRoundJob.ClusterKey, cluster.ToString())
            .Build();
        var trigger = TriggerBuilder.Create()
            .WithIdentity(cluster.ToString("N"), "rounds")
            .StartNow()
            .WithSimpleSchedule(s => s.WithInterval(Cadence.SliceOf(TimeSpan.FromSeconds(Math.Max(1, seconds)))).RepeatForever())
            .Build();
        await scheduler.DeleteJob(job.Key, ct);
        await scheduler.ScheduleJob(job, trigger, cancellationToken: ct);
    }

    [LoggerMessage(412, LogLevel.Error, "Arranging the attestation rounds failed")]
    private static partial void ArrangingFailed(ILogger log, Exception fault);
}
