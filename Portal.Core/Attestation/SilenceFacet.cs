using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Whether a host leaves requests to attest unanswered: <c>silent=yes</c>, <c>silent=no</c>. A trusted host may be silent until its evidence is too old.</summary>
public sealed class SilenceFacet : IHostFacet
{
    /// <summary>Name of the facet.</summary>
    public const string FacetName = "silent";

    /// <summary>The value of silent hosts.</summary>
    public const string Silent = "yes";

    /// <inheritdoc/>
    public string Name => FacetName;

    /// <inheritdoc/>
    public IQueryable<Host>? Where(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term, DateTimeOffset now)
    {
        var silent = string.Equals(term.Value, Silent, StringComparison.OrdinalIgnoreCase);
        if (!silent && !string.Equals(term.Value, "no", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var wanted = silent != term.Negated;
        return hosts.Where(h => db.Attestations.Any(a => a.HostId == h.Id && a.FailingSince != null && a.Outcome != CheckOutcome.NotConfigured && a.Outcome != CheckOutcome.ProtocolError) == wanted);
    }

    /// <inheritdoc/>
    public IOrderedQueryable<Host> OrderBy(PortalDbContext db, IQueryable<Host> hosts, bool descending, DateTimeOffset now) =>
        descending
            ? hosts.OrderByDescending(h => db.Attestations.Where(a => a.HostId == h.Id).Select(a => a.FailingSince).FirstOrDefault())
            : hosts.OrderBy(h => db.Attestations.Where(a => a.HostId == h.Id).Select(a => a.FailingSince).FirstOrDefault());

    /// <inheritdoc/>
    public Task<IReadOnlyDictionary<Guid, object>> LoadAsync(PortalDbContext db, IReadOnlyList<Guid> hostIds, DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult<IReadOnlyDictionary<Guid, object>>(new Dictionary<Guid, object>());

    /// <inheritdoc/>
    public async Task<IReadOnlyList<FacetCount>> CountAsync(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now, CancellationToken ct)
    {
        var silent = await Where(db, hosts, new SearchTerm(FacetName, false, Silent), now)!.CountAsync(ct);
        return silent == 0 ? [] : [new FacetCount(FacetName, Silent, "Silent", silent)];
    }
}
