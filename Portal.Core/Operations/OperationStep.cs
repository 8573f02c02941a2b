using System.Text.Json;

namespace Portal.Core.Operations;

/// <summary>What a step works with: the operation's record and its typed data.</summary>
/// <typeparam name="TData">The request and what steps learnt; round-trips through JSON.</typeparam>
/// <param name="operation">The record.</param>
/// <param name="data">Its data.</param>
public sealed class OperationContext<TData>(Operation operation, TData data)
{
    /// <summary>The record.</summary>
    public Operation Operation { get; } = operation;

    /// <summary>What was asked and learnt. Stored after every step; a step that must not lose what it learnt stores it in its own transaction too.</summary>
    public TData Data { get; set; } = data;

    /// <summary>The person who asked.</summary>
    public Access.Person Person => new(Operation.Issuer, Operation.Subject, Operation.PersonName);

    /// <summary>Set by the runner while a step runs.</summary>
    internal ProgressReport? Report { get; set; }

    /// <summary>
    /// Tells how far the running step is. False once somebody asked to cancel: a step that can stop in the middle then returns
    /// <see cref="OperationStop.Refusal"/>, one that cannot goes on.
    /// </summary>
    /// <param name="percent">0 to 100, of this step.</param>
    /// <param name="sentence">How far, for a person.</param>
    /// <param name="ct">Cancels the telling.</param>
    public Task<bool> TellAsync(int percent, string sentence, CancellationToken ct) => Report is { } report ? report(percent, sentence, ct) : Task.FromResult(true);
}

/// <summary>Takes what a step tells of its progress; false when it is asked to stop.</summary>
/// <param name="percent">0 to 100, of the step.</param>
/// <param name="sentence">How far, for a person.</param>
/// <param name="ct">Cancels the telling.</param>
public delegate Task<bool> ProgressReport(int percent, string sentence, CancellationToken ct);

/// <summary>How a step says that it stopped in the middle because somebody asked to cancel.</summary>
public static class OperationStop
{
    /// <summary>The code.</summary>
    public const string Code = "operation.cancelled";

    /// <summary>The step's outcome.</summary>
    /// <param name="sentence">What was done until then and stays.</param>
    public static Refusal Refusal(string sentence) => Core.Refusal.Conflict(Code, sentence, "Ask again if it is still wanted.");
}

/// <summary>How a step says that it cannot go on now and holds nobody up meanwhile: it stays where it is, and recovery, or whoever knows better, enters it again.</summary>
public static class OperationWait
{
    /// <summary>The code.</summary>
    public const string Code = "operation.waits";

    /// <summary>The step's outcome.</summary>
    /// <param name="sentence">What it waits for.</param>
    public static Refusal Refusal(string sentence) => Core.Refusal.Conflict(Code, sentence, "It goes on by itself; cancel it if it should not.");
}

/// <summary>One small step that touches the world once.</summary>
/// <typeparam name="TData">Data of the operation.</typeparam>
public abstract class OperationStep<TData>
{
    /// <summary>What it does, for a person.</summary>
    public abstract string Title { get; }

    /// <summary>
    /// Whether nothing brings back what it did. Once it is done, or may be done after a crash, the operation is never cancelled nor undone:
    /// a later refusal or fault leaves it running, and recovery goes on with it.
    /// </summary>
    public virtual bool IsPointOfNoReturn => false;

    /// <summary>
    /// Whether it stops in the middle when asked to cancel, and says what stays done: after an interruption or a wait it is then entered once more to say so.
    /// </summary>
    public virtual bool StopsItself => false;

    /// <summary>Whether the step is done already; asked before <see cref="DoAsync"/> when a crash may have interrupted it. The sentence of what came of it, or null.</summary>
    public abstract Task<string?> CheckAsync(OperationContext<TData> context, CancellationToken ct);

    /// <summary>Does it. The sentence of what came of it, or the reason why not.</summary>
    public abstract Task<Outcome<string>> DoAsync(OperationContext<TData> context, CancellationToken ct);

    /// <summary>Undoes what it did, wholly or half done. Must be safe to repeat.</summary>
    public abstract Task UndoAsync(OperationContext<TData> context, CancellationToken ct);
}

/// <summary>A kind of operation: its steps in order. The runner knows only this.</summary>
public interface IOperationKind
{
    /// <summary>For example <c>vm.create</c>.</summary>
    string Kind { get; }

    /// <summary>What it takes to cancel one.</summary>
    Access.Permission CancelTakes => Access.Permission.OperateVirtualMachines;

    /// <summary>Titles of the steps in order, with the stable names of their classes.</summary>
    IReadOnlyList<(string Name, string Title)> Steps { get; }

    /// <summary>Binds an operation's record to its steps.</summary>
    IReadOnlyList<IBoundStep> Bind(Operation operation);
}

/// <summary>A step bound to one operation.</summary>
public interface IBoundStep
{
    /// <summary>Stable name of the step's class.</summary>
    string Name { get; }

    /// <summary>See <see cref="OperationStep{TData}.IsPointOfNoReturn"/>.</summary>
    bool IsPointOfNoReturn { get; }

    /// <summary>See <see cref="OperationStep{TData}.StopsItself"/>.</summary>
    bool StopsItself { get; }

    /// <summary>See <see cref="OperationStep{TData}.CheckAsync"/>.</summary>
    Task<string?> CheckAsync(CancellationToken ct);

    /// <summary>See <see cref="OperationStep{TData}.DoAsync"/>.</summary>
    /// <param name="report">Takes what the step tells of its progress.</param>
    /// <param name="ct">Cancels.</param>
    Task<Outcome<string>> DoAsync(ProgressReport report, CancellationToken ct);

    /// <summary>See <see cref="OperationStep{TData}.UndoAsync"/>.</summary>
    Task UndoAsync(CancellationToken ct);
}

/// <summary>A kind of operation made of typed steps.</summary>
/// <typeparam name="TData">Data of the operation.</typeparam>
/// <param name="kind">For example <c>vm.create</c>.</param>
/// <param name="steps">The steps in order.</param>
public sealed class OperationKind<TData>(string kind, params IReadOnlyList<OperationStep<TData>> steps) : IOperationKind
{
    /// <inheritdoc/>
    public string Kind => kind;

    /// <inheritdoc/>
    public Access.Permission CancelTakes { get; init; } = Access.Permission.OperateVirtualMachines;

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, string Title)> Steps { get; } = [.. steps.Select(s => (s.GetType().Name, s.Title))];

    /// <inheritdoc/>
    public IReadOnlyList<IBoundStep> Bind(Operation operation)
    {
        var data = JsonSerializer.Deserialize<TData>(operation.Data)
            ?? throw new JsonException($"Operation {operation.Id} has no data.");
        var context = new OperationContext<TData>(operation, data);
        return [.. steps.Select(step => new Bound(step, context))];
    }

    private sealed class Bound(OperationStep<TData> step, OperationContext<TData> context) : IBoundStep
    {
        public string Name => step.GetType().Name;

        public bool IsPointOfNoReturn => step.IsPointOfNoReturn;

        public bool StopsItself => step.StopsItself;

        public Task<string?> CheckAsync(CancellationToken ct) => Keep(step.CheckAsync(context, ct));

        public Task<Outcome<string>> DoAsync(ProgressReport report, CancellationToken ct)
        {
            context.Report = report;
            return Keep(step.DoAsync(context, ct));
        }

        public Task UndoAsync(CancellationToken ct) => step.UndoAsync(context, ct);

        private async Task<T> Keep<T>(Task<T> work)
        {
            var result = await work;
            context.Operation.Data = JsonSerializer.Serialize(context.Data);
            return result;
        }
    }
}
