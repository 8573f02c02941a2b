using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Core.Virtualization.Steps;

/// <summary>The last step: the operation lets go of the VM and tells the audit.</summary>
internal class FinishStep(VmStore store, VirtualMachineStatus? status, string @event, Func<VmWork, string> sentence) : OperationStep<VmWork>
{
    public override string Title => "Record the result";

    /// <summary>The VM is let go of: another operation may hold it by now.</summary>
    public override bool IsPointOfNoReturn => true;

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await store.FindAsync(context.Data.VirtualMachineId, ct);
        return vm?.OperationId == context.Operation.Id ? null : "Recorded before the interruption.";
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        var words = work.StatusAfter is { } found && found != status ? $"'{work.Name}' was found to be {VmOperations.Words(found)}." : sentence(work);
        await store.ReleaseAsync(work.VirtualMachineId, context.Operation.Id, work.StatusAfter ?? status ?? work.StatusBefore, (context.Person, @event, words), ct, KeptBy(work));
        return "The result is on record.";
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;

    /// <summary>What the VM keeps of its claim; null is all of it.</summary>
    protected virtual DomainDefinition? KeptBy(VmWork work) => null;
}

/// <summary>A last step that leaves the VM doing what it did before.</summary>
internal sealed class LetGoStep(VmStore store, string @event, Func<VmWork, string> sentence) : FinishStep(store, null, @event, sentence)
{
    /// <summary>An edit claims the larger of two sizes on its way.</summary>
    protected override DomainDefinition? KeptBy(VmWork work) => work.Before is null ? null : work.Definition;
}

/// <summary>Marks what the VM is about to do; undone, it is what it was before and the operation lets go of it.</summary>
internal sealed class MarkStep(VmStore store, VirtualMachineStatus status) : OperationStep<VmWork>
{
    public override string Title => $"Show it as {VmOperations.Words(status)}";

    private string Shown => $"It shows as {VmOperations.Words(status)}.";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        (await store.FindAsync(context.Data.VirtualMachineId, ct))?.Status == status ? Shown : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await store.UpdateAsync(context.Data.VirtualMachineId, context.Operation.Id, set => set.SetProperty(v => v.Status, status), ct)
            ? Shown
            : Refusal.NotFound("vm", context.Data.Name);

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        store.ReleaseAsync(context.Data.VirtualMachineId, context.Operation.Id, context.Data.StatusBefore, null, ct);
}

/// <summary>Removes the row of a VM that is gone from its host, with its claim.</summary>
internal sealed class DeleteRowStep(VmStore store) : OperationStep<VmWork>
{
    public override string Title => "Free its CPUs and memory";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await store.FindAsync(context.Data.VirtualMachineId, ct) is null ? "Its CPUs and memory are free for others." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        await store.RemoveAsync(work.VirtualMachineId, context.Operation.Id, (context.Person, "vm.deleted", $"Virtual machine '{work.Name}' was deleted{Disk(work)}."), ct);
        return "Its CPUs and memory are free for others.";
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;

    private static string Disk(VmWork work) => (work.Definition.Storage.Pool, work.KeepsDisks) switch
    {
        ("", _) => "",
        (var pool, true) => $"; its disk stays in storage pool {pool}",
        (_, false) => " with its disk",
    };
}

/// <summary>
/// Changes the VM's row and grows its claim. What a smaller size frees is given back only with the result: until the host has taken the new
/// size the old one must still fit.
/// </summary>
internal sealed class ResizeStep(VmStore store) : OperationStep<VmWork>
{
    public override string Title => "Change it, and claim what it then needs";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var (vm, to) = (await store.FindAsync(context.Data.VirtualMachineId, ct), Larger(context.Data));
        return vm is not null && VmOperations.DefinitionOf(vm) == to with { DecisionId = vm.DecisionId } && VmWords.Of(vm) == context.Data.WordsAfter ? "It is changed on record." : null;
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        try
        {
            return await store.ResizeAsync(work.VirtualMachineId, context.Operation.Id, Larger(work), work.WordsAfter, ct)
                ? "It is changed on record."
                : Refusal.Conflict("vm.edit.no_room", $"Its host has no room for {work.Definition.Cpus} CPUs and {ByteSize.Text(work.Definition.Memory)}, or lost trust meanwhile.", "Move it first, or ask for less.");
        }
        catch (Microsoft.Data.Sqlite.SqliteException fault) when (fault.SqliteErrorCode == SqliteConstraint)
        {
            return Refusals.NameTaken(work.Definition.Name);
        }
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        return store.RestoreAsync(work.VirtualMachineId, context.Operation.Id, work.Before ?? work.Definition, work.WordsBefore, work.StatusBefore, ct);
    }

    /// <summary>What is asked for, with the larger of old and new size.</summary>
    private static DomainDefinition Larger(VmWork work) => work.Before is not { } before ? work.Definition : work.Definition with
    {
        Cpus = Math.Max(before.Cpus, work.Definition.Cpus),
        Memory = Math.Max(before.Memory, work.Definition.Memory),
    };

    private const int SqliteConstraint = 19;
}
