using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>
/// Finds what stands behind an approved digest. A baseline keeps digests only; a kept log that measured one, of the host itself in better days or
/// of a host that matches now, has its bytes, and the digest proves them.
/// </summary>
internal static class ApprovedEvents
{
    private const int MostLogs = 4;
    private const int MostChanges = 4;

    /// <summary>Variables of a log that differ from what is approved, with what differs in them.</summary>
    /// <param name="db">The database.</param>
    /// <param name="hostId">The host.</param>
    /// <param name="log">Its log.</param>
    /// <param name="findings">What differs, with the digest that is approved there.</param>
    /// <param name="bank">The quoted bank.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<IReadOnlyList<ExplainedChange>> ChangesAsync(
        PortalDbContext db, Guid hostId, EventLog log, IReadOnlyList<Finding> findings, TpmAlgorithm bank, CancellationToken ct)
    {
        var wanted = new List<(Finding Finding, EventLogEntry Entry, UefiVariable Variable)>();
        foreach (var finding in findings.Where(f => f is { Pcr: not null, Event: not null, Expected: not null }).Take(MostChanges))
        {
            // Only what the digest vouches for is compared: a variable that is merely claimed explains nothing.
            if (log.Entries.ElementAtOrDefault(finding.Event!.Value) is { } entry && entry.DataIsProven(bank) && entry.Describe(bank).Variable is { } variable)
            {
                wanted.Add((finding, entry, variable));
            }
        }

        var changes = new List<ExplainedChange>();
        if (wanted.Count == 0)
        {
            return changes;
        }

        await foreach (var (source, known) in LogsAsync(db, hostId, ct))
        {
            foreach (var (finding, entry, variable) in wanted.ToList())
            {
                if (Find(known, finding, bank) is { } approved && VariableChange.Between(approved, variable) is { } change)
                {
                    changes.Add(new ExplainedChange(entry.Index, entry.Pcr, change, source));
                    wanted.Remove((finding, entry, variable));
                }
            }

            if (wanted.Count == 0)
            {
                break;
            }
        }

        return [.. changes.OrderBy(c => c.Event)];
    }

    private static UefiVariable? Find(EventLog log, Finding finding, TpmAlgorithm bank) => log.Entries
        .Where(e => e.Pcr == finding.Pcr && e.TryGetDigest(bank, out var digest) && Convert.ToHexStringLower(digest.Span) == finding.Expected && e.DataIsProven(bank))
        .Select(e => e.Describe(bank).Variable)
        .FirstOrDefault();

    /// <summary>Logs worth looking into, each read when it is wanted: the host's own first.</summary>
    private static async IAsyncEnumerable<(string Source, EventLog Log)> LogsAsync(PortalDbContext db, Guid hostId, [EnumeratorCancellation] CancellationToken ct)
    {
        var own = await db.Evidence
            .Where(e => e.HostId == hostId && e.Failure == null && e.EventLogDigest != null)
            .OrderByDescending(e => e.IssuedAt)
            .Select(e => new { e.EventLogDigest, db.Hosts.Single(h => h.Id == hostId).Name })
            .Take(MostLogs * 4)
            .ToListAsync(ct);
        var cluster = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.ClusterId).SingleOrDefaultAsync(ct);
        var others = await db.Attestations
            .Where(a => a.Verdict == Verdict.Trusted && a.HostId != hostId && db.Hosts.Any(h => h.Id == a.HostId && h.ClusterId == cluster))
            .Join(db.Evidence.Where(e => e.EventLogDigest != null), a => a.HostId, e => e.Id, (a, e) => new { e.EventLogDigest, db.Hosts.Single(h => h.Id == a.HostId).Name })
            .OrderBy(e => e.Name)
            .Take(MostLogs * 16)
            .ToListAsync(ct);
        var (ours, theirs) = (own.DistinctBy(e => e.EventLogDigest).Take(MostLogs), others.DistinctBy(e => e.EventLogDigest).Take(MostLogs));
        foreach (var candidate in ours.Concat(theirs).DistinctBy(e => e.EventLogDigest))
        {
            var content = await db.EventLogs.Where(l => l.Digest == candidate.EventLogDigest).Select(l => l.Content).FirstOrDefaultAsync(ct);
            if (content is not null && EventLog.Parse(content).TryGet(out var log, out _))
            {
                yield return (candidate.Name, log);
            }
        }
    }
}
