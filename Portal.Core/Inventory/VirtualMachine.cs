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
}

/// <summary>What a VM is doing. oVirt's words, in the REST API, are <c>down, wait_for_launch, up, powering_down, migrating, unknown</c>.</summary>
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

    /// <summary>Network it is attached to.</summary>
    public string Network { get; set; } = "default";

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

    /// <summary>Whether it occupies a host as a running machine.</summary>
    public bool IsRunning => Status is VirtualMachineStatus.Up or VirtualMachineStatus.PoweringDown or VirtualMachineStatus.Migrating;
}
