using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Operations;

/// <summary>An operation as pages show it.</summary>
/// <param name="Operation">The record.</param>
/// <param name="Steps">Its steps.</param>
public sealed record OperationView(Operation Operation, IReadOnlyList<StepRecord> Steps)
{
    /// <summary>Why it failed, if it did.</summary>
    public Refusal? Refusal => Operation.Refusal is { } json ? JsonSerializer.Deserialize<Refusal>(json) : null;
}

/// <summary>Reads and cancels operations.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may cancel.</param>
/// <param name="audit">Where a cancellation is told.</param>
/// <param name="feed">Who watches.</param>
public sealed class OperationDirectory(IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, IChangeFeed feed)
{
    /// <summary>The newest operations, running ones first; of one target if given.</summary>
    public async Task<IReadOnlyList<OperationView>> RecentAsync(int count, Guid? targetId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var query = db.Operations.AsNoTracking();
        if (targetId is { } target)
        {
            query = query.Where(o => o.TargetId == target);
        }

        var rows = await query.OrderBy(o => o.EndedAt != null).ThenByDescending(o => o.CreatedAt).Take(count).ToListAsync(ct);
        return [.. rows.Select(View)];
    }

    /// <summary>Operations that failed since an instant, newest first.</summary>
    public async Task<IReadOnlyList<OperationView>> FailedSinceAsync(DateTimeOffset since, int most, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await db.Operations.AsNoTracking().Where(o => o.State == OperationState.Failed && o.EndedAt >= since).OrderByDescending(o => o.EndedAt).Take(most).ToListAsync(ct);
        return [.. rows.Select(View)];
    }

    /// <summary>One operation, or null.</summary>
    public async Task<OperationView?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Operations.AsNoTracking().SingleOrDefaultAsync(o => o.Id == id, ct) is { } row ? View(row) : null;
    }

    /// <summary>Asks an operation to stop before its next step and undo what it did.</summary>
    public async Task<Outcome<Done>> CancelAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Operations.AsNoTracking().SingleOrDefaultAsync(o => o.Id == id, ct) is not { } operation)
        {
            return Refusal.NotFound("operation", id.ToString());
        }

        var target = new AuditTarget(operation.TargetKind, operation.TargetId, operation.TargetName);
        if (await access.DemandAsync(caller, Permission.OperateVirtualMachines, target, ct) is { } refusal)
        {
            return refusal;
        }

        // Only the flag is written, and only while it runs: the runner owns the rest of the row.
        var asked = await db.Operations
            .Where(o => o.Id == id && (o.State == OperationState.Queued || o.State == OperationState.Running))
            .ExecuteUpdateAsync(set => set.SetProperty(o => o.CancelRequested, true), ct);
        if (asked == 0)
        {
            return Refusal.Conflict("operation.ended", $"'{operation.Title}' has ended or is being undone already.", "Look at its result.");
        }

        audit.Add(db, caller.Person, "operation.cancel", target, $"Asked to cancel '{operation.Title}'.");
        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Operation, id));
        return Done.Value;
    }

    private static OperationView View(Operation operation) => new(operation, OperationRunner.Read(operation));
}
