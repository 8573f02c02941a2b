using Portal.Core.Inventory;
using Portal.Core.Operations;

namespace Portal.Core.Virtualization.Steps;

/// <summary>The last step: the operation lets go of the VM and tells the audit.</summary>
internal class FinishStep(VmStore store, VirtualMachineStatus? status, string @event, Func<VmWork, string> sentence) : OperationStep<VmWork>
{
    public override string Title => "Record the result";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await store.FindAsync(context.Data.VirtualMachineId, ct);
        return vm?.OperationId == context.Operation.Id ? null : "Recorded before the interruption.";
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        await store.ReleaseAsync(context.Data.VirtualMachineId, context.Operation.Id, status ?? context.Data.StatusBefore, (context.Person, @event, sentence(context.Data)), ct);
        return "Done.";
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>A last step that leaves the VM doing what it did before.</summary>
internal sealed class LetGoStep(VmStore store, string @event, Func<VmWork, string> sentence) : FinishStep(store, null, @event, sentence);

/// <summary>Marks what the VM is about to do; undone, it is what it was before and the operation lets go of it.</summary>
internal sealed class MarkStep(VmStore store, VirtualMachineStatus status) : OperationStep<VmWork>
{
    public override string Title => "Mark the virtual machine";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        (await store.FindAsync(context.Data.VirtualMachineId, ct))?.Status == status ? "Marked." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await store.UpdateAsync(context.Data.VirtualMachineId, context.Operation.Id, set => set.SetProperty(v => v.Status, status), ct)
            ? "Marked."
            : Refusal.NotFound("vm", context.Data.Name);

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        store.ReleaseAsync(context.Data.VirtualMachineId, context.Operation.Id, context.Data.StatusBefore, null, ct);
}

/// <summary>Removes the row of a VM that is gone from its host, with its claim.</summary>
internal sealed class DeleteRowStep(VmStore store) : OperationStep<VmWork>
{
    public override string Title => "Give back its capacity";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await store.FindAsync(context.Data.VirtualMachineId, ct) is null ? "Given back." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        await store.RemoveAsync(work.VirtualMachineId, context.Operation.Id, (context.Person, "vm.deleted", $"Virtual machine '{work.Name}' was deleted."), ct);
        return "Given back.";
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>Changes the VM's row and its claim.</summary>
internal sealed class ResizeStep(VmStore store) : OperationStep<VmWork>
{
    public override string Title => "Change it and its claim";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var (vm, to) = (await store.FindAsync(context.Data.VirtualMachineId, ct), context.Data.Definition);
        var isSo = vm is not null && vm.Name == to.Name && vm.Cpus == to.Cpus && vm.Memory == to.Memory && vm.TrustLevel == to.TrustLevel
            && vm.Description == context.Data.DescriptionAfter;
        return isSo ? "Changed." : null;
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        try
        {
            return await store.ResizeAsync(work.VirtualMachineId, context.Operation.Id, work.Definition, work.DescriptionAfter, ct)
                ? "Changed."
                : Refusal.Conflict("vm.edit.no_room", $"Its host has no room for {work.Definition.Cpus} CPUs and {ByteSize.Text(work.Definition.Memory)}, or lost trust meanwhile.", "Move it first, or ask for less.");
        }
        catch (Microsoft.Data.Sqlite.SqliteException fault) when (fault.SqliteErrorCode == SqliteConstraint)
        {
            return Refusals.NameTaken(work.Definition.Name);
        }
    }

    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        if (work.Before is { } before)
        {
            await store.ResizeAsync(work.VirtualMachineId, context.Operation.Id, before, work.DescriptionBefore, ct);
        }

        await store.ReleaseAsync(work.VirtualMachineId, context.Operation.Id, work.StatusBefore, null, ct);
    }

    private const int SqliteConstraint = 19;
}
