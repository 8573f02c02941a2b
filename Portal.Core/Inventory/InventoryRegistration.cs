using Microsoft.Extensions.DependencyInjection;

namespace Portal.Core.Inventory;

/// <summary>Registers the inventory.</summary>
public static class InventoryRegistration
{
    /// <summary>Adds directories and commands of hosts and clusters.</summary>
    public static IServiceCollection AddInventory(this IServiceCollection services)
    {
        services.AddSingleton<HostDirectory>();
        services.AddSingleton<ClusterDirectory>();
        services.AddSingleton<ClusterDesk>();
        services.AddSingleton<Quarantine>();
        services.AddSingleton<CreateCluster>();
        services.AddSingleton<EditCluster>();
        services.AddSingleton<DeleteCluster>();
        services.AddSingleton<ChangeReaction>();
        services.AddSingleton<ChangeMigration>();
        return services;
    }
}
