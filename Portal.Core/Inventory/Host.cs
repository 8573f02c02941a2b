namespace Portal.Core.Inventory;

/// <summary>What a host is doing.</summary>
public enum HostState
{
    /// <summary>Runs VMs and takes new ones.</summary>
    Up,

    /// <summary>Set aside by an administrator; takes no VMs.</summary>
    Maintenance,

    /// <summary>The hypervisor does not answer.</summary>
    NonResponsive,

    /// <summary>On its way to maintenance: takes no VMs, and those it runs are moved away.</summary>
    PreparingForMaintenance,
}

/// <summary>The six fields of oVirt's hardware information, and the BIOS its 2012 page proposed. Empty when the host does not say.</summary>
public sealed class HostHardware
{
    /// <summary>SMBIOS system manufacturer.</summary>
    public string Manufacturer { get; set; } = "";

    /// <summary>SMBIOS product name.</summary>
    public string ProductName { get; set; } = "";

    /// <summary>SMBIOS system version.</summary>
    public string Version { get; set; } = "";

    /// <summary>SMBIOS serial number.</summary>
    public string SerialNumber { get; set; } = "";

    /// <summary>SMBIOS system UUID.</summary>
    public string Uuid { get; set; } = "";

    /// <summary>SMBIOS family.</summary>
    public string Family { get; set; } = "";

    /// <summary>BIOS vendor.</summary>
    public string BiosVendor { get; set; } = "";

    /// <summary>BIOS version.</summary>
    public string BiosVersion { get; set; } = "";

    /// <summary>BIOS release date as the vendor writes it.</summary>
    public string BiosDate { get; set; } = "";

    /// <summary>Base board: vendor, product and version.</summary>
    public string Board { get; set; } = "";

    /// <summary>What runs the VMs and how it is reached, for example <c>QEMU 7.2.22, libvirt 9.0.0</c>.</summary>
    public string Hypervisor { get; set; } = "";

    /// <summary>Why the hardware's own words are missing, in a sentence; empty when they are there or nobody asked.</summary>
    public string NotOffered { get; set; } = "";

    /// <summary>CPU model name.</summary>
    public string CpuModel { get; set; } = "";

    /// <summary>Operating system image, as the host says.</summary>
    public string OperatingSystem { get; set; } = "";

    /// <summary>Kernel release, as the host says.</summary>
    public string Kernel { get; set; } = "";
}

/// <summary>A machine that runs VMs. It knows nothing of attestation: that is another room's row with the same id.</summary>
public sealed class Host
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Unique name.</summary>
    public required string Name { get; set; }

    /// <summary>Where its hypervisor and agent answer; the scheme tells adapters whose it is (for example <c>sim:kvm-a01</c>).</summary>
    public required string Address { get; set; }

    /// <summary>Where its libvirt answers, for example <c>qemu+tls://kvm-01.example.com/system</c>; null when it has none.</summary>
    public string? LibvirtUri { get; set; }

    /// <summary>The cluster it belongs to.</summary>
    public required Guid ClusterId { get; set; }

    /// <summary>What it is doing.</summary>
    public HostState State { get; set; } = HostState.Up;

    /// <summary>Why it is in that state, in a sentence; empty when there is nothing to say.</summary>
    public string StateReason { get; set; } = "";

    /// <summary>Since when it takes no VM that requires trust, because it lost trust; null when it does take them.</summary>
    public DateTimeOffset? QuarantinedSince { get; set; }

    /// <summary>Logical CPUs.</summary>
    public required int Cpus { get; set; }

    /// <summary>Memory for the portal's VMs, in bytes: what the machine has, less what it keeps for itself and what VMs use that are not the portal's.</summary>
    public required long Memory { get; set; }

    /// <summary>Memory the machine has, in bytes; 0 when it did not say.</summary>
    public long PhysicalMemory { get; set; }

    /// <summary>Virtual CPUs of the VMs placed here.</summary>
    public int CpusClaimed { get; set; }

    /// <summary>Memory of the VMs placed here, in bytes; never more than <see cref="Memory"/>.</summary>
    public long MemoryClaimed { get; set; }

    /// <summary>What it is made of.</summary>
    public HostHardware Hardware { get; set; } = new();

    /// <summary>How many virtual CPUs a logical CPU carries at most.</summary>
    public const int CpuOvercommit = 4;

    /// <summary>Memory not yet claimed, in bytes.</summary>
    public long MemoryFree => Memory - MemoryClaimed;

    /// <summary>Virtual CPUs not yet claimed.</summary>
    public int CpusFree => (Cpus * CpuOvercommit) - CpusClaimed;

    /// <summary>The address as adapters need it.</summary>
    public HostEndpoint Endpoint => new(Id, Name, Address, LibvirtUri);
}

/// <summary>How adapters find a host.</summary>
/// <param name="Id">The host's id.</param>
/// <param name="Name">The host's name.</param>
/// <param name="Address">The host's address; its scheme tells whose it is.</param>
/// <param name="LibvirtUri">Where its libvirt answers; null when it has none.</param>
public sealed record HostEndpoint(Guid Id, string Name, string Address, string? LibvirtUri);
