using Microsoft.EntityFrameworkCore;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>A host as the ledger needs it.</summary>
internal sealed record LedgerHost(string Name, HostState State, Guid ClusterId, long PolicyRevision, ServiceSet Services);

/// <summary>What a transaction over some hosts works on: everything read in a handful of queries, however many hosts.</summary>
internal sealed class LedgerBatch
{
    private readonly Dictionary<string, ServiceSet> services = new(StringComparer.Ordinal);
    private Dictionary<Guid, HostAttestation> rows = [];
    private Dictionary<Guid, List<ServiceAttestation>> words = [];
    private Dictionary<Guid, string> names = [];
    private Dictionary<(Guid Host, Guid Server), string> namesThere = [];
    private readonly HashSet<string> logs = new(StringComparer.Ordinal);
    private readonly HashSet<string> replaced = new(StringComparer.Ordinal);
    private Dictionary<Guid, string?> former = [];
    private Dictionary<Guid, byte[]> keys = [];
    private ILookup<Guid, BaselineMatch> matches = Array.Empty<BaselineMatch>().ToLookup(m => m.HostId);
    private PortalDbContext? db;

    public Dictionary<Guid, LedgerHost> Hosts { get; private set; } = [];

    public Dictionary<Guid, MeasurementProgress> Measurements { get; private set; } = [];

    public IEnumerable<HostAttestation> Rows => rows.Values;

    public static async Task<LedgerBatch> ReadAsync(PortalDbContext db, IReadOnlyList<AttestationReport> reports, CancellationToken ct)
    {
        var ids = reports.Select(r => r.HostId).ToList();
        var wanted = reports.Select(r => r.Evidence?.EventLogDigest).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        var batch = new LedgerBatch { db = db };
        batch.Hosts = await db.Hosts.Where(h => ids.Contains(h.Id))
            .Join(db.Clusters, h => h.ClusterId, c => c.Id, (h, c) => new { h.Id, h.Name, h.State, h.ClusterId, c.PolicyRevision, c.Services })
            .ToDictionaryAsync(h => h.Id, h => new LedgerHost(h.Name, h.State, h.ClusterId, h.PolicyRevision, batch.Parse(h.Services)), ct);
        batch.rows = await db.Attestations.Where(a => ids.Contains(a.HostId)).ToDictionaryAsync(a => a.HostId, ct);
        await batch.ReadWordsAsync(db, ct);
        await batch.ReadNamesAsync(db, reports, ct);

        batch.logs.UnionWith(await db.EventLogs.Where(l => wanted.Contains(l.Digest)).Select(l => l.Digest).ToListAsync(ct));
        var measured = reports.Where(r => r.Runtime is not null || r.Appraisal is { Standings.Count: > 0 }).Select(r => r.HostId).ToList();
        batch.Measurements = measured.Count == 0 ? [] : await db.MeasurementProgress.Where(p => measured.Contains(p.HostId)).ToDictionaryAsync(p => p.HostId, ct);
        var answered = reports.Where(r => r.Evidence is not null).Select(r => r.HostId).ToList();
        batch.keys = answered.Count == 0 ? [] : await db.Attesters.Where(a => answered.Contains(a.HostId)).ToDictionaryAsync(a => a.HostId, a => a.AttestationKey, ct);
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

    /// <summary>
    /// Applies a report to the host's row, or where its cluster names several services, to that service's word and then what all of them make
    /// to the row. False when it changes nothing: older than what is known, by a key that is not enrolled any more, or of a service the cluster
    /// does not name.
    /// </summary>
    public bool TryApply(HostAttestation row, AttestationReport report, ReappraisalCause? cause, DateTimeOffset now)
    {
        var named = Hosts[report.HostId].Services;
        if (named.Of(report.ServiceId) is null || (report.Evidence is { } evidence && keys.TryGetValue(report.HostId, out var enrolled) && !enrolled.AsSpan().SequenceEqual(evidence.AttestationKey)))
        {
            return false;
        }

        if (named.Count == 1)
        {
            return VerdictChange.TryApply(row, report, cause, now);
        }

        var known = WordsOf(report.HostId);
        var word = known.Find(w => w.ServiceId == report.ServiceId);
        if (word is null)
        {
            known.Add(word = new ServiceAttestation { HostId = report.HostId, ServiceId = report.ServiceId });
            db!.ServiceAttestations.Add(word);
        }

        if (!VerdictChange.TryApply(word, report, cause, now))
        {
            return false;
        }

        Combination.Apply(row, named, known, names, now);
        return true;
    }

    /// <summary>Which baselines a host matches is the verifier of our own's to say, where it is asked.</summary>
    public bool SaysWhatMatches(AttestationReport report) => report.ServiceId == ServiceSet.BuiltInId || Hosts[report.HostId].Services.Count == 1;

    /// <summary>Whether a server's report is of the host as that is bound there now.</summary>
    public bool IsOf(AttestationReport report) =>
        report.ServiceId == ServiceSet.BuiltInId || string.Equals(namesThere.GetValueOrDefault((report.HostId, report.ServiceId)), report.NameThere, StringComparison.Ordinal);

    private List<ServiceAttestation> WordsOf(Guid hostId)
    {
        if (!words.TryGetValue(hostId, out var known))
        {
            words[hostId] = known = [];
        }

        return known;
    }

    private async Task ReadWordsAsync(PortalDbContext db, CancellationToken ct)
    {
        var several = Hosts.Where(h => h.Value.Services.Count > 1).Select(h => h.Key).ToList();
        if (several.Count > 0)
        {
            words = (await db.ServiceAttestations.Where(w => several.Contains(w.HostId)).ToListAsync(ct)).GroupBy(w => w.HostId).ToDictionary(g => g.Key, g => g.ToList());
            names = await db.ServerNamesAsync(ct);
        }
    }

    private async Task ReadNamesAsync(PortalDbContext db, IReadOnlyList<AttestationReport> reports, CancellationToken ct)
    {
        foreach (var of in reports.Where(r => r.ServiceId != ServiceSet.BuiltInId).GroupBy(r => r.ServiceId))
        {
            var (server, ids) = (of.Key, of.Select(r => r.HostId).ToList());
            var bound = await db.HostsOnServers.AsNoTracking().Where(b => b.ServerId == server && ids.Contains(b.HostId)).Select(b => new { b.HostId, b.Name }).ToListAsync(ct);
            foreach (var one in bound)
            {
                namesThere[(one.HostId, server)] = one.Name;
            }
        }
    }

    private ServiceSet Parse(string text)
    {
        if (!services.TryGetValue(text, out var set))
        {
            services[text] = set = ServiceSet.Parse(text);
        }

        return set;
    }

    public void Store(PortalDbContext db, EvidenceRecord evidence, byte[]? log)
    {
        StoreLog(db, evidence, log);
        if (former.GetValueOrDefault(evidence.HostId) is { } digest && !string.Equals(digest, evidence.EventLogDigest, StringComparison.Ordinal))
        {
            replaced.Add(digest);
        }

        db.Entry(evidence).State = former.TryAdd(evidence.HostId, evidence.EventLogDigest) ? EntityState.Added : EntityState.Modified;
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
