using Portal.Components.Shared;
using Portal.Core.Operations;

namespace Portal.Components.Tasks;

/// <summary>Words, tones and addresses of operations.</summary>
internal static class TaskLook
{
    public static string Word(this OperationState state) => state switch
    {
        OperationState.Queued => "Waiting",
        OperationState.Running => "Running",
        OperationState.Undoing => "Undoing",
        OperationState.Succeeded => "Done",
        OperationState.Failed => "Failed",
        OperationState.Cancelled => "Cancelled",
    };

    public static Tone Tone(this OperationState state) => state switch
    {
        OperationState.Queued or OperationState.Running => Shared.Tone.Info,
        OperationState.Undoing or OperationState.Cancelled => Shared.Tone.Old,
        OperationState.Succeeded => Shared.Tone.Ok,
        OperationState.Failed => Shared.Tone.Bad,
    };

    public static string Word(this StepState state) => state switch
    {
        StepState.Waiting => "waiting",
        StepState.Running => "running",
        StepState.Done => "done",
        StepState.Failed => "failed",
        StepState.Undone => "undone",
        StepState.Stopped => "stopped",
    };

    public static Tone Tone(this StepState state) => state switch
    {
        StepState.Waiting => Shared.Tone.Neutral,
        StepState.Running => Shared.Tone.Info,
        StepState.Done => Shared.Tone.Ok,
        StepState.Failed => Shared.Tone.Bad,
        StepState.Undone or StepState.Stopped => Shared.Tone.Old,
    };

    /// <summary>Where the target is shown; null when it has no page, or is gone with the operation.</summary>
    public static string? TargetHref(Operation operation) => operation switch
    {
        { Kind: "vm.delete", State: OperationState.Succeeded } => null,
        { Kind: "vm.create" or "vm.create_start", State: OperationState.Failed or OperationState.Cancelled } => null,
        { TargetKind: "vm" } => $"/vms/{operation.TargetId}",
        { TargetKind: "preparation" } => $"/hosts/add?operation={operation.TargetId}",
        { TargetKind: "hosts" } => "/hosts",
        { TargetKind: "host" } => $"/hosts/{operation.TargetId}",
        { TargetKind: "cluster" } => $"/clusters/{operation.TargetId}",
        { TargetKind: "service" } => $"/settings/services/{operation.TargetId}",
        { TargetKind: "baseline" } => $"/baselines/{operation.TargetId}",
        _ => null,
    };

    /// <summary>What the step it is at says of itself; empty when it says nothing.</summary>
    public static string SaysNow(this OperationView view) => view.Steps.FirstOrDefault(s => s.State is StepState.Running or StepState.Stopped)?.Sentence ?? "";

    /// <summary>Whether it can still be cancelled.</summary>
    public static bool IsCancellable(this Operation operation) => operation.State is OperationState.Queued or OperationState.Running && !operation.CancelRequested;
}
