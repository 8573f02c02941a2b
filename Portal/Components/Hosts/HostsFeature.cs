using MudBlazor;
using Portal.Components.Hosts;
using Portal.Components.Hosts.Connecting;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;
using Portal.Core.Virtualization.Connecting;
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
        services.Contribute(new HostGeneralPart(100, typeof(ConnectionCard)));
        services.Contribute(new HostTab("general", "General", 100, typeof(GeneralTab)));
        services.Contribute(new HostTab("hardware", "Hardware & BIOS", 200, typeof(HardwareTab)));
        services.Contribute(new HostTab("vms", "Virtual machines", 300, typeof(VirtualMachinesTab)));
        services.Contribute(new HostTab("activity", "Activity", 500, typeof(ActivityTab)));
        services.Contribute(new HostAction("maintenance", "Maintenance…", Icons.Material.Outlined.Build, 200, Permission.ManageHosts, MaintenanceAsync)
        {
            AppliesTo = static (_, host) => host.State is not (HostState.Maintenance or HostState.PreparingForMaintenance),
            Ask = AskMaintenanceAsync,
        });
        services.Contribute(new HostAction("activate", "Activate", Icons.Material.Outlined.PlayArrow, 210, Permission.ManageHosts, ActivateAsync)
        {
            AppliesTo = static (_, host) => host.State is HostState.Maintenance or HostState.PreparingForMaintenance,
        });
        services.Contribute(new HostAction("remove", "Remove…", Icons.Material.Outlined.Delete, 900, Permission.ManageHosts, RemoveAsync)
        {
            AppliesTo = static (_, host) => host.State == HostState.Maintenance || host is { State: HostState.NonResponsive, PhysicalMemory: 0 },
            Ask = static (_, host, _) => Task.FromResult(new Confirmation($"Remove {host.Name} from the portal?", "Its connection, its attester and all that was attested of it go with it. Nothing on the machine is touched.", "Remove it")),
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
        var moving = await services.GetRequiredService<ReactionDirectory>().MovingAsync(host.Id, ct);
        var consequence = moving.Count switch
        {
            0 => "It takes no new virtual machine until somebody activates it. No virtual machine is placed on it.",
            1 => "It takes no new virtual machine. The one placed on it moves to another host first; if none takes it, the host waits until it is gone.",
            var count => $"It takes no new virtual machine. The {count:N0} placed on it move to other hosts first; where none takes one, the host waits until it is gone.",
        };
        return new Confirmation($"Set {host.Name} to maintenance?", $"{consequence} While it is in maintenance it may reboot and lose trust without an alarm.", moving.Count == 0 ? "To maintenance" : $"Move {(moving.Count == 1 ? "it" : $"{moving.Count:N0}")} and set to maintenance")
        {
            Hits = moving,
            Destructive = false,
        };
    }

    private static async Task<Outcome<string>> MaintenanceAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<ChangeHostState>().ToMaintenanceAsync(caller, host.Id, ct);
        return outcome switch
        {
            { Succeeded: false } => outcome.Refusal,
            { Value: null } => $"{host.Name} is in maintenance.",
            _ => $"The virtual machines of {host.Name} move away; progress is shown under Tasks.",
        };
    }

    private static async Task<Outcome<string>> ActivateAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<ChangeHostState>().ActivateAsync(caller, host.Id, ct);
        return outcome.Succeeded ? $"{host.Name} takes virtual machines again; those that require trust once it is trusted." : outcome.Refusal;
    }

    private static async Task<Outcome<string>> RemoveAsync(IServiceProvider services, Caller caller, Host host, CancellationToken ct)
    {
        var outcome = await services.GetRequiredService<RemoveHost>().ExecuteAsync(caller, host.Id, ct);
        return outcome.Succeeded ? $"{host.Name} is removed." : outcome.Refusal;
    }
}
