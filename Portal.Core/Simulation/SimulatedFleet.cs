using System.Collections.Immutable;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation;

/// <summary>A simulated host's condition, for the menu that changes it.</summary>
/// <param name="Name">The host.</param>
/// <param name="Firmware">Firmware it runs, for example <c>PowerEdge R760 firmware 2.19.1</c>.</param>
/// <param name="Grub">GRUB it booted with.</param>
/// <param name="Kernel">Kernel it runs.</param>
/// <param name="BootedAt">Since when.</param>
/// <param name="ResetCount">How often it booted.</param>
/// <param name="AgentSilent">Whether its attestation agent does not answer.</param>
/// <param name="HypervisorUnreachable">Whether its hypervisor does not answer.</param>
/// <param name="PendingUpdate">What it will boot next, in words; null when that is what runs.</param>
/// <param name="IsOriginal">Whether it runs what it had when new, and will boot that again.</param>
/// <param name="Fault">How its attester is dishonest; null when honest.</param>
public sealed record SimulatedCondition(
    string Name,
    string Firmware,
    string Grub,
    string Kernel,
    DateTimeOffset BootedAt,
    uint ResetCount,
    bool AgentSilent,
    bool HypervisorUnreachable,
    string? PendingUpdate,
    bool IsOriginal,
    Fault? Fault);

/// <summary>The simulated hosts as a fleet: made once, then as its file has it.</summary>
public sealed class SimulatedFleet
{
    private readonly SimulationState state;
    private readonly SimulatedAttesterChannel attesters;
    private readonly IReadOnlyDictionary<string, DemoPart> parts;

    /// <summary>Adds the hosts that the file does not have yet.</summary>
    /// <param name="state">The simulated world.</param>
    /// <param name="attesters">Its attesters.</param>
    /// <param name="options">Size of the fleet.</param>
    /// <param name="time">Our clock.</param>
    public SimulatedFleet(SimulationState state, SimulatedAttesterChannel attesters, SimulationOptions options, TimeProvider time)
    {
        options.Validate();
        (this.state, this.attesters) = (state, attesters);
        parts = FleetPlan.Parts(options);
        var plan = FleetPlan.Hosts(options, time.GetUtcNow());
        state.Change<bool>(() => (true, [.. plan.Where(h => state.Find(h.Name) is null).Select(h => new FileChange.HostSaved(h))]));
    }

    /// <summary>All hosts, by name.</summary>
    public IReadOnlyList<SimulatedHost> Hosts => state.Hosts;

    /// <summary>Names of the clusters the hosts were bought for.</summary>
    public IReadOnlyList<string> Clusters => [.. state.Hosts.Select(h => h.Cluster).Distinct(StringComparer.Ordinal)];

    /// <summary>References for what the fleet had when new: a few firmwares, then a few operating systems. Approved as baselines, they make every unchanged host trusted.</summary>
    public ImmutableArray<ReferenceImage> References
    {
        get
        {
            var recipes = state.Hosts.Select(h => h.Original).Distinct().ToArray();
            return
            [
                .. recipes.DistinctBy(r => r.Firmware).Select(ReferenceImage.OfFirmware).OrderBy(r => r.Name, StringComparer.Ordinal),
                .. recipes.DistinctBy(r => r.Hypervisor).Select(ReferenceImage.OfHypervisor).OrderBy(r => r.Name, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>What the demo intends with a host.</summary>
    public DemoPart PartOf(string name) => parts.GetValueOrDefault(name, DemoPart.Trusted);

    /// <summary>A host's condition; null when it is not simulated.</summary>
    public SimulatedCondition? ConditionOf(HostEndpoint host) => state.Find(host) is { } found ? ConditionOf(found) : null;

    private SimulatedCondition ConditionOf(SimulatedHost host) => new(
        host.Name,
        host.Booted.Firmware.Name,
        host.Booted.Hypervisor.Grub,
        host.Booted.Hypervisor.KernelRelease,
        host.BootedAt,
        host.ResetCount,
        host.AgentSilent,
        host.HypervisorUnreachable,
        host.RebootPending ? Difference(host.Booted, host.Installed) : null,
        host.Installed == host.Original && !host.RebootPending,
        attesters.FaultOf(host.Name));

    private static string Difference(BootRecipe from, BootRecipe to)
    {
        var words = new List<string>();
        Say("firmware", from.Firmware.Version, to.Firmware.Version);
        Say("GRUB", from.Hypervisor.Grub, to.Hypervisor.Grub);
        Say("kernel", from.Hypervisor.Kernel, to.Hypervisor.Kernel);
        return string.Join(", ", words);

        void Say(string what, string old, string now)
        {
            if (!string.Equals(old, now, StringComparison.Ordinal))
            {
                words.Add($"{what} {now}");
            }
        }
    }
}
