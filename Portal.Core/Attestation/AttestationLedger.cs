using System.Linq.Expressions;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Applies reports to the database, many in one transaction: the current row, history on change, evidence, coverage, marked VMs, alarms.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="facts">Told after the commit.</param>
/// <param name="feed">Told after the commit.</param>
/// <param name="time">Our clock.</param>
public sealed class AttestationLedger(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, TrustFacts facts, IChangeFeed feed, TimeProvider time)
{
    private static readonly TimeSpan SampleEvery = TimeSpan.FromDays(1);

    /// <summary>Applies reports of different hosts and commits. A report older than what is known already changes nothing.</summary>
    /// <param name="reports">At most one per host.</param>
    /// <param name="cause">For stored evidence appraised again: why. Null for new evidence.</param>
    /// <param name="ct">Cancels before the commit.</param>
    /// <returns>Hosts whose policy changed while they were attested: their appraisal was not applied, they are to be attested again.</returns>
    public async Task<IReadOnlySet<Guid>> ApplyAsync(IReadOnlyList<AttestationReport> reports, ReappraisalCause? cause, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var batch = await Batch.ReadAsync(db, reports, ct);
        var (now, lost, regained) = (time.GetUtcNow(), new List<Guid>(), new List<Guid>());
        var outdated = new HashSet<Guid>();
        foreach (var report in reports)
        {
            if (!batch.Hosts.TryGetValue(report.HostId, out var host))
            {
                continue;
            }

            // What was appraised under a policy that is no more says nothing; what failed its own checks is untrusted under any.
            if (report.Appraisal is not null && (report.PolicyRevision, report.ClusterId) != (host.PolicyRevision, host.ClusterId))
            {
                outdated.Add(report.HostId);
                continue;
            }

            var row = batch.RowOf(report.HostId);
            var before = row.Verdict;
            var change = VerdictChange.Apply(row, report, cause, now);
            if (change.IsIgnored)
            {
                continue;
            }

            await KeepMeasurementsAsync(db, batch, report, ct);
            Keep(db, batch, row, report, change, now);
            if (before != row.Verdict)
            {
                (row.Verdict == Verdict.Untrusted ? lost : regained).Add(report.HostId);
                Tell(db, row, host.Name, before);
            }
        }

        await db.SaveChangesAsync(ct);
        await batch.ForgetLogsAsync(db, ct);
        var marked = await MarkAsync(db, batch, lost, regained, now, ct);
        await transaction.CommitAsync(ct);
        Publish(batch, lost.Count + regained.Count > 0, marked);
        return outdated;
    }

    /// <summary>Evidence vouches for as much of the measurement list as is kept with it in the same transaction.</summary>
    private static async Task KeepMeasurementsAsync(PortalDbContext db, Batch batch, AttestationReport report, CancellationToken ct)
    {
        var row = batch.Measurements.GetValueOrDefault(report.HostId);
        if (report.Runtime is { } found)
        {
            report.Evidence!.Measurements = await MeasurementStore.KeepAsync(db, row, report, ct) ? found.State.Position : null;
        }
        else if (row is not null && report is { OfEvidence: not null, Appraisal.Standings: { Count: > 0 } standings })
        {
            row.Standings = JsonSerializer.Serialize(standings);
        }
    }

    private static void Keep(PortalDbContext db, Batch batch, HostAttestation row, AttestationReport report, VerdictChange change, DateTimeOffset now)
    {
        if (report.Evidence is { } evidence)
        {
            batch.Store(db, evidence, report.EventLog);
        }

        if (report.Appraisal is { } appraisal)
        {
            batch.Match(db, report.HostId, appraisal.Matched);
        }

        if (!change.IsTransition && row.RecordedAt is { } recorded && now - recorded < SampleEvery)
        {
            return;
        }

        row.RecordedAt = now;
        var kept = report.Evidence is { } source && change.IsTransition ? batch.KeepCopy(db, source) : (Guid?)null;
        db.AttestationTransitions.Add(new AttestationTransition
        {
            HostId = row.HostId,
            At = now,
            Purpose = report.Purpose,
            Verdict = row.Verdict,
            Outcome = row.Outcome,
            Reason = row.Reason,
            Sentence = change.Sentence,
            Findings = row.Findings,
            PolicyRevision = row.PolicyRevision,
            ResetCount = row.ResetCount,
            EvidenceId = kept,
        });
    }

    private void Tell(PortalDbContext db, HostAttestation row, string name, Verdict before)
    {
        var target = new AuditTarget("host", row.HostId, name);
        if (row.Verdict == Verdict.Untrusted)
        {
            var since = before == Verdict.Trusted ? "lost trust" : "is untrusted";
            audit.Add(db, Person.Portal, "host.untrusted", target, $"Host {name} {since}: {row.Reason}.", AuditSeverity.Alarm);
        }
        else
        {
            audit.Add(db, Person.Portal, "host.trusted", target, $"Host {name} is trusted{(before == Verdict.Untrusted ? " again" : "")}.");
        }
    }

    /// <summary>VMs that are marked when these hosts lose trust: those that require it and run there, or are about to.</summary>
    internal static Expression<Func<VirtualMachine, bool>> LosingTheirHost(IReadOnlyCollection<Guid> hosts) =>
        v => v.HostId != null && hosts.Contains(v.HostId.Value) && v.TrustLevel == TrustLevel.Trusted
            && (v.Status == VirtualMachineStatus.Up || v.Status == VirtualMachineStatus.PoweringDown || v.Status == VirtualMachineStatus.Migrating
                || v.Status == VirtualMachineStatus.Starting || v.Status == VirtualMachineStatus.Creating);

    /// <summary>VMs that require trust on a host that just lost it are marked in the same transaction; the mark ends when the host is trusted again, it is never erased.</summary>
    private async Task<List<Guid>> MarkAsync(PortalDbContext db, Batch batch, List<Guid> lost, List<Guid> regained, DateTimeOffset now, CancellationToken ct)
    {
        var changed = new List<Guid>();
        if (regained.Count > 0)
        {
            await db.VirtualMachines
                .Where(v => v.HostId != null && regained.Contains(v.HostId.Value) && v.UntrustedSince != null && v.UntrustedUntil == null)
                .ExecuteUpdateAsync(set => set.SetProperty(v => v.UntrustedUntil, now), ct);
        }

        if (lost.Count == 0)
        {
            return changed;
        }

        var hit = await db.VirtualMachines
            .Where(LosingTheirHost(lost))
            .ToListAsync(ct);
        foreach (var vm in hit)
        {
            vm.UntrustedSince ??= now;
            vm.UntrustedUntil = null;
            changed.Add(vm.Id);
            audit.Add(
                db,
                Person.Portal,
                "vm.host_lost_trust",
                new AuditTarget("vm", vm.Id, vm.Name),
                $"'{vm.Name}' requires trust, but {batch.Hosts[vm.HostId!.Value].Name}, where it runs, is not trusted any more.",
                AuditSeverity.Alarm);
        }

        await db.SaveChangesAsync(ct);
        return changed;
    }

    private void Publish(Batch batch, bool told, List<Guid> marked)
    {
        foreach (var row in batch.Rows)
        {
            facts.Set(row);
        }

        feed.Publish(new Change(ChangeTopic.Attestation, [.. batch.Hosts.Keys]));
        if (marked.Count > 0)
        {
            feed.Publish(new Change(ChangeTopic.VirtualMachine, marked));
        }

        if (told)
        {
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }
    }

    /// <summary>What a transaction over some hosts works on: everything read in a handful of queries, however many hosts.</summary>
    private sealed class Batch
    {
        private readonly Dictionary<Guid, HostAttestation> rows = [];
        private readonly HashSet<Guid> withEvidence = [];
        private readonly HashSet<string> logs = new(StringComparer.Ordinal);
        private readonly HashSet<string> replaced = new(StringComparer.Ordinal);
        private Dictionary<Guid, string?> former = [];
        private ILookup<Guid, BaselineMatch> matches = Array.Empty<BaselineMatch>().ToLookup(m => m.HostId);
        private PortalDbContext? db;

        public Dictionary<Guid, (string Name, Guid ClusterId, long PolicyRevision)> Hosts { get; private set; } = [];

        public Dictionary<Guid, MeasurementProgress> Measurements { get; private set; } = [];

        public IEnumerable<HostAttestation> Rows => rows.Values;

        public static async Task<Batch> ReadAsync(PortalDbContext db, IReadOnlyList<AttestationReport> reports, CancellationToken ct)
        {
            var ids = reports.Select(r => r.HostId).ToList();
            var wanted = reports.Select(r => r.Evidence?.EventLogDigest).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
            var batch = new Batch { db = db };
            batch.Hosts = await db.Hosts.Where(h => ids.Contains(h.Id))
                .Join(db.Clusters, h => h.ClusterId, c => c.Id, (h, c) => new { h.Id, h.Name, h.ClusterId, c.PolicyRevision })
                .ToDictionaryAsync(h => h.Id, h => (h.Name, h.ClusterId, h.PolicyRevision), ct);
            foreach (var row in await db.Attestations.Where(a => ids.Contains(a.HostId)).ToListAsync(ct))
            {
                batch.rows[row.HostId] = row;
                if (row.EvidenceDigest is not null)
                {
                    batch.withEvidence.Add(row.HostId);
                }
            }

            batch.logs.UnionWith(await db.EventLogs.Where(l => wanted.Contains(l.Digest)).Select(l => l.Digest).ToListAsync(ct));
            var measured = reports.Where(r => r.Runtime is not null || r.Appraisal is { Standings.Count: > 0 }).Select(r => r.HostId).ToList();
            batch.Measurements = measured.Count == 0 ? [] : await db.MeasurementProgress.Where(p => measured.Contains(p.HostId)).ToDictionaryAsync(p => p.HostId, ct);
            var answered = reports.Where(r => r.Evidence is not null).Select(r => r.HostId).ToList();
            batch.former = answered.Count == 0
                ? []
                : await db.Evidence.Where(e => answered.Contains(e.Id)).Select(e => new { e.Id, e.EventLogDigest }).ToDictionaryAsync(e => e.Id, e => e.EventLogDigest, ct);
            batch.matches = (await db.BaselineMatches.Where(m => ids.Contains(m.HostId)).ToListAsync(ct)).ToLookup(m => m.HostId);
            return batch;
        }

        public HostAttestation RowOf(Guid hostId)
        {
            if (!rows.TryGetValue(hostId, out var row))
            {
                rows[hostId] = row = new HostAttestation { HostId = hostId };
                db!.Attestations.Add(row);
            }

            return row;
        }

        public void Store(PortalDbContext db, EvidenceRecord evidence, byte[]? log)
        {
            StoreLog(db, evidence, log);
            if (former.GetValueOrDefault(evidence.HostId) is { } digest && !string.Equals(digest, evidence.EventLogDigest, StringComparison.Ordinal))
            {
                replaced.Add(digest);
            }

            db.Entry(evidence).State = withEvidence.Add(evidence.HostId) ? EntityState.Added : EntityState.Modified;
        }

        /// <summary>Deletes the logs that evidence just overwritten referred to and none refers to any more.</summary>
        public async Task ForgetLogsAsync(PortalDbContext db, CancellationToken ct)
        {
            if (replaced.Count == 0)
            {
                return;
            }

            var inUse = await db.Evidence.Where(e => e.EventLogDigest != null && replaced.Contains(e.EventLogDigest)).Select(e => e.EventLogDigest!).Distinct().ToListAsync(ct);
            replaced.ExceptWith(inUse);
            await db.EventLogs.Where(l => replaced.Contains(l.Digest)).ExecuteDeleteAsync(ct);
        }

        public Guid KeepCopy(PortalDbContext db, EvidenceRecord evidence)
        {
            var id = Guid.CreateVersion7();
            db.Evidence.Add(evidence.CopyAs(id));
            return id;
        }

        public void Match(PortalDbContext db, Guid hostId, IReadOnlyList<ApprovedRevision> matched)
        {
            var (has, wants) = (matches[hostId].Select(m => m.RevisionId).ToHashSet(), matched.Select(m => m.RevisionId).ToHashSet());
            db.BaselineMatches.RemoveRange(matches[hostId].Where(m => !wants.Contains(m.RevisionId)));
            db.BaselineMatches.AddRange(wants.Except(has).Select(r => new BaselineMatch { HostId = hostId, RevisionId = r }));
        }

        private void StoreLog(PortalDbContext db, EvidenceRecord evidence, byte[]? log)
        {
            if (log is not null && evidence.EventLogDigest is { } digest && logs.Add(digest))
            {
                db.EventLogs.Add(new EventLogRecord { Digest = digest, Content = log });
            }
        }
    }
}
