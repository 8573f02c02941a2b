using Portal.Core.Inventory;

namespace Portal.Core.Virtualization;

/// <summary>What a hypervisor needs to know of a VM.</summary>
/// <param name="Id">The VM's id; the hypervisor keeps it, so that a call done twice is seen to be done.</param>
/// <param name="Name">The VM's name.</param>
/// <param name="Cpus">Virtual CPUs.</param>
/// <param name="Memory">Bytes.</param>
/// <param name="Disk">Bytes.</param>
/// <param name="Network">Network name.</param>
/// <param name="TrustLevel">Kept in the domain's metadata.</param>
/// <param name="DecisionId">Kept in the domain's metadata.</param>
public sealed record DomainDefinition(Guid Id, string Name, int Cpus, long Memory, long Disk, string Network, TrustLevel TrustLevel, Guid? DecisionId);

/// <summary>State of a domain on a host.</summary>
public enum DomainState
{
    /// <summary>Defined, not running.</summary>
    ShutOff,

    /// <summary>Running.</summary>
    Running,

    /// <summary>Asked to shut down.</summary>
    ShuttingDown,
}

/// <summary>A domain as a host reports it.</summary>
/// <param name="Definition">What it is.</param>
/// <param name="State">What it is doing.</param>
public sealed record Domain(DomainDefinition Definition, DomainState State);

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

/// <summary>Something happened to a VM on a host, by whomever.</summary>
/// <param name="HostId">Where.</param>
/// <param name="VirtualMachineId">Which VM.</param>
/// <param name="State">Its state now; null when it is gone.</param>
public sealed record DomainEvent(Guid HostId, Guid VirtualMachineId, DomainState? State);

/// <summary>The port to what runs VMs. Every call may be repeated: what is so already is answered with <see cref="HypervisorResult.AlreadySo"/>. Only the trust gate's callers start or move VMs.</summary>
public interface IHypervisor
{
    /// <summary>Whether this adapter reaches that host.</summary>
    bool Reaches(HostEndpoint host);

    /// <summary>Defines a VM, not running.</summary>
    Task<HypervisorAnswer> CreateAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct);

    /// <summary>Starts a defined VM.</summary>
    Task<HypervisorAnswer> StartAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Asks the guest to shut down; a later event tells that it did.</summary>
    Task<HypervisorAnswer> ShutdownAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Pulls the plug.</summary>
    Task<HypervisorAnswer> StopAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Moves a VM, running or not, from one host to another.</summary>
    Task<HypervisorAnswer> MigrateAsync(HostEndpoint source, HostEndpoint target, Guid virtualMachineId, CancellationToken ct);

    /// <summary>Changes a defined VM that is not running, or its metadata.</summary>
    Task<HypervisorAnswer> RedefineAsync(HostEndpoint host, DomainDefinition definition, CancellationToken ct);

    /// <summary>Removes a VM that is not running.</summary>
    Task<HypervisorAnswer> DeleteAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>One VM as the host reports it.</summary>
    Task<DomainAnswer> FindAsync(HostEndpoint host, Guid virtualMachineId, CancellationToken ct);

    /// <summary>All VMs of a host; null when it does not answer.</summary>
    Task<IReadOnlyList<Domain>?> ListAsync(HostEndpoint host, CancellationToken ct);

    /// <summary>What happens to VMs, from now on.</summary>
    IAsyncEnumerable<DomainEvent> EventsAsync(CancellationToken ct);
}
