namespace Portal.Core.Operations;

/// <summary>Where an operation is.</summary>
public enum OperationState
{
    /// <summary>Recorded, not begun.</summary>
    Queued,

    /// <summary>Doing its steps.</summary>
    Running,

    /// <summary>A step failed or it was cancelled: undoing what was done.</summary>
    Undoing,

    /// <summary>All steps done.</summary>
    Succeeded,

    /// <summary>Failed; what could be undone was.</summary>
    Failed,

    /// <summary>Cancelled; what was done is undone.</summary>
    Cancelled,
}

/// <summary>Where a step is.</summary>
public enum StepState
{
    /// <summary>Not begun.</summary>
    Waiting,

    /// <summary>Begun; after a crash its Check tells whether it was done.</summary>
    Running,

    /// <summary>Done.</summary>
    Done,

    /// <summary>Failed.</summary>
    Failed,

    /// <summary>Undone.</summary>
    Undone,

    /// <summary>Ended before it was done, because somebody asked to cancel; what it did stays.</summary>
    Stopped,
}

/// <summary>A step as pages and clients see it.</summary>
/// <param name="Name">Stable name of the step's class, for recovery.</param>
/// <param name="Title">What it does, for a person.</param>
/// <param name="State">Where it is.</param>
/// <param name="Sentence">What came of it.</param>
public sealed record StepRecord(string Name, string Title, StepState State, string Sentence);

/// <summary>Durable record of work that touches the world: written before it starts, resumed or rolled back after a crash.</summary>
public sealed class Operation
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Which steps: for example <c>vm.create</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>What it does, for a person: <c>Create virtual machine billing-db</c>.</summary>
    public required string Title { get; init; }

    /// <summary>What it works on: <c>vm</c>, <c>host</c>.</summary>
    public required string TargetKind { get; init; }

    /// <summary>Its id.</summary>
    public required Guid TargetId { get; init; }

    /// <summary>Its name at that time.</summary>
    public required string TargetName { get; init; }

    /// <summary>Where it is.</summary>
    public OperationState State { get; set; }

    /// <summary>The request and what steps learnt, as JSON.</summary>
    public required string Data { get; set; }

    /// <summary>The steps, as JSON list of <see cref="StepRecord"/>.</summary>
    public required string Steps { get; set; }

    /// <summary>Issuer of the person who asked.</summary>
    public required string Issuer { get; init; }

    /// <summary>Subject of the person who asked.</summary>
    public required string Subject { get; init; }

    /// <summary>Name of the person who asked.</summary>
    public required string PersonName { get; init; }

    /// <summary>When it was recorded.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>0 to 100.</summary>
    public int Progress { get; set; }

    /// <summary>Whether somebody asked to cancel it.</summary>
    public bool CancelRequested { get; set; }

    /// <summary>Why it failed: the refusal's code.</summary>
    public string? FailureCode { get; set; }

    /// <summary>Why it failed: sentence and remedy.</summary>
    public string? Failure { get; set; }

    /// <summary>Why it failed: the refusal as JSON.</summary>
    public string? Refusal { get; set; }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => State is OperationState.Succeeded or OperationState.Failed or OperationState.Cancelled;
}
