using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;

namespace Portal.Core.Virtualization.Steps;

/// <summary>Finds a host through the trust gate and claims it.</summary>
internal class AdmitStep(TrustGate gate, VmStore store, PlacementPurpose purpose) : OperationStep<VmWork>
{
    protected VmStore Store => store;

    public override string Title => purpose switch
    {
        PlacementPurpose.Create => "Find a host and claim capacity",
        PlacementPurpose.Start => "Check the host, or find another",
        PlacementPurpose.Migrate => "Find a target host and claim capacity",
        PlacementPurpose.Preview => "Look where it could run",
        PlacementPurpose.Resume or PlacementPurpose.Reboot => "Check its host",
    };

    /// <summary>A claim that was committed is found in the VM's row; a confirmation of the present host is simply asked for again.</summary>
    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var vm = await store.FindAsync(context.Data.VirtualMachineId, ct);
        if (vm?.TargetHostId is not { } target || vm.OperationId != context.Operation.Id)
        {
            return null;
        }

        context.Data.HostId = target;
        return "Claimed before the interruption.";
    }

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        var vm = await store.FindAsync(work.VirtualMachineId, ct);
        if (vm is null)
        {
            return Refusal.NotFound("vm", work.Name);
        }

        var request = new PlacementRequest
        {
            ClusterId = work.ClusterId,
            Cpus = vm.Cpus,
            Memory = vm.Memory,
            TrustLevel = vm.TrustLevel,
            Purpose = purpose,
            VirtualMachineId = vm.Id,
            CurrentHostId = vm.HostId,
            OnlyHostId = work.OnlyHostId,
            Storage = StorageNeed.Of(vm.Pool, vm.Image, vm.Disk),
        };
        var outcome = await gate.AdmitAsync(request, vm.Name, context.Operation.Id, context.Person, ct);
        if (!outcome.Succeeded)
        {
            return outcome.Refusal;
        }

        work.HostId = outcome.Value.HostId;
        work.HostName = outcome.Value.HostName;
        return outcome.Value.Sentence;
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        store.UnclaimAsync(context.Data.VirtualMachineId, context.Operation.Id, ct);
}

internal sealed class AdmitForCreateStep(TrustGate gate, VmStore store) : AdmitStep(gate, store, PlacementPurpose.Create)
{
    /// <summary>A VM that found no place was never created.</summary>
    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        Store.RemoveAsync(context.Data.VirtualMachineId, context.Operation.Id, null, ct);
}
