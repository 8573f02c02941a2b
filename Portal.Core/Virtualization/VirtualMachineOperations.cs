using System.Text.Json;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization;

/// <summary>Kinds of VM operation.</summary>
public static class VirtualMachineOperations
{
    /// <summary>Create, without starting.</summary>
    public const string Create = "vm.create";

    /// <summary>Create and start.</summary>
    public const string CreateAndStart = "vm.create_start";

    /// <summary>Start.</summary>
    public const string Start = "vm.start";

    /// <summary>Ask the guest to shut down.</summary>
    public const string Shutdown = "vm.shutdown";

    /// <summary>Pull the plug.</summary>
    public const string Stop = "vm.stop";

    /// <summary>Stop its CPUs; it stays in memory.</summary>
    public const string Suspend = "vm.suspend";

    /// <summary>Let a paused one run on.</summary>
    public const string Resume = "vm.resume";

    /// <summary>Boot its guest anew.</summary>
    public const string Reboot = "vm.reboot";

    /// <summary>Move to another host.</summary>
    public const string Migrate = "vm.migrate";

    /// <summary>Change size, words or trust level.</summary>
    public const string Edit = "vm.edit";

    /// <summary>Delete.</summary>
    public const string Delete = "vm.delete";

    /// <summary>Make a machine found on a host one of the portal's.</summary>
    public const string Adopt = "vm.adopt";
}

/// <summary>How VM operations are recorded.</summary>
internal static class VmOperations
{
    public static DomainDefinition DefinitionOf(VirtualMachine vm) =>
        new(vm.Id, vm.Name, vm.Cpus, vm.Memory, vm.Disk, vm.Network, vm.TrustLevel, vm.DecisionId)
        {
            Machine = new DomainMachine(vm.MachineType, vm.Firmware, vm.HasTpm),
            Storage = new DomainStorage(vm.Pool, vm.Image),
        };

    /// <summary>What a VM is doing by what its host reports; null: the host does not have it.</summary>
    public static VirtualMachineStatus StatusOf(DomainState? state) => state switch
    {
        DomainState.Running => VirtualMachineStatus.Up,
        DomainState.ShuttingDown => VirtualMachineStatus.PoweringDown,
        DomainState.ShutOff => VirtualMachineStatus.Down,
        DomainState.Paused => VirtualMachineStatus.Paused,
        null => VirtualMachineStatus.Unknown,
    };

    public static string Words(VirtualMachineStatus status) => status switch
    {
        VirtualMachineStatus.Down => "down",
        VirtualMachineStatus.Starting => "starting",
        VirtualMachineStatus.Up => "up",
        VirtualMachineStatus.PoweringDown => "shutting down",
        VirtualMachineStatus.Migrating => "moving",
        VirtualMachineStatus.Creating => "being created",
        VirtualMachineStatus.Deleting => "being deleted",
        VirtualMachineStatus.Unknown => "in an unknown state",
        VirtualMachineStatus.Paused => "paused",
    };

    public static Operation New(OperationRunner runner, string kind, Guid id, string title, VirtualMachine vm, VmWork work, Person person, DateTimeOffset now) => new()
    {
        Id = id,
        Kind = kind,
        Title = title,
        TargetKind = "vm",
        TargetId = vm.Id,
        TargetName = vm.Name,
        Data = JsonSerializer.Serialize(work),
        Steps = runner.InitialSteps(kind),
        Issuer = person.Issuer,
        Subject = person.Subject,
        PersonName = person.Name,
        CreatedAt = now,
    };
}
