using Microsoft.Extensions.Hosting;

namespace Portal.Core.Simulation.Attesters;

/// <summary>Makes the fleet's keys in the background, so that the first round does not wait for them.</summary>
/// <param name="attesters">The attesters.</param>
/// <param name="fleet">Asked for so that the hosts are there.</param>
internal sealed class KeyWarmUp(SimulatedAttesterChannel attesters, SimulatedFleet fleet) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        fleet.Hosts.Count == 0 ? Task.CompletedTask : attesters.WarmUpAsync(stoppingToken);
}
