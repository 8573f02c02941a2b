using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Portal.Core.Attestation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation;

/// <summary>Registers the simulation.</summary>
public static class SimulationRegistration
{
    /// <summary>Adds a fleet of simulated hosts: their attesters as <see cref="IAttesterChannel"/>, their hypervisors as <see cref="IHypervisor"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="options">Size of the fleet.</param>
    /// <param name="stateFilePath">Where the simulation keeps its own file, apart from the portal's database.</param>
    /// <exception cref="ArgumentException">The options make no fleet.</exception>
    public static IServiceCollection AddSimulation(this IServiceCollection services, SimulationOptions options, string stateFilePath)
    {
        options.Validate();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton(_ => new SimulationState(stateFilePath));
        services.AddSingleton<BootImages>();
        services.AddSingleton<SimulatedAttesterChannel>();
        services.AddSingleton<SimulatedFleet>();
        services.TryAddSingleton<ISimulationPause, StepDelayPause>();
        services.AddSingleton<SimulatedHypervisor>();
        services.AddSingleton<SimulatedHostActions>();
        services.AddSingleton<DemoSeed>();
        services.AddSingleton<DemoStory>();
        services.AddHostedService<KeyWarmUp>();

        // Whoever asks for an adapter asks for a world with its fleet in it.
        services.AddSingleton<IAttesterChannel>(provider => InFleet<SimulatedAttesterChannel>(provider));
        services.AddSingleton<IHypervisor>(provider => InFleet<SimulatedHypervisor>(provider));
        return services;
    }

    private static T InFleet<T>(IServiceProvider provider)
        where T : notnull
    {
        provider.GetRequiredService<SimulatedFleet>();
        return provider.GetRequiredService<T>();
    }
}
