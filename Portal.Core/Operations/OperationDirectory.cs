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
    /// <summary>What it takes to cancel it.</summary>
    public Permission CancelTakes { get; init; } = Permission.OperateVirtualMachines;

    /// <summary>Why it failed, if it did.</summary>
    public Refusal? Refusal => Operation.Refusal is { } json ? JsonSerializer.Deserialize<Refusal>(json) : null;
}

/// <summary>Reads and cancels operations.</summary>
/// <param name="contexts">The database.</param>
/// <param name="runner">Knows which steps cannot be undone.</param>
/// <param name="access">Who may cancel.</param>
/// <param name="audit">Where a cancellation is told.</param>
/// <param name="feed">Who watches.</param>
public sealed class OperationDirectory(IDbContextFactory<PortalDbContext> contexts, OperationRunner runner, AccessControl access, AuditLog audit, IChangeFeed feed)
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

    /// <summary>Operations of a kind that have not ended, oldest first.</summary>
    public async Task<IReadOnlyList<OperationView>> OpenAsync(string kind, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await db.Operations.AsNoTracking().Where(o => o.Kind == kind && o.EndedAt == null).OrderBy(o => o.CreatedAt).ToListAsync(ct);
        return [.. rows.Select(View)];
    }

    /// <summary>One operation, or null.</summary>
    public async Task<OperationView?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Operations.AsNoTracking().SingleOrDefaultAsync(o => o.Id == id, ct) is { } row ? View(row) : null;
    }

    /// <summary>
    /// Asks an operation to stop, before its next step or in the middle of one that can, and undo what it did. One that passes a point of no return meanwhile goes on to its end.
    /// Refusals: <c>operation.not_found</c>, <c>operation.ended</c>, <c>operation.no_return</c>.
    /// </summary>
    public async Task<Outcome<Done>> CancelAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var operation = await db.Operations.AsNoTracking().SingleOrDefaultAsync(o => o.Id == id, ct);
        var target = operation is null
            ? new AuditTarget("operation", id, id.ToString())
            : new AuditTarget(operation.TargetKind, operation.TargetId, operation.TargetName);
        if (await access.DemandAsync(caller, runner.CancelTakes(operation?.Kind), target, ct) is { } denied)
        {
            return denied;
        }

        var refusal = operation is null ? Refusal.NotFound("operation", id.ToString())
            : runner.IsPastReturn(operation) && !operation.HasEnded ? Refusal.Conflict("operation.no_return", $"'{operation.Title}' has done what cannot be undone.", "Wait for its end; it goes on by itself.")
            : await AskAsync(db, caller, operation, target, ct);
        if (refusal is not null)
        {
            await audit.RefusedAsync(caller.Person, target, refusal, ct);
            return refusal;
        }

        feed.Publish(Change.Of(ChangeTopic.Operation, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        return Done.Value;
    }

    /// <summary>Only the flag is written, and only while it runs: the runner owns the rest of the row.</summary>
    private async Task<Refusal?> AskAsync(PortalDbContext db, Caller caller, Operation operation, AuditTarget target, CancellationToken ct)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var asked = await db.Operations
            .Where(o => o.Id == operation.Id && (o.State == OperationState.Queued || o.State == OperationState.Running))
            .ExecuteUpdateAsync(set => set.SetProperty(o => o.CancelRequested, true), ct);
        if (asked == 0)
        {
            return Refusal.Conflict("operation.ended", $"'{operation.Title}' has ended or is being undone already.", "Look at its result.");
        }

        audit.Add(db, caller.Person, "operation.cancel", target, $"Asked to cancel '{operation.Title}'.");
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return null;
    }

    private OperationView View(Operation operation) => new(operation, OperationRunner.Read(operation)) { CancelTakes = runner.CancelTakes(operation.Kind) };
}
