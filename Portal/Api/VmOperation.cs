using System.Text.Json;
using Portal.Core;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Api;

/// <summary>How far an operation got while a call waited for it.</summary>
/// <param name="Operation">The record.</param>
/// <param name="Refusal">Why it failed, if it did.</param>
/// <param name="Decision">Where placement looked in vain, if that is why.</param>
internal sealed record OperationEnd(Operation Operation, Refusal? Refusal, PlacementDecision? Decision)
{
    public bool IsGoing => !Operation.HasEnded;
}

/// <summary>Waits for operations that calls begin.</summary>
/// <param name="queue">Where they run.</param>
/// <param name="placements">Why there was no host.</param>
/// <param name="options">How long to wait.</param>
internal sealed class VmOperation(OperationQueue queue, PlacementDirectory placements, OvirtApiOptions options)
{
    private const string NoHost = "placement.no_host";

    public async Task<OperationEnd> WaitAsync(Guid id, CancellationToken ct)
    {
        var operation = await queue.WaitAsync(id, options.Patience, ct);
        var refusal = operation.State switch
        {
            OperationState.Failed => Why(operation),
            OperationState.Cancelled => Refusal.Conflict("operation.cancelled", $"'{operation.Title}' was cancelled; what was done has been undone.", "Ask again if it is still wanted."),
            OperationState.Queued or OperationState.Running or OperationState.Undoing or OperationState.Succeeded => null,
        };
        var decision = refusal?.Code == NoHost ? await placements.DecisionOfOperationAsync(id, ct) : null;
        return new OperationEnd(operation, refusal, decision);
    }

    private static Refusal Why(Operation operation) => operation.Refusal is { } json && JsonSerializer.Deserialize<Refusal>(json) is { } refusal
        ? refusal
        : Refusal.Conflict(operation.FailureCode ?? "operation.failed", operation.Failure ?? $"'{operation.Title}' failed.", "See the Tasks of the portal.");
}
