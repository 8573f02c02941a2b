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

/// <summary>Applies reports to the database, many in one transaction: the current row, history on change, evidence, coverage, marked VMs, quarantine, alarms.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="quarantine">Begins when a host falls.</param>
/// <param name="facts">Told after the commit.</param>
/// <param name="feed">Told after the commit.</param>
/// <param name="time">Our clock.</param>
public sealed class AttestationLedger(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, Quarantine quarantine, TrustFacts facts, IChangeFeed feed, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan SampleEvery = TimeSpan.FromDays(1);

    // Rows are read, changed and written back: two writers at once would lose one's change.
    private readonly SemaphoreSlim turn = new(1, 1);

    /// <summary>Applies reports of different hosts and commits. A report older than what is known already changes nothing.</summary>
    /// <param name="reports">At most one per host.</param>
    /// <param name="cause">For stored evidence appraised again: why. Null for new evidence.</param>
    /// <param name="ct">Cancels before the commit.</param>
    /// <returns>Hosts whose policy, or name on the server, changed while they were attested: their appraisal was not applied, they are to be attested again.</returns>
    public async Task<IReadOnlySet<Guid>> ApplyAsync(IReadOnlyList<AttestationReport> reports, ReappraisalCause? cause, CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        try
        {
            return await ApplyAloneAsync(reports, cause, ct);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();

    private async Task<IReadOnlySet<Guid>> ApplyAloneAsync(IReadOnlyList<AttestationReport> reports, ReappraisalCause? cause, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var batch = await LedgerBatch.ReadAsync(db, reports, ct);
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

            // A server speaks of whom it calls by that name: of another machine, once the host has another name there.
            if (!batch.IsOf(report))
            {
                outdated.Add(report.HostId);
                continue;
            }

            var row = batch.RowOf(report.HostId);
            var before = VerdictChange.StateBefore.Of(row);
            if (!batch.TryApply(row, report, cause, now))
            {
                continue;
            }

            var change = VerdictChange.Since(before, row, cause);

            await KeepMeasurementsAsync(db, batch, report, ct);
            Keep(db, batch, row, report, change, now);
            if (before.Verdict != row.Verdict)
            {
                if (row.Verdict != Verdict.None)
                {
                    (row.Verdict == Verdict.Untrusted ? lost : regained).Add(report.HostId);
                }

                Tell(db, row, host, before.Verdict);
            }
        }

        await db.SaveChangesAsync(ct);
        await batch.ForgetLogsAsync(db, ct);
        var marked = await MarkAsync(db, batch, lost, regained, now, ct);
        IReadOnlyList<Guid> quarantined = [.. await quarantine.BeginAsync(db, lost, now, ct), .. await quarantine.EndAsync(db, regained, ct)];
        await transaction.CommitAsync(ct);
        Publish(batch, lost.Count + regained.Count > 0, marked, quarantined);
        return outdated;
    }

    /// <summary>Evidence vouches for as much of the measurement list as is kept with it in the same transaction.</summary>
    private static async Task KeepMeasurementsAsync(PortalDbContext db, LedgerBatch batch, AttestationReport report, CancellationToken ct)
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

    private static void Keep(PortalDbContext db, LedgerBatch batch, HostAttestation row, AttestationReport report, VerdictChange change, DateTimeOffset now)
    {
        if (report.Evidence is { } evidence)
        {
            batch.Store(db, evidence, report.EventLog);
        }

        if (report.Appraisal is { } appraisal && batch.SaysWhatMatches(report))
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

    /// <summary>What becomes of a host in maintenance is its administrator's doing: a notice, no alarm.</summary>
    private void Tell(PortalDbContext db, HostAttestation row, LedgerHost host, Verdict before)
    {
        var (name, target) = (host.Name, new AuditTarget("host", row.HostId, host.Name));
        var (severity, where) = host.State == HostState.Maintenance ? (AuditSeverity.Notice, ", in maintenance,") : (AuditSeverity.Alarm, "");
        if (row.Verdict == Verdict.Untrusted)
        {
            var since = before == Verdict.Trusted ? "lost trust" : "is untrusted";
            audit.Add(db, Person.Portal, "host.untrusted", target, $"Host {name}{where} {since}: {row.Reason}.", severity);
        }
        else if (row.Verdict == Verdict.None)
        {
            audit.Add(db, Person.Portal, "host.no_verdict", target, $"Host {name}{where} has no verdict any more: {row.Reason}.", severity);
        }
        else
        {
            audit.Add(db, Person.Portal, "host.trusted", target, $"Host {name} is trusted{(before == Verdict.Untrusted ? " again" : "")}.");
        }
    }

    /// <summary>VMs that are marked when these hosts lose trust: those that require it and run there, or are about to.</summary>
    internal static Expression<Func<VirtualMachine, bool>> LosingTheirHost(IReadOnlyCollection<Guid> hosts) =>
        v => v.HostId != null && hosts.Contains(v.HostId.Value) && v.TrustLevel == TrustLevel.Trusted
            && (v.Status == VirtualMachineStatus.Up || v.Status == VirtualMachineStatus.Paused || v.Status == VirtualMachineStatus.PoweringDown || v.Status == VirtualMachineStatus.Migrating
                || v.Status == VirtualMachineStatus.Starting || v.Status == VirtualMachineStatus.Creating);

    /// <summary>VMs that require trust on a host that just lost it are marked in the same transaction; the mark ends when the host is trusted again, it is never erased.</summary>
    private async Task<List<Guid>> MarkAsync(PortalDbContext db, LedgerBatch batch, List<Guid> lost, List<Guid> regained, DateTimeOffset now, CancellationToken ct)
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

    private void Publish(LedgerBatch batch, bool told, List<Guid> marked, IReadOnlyList<Guid> quarantined)
    {
        foreach (var row in batch.Rows)
        {
            facts.Set(row);
        }

        feed.Publish(new Change(ChangeTopic.Attestation, [.. batch.Hosts.Keys]));
        if (quarantined.Count > 0)
        {
            feed.Publish(new Change(ChangeTopic.Host, quarantined));
        }

        if (marked.Count > 0)
        {
            feed.Publish(new Change(ChangeTopic.VirtualMachine, marked));
        }

        if (told)
        {
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }
    }
}
