using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Operations;

/// <summary>
/// Runs operations step by step and writes down every step before and after it. After a crash the same call goes on
/// where the record stands: an interrupted step is first asked whether it was done.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="kinds">The kinds of operation that exist.</param>
/// <param name="audit">Where failures are told.</param>
/// <param name="feed">Who watches progress.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
public sealed partial class OperationRunner(
    IDbContextFactory<PortalDbContext> contexts,
    IEnumerable<IOperationKind> kinds,
    AuditLog audit,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<OperationRunner> log)
{
    private readonly Dictionary<string, IOperationKind> kinds = kinds.ToDictionary(k => k.Kind, StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource> running = new();

    /// <summary>The steps of a kind as a new operation records them.</summary>
    public string InitialSteps(string kind) =>
        Write([.. kinds[kind].Steps.Select(s => new StepRecord(s.Name, s.Title, StepState.Waiting, ""))]);

    /// <summary>What it takes to cancel an operation of a kind.</summary>
    public Permission CancelTakes(string? kind) => kind is not null && kinds.TryGetValue(kind, out var known) ? known.CancelTakes : Permission.OperateVirtualMachines;

    /// <summary>Runs an operation to its end. A second call for the same one joins the first.</summary>
    public async Task RunAsync(Guid id, CancellationToken ct)
    {
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var winner = running.GetOrAdd(id, mine);
        if (winner != mine)
        {
            await winner.Task.WaitAsync(ct);
            return;
        }

        try
        {
            await RunAloneAsync(id, ct);
        }
        finally
        {
            running.TryRemove(id, out _);
            mine.TrySetResult();
        }
    }

    private async Task RunAloneAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Operations.SingleOrDefaultAsync(o => o.Id == id, ct) is not { HasEnded: false } operation)
        {
            return;
        }

        if (!kinds.TryGetValue(operation.Kind, out var kind))
        {
            UnknownKind(log, operation.Id, operation.Kind);
            return;
        }

        var run = new Run(this, db, operation, kind.Bind(operation));
        await run.ToEndAsync(ct);
    }

    /// <summary>Whether a step is done that cannot be undone.</summary>
    internal bool IsPastReturn(Operation operation) =>
        kinds.TryGetValue(operation.Kind, out var kind)
        && kind.Bind(operation).Zip(Read(operation)).Any(s => s.First.IsPointOfNoReturn && s.Second.State == StepState.Done);

    internal static List<StepRecord> Read(Operation operation) => JsonSerializer.Deserialize<List<StepRecord>>(operation.Steps) ?? [];

    private static string Write(List<StepRecord> steps) => JsonSerializer.Serialize(steps);

    [LoggerMessage(201, LogLevel.Error, "Operation {Id} is of the unknown kind {Kind} and stays where it is")]
    private static partial void UnknownKind(ILogger log, Guid id, string kind);

    [LoggerMessage(202, LogLevel.Error, "Step {Step} of operation {Id} failed unexpectedly")]
    private static partial void StepFailed(ILogger log, Guid id, string step, Exception fault);

    [LoggerMessage(203, LogLevel.Information, "Operation {Id} ({Kind}) ended as {State}")]
    private static partial void Ended(ILogger log, Guid id, string kind, OperationState state);

    [LoggerMessage(204, LogLevel.Warning, "Operation {Id} ({Kind}) can only go forward and waits at step {Step}: {Code}; recovery goes on with it")]
    private static partial void Waiting(ILogger log, Guid id, string kind, string step, string code);

    private sealed class Run(OperationRunner runner, PortalDbContext db, Operation operation, IReadOnlyList<IBoundStep> steps)
    {
        private readonly List<StepRecord> records = Read(operation);

        public async Task ToEndAsync(CancellationToken ct)
        {
            if (operation.State is not OperationState.Undoing)
            {
                operation.State = OperationState.Running;
                await ForwardAsync(ct);
            }

            if (operation.State == OperationState.Undoing)
            {
                await BackwardAsync(ct);
            }

            if (operation.HasEnded)
            {
                Ended(runner.Log, operation.Id, operation.Kind, operation.State);
            }
        }

        private async Task ForwardAsync(CancellationToken ct)
        {
            var pastReturn = false;
            for (var i = 0; i < steps.Count; i++)
            {
                // What a crash interrupted may have been done: such a step counts before it is known.
                pastReturn |= steps[i].IsPointOfNoReturn && records[i].State is (StepState.Done or StepState.Running);
                if (records[i].State == StepState.Done)
                {
                    continue;
                }

                var saysItself = records[i].State == StepState.Running && steps[i].StopsItself;
                if (!pastReturn && !saysItself && await CancelWantedAsync(ct))
                {
                    operation.Failure = "Cancelled on request; what was done has been undone.";
                    operation.State = OperationState.Undoing;
                    await SaveAsync(ct);
                    return;
                }

                if (await StepAsync(i, ct) is { } refusal)
                {
                    if (!pastReturn && refusal.Code == OperationStop.Code)
                    {
                        records[i] = records[i] with { State = StepState.Stopped, Sentence = refusal.Sentence };
                        operation.Failure = refusal.Sentence;
                        operation.State = OperationState.Undoing;
                        await SaveAsync(ct);
                        return;
                    }

                    if (refusal.Code == OperationWait.Code)
                    {
                        records[i] = records[i] with { State = StepState.Running, Sentence = refusal.Sentence };
                        await SaveAsync(ct);
                        return;
                    }

                    if (pastReturn)
                    {
                        records[i] = records[i] with { State = StepState.Running, Sentence = refusal.Sentence };
                        await SaveAsync(ct);
                        Waiting(runner.Log, operation.Id, operation.Kind, steps[i].Name, refusal.Code);
                        return;
                    }

                    records[i] = records[i] with { State = StepState.Failed, Sentence = refusal.Sentence };
                    operation.FailureCode = refusal.Code;
                    operation.Failure = refusal.ToString();
                    operation.Refusal = JsonSerializer.Serialize(refusal);
                    operation.State = OperationState.Undoing;
                    await SaveAsync(ct);
                    return;
                }

                pastReturn |= steps[i].IsPointOfNoReturn;
            }

            operation.State = OperationState.Succeeded;
            await EndAsync(ct);
        }

        private async Task<Refusal?> StepAsync(int i, CancellationToken ct)
        {
            var step = steps[i];
            if (records[i].State == StepState.Running && await step.CheckAsync(ct) is { } before)
            {
                await DoneAsync(i, before, ct);
                return null;
            }

            records[i] = records[i] with { State = StepState.Running };
            await SaveAsync(ct);
            try
            {
                var outcome = await step.DoAsync((percent, sentence, token) => TellAsync(i, percent, sentence, token), ct);
                if (!outcome.Succeeded)
                {
                    return outcome.Refusal;
                }

                await DoneAsync(i, outcome.Value, ct);
                return null;
            }
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                StepFailed(runner.Log, operation.Id, step.Name, fault);
                if (step.IsPointOfNoReturn && await step.CheckAsync(ct) is { } done)
                {
                    await DoneAsync(i, done, ct);
                    return null;
                }

                return new Refusal(
                    "operation.step.broken",
                    RefusalKind.Unavailable,
                    $"'{records[i].Title}' stopped on an unexpected fault ({fault.GetType().Name}).",
                    "Nothing of it remains; try again, and see the portal's log if it happens twice.");
            }
        }

        private async Task<bool> TellAsync(int i, int percent, string sentence, CancellationToken ct)
        {
            records[i] = records[i] with { Sentence = sentence };
            operation.Progress = ((i * 100) + Math.Clamp(percent, 0, 100)) / steps.Count;
            await SaveAsync(ct);
            return !await CancelWantedAsync(ct);
        }

        private async Task DoneAsync(int i, string sentence, CancellationToken ct)
        {
            records[i] = records[i] with { State = StepState.Done, Sentence = sentence };
            operation.Progress = (i + 1) * 100 / steps.Count;
            if (i + 1 < steps.Count)
            {
                await SaveAsync(ct);
            }
        }

        private async Task BackwardAsync(CancellationToken ct)
        {
            for (var i = steps.Count - 1; i >= 0; i--)
            {
                // The first step also undoes what recording the operation did, so it is undone even if it never began.
                if (records[i].State is StepState.Undone || (records[i].State is StepState.Waiting && i > 0))
                {
                    continue;
                }

                await steps[i].UndoAsync(ct);
                records[i] = records[i] with { State = records[i].State is StepState.Failed or StepState.Stopped ? records[i].State : StepState.Undone };
                await SaveAsync(ct);
            }

            operation.State = operation.FailureCode is null ? OperationState.Cancelled : OperationState.Failed;
            var target = new AuditTarget(operation.TargetKind, operation.TargetId, operation.TargetName);
            var person = new Person(operation.Issuer, operation.Subject, operation.PersonName);
            runner.Audit.Add(
                db,
                person,
                operation.FailureCode ?? $"{operation.Kind}.cancelled",
                target,
                $"{operation.Title}: {operation.Failure}",
                AuditSeverity.Refusal);
            await EndAsync(ct);
            runner.Feed.Publish(Change.Of(ChangeTopic.Audit));
        }

        private async Task<bool> CancelWantedAsync(CancellationToken ct) =>
            operation.CancelRequested = await db.Operations.AsNoTracking().Where(o => o.Id == operation.Id).Select(o => o.CancelRequested).SingleAsync(ct);

        private Task EndAsync(CancellationToken ct)
        {
            operation.EndedAt = runner.Time.GetUtcNow();
            return SaveAsync(ct);
        }

        private async Task SaveAsync(CancellationToken ct)
        {
            operation.Steps = Write(records);
            await db.SaveChangesAsync(ct);
            runner.Feed.Publish(Change.Of(ChangeTopic.Operation, operation.Id));
        }
    }

    private ILogger Log => log;

    private AuditLog Audit => audit;

    private IChangeFeed Feed => feed;

    private TimeProvider Time => time;
}
