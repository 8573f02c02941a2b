using MudBlazor;
using Portal.Components.Hosts;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal;

/// <summary>The place Hosts: the grid and a host's page. It knows no attestation; what it shows of trust is contributed.</summary>
public static class HostsFeature
{
    /// <summary>Adds the place, the grid's own columns, the page's own tabs, and maintenance.</summary>
    public static IServiceCollection AddHostsFeature(this IServiceCollection services)
    {
        services.AddSingleton<HostCounts>();
        foreach (var column in HostColumns.Own)
        {
            services.Contribute(column);
        }

        services.Contribute(new MenuPlace("Hosts", "hosts", Icons.Material.Outlined.Dns, MenuOrder.Hosts)
        {
            Requires = Permission.Read,
            Badge = CountAsync,
            BadgeTopics = [ChangeTopic.Host, ChangeTopic.Attestation],
        });
        services.Contribute(new HostTab("general", "General", 100, typeof(GeneralTab)));
        services.Contribute(new HostTab("hardware", "Hardware & BIOS", 200, typeof(HardwareTab)));
        services.Contribute(new HostTab("vms", "Virtual machines", 300, typeof(VirtualMachinesTab)));
        services.Contribute(new HostTab("activity", "Activity", 500, typeof(ActivityTab)));
        services.Contribute(new HostAction("maintenance", "To maintenance", Icons.Material.Outlined.Build, 200, Permission.ManageHosts, MaintenanceAsync)
        {
            AppliesTo = static (_, host) => host.State != HostState.Maintenance,
            Ask = AskMaintenanceAsync,
        });
        services.Contribute(new HostAction("activate", "Activate", Icons.Material.Outlined.PlayArrow, 210, Permission.ManageHosts, ActivateAsync)
        {
            AppliesTo = static (_, host) => host.State == HostState.Maintenance,
        });
        return services;
    }

    /// <summary>Hosts whose contributed facets say that they need a person.</summary>
    private static async Task<MenuBadge?> CountAsync(IServiceProvider services, CancellationToken ct)
    {
        var looks = services.GetServices<HostFacetLook>().ToList();
        var totals = await services.GetRequiredService<HostCounts>().CurrentAsync(ct);
        var needy = totals.Facets.Where(c => c.Hosts > 0 && looks.Exists(l => l.Facet == c.Facet && l.NeedAttention.Contains(c.Value))).ToList();
        return needy.Count == 0
            ? null
            : new MenuBadge(needy.Sum(c => c.Hosts), $"hosts that need attention: {string.Join(", ", needy.Select(c => $"{c.Hosts:N0} {c.Title.ToLowerInvariant()}"))}");
    }

    private static async Task<Confirmation> AskMaintenanceAsync(IServiceProvider services, Host host, CancellationToken ct)
    {
        var row = await services.GetRequiredService<HostDirectory>().FindAsync(host.Id, ct);
        return new Confirmation(
            $"Set {host.Name} to maintenance?",
            row is { Vms: > 0 and var vms }
                ? $"It takes no new virtual machines. The {(vms == 1 ? "one" : $"{vms:N0}")} placed on it {(vms == 1 ? "stays" : "stay")} where {(vms == 1 ? "it is" : "they are")}."
                : "It takes no new virtual machines until somebody activates it.",
            "To maintenance")
        {
            Destructive = false,
        };
    }

    private static async Task<Outcome<string>> MaintenanceAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<ChangeHostState>().ToMaintenanceAsync(caller, host.Id, ct);
        return outcome.Succeeded ? $"{host.Name} is in maintenance." : outcome.Refusal;
    }

    private static async Task<Outcome<string>> ActivateAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<ChangeHostState>().ActivateAsync(caller, host.Id, ct);
        return outcome.Succeeded ? $"{host.Name} takes virtual machines again." : outcome.Refusal;
    }
}
