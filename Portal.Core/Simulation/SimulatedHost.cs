using Portal.Core.Inventory;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation;

/// <summary>A simulated machine as its file remembers it. Immutable: a change makes another and is written before it counts.</summary>
public sealed record SimulatedHost
{
    /// <summary>The scheme of the addresses of simulated hosts.</summary>
    public const string Scheme = "sim:";

    /// <summary>Unique name.</summary>
    public required string Name { get; init; }

    /// <summary>Id under which the inventory gets to know it.</summary>
    public required Guid Id { get; init; }

    /// <summary>Name of the cluster it was bought for.</summary>
    public required string Cluster { get; init; }

    /// <summary>Logical CPUs.</summary>
    public required int Cpus { get; init; }

    /// <summary>Memory for VMs, in bytes.</summary>
    public required long Memory { get; init; }

    /// <summary>Which key of the pool its TPM holds.</summary>
    public required int KeyIndex { get; init; }

    /// <summary>What it had when it was new: the reference to restore.</summary>
    public required BootRecipe Original { get; init; }

    /// <summary>What it booted: what its TPM attests.</summary>
    public required BootRecipe Booted { get; init; }

    /// <summary>What it will boot next time.</summary>
    public required BootRecipe Installed { get; init; }

    /// <summary>When it booted; the TPM's clock counts from here.</summary>
    public required DateTimeOffset BootedAt { get; init; }

    /// <summary>The TPM's resetCount: counts boots.</summary>
    public required uint ResetCount { get; init; }

    /// <summary>The TPM's restartCount: counts resumes within a boot.</summary>
    public uint RestartCount { get; init; }

    /// <summary>Programs that ran since it booted and that no system brings.</summary>
    public int StrangePrograms { get; init; }

    /// <summary>Whether its attestation agent does not answer.</summary>
    public bool AgentSilent { get; init; }

    /// <summary>Whether its hypervisor does not answer. Its VMs run on.</summary>
    public bool HypervisorUnreachable { get; init; }

    /// <summary>Whether an update waits for a reboot.</summary>
    public bool RebootPending => Installed != Booted;

    /// <summary>The address adapters know it by, for example <c>sim:kvm-a01</c>.</summary>
    public string Address => Scheme + Name;

    /// <summary>What the machine says it is made of.</summary>
    public HostHardware Hardware
    {
        get
        {
            var platform = Platform.Of(Booted.Firmware.Model);
            var at = platform.FirmwareVersions.IndexOf(Booted.Firmware.Version);
            return new HostHardware
            {
                Manufacturer = platform.Vendor,
                ProductName = platform.Model,
                Version = "Not Specified",
                SerialNumber = Convert.ToHexString(Seeded.Bytes($"serial {Name}", 4)),
                Uuid = Seeded.Guid($"uuid {Name}").ToString(),
                Family = platform.Model.Split(' ')[0],
                BiosVendor = platform.Vendor,
                BiosVersion = Booted.Firmware.Version,
                BiosDate = at < 0 ? "" : platform.FirmwareDates[at],
                CpuModel = platform.CpuModel,
                OperatingSystem = Booted.Hypervisor.System,
                Kernel = Booted.Hypervisor.KernelRelease,
            };
        }
    }

    /// <summary>The name inside a simulated host's address; null when the address is somebody else's.</summary>
    public static string? NameIn(HostEndpoint host) =>
        host.Address.StartsWith(Scheme, StringComparison.Ordinal) ? host.Address[Scheme.Length..] : null;
}
