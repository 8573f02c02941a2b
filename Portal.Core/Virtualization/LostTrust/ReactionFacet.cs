using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>What is done about hosts that lost trust, as a facet of hosts: <c>reaction=held</c>, <c>reaction=quarantine</c>. Its value in rows is the <see cref="HostReaction"/>, where there is one.</summary>
public sealed class ReactionFacet : IHostFacet
{
    /// <summary>Name of the facet.</summary>
    public const string FacetName = "reaction";

    /// <summary>The value of hosts in quarantine.</summary>
    public const string Quarantined = "quarantine";

    /// <summary>The value of hosts whose reaction is held back.</summary>
    public const string Held = "held";

    private static readonly (string Value, string Title, ReactionState State)[] States =
    [
        (Held, "Held", ReactionState.Held), ("waiting", "About to be evacuated", ReactionState.Waiting), ("acting", "Being evacuated", ReactionState.Acting), ("done", "Evacuated", ReactionState.Done),
    ];

    /// <inheritdoc/>
    public string Name => FacetName;

    /// <inheritdoc/>
    public IQueryable<Host>? Where(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term, DateTimeOffset now)
    {
        var not = term.Negated;
        if (string.Equals(term.Value, Quarantined, StringComparison.OrdinalIgnoreCase))
        {
            return hosts.Where(h => (h.QuarantinedSince != null) != not);
        }

        var known = Array.Find(States, s => string.Equals(s.Value, term.Value, StringComparison.OrdinalIgnoreCase));
        return known.Value is null ? null : hosts.Where(h => db.HostReactions.Any(r => r.HostId == h.Id && r.State == known.State) != not);
    }

    /// <inheritdoc/>
    public IOrderedQueryable<Host> OrderBy(PortalDbContext db, IQueryable<Host> hosts, bool descending, DateTimeOffset now)
    {
        // Held first, then those that wait, act, are done; then those in quarantine only.
        Expression<Func<Host, int>> rank = h => db.HostReactions
            .Where(r => r.HostId == h.Id)
            .Select(r => (int?)(r.State == ReactionState.Held ? 0 : r.State == ReactionState.Waiting ? 1 : r.State == ReactionState.Acting ? 2 : 3))
            .FirstOrDefault() ?? (h.QuarantinedSince != null ? 4 : 5);
        return descending ? hosts.OrderByDescending(rank) : hosts.OrderBy(rank);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<Guid, object>> LoadAsync(PortalDbContext db, IReadOnlyList<Guid> hostIds, DateTimeOffset now, CancellationToken ct) =>
        await db.HostReactions.AsNoTracking().Where(r => hostIds.Contains(r.HostId)).ToDictionaryAsync(r => r.HostId, object (r) => r, ct);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<FacetCount>> CountAsync(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now, CancellationToken ct)
    {
        var quarantined = await hosts.CountAsync(h => h.QuarantinedSince != null, ct);
        var states = await hosts.Join(db.HostReactions, h => h.Id, r => r.HostId, (_, r) => r.State).GroupBy(s => s).Select(g => new { g.Key, Hosts = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        var counts = States.Select(s => new FacetCount(FacetName, s.Value, s.Title, states.GetValueOrDefault(s.State)));
        return [.. counts.Append(new FacetCount(FacetName, Quarantined, "In quarantine", quarantined)).Where(c => c.Hosts > 0)];
    }

    /// <summary>A state as one searches for it.</summary>
    public static string ValueOf(ReactionState state) => Array.Find(States, s => s.State == state).Value;
}
