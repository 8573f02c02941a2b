using System.Collections.Immutable;
using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>Reads baselines for people. Every query needs <see cref="Permission.Read"/>.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may read.</param>
public sealed class BaselineDirectory(IDbContextFactory<PortalDbContext> contexts, AccessControl access)
{
    private const int MostRows = 200;
    private const int HistoryRows = 200;

    /// <summary>One page of baselines.</summary>
    public async Task<Outcome<Page<BaselineRow>>> ListAsync(Caller caller, BaselineQuery query, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, Everything, ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var chosen = Chosen(db, query);
        var total = await chosen.CountAsync(ct);
        var page = await Sorted(db, chosen, query)
            .Skip(Math.Max(0, query.Skip))
            .Take(Math.Clamp(query.Take, 1, MostRows))
            .AsNoTracking()
            .ToListAsync(ct);
        var ids = page.ConvertAll(b => b.Id);
        var revisions = (await db.BaselineRevisions
            .Where(r => ids.Contains(r.BaselineId))
            .Select(r => new RevisionHead(r.Id, r.BaselineId, r.Number, r.State))
            .ToListAsync(ct)).ToLookup(r => r.BaselineId);
        var matching = await db.BaselineMatches
            .Join(db.BaselineRevisions.Where(r => ids.Contains(r.BaselineId)), m => m.RevisionId, r => r.Id, (m, r) => new { r.BaselineId, m.HostId })
            .Distinct()
            .GroupBy(m => m.BaselineId)
            .Select(g => new { g.Key, Hosts = g.Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        var scopes = await ScopesAsync(db, [.. page.Select(b => ScopeBearer(revisions[b.Id]).Id)], ct);
        return new Page<BaselineRow>([.. page.Select(b => Row(b, [.. revisions[b.Id].OrderBy(r => r.Number)], scopes, matching.GetValueOrDefault(b.Id)))], total);
    }

    /// <summary>One baseline with its revisions, people and history.</summary>
    public async Task<Outcome<BaselineView>> ReadAsync(Caller caller, Guid baselineId, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, new AuditTarget("baseline", baselineId, baselineId.ToString()), ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var baseline = await db.Baselines.AsNoTracking().FirstOrDefaultAsync(b => b.Id == baselineId, ct);
        if (baseline is null)
        {
            return Refusal.NotFound("baseline", baselineId.ToString());
        }

        var revisions = await RevisionRows.ReadAsync(db, db.BaselineRevisions.Where(r => r.BaselineId == baselineId), ct);
        var matching = await db.BaselineMatches
            .Where(m => db.BaselineRevisions.Any(r => r.Id == m.RevisionId && r.BaselineId == baselineId))
            .Select(m => m.HostId)
            .Distinct()
            .CountAsync(ct);
        var history = await db.AuditEntries
            .Where(a => a.TargetId == baselineId && a.TargetKind == "baseline")
            .OrderByDescending(a => a.Id)
            .Take(HistoryRows)
            .Select(AuditRow.FromEntry)
            .ToListAsync(ct);
        return new BaselineView(
            baseline.Id, baseline.Name, baseline.Kind, baseline.Description, baseline.CreatedAt, revisions, matching, history);
    }

    /// <summary>One revision with what it says, its warnings and its difference from what was approved before it.</summary>
    public async Task<Outcome<RevisionView>> ReadRevisionAsync(Caller caller, Guid revisionId, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, new AuditTarget("baseline", null, revisionId.ToString()), ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var revision = await db.BaselineRevisions.AsNoTracking().FirstOrDefaultAsync(r => r.Id == revisionId, ct);
        if (revision is null)
        {
            return Refusal.NotFound("revision", revisionId.ToString());
        }

        var baseline = await db.Baselines.AsNoTracking().FirstAsync(b => b.Id == revision.BaselineId, ct);
        var row = (await RevisionRows.ReadAsync(db, db.BaselineRevisions.Where(r => r.Id == revisionId), ct))[0];
        var previous = await db.BaselineRevisions
            .Where(r => r.BaselineId == baseline.Id && r.Number < revision.Number && r.ApprovedAt != null)
            .OrderByDescending(r => r.Number)
            .Select(r => new { r.Number, r.Content })
            .FirstOrDefaultAsync(ct);
        var content = BaselineContent.Parse(revision.Content);
        var scopes = await ScopesAsync(db, [revisionId], ct);
        return new RevisionView(
            baseline.Id,
            baseline.Name,
            baseline.Kind,
            row,
            content,
            scopes[revisionId],
            BaselineWarnings.Of(content, baseline.Kind),
            previous?.Number,
            BaselineDiff.Between(previous is null ? null : BaselineContent.Parse(previous.Content), content),
            WhyNot(caller, baseline, row));
    }

    /// <summary>How many revisions wait for a reviewer, and for how many of them the caller could be the one.</summary>
    public async Task<Outcome<PendingReviews>> PendingReviewsAsync(Caller caller, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, Everything, ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var (issuer, subject) = (caller.Person.Issuer, caller.Person.Subject);
        var waiting = db.BaselineRevisions.Where(r => r.State == RevisionState.InReview);
        var all = await waiting.CountAsync(ct);
        var others = caller.May(Permission.ApproveBaselines)
            ? await waiting.CountAsync(r => !db.RevisionPersons.Any(p => p.RevisionId == r.Id && p.Issuer == issuer && p.Subject == subject), ct)
            : 0;
        return new PendingReviews(all, others);
    }

    /// <summary>How many baselines there are by kind, and how many have a revision in which state: the numbers on the filters.</summary>
    public async Task<Outcome<BaselineCounts>> CountAsync(Caller caller, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, Everything, ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var kinds = await db.Baselines.GroupBy(b => b.Kind).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        var states = await db.BaselineRevisions
            .Select(r => new { r.BaselineId, r.State })
            .Distinct()
            .GroupBy(r => r.State)
            .Select(g => new { g.Key, Count = g.Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        return new BaselineCounts(kinds.Values.Sum(), kinds, states);
    }

    private static AuditTarget Everything => new("baseline", null, "all baselines");

    private static Refusal? WhyNot(Caller caller, Baseline baseline, RevisionRow row)
    {
        var title = RevisionStanding.TitleOf(baseline.Name, row.Number);
        return caller switch
        {
            _ when !caller.May(Permission.ApproveBaselines) => AccessControl.Denied(caller, Permission.ApproveBaselines),
            _ when row.Authors.Any(a => a.Person.Is(caller.Person)) => BaselineRefusals.OwnWork(caller.Person, title),
            _ when row.State is not RevisionState.InReview => BaselineRefusals.NotApprovable(title, row.State),
            _ => null,
        };
    }

    private static IQueryable<Baseline> Chosen(PortalDbContext db, BaselineQuery query)
    {
        IQueryable<Baseline> chosen = db.Baselines;
        if (!string.IsNullOrWhiteSpace(query.Search))
        {
            var part = query.Search.Trim().ToLowerInvariant();
#pragma warning disable CA1862, MA0011, CA1304, CA1311 // Translated to SQL, where this is the one portable way to ignore case.
            chosen = chosen.Where(b => b.Name.ToLower().Contains(part) || b.Description.ToLower().Contains(part));
#pragma warning restore CA1862, MA0011, CA1304, CA1311
        }

        if (query.Kind is { } kind)
        {
            chosen = chosen.Where(b => b.Kind == kind);
        }

        if (query.State is { } state)
        {
            chosen = chosen.Where(b => db.BaselineRevisions.Any(r => r.BaselineId == b.Id && r.State == state));
        }

        return chosen;
    }

    private static IQueryable<Baseline> Sorted(PortalDbContext db, IQueryable<Baseline> chosen, BaselineQuery query)
    {
        Expression<Func<Baseline, DateTimeOffset>> latest = b => db.BaselineRevisions.Where(r => r.BaselineId == b.Id).Max(r => r.CreatedAt);
        Expression<Func<Baseline, int>> coverage = b => db.BaselineMatches
            .Where(m => db.BaselineRevisions.Any(r => r.Id == m.RevisionId && r.BaselineId == b.Id))
            .Select(m => m.HostId)
            .Distinct()
            .Count();
        return (query.Order, query.Descending) switch
        {
            (BaselineOrder.Name, false) => chosen.OrderBy(b => b.Name),
            (BaselineOrder.Name, true) => chosen.OrderByDescending(b => b.Name),
            (BaselineOrder.Kind, false) => chosen.OrderBy(b => b.Kind).ThenBy(b => b.Name),
            (BaselineOrder.Kind, true) => chosen.OrderByDescending(b => b.Kind).ThenBy(b => b.Name),
            (BaselineOrder.Coverage, false) => chosen.OrderBy(coverage).ThenBy(b => b.Name),
            (BaselineOrder.Coverage, true) => chosen.OrderByDescending(coverage).ThenBy(b => b.Name),
            (BaselineOrder.Latest, false) => chosen.OrderBy(latest).ThenBy(b => b.Name),
            (BaselineOrder.Latest, true) => chosen.OrderByDescending(latest).ThenBy(b => b.Name),
        };
    }

    private static BaselineRow Row(Baseline baseline, List<RevisionHead> revisions, Dictionary<Guid, string> scopes, int matching) => new(
        baseline.Id,
        baseline.Name,
        baseline.Kind,
        baseline.Description,
        revisions[^1].Id,
        revisions[^1].Number,
        revisions[^1].State,
        [.. revisions.Where(r => r.State is RevisionState.Approved).Select(r => r.Number)],
        scopes[ScopeBearer(revisions).Id],
        matching);

    private static RevisionHead ScopeBearer(IEnumerable<RevisionHead> revisions) =>
        revisions.OrderByDescending(r => r.State is RevisionState.Approved).ThenByDescending(r => r.Number).First();

    private static async Task<Dictionary<Guid, string>> ScopesAsync(PortalDbContext db, List<Guid> revisionIds, CancellationToken ct)
    {
        var contents = await db.BaselineRevisions.Where(r => revisionIds.Contains(r.Id)).Select(r => new { r.Id, r.Content }).ToListAsync(ct);
        var scopes = contents.ToDictionary(c => c.Id, c => BaselineContent.Parse(c.Content).Clusters);
        var named = scopes.Values.SelectMany(c => c).Distinct().ToList();
        var names = named.Count == 0 ? [] : await db.Clusters.Where(c => named.Contains(c.Id)).ToDictionaryAsync(c => c.Id, c => c.Name, ct);
        return scopes.ToDictionary(s => s.Key, s => Words(s.Value, names));
    }

    private static string Words(ImmutableArray<Guid> clusters, Dictionary<Guid, string> names)
    {
        const int Listed = 3;
        if (clusters.IsDefaultOrEmpty)
        {
            return "all clusters";
        }

        var known = clusters.Select(c => names.GetValueOrDefault(c, "a removed cluster")).Order(StringComparer.OrdinalIgnoreCase).ToList();
        return known.Count <= Listed ? string.Join(", ", known) : $"{string.Join(", ", known.Take(Listed))} and {known.Count - Listed} more";
    }

    private sealed record RevisionHead(Guid Id, Guid BaselineId, int Number, RevisionState State);
}
