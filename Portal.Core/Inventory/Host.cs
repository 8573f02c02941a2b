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

    /// <summary>The cluster it belongs to.</summary>
    public required Guid ClusterId { get; set; }

    /// <summary>What it is doing.</summary>
    public HostState State { get; set; } = HostState.Up;

    /// <summary>Logical CPUs.</summary>
    public required int Cpus { get; set; }

    /// <summary>Memory for VMs, in bytes.</summary>
    public required long Memory { get; set; }

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
    public HostEndpoint Endpoint => new(Id, Name, Address);
}

/// <summary>How adapters find a host.</summary>
/// <param name="Id">The host's id.</param>
/// <param name="Name">The host's name.</param>
/// <param name="Address">The host's address; its scheme tells whose it is.</param>
public sealed record HostEndpoint(Guid Id, string Name, string Address);
