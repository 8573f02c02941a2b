using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>What lists show of a host's trust.</summary>
/// <param name="Status">The word.</param>
/// <param name="Reason">A few words why; empty when trusted.</param>
/// <param name="Row">The whole row; null when the host was never asked.</param>
public sealed record HostTrust(TrustStatus Status, string Reason, HostAttestation? Row)
{
    /// <summary>What a host without a row shows.</summary>
    public static HostTrust Unasked { get; } = new(TrustStatus.Unknown, "never attested", null);

    /// <summary>The trust of a row at a moment.</summary>
    public static HostTrust Of(HostAttestation? row, DateTimeOffset now) => row is null ? Unasked : new HostTrust(row.StatusAt(now), row.Reason, row);

    /// <summary>The instant the column tells the age of: of the evidence when trusted or stale, of the verdict when untrusted.</summary>
    public DateTimeOffset? Since => Status == TrustStatus.Untrusted ? Row?.VerdictSince : Row?.VerifiedAt;
}

/// <summary>The attestation feature's facet of hosts: <c>trust</c>.</summary>
public sealed class TrustFacet : IHostFacet
{
    /// <summary>Name of the facet.</summary>
    public const string FacetName = "trust";

    private static readonly (TrustStatus Status, string Value)[] Shown =
    [
        (TrustStatus.Untrusted, "untrusted"), (TrustStatus.Stale, "stale"), (TrustStatus.Unknown, "unknown"), (TrustStatus.Trusted, "trusted"),
    ];

    /// <inheritdoc/>
    public string Name => FacetName;

    /// <inheritdoc/>
    public IQueryable<Host>? Where(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term, DateTimeOffset now) =>
        Enum.TryParse<TrustStatus>(term.Value, ignoreCase: true, out var status) && Enum.IsDefined(status)
            ? With(db, hosts, status, now, term.Negated)
            : null;

    /// <inheritdoc/>
    public IOrderedQueryable<Host> OrderBy(PortalDbContext db, IQueryable<Host> hosts, bool descending, DateTimeOffset now)
    {
        // Worst first: untrusted, stale, unknown, trusted. A host without a row is unknown.
        System.Linq.Expressions.Expression<Func<Host, int>> rank = h => db.Attestations
            .Where(a => a.HostId == h.Id)
            .Select(a => (int?)(a.Verdict == Verdict.Untrusted ? 0 : a.Verdict == Verdict.None || a.ForgetAt <= now ? 2 : a.VerifiedAt > now || a.ValidUntil <= now ? 1 : 3))
            .FirstOrDefault() ?? 2;
        return descending ? hosts.OrderByDescending(rank) : hosts.OrderBy(rank);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<Guid, object>> LoadAsync(PortalDbContext db, IReadOnlyList<Guid> hostIds, DateTimeOffset now, CancellationToken ct)
    {
        var rows = await db.Attestations.AsNoTracking().Where(a => hostIds.Contains(a.HostId)).ToDictionaryAsync(a => a.HostId, ct);
        return hostIds.ToDictionary(id => id, id => (object)HostTrust.Of(rows.GetValueOrDefault(id), now));
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<FacetCount>> CountAsync(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now, CancellationToken ct)
    {
        var counts = await StandingOf(db, hosts, now).GroupBy(s => s.Status).Select(g => new { g.Key, Hosts = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        return [.. Shown.Select(s => new FacetCount(FacetName, s.Value, s.Status.ToString(), counts.GetValueOrDefault(s.Status)))];
    }

    /// <summary>Each host with its row and the word it shows at a moment, as the database can group and count them: <see cref="AttestationState.StatusAt"/> in SQL.</summary>
    internal static IQueryable<Standing> StandingOf(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now) =>
        from host in hosts
        join attestation in db.Attestations on host.Id equals attestation.HostId into rows
        from row in rows.DefaultIfEmpty()
        select new Standing
        {
            Host = host,
            VerifiedAt = row == null ? null : row.VerifiedAt,
            Status = row == null || row.Verdict == Verdict.None ? TrustStatus.Unknown
                : row.Verdict == Verdict.Untrusted ? TrustStatus.Untrusted
                : row.VerifiedAt <= now && row.ValidUntil > now ? TrustStatus.Trusted
                : row.ForgetAt > now ? TrustStatus.Stale
                : TrustStatus.Unknown,
        };

    /// <summary>Hosts that show a word at a moment: the query form of <see cref="AttestationState.StatusAt"/>.</summary>
    public static IQueryable<Host> With(PortalDbContext db, IQueryable<Host> hosts, TrustStatus status, DateTimeOffset now, bool negated) => status switch
    {
        TrustStatus.Trusted => hosts.Where(h => db.Attestations.Any(a => a.HostId == h.Id && a.Verdict == Verdict.Trusted && a.VerifiedAt <= now && a.ValidUntil > now) != negated),
        TrustStatus.Untrusted => hosts.Where(h => db.Attestations.Any(a => a.HostId == h.Id && a.Verdict == Verdict.Untrusted) != negated),
        TrustStatus.Stale => hosts.Where(h => db.Attestations.Any(a => a.HostId == h.Id && a.Verdict == Verdict.Trusted && (a.VerifiedAt > now || a.ValidUntil <= now) && a.ForgetAt > now) != negated),
        TrustStatus.Unknown => hosts.Where(h => db.Attestations.Any(a => a.HostId == h.Id && (a.Verdict == Verdict.Untrusted
            || (a.Verdict == Verdict.Trusted && ((a.VerifiedAt <= now && a.ValidUntil > now) || a.ForgetAt > now)))) == negated),
    };

    /// <summary>A host and how it stands.</summary>
    internal sealed class Standing
    {
        public required Host Host { get; init; }

        public required DateTimeOffset? VerifiedAt { get; init; }

        public required TrustStatus Status { get; init; }
    }
}
