using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Storage;

namespace Portal.Core.Audit;

/// <summary>Which audit rows. Everything given must hold; text ignores case.</summary>
/// <param name="Text">Part of the sentence, the event, the target's or the person's name.</param>
/// <param name="Severity">Only this loud.</param>
/// <param name="TargetKind">Only about this sort of thing.</param>
/// <param name="TargetId">Only about this thing.</param>
/// <param name="Person">Part of the acting person's name, or their whole subject.</param>
/// <param name="From">Not before, inclusive.</param>
/// <param name="To">Before, exclusive.</param>
public sealed record AuditQuery(
    string? Text = null,
    AuditSeverity? Severity = null,
    string? TargetKind = null,
    Guid? TargetId = null,
    string? Person = null,
    DateTimeOffset? From = null,
    DateTimeOffset? To = null);

/// <summary>A page of audit rows, newest first.</summary>
/// <param name="Rows">The rows.</param>
/// <param name="Next">What to pass as <c>before</c> for the next page; null on the last.</param>
public sealed record AuditPage(IReadOnlyList<AuditRow> Rows, long? Next);

/// <summary>An export under way.</summary>
/// <param name="Rows">The rows, newest first, times in UTC; read from the database as they are asked for.</param>
public sealed record AuditExport(IAsyncEnumerable<AuditRow> Rows);

/// <summary>Reads the audit. Every query needs <see cref="Permission.Read"/>.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may read.</param>
/// <param name="audit">Where exports are recorded.</param>
public sealed class AuditDirectory(IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit)
{
    private const int MostRows = 200;
    private const int ExportBatch = 1000;

    private static AuditTarget Everything => new("portal", null, "audit");

    /// <summary>One page, newest first. Pages are found by id, so rows written meanwhile shift nothing.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="query">Which rows.</param>
    /// <param name="before">Only rows with a smaller id; null for the newest.</param>
    /// <param name="take">Rows on the page; at most 200.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task<Outcome<AuditPage>> SearchAsync(Caller caller, AuditQuery query, long? before, int take, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, Everything, ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var size = Math.Clamp(take, 1, MostRows);
        var rows = await Chosen(db, query, before).Take(size + 1).Select(AuditRow.FromEntry).ToListAsync(ct);
        return rows.Count <= size ? new AuditPage(rows, null) : new AuditPage(rows[..size], rows[size - 1].Id);
    }

    /// <summary>
    /// All rows that match, newest first, times in UTC; rows written after the export began are not in it. That somebody exported is
    /// itself audited.
    /// </summary>
    public async Task<Outcome<AuditExport>> ExportAsync(Caller caller, AuditQuery query, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, Everything, ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var newest = await db.AuditEntries.MaxAsync(a => (long?)a.Id, ct) ?? 0;
        await audit.AppendAsync(caller.Person, "audit.exported", Everything, $"{caller.Person.Name} exported the audit.", AuditSeverity.Notice, null, ct);
        return new AuditExport(StreamAsync(query, newest + 1, CancellationToken.None));
    }

    // Batch by batch: a slow download holds no connection and no snapshot.
    private async IAsyncEnumerable<AuditRow> StreamAsync(AuditQuery query, long before, [EnumeratorCancellation] CancellationToken ct)
    {
        for (long? next = before; next is not null;)
        {
            List<AuditRow> rows;
            await using (var db = await contexts.CreateDbContextAsync(ct))
            {
                rows = await Chosen(db, query, next).Take(ExportBatch).Select(AuditRow.FromEntry).ToListAsync(ct);
            }

            foreach (var row in rows)
            {
                yield return row;
            }

            next = rows.Count < ExportBatch ? null : rows[^1].Id;
        }
    }

    private static IQueryable<AuditEntry> Chosen(PortalDbContext db, AuditQuery query, long? before)
    {
        var rows = db.AuditEntries.AsNoTracking();
        if (before is { } id)
        {
            rows = rows.Where(a => a.Id < id);
        }

        if (query.Severity is { } severity)
        {
            rows = rows.Where(a => a.Severity == severity);
        }

        if (!string.IsNullOrWhiteSpace(query.TargetKind))
        {
            var kind = query.TargetKind.Trim().ToLowerInvariant();
            rows = rows.Where(a => a.TargetKind == kind);
        }

        if (query.TargetId is { } target)
        {
            rows = rows.Where(a => a.TargetId == target);
        }

        if (query.From is { } from)
        {
            rows = rows.Where(a => a.At >= from);
        }

        if (query.To is { } to)
        {
            rows = rows.Where(a => a.At < to);
        }

        return Worded(rows, query).OrderByDescending(a => a.Id);
    }

#pragma warning disable CA1862, CA1304, CA1311 // Translated to SQL, where this is the one portable way to ignore case.
    private static IQueryable<AuditEntry> Worded(IQueryable<AuditEntry> rows, AuditQuery query)
    {
        if (!string.IsNullOrWhiteSpace(query.Person))
        {
            var (person, part) = (query.Person.Trim(), query.Person.Trim().ToLowerInvariant());
            rows = rows.Where(a => a.Subject == person || a.PersonName.ToLower().Contains(part));
        }

        if (!string.IsNullOrWhiteSpace(query.Text))
        {
            var part = query.Text.Trim().ToLowerInvariant();
            rows = rows.Where(a =>
                a.Sentence.ToLower().Contains(part)
                || a.TargetName.ToLower().Contains(part)
                || a.PersonName.ToLower().Contains(part)
                || a.Event.Contains(part));
        }

        return rows;
    }
#pragma warning restore CA1862, CA1304, CA1311
}
