using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Baselines;

/// <summary>An approved revision as appraisal needs it.</summary>
/// <param name="RevisionId">The revision.</param>
/// <param name="BaselineId">Its baseline.</param>
/// <param name="Name">The baseline's name.</param>
/// <param name="Number">The revision's number.</param>
/// <param name="Kind">The baseline's kind.</param>
/// <param name="Content">What it says.</param>
public sealed record ApprovedRevision(Guid RevisionId, Guid BaselineId, string Name, int Number, BaselineKinds Kind, BaselineContent Content)
{
    /// <summary>As findings and receipts write it: <c>rhel9-2026-10 rev. 3</c>.</summary>
    public string Title => RevisionStanding.TitleOf(Name, Number);
}

/// <summary>What a preview adds to, and takes from, the revisions in force.</summary>
/// <param name="Also">Revisions to treat as approved.</param>
/// <param name="Without">Revisions to treat as retired.</param>
public sealed record Hypothesis(IReadOnlyList<ApprovedRevision> Also, IReadOnlyCollection<Guid> Without);

/// <summary>The approved revisions a cluster is appraised by.</summary>
/// <param name="ClusterId">The cluster.</param>
/// <param name="PolicyRevision">The policy revision read before the set: the set is at least as new, so an appraisal stamped with it never claims more than it saw.</param>
/// <param name="RequiredKinds">Kinds the cluster requires, read with it.</param>
/// <param name="Revisions">By baseline name, then number.</param>
public sealed record ApprovedSet(Guid ClusterId, long PolicyRevision, BaselineKinds RequiredKinds, IReadOnlyList<ApprovedRevision> Revisions);

/// <summary>Answers which approved revisions apply to a cluster, with content parsed once: it never changes after approval.</summary>
public sealed partial class ApprovedRevisions(IDbContextFactory<PortalDbContext> contexts, ILogger<ApprovedRevisions> log)
{
    // Far above what a site approves; only a bound on memory.
    private const int MostCached = 4096;

    private readonly ConcurrentDictionary<(Guid RevisionId, string ContentHash), BaselineContent> parsed = new();

    /// <summary>
    /// The approved revisions in scope of a cluster; null when there is no such cluster. Reads the list fresh. A round asks once per cluster,
    /// not once per host. A revision whose content is not what its approver was shown is left out and logged: it is not in force.
    /// </summary>
    /// <param name="clusterId">The cluster.</param>
    /// <param name="hypothesis">What to add and take away for a preview; null for what is in force.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task<ApprovedSet?> ForClusterAsync(Guid clusterId, Hypothesis? hypothesis, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = await db.Clusters
            .Where(c => c.Id == clusterId)
            .Select(c => new { c.PolicyRevision, c.RequiredKinds })
            .FirstOrDefaultAsync(ct);
        if (cluster is null)
        {
            return null;
        }

        var approved = await db.BaselineRevisions
            .Where(r => r.State == RevisionState.Approved)
            .Join(db.Baselines, r => r.BaselineId, b => b.Id, (r, b) => new Row(
                r.Id,
                b.Id,
                b.Name,
                r.Number,
                b.Kind,
                r.ContentHash,
                db.RevisionPersons.Where(p => p.RevisionId == r.Id && p.Part == RevisionPart.Approver).Select(p => p.ContentHash).FirstOrDefault()))
            .ToListAsync(ct);
        var without = hypothesis?.Without ?? [];
        var revisions = new List<ApprovedRevision>(approved.Count);
        foreach (var row in approved.Where(r => !without.Contains(r.RevisionId)))
        {
            if (await ContentAsync(db, row, ct) is { } content)
            {
                revisions.Add(new ApprovedRevision(row.RevisionId, row.BaselineId, row.Name, row.Number, row.Kind, content));
            }
        }

        revisions.AddRange((hypothesis?.Also ?? []).Where(also => !revisions.Exists(r => r.RevisionId == also.RevisionId)));
        return new ApprovedSet(
            clusterId,
            cluster.PolicyRevision,
            cluster.RequiredKinds,
            [.. revisions.Where(r => r.Content.AppliesTo(clusterId)).OrderBy(r => r.Name, StringComparer.Ordinal).ThenBy(r => r.Number)]);
    }

    /// <summary>
    /// What approving a revision would change, for a preview: itself added and, if asked, the earlier approved ones of its baseline taken away.
    /// Null when there is no such revision.
    /// </summary>
    /// <param name="revisionId">The revision, in any state.</param>
    /// <param name="retirePrevious">Whether the approval would retire earlier ones.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task<Hypothesis?> IfApprovedAsync(Guid revisionId, bool retirePrevious, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var found = await db.BaselineRevisions
            .Where(r => r.Id == revisionId)
            .Join(db.Baselines, r => r.BaselineId, b => b.Id, (r, b) => new { r.Id, r.Number, r.Content, BaselineId = b.Id, b.Name, b.Kind })
            .FirstOrDefaultAsync(ct);
        if (found is null)
        {
            return null;
        }

        var also = new ApprovedRevision(found.Id, found.BaselineId, found.Name, found.Number, found.Kind, BaselineContent.Parse(found.Content));
        List<Guid> without = retirePrevious
            ? await db.BaselineRevisions
                .Where(r => r.BaselineId == found.BaselineId && r.Number < found.Number && r.State == RevisionState.Approved)
                .Select(r => r.Id)
                .ToListAsync(ct)
            : [];
        return new Hypothesis([also], without);
    }

    private async Task<BaselineContent?> ContentAsync(PortalDbContext db, Row row, CancellationToken ct)
    {
        if (!string.Equals(row.ContentHash, row.ApprovedHash, StringComparison.Ordinal))
        {
            NotWhatWasApproved(log, row.RevisionId);
            return null;
        }

        var key = (row.RevisionId, row.ContentHash);
        if (parsed.TryGetValue(key, out var known))
        {
            return known;
        }

        var text = await db.BaselineRevisions.Where(r => r.Id == row.RevisionId).Select(r => r.Content).FirstOrDefaultAsync(ct);
        if (text is null || !string.Equals(BaselineContent.HashOf(text), row.ContentHash, StringComparison.Ordinal))
        {
            NotWhatWasApproved(log, row.RevisionId);
            return null;
        }

        BaselineContent content;
        try
        {
            content = BaselineContent.Parse(text);
        }
        catch (JsonException fault)
        {
            Unreadable(log, row.RevisionId, fault);
            return null;
        }

        if (parsed.Count >= MostCached)
        {
            parsed.Clear();
        }

        parsed[key] = content;
        return content;
    }

    [LoggerMessage(221, LogLevel.Error, "Revision {Revision} does not say what its approver was shown; it is not in force")]
    private static partial void NotWhatWasApproved(ILogger log, Guid revision);

    [LoggerMessage(222, LogLevel.Error, "The content of revision {Revision} cannot be read; it is not in force")]
    private static partial void Unreadable(ILogger log, Guid revision, Exception fault);

    private sealed record Row(Guid RevisionId, Guid BaselineId, string Name, int Number, BaselineKinds Kind, string ContentHash, string? ApprovedHash);
}
