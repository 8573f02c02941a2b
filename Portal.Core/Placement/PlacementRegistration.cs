using Microsoft.Extensions.DependencyInjection;

namespace Portal.Core.Placement;

/// <summary>Registers placement.</summary>
public static class PlacementRegistration
{
    /// <summary>Adds the filter chain with the filters that know no attestation, the weighers, and the gate.</summary>
    public static IServiceCollection AddPlacement(this IServiceCollection services)
    {
        services.AddSingleton<FleetView>();
        services.AddSingleton<Placer>();
        services.AddSingleton<TrustGate>();
        services.AddSingleton<PlacementDirectory>();
        services.AddSingleton<IHostFilter, LocationFilter>();
        services.AddSingleton<IHostFilter, StateFilter>();
        services.AddSingleton<IHostFilter, CpuFilter>();
        services.AddSingleton<IHostFilter, MemoryFilter>();
        services.AddSingleton<IHostFilter, StorageFilter>();
        services.AddSingleton<IHostFilter, QuarantineFilter>();
        services.AddSingleton<IHostWeigher, SpreadWeigher>();
        services.AddSingleton<IHostWeigher, StayWeigher>();
        return services;
    }
}
