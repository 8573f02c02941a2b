using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>
/// Writes a draft from what a host measured last: firmware code, option ROMs and Secure Boot policy (PCR 0, 2, 7) or boot loader, kernel and keys
/// (PCR 4, 8, 9, 14), event by event, and what a measured launch left (PCR 17, 18, 19) by value; or the files it used since it booted. The caller is its author. Evidence that failed a check, or of a bank the
/// firmware leaves unmeasured, is refused. For files, a host whose measurement list is not known yet is asked for it.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may capture.</param>
/// <param name="audit">Where refusals are told.</param>
/// <param name="create">Creates a baseline.</param>
/// <param name="revise">Starts a revision.</param>
/// <param name="attest">Asks a host for what is not known of it.</param>
public sealed class CaptureBaseline(
    IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, CreateBaseline create, NewRevision revise, IAttestNow attest)
{
    /// <summary>What to capture, and into what.</summary>
    /// <param name="HostId">The host.</param>
    /// <param name="Kind">Decides the PCRs.</param>
    /// <param name="Name">Name of the new baseline; ignored when a revision is started.</param>
    /// <param name="Description">What it is for; ignored when a revision is started.</param>
    /// <param name="BaselineId">Starts a new revision of this baseline instead; it keeps the latest revision's scope, and its labels where digests are the same.</param>
    /// <param name="Clusters">Where it shall apply; null for everywhere, or for the scope of the latest revision.</param>
    public sealed record Input(
        Guid HostId, BaselineKinds Kind, string Name, string Description = "", Guid? BaselineId = null, IReadOnlyList<Guid>? Clusters = null);

    /// <summary>Captures. Needs <see cref="Permission.WriteBaselines"/>.</summary>
    public async Task<Outcome<RevisionStanding>> ExecuteAsync(Caller caller, Input input, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await access.DemandAsync(caller, Permission.WriteBaselines, new AuditTarget("host", input.HostId, input.HostId.ToString()), ct) is { } denied)
        {
            return denied;
        }

        var host = await db.Hosts.Where(h => h.Id == input.HostId).Select(h => h.Name).FirstOrDefaultAsync(ct);
        var captured = host is null ? Refusal.NotFound("host", input.HostId.ToString()) : await ContentAsync(db, input, host, ct);
        if (!captured.Succeeded)
        {
            await audit.RefusedAsync(caller.Person, new AuditTarget("host", input.HostId, host ?? input.HostId.ToString()), captured.Refusal, ct);
            return captured.Refusal;
        }

        var story = Story.Captured(host!);
        return input.BaselineId is { } baseline
            ? await revise.ExecuteAsync(caller, new(baseline, captured.Value), story, ct)
            : await create.ExecuteAsync(caller, new(input.Name, input.Kind, input.Description, captured.Value), story, ct);
    }

    private async Task<Outcome<BaselineContent>> ContentAsync(PortalDbContext db, Input input, string host, CancellationToken ct)
    {
        if (!PolicyWords.AllKinds.Contains(input.Kind))
        {
            return Refusal.Invalid("baseline.kind", "kind", "A baseline is of one kind: firmware, hypervisor or runtime.", "Choose one of them.");
        }

        var into = await LatestAsync(db, input, ct);
        if (!into.Succeeded)
        {
            return into.Refusal;
        }

        var evidence = await LatestEvidenceAsync(db, input.HostId, ct);
        if (input.Kind == BaselineKinds.Runtime && evidence is { Failure: null, Measurements: null })
        {
            await attest.AttestAsync(input.HostId, AttestationPurpose.Capture, null, ct);
            evidence = await LatestEvidenceAsync(db, input.HostId, ct);
        }

        if (evidence is null)
        {
            return CaptureRefusals.NoEvidence(host);
        }

        if (evidence.Failure is { } failure)
        {
            return CaptureRefusals.Failed(host, failure);
        }

        var clusters = input.Clusters?.ToImmutableArray() ?? into.Value?.Clusters ?? [];
        if (input.Kind == BaselineKinds.Runtime)
        {
            return evidence.MeasurementFault is { } fault ? CaptureRefusals.Measurements(host, fault)
                : await MeasurementStore.TextOfAsync(db, evidence, ct) is { } text ? CapturedFiles.Of(evidence, text, host, into.Value, clusters)
                : CaptureRefusals.NoMeasurements(host);
        }

        var log = await db.EventLogs.Where(l => l.Digest == evidence.EventLogDigest).Select(l => l.Content).FirstOrDefaultAsync(ct);
        if (log is null)
        {
            return CaptureRefusals.NoLog(host);
        }

        return CapturedContent.Of(evidence, log, input.Kind, host, into.Value, clusters);
    }

    // The latest evidence of a host has the host's own id.
    private static Task<EvidenceRecord?> LatestEvidenceAsync(PortalDbContext db, Guid hostId, CancellationToken ct) =>
        db.Evidence.AsNoTracking().FirstOrDefaultAsync(e => e.Id == hostId && e.HostId == hostId, ct);

    // What the baseline says now, if a revision of one is to be started.
    private static async Task<Outcome<BaselineContent?>> LatestAsync(PortalDbContext db, Input input, CancellationToken ct)
    {
        if (input.BaselineId is not { } id)
        {
            return (BaselineContent?)null;
        }

        var baseline = await db.Baselines.AsNoTracking().FirstOrDefaultAsync(b => b.Id == id, ct);
        if (baseline is null)
        {
            return Refusal.NotFound("baseline", id.ToString());
        }

        if (baseline.Kind != input.Kind)
        {
            return CaptureRefusals.OtherKind(baseline.Name);
        }

        var latest = await db.BaselineRevisions.Where(r => r.BaselineId == id).OrderByDescending(r => r.Number).Select(r => r.Content).FirstAsync(ct);
        return BaselineContent.Parse(latest);
    }
}
