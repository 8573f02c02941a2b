using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>How hosts' libvirt is spoken to.</summary>
public sealed record LibvirtOptions
{
    /// <summary>Whether connections nobody signs in to and nobody encrypts are made: <c>qemu+tcp</c>, sockets of sessions, libvirt's test driver. For labs on one machine.</summary>
    public bool AllowsUnprotected { get; init; }

    /// <summary>How long opening a connection may take before the host counts as not answering.</summary>
    public TimeSpan OpenDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one call may take before the host counts as not answering, moves apart.</summary>
    public TimeSpan CallDeadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often an idle host is asked whether it is there; three questions without an answer end the connection.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Wait before the second attempt to connect; it doubles up to <see cref="LongestBackOff"/>.</summary>
    public TimeSpan ShortestBackOff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest wait between attempts to connect.</summary>
    public TimeSpan LongestBackOff { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How many calls one host answers at the same time; each is a thread of the portal.</summary>
    public int CallsAtOnce { get; init; } = 8;

    /// <summary>How long a guest asked to shut down is said to be shutting down; after that it did not obey, and it is running.</summary>
    public TimeSpan ShutdownPatience { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How often a move is asked how far it is.</summary>
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The name or address other hosts reach a host by, for VMs' memory and disks; null takes it from the host's libvirt URI, then from its address.</summary>
    public Func<HostEndpoint, string?>? MigrationAddress { get; init; }
}
