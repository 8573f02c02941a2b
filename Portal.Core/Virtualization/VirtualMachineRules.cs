using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization;

/// <summary>What can be done with a VM that exists.</summary>
public enum VirtualMachineAction
{
    /// <summary>Start it.</summary>
    Start,

    /// <summary>Ask the guest to shut down.</summary>
    Shutdown,

    /// <summary>Pull the plug.</summary>
    Stop,

    /// <summary>Stop its CPUs; it stays in memory.</summary>
    Suspend,

    /// <summary>Let it run on.</summary>
    Resume,

    /// <summary>Boot its guest anew.</summary>
    Reboot,

    /// <summary>Move it to another host.</summary>
    Migrate,

    /// <summary>Change words, size or trust level.</summary>
    Edit,

    /// <summary>Delete it, with its disk or without.</summary>
    Delete,
}

/// <summary>Which state a VM must be in for what. Commands refuse by these rules, and pages say by them beforehand why something is not on offer.</summary>
public static class VirtualMachineRules
{
    /// <summary>The refusal the command would give now, or null; permission first, as the command does. Audits nothing.</summary>
    public static Refusal? WhyNot(Caller caller, VirtualMachine vm, VirtualMachineAction action) =>
        caller.May(Permission.OperateVirtualMachines) ? WhyNot(vm, action) : AccessControl.Denied(caller, Permission.OperateVirtualMachines);

    /// <summary>The refusal for the VM's present state, or null.</summary>
    internal static Refusal? WhyNot(VirtualMachine vm, VirtualMachineAction action)
    {
        if (vm.OperationId is not null)
        {
            return Refusals.Busy(vm.Name);
        }

        return Needed(vm, action) is { } needed ? Refusals.WrongState(vm.Name, VmOperations.Words(vm.Status), needed) : null;
    }

    private static string? Needed(VirtualMachine vm, VirtualMachineAction action) => action switch
    {
        VirtualMachineAction.Start => vm.Status is VirtualMachineStatus.Down or VirtualMachineStatus.Unknown ? null : "It must be down to be started.",
        VirtualMachineAction.Shutdown => vm.Status is VirtualMachineStatus.Up ? null : "It must be up to be shut down.",
        VirtualMachineAction.Stop => vm.Status is VirtualMachineStatus.Up or VirtualMachineStatus.Paused or VirtualMachineStatus.PoweringDown or VirtualMachineStatus.Unknown ? null : "It must be running to be stopped.",
        VirtualMachineAction.Suspend => vm.Status is VirtualMachineStatus.Up ? null : "It must be up to be suspended.",
        VirtualMachineAction.Resume => vm.Status is VirtualMachineStatus.Paused ? null : "It must be paused to be resumed.",
        VirtualMachineAction.Reboot => vm.Status is VirtualMachineStatus.Up ? null : "It must be up to be rebooted.",
        VirtualMachineAction.Migrate => vm.Status is VirtualMachineStatus.Up or VirtualMachineStatus.Paused or VirtualMachineStatus.Down && vm.HostId is not null ? null : "It must be up, paused or down, and on a host, to be moved.",
        VirtualMachineAction.Edit => vm.Status is VirtualMachineStatus.Up or VirtualMachineStatus.Paused or VirtualMachineStatus.Down ? null : "It must be up, paused or down to be changed.",
        VirtualMachineAction.Delete => vm.Status is VirtualMachineStatus.Down or VirtualMachineStatus.Unknown ? null : "Stop it first.",
    };
}
