using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>How many hosts show which word.</summary>
/// <param name="Trusted">Trusted and fresh.</param>
/// <param name="Untrusted">Untrusted.</param>
/// <param name="Stale">Stale.</param>
/// <param name="Unknown">Unknown.</param>
public sealed record TrustCounts(int Trusted, int Untrusted, int Stale, int Unknown)
{
    /// <summary>All of them.</summary>
    public int Hosts => Trusted + Untrusted + Stale + Unknown;

    /// <summary>How many show a word.</summary>
    public int Of(TrustStatus status) => status switch
    {
        TrustStatus.Trusted => Trusted,
        TrustStatus.Untrusted => Untrusted,
        TrustStatus.Stale => Stale,
        TrustStatus.Unknown => Unknown,
    };
}

/// <summary>Trust of a cluster's hosts.</summary>
/// <param name="ClusterId">The cluster.</param>
/// <param name="Cluster">Its name.</param>
/// <param name="Counts">Its hosts.</param>
public sealed record ClusterTrust(Guid ClusterId, string Cluster, TrustCounts Counts);

/// <summary>Trust of hosts that say they are built and installed alike: a cell of the drift map.</summary>
/// <param name="Model">Manufacturer and product.</param>
/// <param name="Firmware">BIOS vendor and version.</param>
/// <param name="System">Operating system image.</param>
/// <param name="Counts">Their hosts.</param>
public sealed record DriftCell(string Model, string Firmware, string System, TrustCounts Counts);

/// <summary>How many hosts' evidence is how old.</summary>
/// <param name="Below">Upper limit of the age, exclusive; null for older than all limits.</param>
/// <param name="Hosts">How many.</param>
public sealed record EvidenceAge(TimeSpan? Below, int Hosts);

/// <summary>Trust over the whole fleet, counted by the database.</summary>
/// <param name="contexts">The database.</param>
/// <param name="time">Our clock.</param>
public sealed class TrustOverview(IDbContextFactory<PortalDbContext> contexts, TimeProvider time)
{
    private static readonly TimeSpan[] Ages = [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10), TimeSpan.FromHours(1), TimeSpan.FromDays(1)];

    /// <summary>Cluster by cluster, by name; those without hosts too.</summary>
    public async Task<IReadOnlyList<ClusterTrust>> ByClusterAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await db.Clusters.AsNoTracking().OrderBy(c => c.Name).Select(c => new { c.Id, c.Name }).ToListAsync(ct);
        var counts = await TrustFacet.StandingOf(db, db.Hosts.AsNoTracking(), time.GetUtcNow())
            .GroupBy(s => new { s.Host.ClusterId, s.Status })
            .Select(g => new { g.Key.ClusterId, g.Key.Status, Hosts = g.Count() })
            .ToListAsync(ct);
        var byCluster = counts.ToLookup(c => c.ClusterId, c => (c.Status, c.Hosts));
        return [.. clusters.Select(c => new ClusterTrust(c.Id, c.Name, Sum(byCluster[c.Id])))];
    }

    /// <summary>Hosts alike, by model, firmware and system.</summary>
    public async Task<IReadOnlyList<DriftCell>> DriftAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var counts = await TrustFacet.StandingOf(db, db.Hosts.AsNoTracking(), time.GetUtcNow())
            .Select(s => new
            {
                Model = s.Host.Hardware.Manufacturer + " " + s.Host.Hardware.ProductName,
                Firmware = s.Host.Hardware.BiosVendor + " " + s.Host.Hardware.BiosVersion,
                System = s.Host.Hardware.OperatingSystem,
                s.Status,
            })
            .GroupBy(s => s)
            .Select(g => new { g.Key.Model, g.Key.Firmware, g.Key.System, g.Key.Status, Hosts = g.Count() })
            .ToListAsync(ct);
        return [.. counts
            .GroupBy(c => (c.Model, c.Firmware, c.System))
            .Select(g => new DriftCell(g.Key.Model, g.Key.Firmware, g.Key.System, Sum(g.Select(c => (c.Status, c.Hosts)))))
            .OrderBy(c => c.Model, StringComparer.Ordinal).ThenBy(c => c.Firmware, StringComparer.Ordinal).ThenBy(c => c.System, StringComparer.Ordinal)];
    }

    /// <summary>Age of the evidence behind verdicts, youngest first; hosts that were never verified are not among them.</summary>
    public async Task<IReadOnlyList<EvidenceAge>> AgesAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var limits = Array.ConvertAll(Ages, age => now - age);
        var (a, b, c, d, e, f) = (limits[0], limits[1], limits[2], limits[3], limits[4], limits[5]);
        var counts = await db.Attestations
            .Where(row => row.VerifiedAt != null)
            .GroupBy(row => row.VerifiedAt > a ? 0 : row.VerifiedAt > b ? 1 : row.VerifiedAt > c ? 2 : row.VerifiedAt > d ? 3 : row.VerifiedAt > e ? 4 : row.VerifiedAt > f ? 5 : 6)
            .Select(g => new { g.Key, Hosts = g.Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        return [.. Enumerable.Range(0, Ages.Length + 1).Select(i => new EvidenceAge(i < Ages.Length ? Ages[i] : null, counts.GetValueOrDefault(i)))];
    }

    private static TrustCounts Sum(IEnumerable<(TrustStatus Status, int Hosts)> counts)
    {
        var by = counts.GroupBy(c => c.Status).ToDictionary(g => g.Key, g => g.Sum(c => c.Hosts));
        return new TrustCounts(
            by.GetValueOrDefault(TrustStatus.Trusted), by.GetValueOrDefault(TrustStatus.Untrusted), by.GetValueOrDefault(TrustStatus.Stale), by.GetValueOrDefault(TrustStatus.Unknown));
    }
}
