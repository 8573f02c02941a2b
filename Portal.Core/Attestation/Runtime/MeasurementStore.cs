using System.IO.Compression;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Baselines;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>Keeps what was found of hosts' measurement lists, segment by segment, and reads it again.</summary>
internal static class MeasurementStore
{
    /// <summary>A row as the verifier needs it; null when there is none.</summary>
    public static RuntimeKnown? Known(MeasurementProgress? row) => row is null ? null : new RuntimeKnown(
        new ImaState((uint)row.ResetCount, (uint)row.RestartCount, (TpmAlgorithm)row.Bank, row.Position, row.Pcr),
        row.Bytes,
        (JsonSerializer.Deserialize<List<RuntimeStanding>>(row.Standings) ?? []).ToDictionary(s => s.RevisionId));

    /// <summary>
    /// Adds what an attempt found to what is kept, in the caller's transaction. False when it does not go on from there: then nothing is kept,
    /// and the host is asked from its first entry again.
    /// </summary>
    /// <param name="db">The database; the caller saves.</param>
    /// <param name="row">The host's row; null when it has none.</param>
    /// <param name="report">The attempt.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<bool> KeepAsync(PortalDbContext db, MeasurementProgress? row, AttestationReport report, CancellationToken ct)
    {
        var (found, state) = (report.Runtime!, report.Runtime!.State);
        var start = state.Position - found.Count;

        // Another attempt may have gone on from the same place meanwhile. A PCR has one past: both found the same entries there.
        var goesOn = row is not null && (row.ResetCount, row.RestartCount, row.Bank) == (state.ResetCount, state.RestartCount, (int)state.Bank)
            && row.Position >= start && row.Position <= state.Position;
        if (found.StartsOver || !goesOn)
        {
            await db.MeasurementSegments.Where(s => s.HostId == report.HostId).ExecuteDeleteAsync(ct);
        }

        if (!found.StartsOver && !goesOn)
        {
            await db.MeasurementProgress.Where(p => p.HostId == report.HostId).ExecuteDeleteAsync(ct);
            if (row is not null)
            {
                db.Entry(row).State = EntityState.Detached;
            }

            return false;
        }

        if (row is null)
        {
            row = new MeasurementProgress { HostId = report.HostId, ResetCount = 0, RestartCount = 0, Bank = 0, Position = 0, Pcr = [], Bytes = 0 };
            db.MeasurementProgress.Add(row);
        }

        var from = found.StartsOver ? 0 : row.Position;
        var segment = MeasurementText.After(found.Segment, from - start);
        if (state.Position > from)
        {
            db.MeasurementSegments.Add(new MeasurementSegment { HostId = report.HostId, Start = from, Content = Compress(segment.Span) });
        }

        row.Bytes = (found.StartsOver ? 0 : row.Bytes) + segment.Length;
        (row.ResetCount, row.RestartCount, row.Bank, row.Position, row.Pcr) = (state.ResetCount, state.RestartCount, (int)state.Bank, state.Position, state.Pcr.ToArray());
        row.Standings = JsonSerializer.Serialize(report.Appraisal!.Standings);
        return true;
    }

    /// <summary>The list as far as a piece of evidence vouches for it, as text from its first entry; null when it has moved on or there is none.</summary>
    public static async Task<byte[]?> TextOfAsync(PortalDbContext db, EvidenceRecord evidence, CancellationToken ct) =>
        evidence.Measurements is { } entries && await db.MeasurementProgress.AnyAsync(p => p.HostId == evidence.HostId && p.Position == entries, ct)
            ? await TextAsync(db, evidence.HostId, ct)
            : null;

    /// <summary>All that is kept of a host's list, as text from its first entry.</summary>
    private static async Task<byte[]> TextAsync(PortalDbContext db, Guid hostId, CancellationToken ct)
    {
        using var text = new MemoryStream();
        await foreach (var content in db.MeasurementSegments.Where(s => s.HostId == hostId).OrderBy(s => s.Start).Select(s => s.Content).AsAsyncEnumerable().WithCancellation(ct))
        {
            using var packed = new MemoryStream(content);
            await using var brotli = new BrotliStream(packed, CompressionMode.Decompress);
            await brotli.CopyToAsync(text, ct);
        }

        return text.ToArray();
    }

    /// <summary>The latest evidence of hosts with what it refers to. Lists are read one at a time, and only where a runtime baseline was never compared with them.</summary>
    /// <param name="db">The database.</param>
    /// <param name="hostIds">Which hosts; those without evidence are left out.</param>
    /// <param name="set">What it is to be appraised under.</param>
    /// <param name="ct">Cancels.</param>
    public static async IAsyncEnumerable<StoredEvidence> EvidenceAsync(
        PortalDbContext db, IReadOnlyCollection<Guid> hostIds, ApprovedSet set, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        // The latest evidence of a host has the host's own id.
        var records = await db.Evidence.AsNoTracking().Where(e => hostIds.Contains(e.Id)).ToListAsync(ct);
        var digests = records.Select(e => e.EventLogDigest).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        var logs = await db.EventLogs.AsNoTracking().Where(l => digests.Contains(l.Digest)).ToDictionaryAsync(l => l.Digest, l => l.Content, StringComparer.Ordinal, ct);
        var measured = records.Where(e => e.Measurements is not null).Select(e => e.Id).ToList();
        var progress = await db.MeasurementProgress.AsNoTracking().Where(p => measured.Contains(p.HostId)).ToDictionaryAsync(p => p.HostId, ct);
        foreach (var record in records)
        {
            var known = progress.GetValueOrDefault(record.Id) is { } row && row.Position == record.Measurements ? Known(row) : null;
            yield return new StoredEvidence(record, record.EventLogDigest is { } digest ? logs.GetValueOrDefault(digest) : null)
            {
                Runtime = known,
                Measurements = known is not null && !known.Covers(set) ? await TextAsync(db, record.Id, ct) : null,
            };
        }
    }

    private static byte[] Compress(ReadOnlySpan<byte> text)
    {
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            brotli.Write(text);
        }

        return packed.ToArray();
    }
}
