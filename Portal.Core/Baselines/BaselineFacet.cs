using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>
/// Which baselines a host matches, as a facet of hosts: <c>baseline=rhel9*</c> finds hosts by a baseline's name, and
/// <c>baseline="rhel9 rev. 3"</c> by a revision's. So that every "N hosts match" leads to those hosts.
/// </summary>
public sealed class BaselineFacet : IHostFacet
{
    /// <summary>Name of the facet.</summary>
    public const string FacetName = "baseline";

    /// <inheritdoc/>
    public string Name => FacetName;

    /// <summary>The search that finds the hosts matching a baseline, or one of its revisions.</summary>
    /// <param name="baseline">The baseline's name.</param>
    /// <param name="number">A revision's number; null for any in force.</param>
    public static string SearchFor(string baseline, int? number = null) =>
        $"{FacetName}=\"{(number is { } n ? RevisionStanding.TitleOf(baseline, n) : baseline)}\"";

    /// <inheritdoc/>
    public IQueryable<Host>? Where(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term, DateTimeOffset now)
    {
        var (like, not) = (term.Like, term.Negated);
        return hosts.Where(h => db.BaselineMatches.Any(m => m.HostId == h.Id && db.BaselineRevisions.Any(r => r.Id == m.RevisionId
            && db.Baselines.Any(b => b.Id == r.BaselineId
                && (EF.Functions.Like(b.Name, like, SearchTerm.Escape) || EF.Functions.Like(b.Name + " rev. " + r.Number, like, SearchTerm.Escape))))) != not);
    }

    /// <inheritdoc/>
    public IOrderedQueryable<Host> OrderBy(PortalDbContext db, IQueryable<Host> hosts, bool descending, DateTimeOffset now)
    {
        System.Linq.Expressions.Expression<Func<Host, int>> matches = h => db.BaselineMatches.Count(m => m.HostId == h.Id);
        return descending ? hosts.OrderByDescending(matches) : hosts.OrderBy(matches);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<Guid, object>> LoadAsync(PortalDbContext db, IReadOnlyList<Guid> hostIds, DateTimeOffset now, CancellationToken ct)
    {
        var matches = await db.BaselineMatches
            .Where(m => hostIds.Contains(m.HostId))
            .Join(db.BaselineRevisions, m => m.RevisionId, r => r.Id, (m, r) => new { m.HostId, r.BaselineId, r.Number })
            .Join(db.Baselines, r => r.BaselineId, b => b.Id, (r, b) => new { r.HostId, b.Name, r.Number })
            .OrderBy(m => m.Name)
            .ThenBy(m => m.Number)
            .ToListAsync(ct);
        return matches.GroupBy(m => m.HostId).ToDictionary(g => g.Key, g => (object)g.Select(m => RevisionStanding.TitleOf(m.Name, m.Number)).ToList());
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<FacetCount>> CountAsync(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<FacetCount>>([]);
}
