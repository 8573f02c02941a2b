using Portal.Core.Inventory;

namespace Portal.Core.Virtualization;

/// <summary>The virtual machine's board, firmware and TPM.</summary>
/// <param name="Type">Machine type, for example <c>q35</c>; empty takes the hypervisor's default.</param>
/// <param name="Firmware">What boots the guest.</param>
/// <param name="HasTpm">Whether the guest has a TPM 2.0 of its own.</param>
public sealed record DomainMachine(string Type, GuestFirmware Firmware, bool HasTpm)
{
    /// <summary>The hypervisor's default board, BIOS, no TPM.</summary>
    public static DomainMachine Default { get; } = new("", GuestFirmware.Bios, false);
}

/// <summary>Where a VM's disk is, and what it begins as.</summary>
/// <param name="Pool">The storage pool of the host; empty for a VM without a disk.</param>
/// <param name="Image">The volume of that pool it is a clone of; empty for an empty disk.</param>
public sealed record DomainStorage(string Pool, string Image)
{
    /// <summary>No disk.</summary>
    public static DomainStorage None { get; } = new("", "");
}

/// <summary>What a hypervisor needs to know of a VM.</summary>
/// <param name="Id">The VM's id; the hypervisor keeps it, so that a call done twice is seen to be done.</param>
/// <param name="Name">The VM's name.</param>
/// <param name="Cpus">Virtual CPUs.</param>
/// <param name="Memory">Bytes.</param>
/// <param name="Disk">Bytes.</param>
/// <param name="Network">Network name; empty for none.</param>
/// <param name="TrustLevel">Kept in the domain's metadata.</param>
/// <param name="DecisionId">Kept in the domain's metadata.</param>
public sealed record DomainDefinition(Guid Id, string Name, int Cpus, long Memory, long Disk, string Network, TrustLevel TrustLevel, Guid? DecisionId)
{
    /// <summary>Board, firmware, TPM.</summary>
    public DomainMachine Machine { get; init; } = DomainMachine.Default;

    /// <summary>The disk.</summary>
    public DomainStorage Storage { get; init; } = DomainStorage.None;

    /// <summary>Whether it is the same machine, whatever is asked of its host and whoever decided: trust level and decision are its metadata.</summary>
    public bool IsSameMachineAs(DomainDefinition other) => this with { TrustLevel = other.TrustLevel, DecisionId = other.DecisionId } == other;
}

/// <summary>State of a domain on a host.</summary>
public enum DomainState
{
    /// <summary>Defined, not running.</summary>
    ShutOff,

    /// <summary>Running.</summary>
    Running,

    /// <summary>Asked to shut down.</summary>
    ShuttingDown,

    /// <summary>In memory, its CPUs stopped.</summary>
    Paused,
}

/// <summary>A domain as a host reports it.</summary>
/// <param name="Definition">What it is; of one that is not ours, as far as it can be told.</param>
/// <param name="State">What it is doing.</param>
public sealed record Domain(DomainDefinition Definition, DomainState State)
{
    /// <summary>Whether it carries the portal's metadata: it was made, or adopted, by a portal.</summary>
    public bool IsOurs { get; init; } = true;
}

/// <summary>How a call to a hypervisor ended.</summary>
public enum HypervisorResult
{
    /// <summary>Done.</summary>
    Done,

    /// <summary>Nothing to do: it was so already.</summary>
    AlreadySo,

    /// <summary>The host does not know the VM.</summary>
    NotFound,

    /// <summary>Another VM of the host has the name.</summary>
    NameTaken,

    /// <summary>The host lacks memory or disk.</summary>
    NoCapacity,

    /// <summary>The host does not answer.</summary>
    Unreachable,

    /// <summary>The host answered that it failed.</summary>
    Failed,

    /// <summary>The host lacks what the VM needs: a pool, an image, a network, a firmware, a CPU feature, storage both hosts share.</summary>
    Unsuited,
}

/// <summary>How a call ended, in a word and a sentence.</summary>
/// <param name="Result">The word.</param>
/// <param name="Sentence">What the hypervisor said; for a person.</param>
public sealed record HypervisorAnswer(HypervisorResult Result, string Sentence)
{
    /// <summary>Whether what was asked for is now so.</summary>
    public bool IsSo => Result is HypervisorResult.Done or HypervisorResult.AlreadySo;
}

/// <summary>What the host answered to a question about one VM.</summary>
/// <param name="Reached">Whether it answered at all.</param>
/// <param name="Domain">The domain, or null if it has none of that id.</param>
public sealed record DomainAnswer(bool Reached, Domain? Domain);

/// <summary>Why a domain changed its state, as far as a hypervisor tells.</summary>
public enum DomainCause
{
    /// <summary>It does not say, or nothing out of the ordinary.</summary>
    Ordinary,

    /// <summary>The guest, or the process it runs in, crashed.</summary>
    Crashed,

    /// <summary>It left for another host, or came from one.</summary>
    Migrated,

    /// <summary>Its guest shut down, or somebody ended it at the host: meant, though nobody asked the portal.</summary>
    Ended,
}

/// <summary>What a hypervisor tells without being asked.</summary>
/// <param name="HostId">Where.</param>
public abstract record HypervisorEvent(Guid HostId);

/// <summary>Something happened to a VM on a host, by whomever.</summary>
/// <param name="HostId">Where.</param>
/// <param name="VirtualMachineId">Which VM.</param>
/// <param name="State">Its state now; null when it is gone.</param>
/// <param name="Cause">Why.</param>
public sealed record DomainEvent(Guid HostId, Guid VirtualMachineId, DomainState? State, DomainCause Cause = DomainCause.Ordinary) : HypervisorEvent(HostId);

/// <summary>A host's hypervisor answers, again or for the first time, or it does not any more.</summary>
/// <param name="HostId">Which host.</param>
/// <param name="Answers">Whether it does. When it does, everything on it must be looked at anew: events of the time between are lost.</param>
/// <param name="Sentence">How it is reached, or why not; for a person.</param>
public sealed record ConnectionEvent(Guid HostId, bool Answers, string Sentence) : HypervisorEvent(HostId);

/// <summary>A storage pool of a host.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">The hypervisor's word for its kind: <c>dir</c>, <c>netfs</c>, <c>logical</c> …</param>
/// <param name="IsShared">Whether other hosts see the same volumes.</param>
/// <param name="Capacity">Bytes.</param>
/// <param name="Available">Bytes.</param>
/// <param name="Volumes">Names of its volumes that are no VM's disk: what a template may be made of.</param>
public sealed record StoragePool(string Name, string Kind, bool IsShared, long Capacity, long Available, IReadOnlyList<string> Volumes);

/// <summary>What a host says of itself.</summary>
/// <param name="Cpus">Logical CPUs.</param>
/// <param name="Memory">Physical memory in bytes.</param>
/// <param name="Hardware">What it is made of; a field is empty where the host does not say.</param>
/// <param name="Pools">Its storage pools.</param>
/// <param name="Networks">Names of its virtual networks.</param>
public sealed record HypervisorDescription(int Cpus, long Memory, HostHardware Hardware, IReadOnlyList<StoragePool> Pools, IReadOnlyList<string> Networks);

/// <summary>Takes how far a move is; must return at once.</summary>
/// <param name="percent">0 to 100.</param>
/// <param name="sentence">How far, for a person.</param>
public delegate void MoveProgress(int percent, string sentence);

/// <summary>The port to what runs VMs. Every call may be repeated: what is so already is answered with <see cref="HypervisorResult.AlreadySo"/>. Only the trust gate's callers start, resume or move VMs.</summary>
public interface IHypervisor
{
    /// <summary>Whether this adapter reaches that host.</summary>
    bool Reaches(HostEndpoint host);

    /// <summary>Makes the VM's disk, if it has one, and defines it, not running. A VM of that id under a newer decision gets new metadata.</summary>
    Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct);

    /// <summary>Starts a defined VM.</summary>
    Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Asks the guest to shut down; a later event tells that it did.</summary>
    Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Pulls the plug.</summary>
    Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Asks the guest to reboot.</summary>
    Task<HypervisorAnswer> RebootAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Stops a running VM's CPUs; it stays in memory.</summary>
    Task<HypervisorAnswer> PauseAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Lets a paused VM run on.</summary>
    Task<HypervisorAnswer> ResumeAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Moves a VM, running, paused or off, from one host to another. Cancelled, it is wholly on one of them.</summary>
    Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, MigrationSettings settings, MoveProgress? progress, CancellationToken ct);

    /// <summary>Changes a defined VM that is not running, or its metadata. One that is not ours becomes ours: it is adopted.</summary>
    Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct);

    /// <summary>Removes a VM that is not running, with its disks or without.</summary>
    Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, bool withDisks, CancellationToken ct);

    /// <summary>One VM as the host reports it.</summary>
    Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>All VMs of a host, those that are not ours too; null when it does not answer.</summary>
    Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct);

    /// <summary>What a host says of itself; null when it does not answer, or has nothing to say (simulated hosts).</summary>
    Task<HypervisorDescription?> DescribeAsync(HostEndpoint host, CancellationToken ct);

    /// <summary>What happens, from now on. Begins with the connection of every host it reaches.</summary>
    IAsyncEnumerable<HypervisorEvent> EventsAsync(CancellationToken ct);
}
