using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Steps;

/// <summary>Data of every VM operation.</summary>
internal sealed record VmWork
{
    public required Guid VirtualMachineId { get; init; }

    public required string Name { get; init; }

    public required DomainDefinition Definition { get; init; }

    public required Guid ClusterId { get; init; }

    /// <summary>The host a person chose, for a migration.</summary>
    public Guid? OnlyHostId { get; init; }

    /// <summary>Where it was when the operation began.</summary>
    public Guid? SourceHostId { get; init; }

    /// <summary>Where the gate admitted it.</summary>
    public Guid? HostId { get; set; }

    public string HostName { get; set; } = "";

    /// <summary>What it was doing when the operation began.</summary>
    public VirtualMachineStatus StatusBefore { get; init; }

    /// <summary>What it is doing at the end, where a step found that to be other than planned.</summary>
    public VirtualMachineStatus? StatusAfter { get; set; }

    /// <summary>Whether its disks outlive it.</summary>
    public bool KeepsDisks { get; init; }

    /// <summary>What it was before an edit.</summary>
    public DomainDefinition? Before { get; init; }

    /// <summary>What only the portal knew of it before an edit.</summary>
    public VmWords? WordsBefore { get; init; }

    /// <summary>What only the portal is to know of it after an edit.</summary>
    public VmWords? WordsAfter { get; init; }
}

/// <summary>What the portal knows of a VM and its host does not.</summary>
internal sealed record VmWords(string Description, int Priority, bool RestartsAutomatically)
{
    public static VmWords Of(VirtualMachine vm) => new(vm.Description, vm.Priority, vm.RestartsAutomatically);
}
