using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Everything the Attestation tab says of a host before it goes into measurements.</summary>
/// <param name="Trust">The word, the reason, the row.</param>
/// <param name="Findings">Findings of the appraisal.</param>
/// <param name="Matched">Titles of the baselines that match.</param>
/// <param name="Attester">The enrolled key; null when none is.</param>
/// <param name="NextRoundSeconds">The cluster's interval.</param>
/// <param name="SameMeasurement">Other hosts that show the same leading difference.</param>
public sealed record HostAttestationView(
    HostTrust Trust,
    IReadOnlyList<Finding> Findings,
    IReadOnlyList<string> Matched,
    Attester? Attester,
    int NextRoundSeconds,
    IReadOnlyList<string> SameMeasurement);

/// <summary>Health of the attestation of a cluster.</summary>
/// <param name="ClusterId">The cluster.</param>
/// <param name="ClusterName">Its name.</param>
/// <param name="LastVerified">When evidence was verified last.</param>
/// <param name="Silent">Hosts whose last attempt brought no answer: those that <see cref="SilenceFacet"/> finds.</param>
/// <param name="Enrolled">Hosts with an attester.</param>
/// <param name="IntervalSeconds">Time between rounds.</param>
public sealed record ClusterAttestation(Guid ClusterId, string ClusterName, DateTimeOffset? LastVerified, int Silent, int Enrolled, int IntervalSeconds);

/// <summary>Reads attestation results, history and evidence.</summary>
/// <param name="contexts">The database.</param>
/// <param name="time">Our clock.</param>
public sealed class AttestationDirectory(IDbContextFactory<PortalDbContext> contexts, TimeProvider time)
{
    private const int MostNamed = 10;

    /// <summary>What is known of a host; null when there is no such host.</summary>
    public async Task<HostAttestationView?> FindAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, ct);
        if (host is null)
        {
            return null;
        }

        var row = await db.Attestations.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, ct);
        var attester = await db.Attesters.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, ct);
        var interval = await db.Clusters.Where(c => c.Id == host.ClusterId).Select(c => c.IntervalSeconds).SingleAsync(ct);
        var findings = Findings(row?.Findings);
        var leading = findings.FirstOrDefault(f => !f.IsNote && !f.Follows)?.Measured;
        var same = leading is null
            ? []
            : await db.Attestations.Where(a => a.HostId != hostId && a.Findings.Contains(leading))
                .Join(db.Hosts, a => a.HostId, h => h.Id, (a, h) => h.Name).OrderBy(n => n).Take(MostNamed).ToListAsync(ct);
        var matched = row is null ? [] : JsonSerializer.Deserialize<List<string>>(row.Matched) ?? [];
        return new HostAttestationView(HostTrust.Of(row, time.GetUtcNow()), findings, matched, attester, interval, same);
    }

    /// <summary>Transitions of a host since an instant, newest first.</summary>
    public async Task<IReadOnlyList<AttestationTransition>> HistoryAsync(Guid hostId, DateTimeOffset since, int most, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.AttestationTransitions.AsNoTracking().Where(t => t.HostId == hostId && t.At >= since).OrderByDescending(t => t.Id).Take(most).ToListAsync(ct);
    }

    /// <summary>The last transition before an instant: what the host was when a timeline begins.</summary>
    public async Task<AttestationTransition?> BeforeAsync(Guid hostId, DateTimeOffset instant, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.AttestationTransitions.AsNoTracking().Where(t => t.HostId == hostId && t.At < instant).OrderByDescending(t => t.Id).FirstOrDefaultAsync(ct);
    }

    /// <summary>The latest evidence of a host as it came, with its event log; null when there is none.</summary>
    public async Task<(EvidenceRecord Record, Evidence Evidence)?> EvidenceAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var record = await db.Evidence.AsNoTracking().SingleOrDefaultAsync(e => e.Id == hostId, ct);
        if (record is null)
        {
            return null;
        }

        var log = record.EventLogDigest is { } digest
            ? await db.EventLogs.AsNoTracking().Where(l => l.Digest == digest).Select(l => l.Content).SingleOrDefaultAsync(ct)
            : null;
        return (record, EvidenceCodec.Read(record, log));
    }

    /// <summary>When evidence was verified last, anywhere; null before the first.</summary>
    public async Task<DateTimeOffset?> LastVerifiedAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Attestations.MaxAsync(a => a.VerifiedAt, ct);
    }

    /// <summary>Who verified last, cluster by cluster.</summary>
    public async Task<IReadOnlyList<ClusterAttestation>> HealthAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await db.Clusters.AsNoTracking().OrderBy(c => c.Name).Select(c => new { c.Id, c.Name, c.IntervalSeconds }).ToListAsync(ct);
        var rows = await db.Attestations
            .Join(db.Hosts, a => a.HostId, h => h.Id, (a, h) => new { h.ClusterId, a.VerifiedAt, Fails = a.FailingSince != null && a.Outcome != CheckOutcome.NotConfigured && a.Outcome != CheckOutcome.ProtocolError })
            .GroupBy(a => a.ClusterId)
            .Select(g => new { g.Key, Last = g.Max(a => a.VerifiedAt), Silent = g.Count(a => a.Fails) })
            .ToDictionaryAsync(g => g.Key, ct);
        var enrolled = await db.Attesters.Join(db.Hosts, a => a.HostId, h => h.Id, (a, h) => h.ClusterId)
            .GroupBy(c => c).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        return [.. clusters.Select(c => new ClusterAttestation(
            c.Id, c.Name, rows.GetValueOrDefault(c.Id)?.Last, rows.GetValueOrDefault(c.Id)?.Silent ?? 0, enrolled.GetValueOrDefault(c.Id), c.IntervalSeconds))];
    }

    /// <summary>Findings as stored.</summary>
    public static IReadOnlyList<Finding> Findings(string? json) => json is null ? [] : JsonSerializer.Deserialize<List<Finding>>(json) ?? [];
}
