using System.Collections.Immutable;
using Portal.Core.Simulation.Boot;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation;

/// <summary>What becomes of a host, and how to tell it; an empty sentence for nothing.</summary>
internal sealed record HostChange(IReadOnlyCollection<FileChange> Changes, string Sentence)
{
    public static HostChange None { get; } = new([], "");

    public static HostChange Of(SimulatedHost host, string sentence) => new([new FileChange.HostSaved(host)], sentence);
}

/// <summary>What actions make of a host, as functions of what it is.</summary>
internal static class HostChanges
{
    private const int RevocationsAtOnce = 3;

    /// <summary>Boots what is installed. VMs that ran are off, as after any reboot.</summary>
    public static HostChange Rebooted(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains, DateTimeOffset now, string sentence) => new(
        [
            new FileChange.HostSaved(host with
            {
                Booted = host.Installed,
                BootedAt = now,
                ResetCount = host.ResetCount + 1,
                RestartCount = 0,
                StrangePrograms = 0,
            }),
            .. domains.Values.Where(d => d.State != DomainState.ShutOff).Select(d => new FileChange.DomainSaved(host.Name, d with { State = DomainState.ShutOff })),
        ],
        sentence);

    /// <summary>Answers again and tells of every VM, because listeners missed what happened meanwhile.</summary>
    public static HostChange HypervisorBack(SimulatedHost host, ImmutableDictionary<Guid, Domain> domains) => new(
        [
            new FileChange.HostSaved(host with { HypervisorUnreachable = false }),
            .. domains.Values.Select(d => new FileChange.DomainSaved(host.Name, d)),
        ],
        "answers as hypervisor again");

    public static SimulatedHost? NextFirmware(SimulatedHost host)
    {
        var firmware = host.Installed.Firmware;
        return After(Platform.Of(firmware.Model).FirmwareVersions, firmware.Version) is { } version
            ? host with { Installed = host.Installed with { Firmware = firmware with { Version = version } } }
            : null;
    }

    /// <summary>The firmware's list of revoked signatures grows, as a service does to it without any new firmware.</summary>
    public static SimulatedHost? NextRevocations(SimulatedHost host) => host with
    {
        Installed = host.Installed with { Firmware = host.Installed.Firmware with { Revocations = host.Installed.Firmware.Revocations + RevocationsAtOnce } },
    };

    public static SimulatedHost? NextKernel(SimulatedHost host)
    {
        var software = host.Installed.Hypervisor;
        return After(FleetPlan.Kernels[software.System], software.Kernel) is { } kernel
            ? host with { Installed = host.Installed with { Hypervisor = software with { Kernel = kernel } } }
            : null;
    }

    public static SimulatedHost? NextBootLoader(SimulatedHost host)
    {
        var software = host.Installed.Hypervisor;
        return After(FleetPlan.Grubs, software.Grub) is { } grub
            ? host with { Installed = host.Installed with { Hypervisor = software with { Grub = grub } } }
            : null;
    }

    private static string? After(ImmutableArray<string> versions, string version)
    {
        var at = versions.IndexOf(version);
        return at >= 0 && at + 1 < versions.Length ? versions[at + 1] : null;
    }
}
