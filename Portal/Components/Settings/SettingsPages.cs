using MudBlazor;
using Portal.Core.Access;
using Portal.Extensions;

namespace Portal.Components.Settings;

/// <summary>The place Settings: how this portal runs, who may do what, and where to change it.</summary>
public static class SettingsPages
{
    /// <summary>Adds the place and the portal's own sections; features and sites add theirs between them.</summary>
    /// <param name="services">The services.</param>
    /// <param name="isDemo">Whether there is a simulation to tell of.</param>
    public static IServiceCollection AddSettingsPages(this IServiceCollection services, bool isDemo)
    {
        services.Contribute(new MenuPlace("Settings", "settings", Icons.Material.Outlined.Settings, MenuOrder.Settings) { Requires = Permission.Read });
        services.Contribute(new SettingsSection("you", "You", 100, typeof(YouSection)));
        services.Contribute(new SettingsSection("portal", "This portal", 200, typeof(PortalSection)));
        services.Contribute(new SettingsSection("people", "People and roles", 300, typeof(PeopleSection)));
        services.Contribute(new SettingsSection("attestation", "Attestation", 400, typeof(AttestationSection)));
        services.Contribute(new SettingsSection("storage", "Storage", 500, typeof(StorageSection)));
        services.Contribute(new SettingsSection("telemetry", "Telemetry", 600, typeof(TelemetrySection)));
        if (isDemo)
        {
            services.Contribute(new SettingsSection("simulation", "Simulation", 700, typeof(SimulationSection)));
        }

        return services.Contribute(new SettingsSection("about", "About", 900, typeof(AboutSection)));
    }
}
