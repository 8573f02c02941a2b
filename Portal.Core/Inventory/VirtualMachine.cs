namespace Portal.Core.Inventory;

/// <summary>Defaults a VM starts from.</summary>
public sealed class Template
{
    /// <summary>oVirt's Blank template, which every client knows.</summary>
    public static Guid Blank => Guid.Empty;

    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Unique name.</summary>
    public required string Name { get; set; }

    /// <summary>What it is.</summary>
    public string Description { get; set; } = "";

    /// <summary>Virtual CPUs when the request names none.</summary>
    public int Cpus { get; set; } = 1;

    /// <summary>Memory when the request names none, in bytes.</summary>
    public long Memory { get; set; } = 1L << 30;

    /// <summary>Disk when the request names none, in bytes.</summary>
    public long Disk { get; set; } = 10L << 30;

    /// <summary>The storage pool disks are made in; empty for machines without a disk.</summary>
    public string Pool { get; set; } = "default";

    /// <summary>The volume of that pool disks are clones of; empty for empty disks.</summary>
    public string Image { get; set; } = "";

    /// <summary>Machine type, for example <c>q35</c>; empty takes the hypervisor's default.</summary>
    public string MachineType { get; set; } = "";

    /// <summary>What boots the guest.</summary>
    public GuestFirmware Firmware { get; set; }

    /// <summary>Whether guests have a TPM 2.0 of their own.</summary>
    public bool HasTpm { get; set; }

    /// <summary>Network when the request names none; empty for none.</summary>
    public string Network { get; set; } = "default";
}

/// <summary>What boots a guest.</summary>
public enum GuestFirmware
{
    /// <summary>A BIOS.</summary>
    Bios,

    /// <summary>UEFI.</summary>
    Uefi,

    /// <summary>UEFI with Secure Boot enforced.</summary>
    SecureBoot,
}

/// <summary>What a VM is doing. oVirt's words, in the REST API, are <c>down, wait_for_launch, up, paused, powering_down, migrating, unknown</c>.</summary>
public enum VirtualMachineStatus
{
    /// <summary>Not running.</summary>
    Down,

    /// <summary>Being started.</summary>
    Starting,

    /// <summary>Running.</summary>
    Up,

    /// <summary>Asked to shut down.</summary>
    PoweringDown,

    /// <summary>Moving to another host.</summary>
    Migrating,

    /// <summary>Being created; not there yet.</summary>
    Creating,

    /// <summary>Being deleted.</summary>
    Deleting,

    /// <summary>The hypervisor does not say.</summary>
    Unknown,

    /// <summary>In memory, its CPUs stopped.</summary>
    Paused,
}

/// <summary>A virtual machine. It holds the capacity it claims on <see cref="HostId"/>, and while it moves on <see cref="TargetHostId"/>, from creation until deletion, running or not.</summary>
public sealed class VirtualMachine
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Unique name.</summary>
    public required string Name { get; set; }

    /// <summary>What it is for.</summary>
    public string Description { get; set; } = "";

    /// <summary>The cluster it lives in.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>The template it started from.</summary>
    public required Guid TemplateId { get; init; }

    /// <summary>Virtual CPUs.</summary>
    public required int Cpus { get; set; }

    /// <summary>Memory in bytes.</summary>
    public required long Memory { get; set; }

    /// <summary>Disk in bytes.</summary>
    public required long Disk { get; set; }

    /// <summary>Network it is attached to; empty for none.</summary>
    public string Network { get; set; } = "default";

    /// <summary>The storage pool of its disk; empty when it has none.</summary>
    public string Pool { get; set; } = "";

    /// <summary>The volume its disk is a clone of; empty when the disk began empty.</summary>
    public string Image { get; set; } = "";

    /// <summary>Machine type; empty is the hypervisor's default.</summary>
    public string MachineType { get; set; } = "";

    /// <summary>What boots the guest.</summary>
    public GuestFirmware Firmware { get; set; }

    /// <summary>Whether the guest has a TPM 2.0 of its own.</summary>
    public bool HasTpm { get; set; }

    /// <summary>How important it is, 0 to 100: the more important leaves a host that lost trust first, and is restarted first.</summary>
    public int Priority { get; set; } = 50;

    /// <summary>Whether it is started again when it went down without anybody asking for it. Never while its host does not say what became of it.</summary>
    public bool RestartsAutomatically { get; set; }

    /// <summary>How often it was restarted by itself since a person started it; restarts stop after a few in a row.</summary>
    public int Restarts { get; set; }

    /// <summary>What it asks of its host.</summary>
    public TrustLevel TrustLevel { get; set; }

    /// <summary>What it is doing.</summary>
    public VirtualMachineStatus Status { get; set; } = VirtualMachineStatus.Creating;

    /// <summary>Where it is placed, if it is.</summary>
    public Guid? HostId { get; set; }

    /// <summary>Where capacity is claimed for it while it is on its way to being placed, defined or moved there.</summary>
    public Guid? TargetHostId { get; set; }

    /// <summary>The decision that put it there.</summary>
    public Guid? DecisionId { get; set; }

    /// <summary>The operation that is changing it now, if one is; there is at most one.</summary>
    public Guid? OperationId { get; set; }

    /// <summary>Who created it.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Since when it runs on a host that lost trust, though it requires trust. The mark stays: its memory is suspect.</summary>
    public DateTimeOffset? UntrustedSince { get; set; }

    /// <summary>Until when it ran there; null while it still does.</summary>
    public DateTimeOffset? UntrustedUntil { get; set; }

    /// <summary>Whether it occupies a host as a running machine; a paused one is in its memory.</summary>
    public bool IsRunning => Status is VirtualMachineStatus.Up or VirtualMachineStatus.PoweringDown or VirtualMachineStatus.Migrating or VirtualMachineStatus.Paused;
}
