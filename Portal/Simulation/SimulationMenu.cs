using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal;

/// <summary>What can be done to a simulated host, to show what the portal makes of it. Offered in the demo only, where there are such hosts.</summary>
public static class SimulationMenu
{
    private const string Group = "Simulation";
    private const int MostNamed = 100;

    private delegate Task<Outcome<Done>> Act(SimulatedHostActions actions, Caller caller, Guid hostId, CancellationToken ct);

    /// <summary>Adds the actions to hosts' menus.</summary>
    public static IServiceCollection AddSimulationMenu(this IServiceCollection services)
    {
        Reboots(services, 910, "firmware", "Update firmware and reboot", Icons.Material.Outlined.Memory, "gets the next firmware, which nobody approved,", static (a, c, h, ct) => a.UpdateFirmwareAsync(c, h, reboot: true, ct));
        Reboots(services, 920, "boot-loader", "Update boot loader and reboot", Icons.Material.Outlined.FlightTakeoff, "gets the next GRUB, which nobody approved,", static (a, c, h, ct) => a.UpdateBootLoaderAsync(c, h, reboot: true, ct));
        Reboots(services, 930, "kernel", "Update kernel and reboot", Icons.Material.Outlined.SystemUpdateAlt, "gets the next kernel, which nobody approved,", static (a, c, h, ct) => a.UpdateKernelAsync(c, h, reboot: true, ct));
        Reboots(services, 935, "revocations", "Update revoked signatures and reboot", Icons.Material.Outlined.Block, "gets more revoked signatures (dbx), which nobody approved,", static (a, c, h, ct) => a.UpdateRevocationsAsync(c, h, reboot: true, ct));
        Reboots(services, 940, "restore", "Restore and reboot", Icons.Material.Outlined.SettingsBackupRestore, "gets what it had when new", static (a, c, h, ct) => a.RestoreAsync(c, h, ct), condition => !condition.IsOriginal);
        Reboots(services, 950, "reboot", "Reboot", Icons.Material.Outlined.RestartAlt, "boots what is installed", static (a, c, h, ct) => a.RebootAsync(c, h, ct));
        Switches(services, 955, "program", "Run an unapproved program", Icons.Material.Outlined.Terminal, static _ => true, null, static (a, c, h, ct) => a.RunProgramAsync(c, h, ct));
        Switches(services, 960, "silent", "Go silent", Icons.Material.Outlined.VolumeOff, static c => !c.AgentSilent, "Its attestation agent answers nothing any more. Its verdict runs out; VMs stay where they are.", static (a, c, h, ct) => a.GoSilentAsync(c, h, ct));
        Switches(services, 961, "back", "Come back", Icons.Material.Outlined.VolumeUp, static c => c.AgentSilent, null, static (a, c, h, ct) => a.ComeBackAsync(c, h, ct));
        Switches(services, 970, "hypervisor-off", "Hypervisor off", Icons.Material.Outlined.CloudOff, static c => !c.HypervisorUnreachable, "Its hypervisor does not answer any more. The VMs on it run on, but nobody can start, stop or move them.", static (a, c, h, ct) => a.StopHypervisorAsync(c, h, ct));
        Switches(services, 971, "hypervisor-on", "Hypervisor on", Icons.Material.Outlined.Cloud, static c => c.HypervisorUnreachable, null, static (a, c, h, ct) => a.StartHypervisorAsync(c, h, ct));
        return services;
    }

    private static void Reboots(IServiceCollection services, int order, string id, string title, string icon, string what, Act act, Func<SimulatedCondition, bool>? when = null) =>
        Add(services, order, id, title, icon, when ?? (static _ => true), act, async (provider, host, ct) =>
        {
            var hit = await RunningAsync(provider, host, ct);
            return new Confirmation(
                $"{title}: {host.Name}?",
                hit.Count == 0 ? $"{host.Name} {what} and boots anew. No virtual machine runs on it." : $"{host.Name} {what} and boots anew. What runs on it is switched off.",
                title)
            {
                Hits = hit,
            };
        });

    private static void Switches(IServiceCollection services, int order, string id, string title, string icon, Func<SimulatedCondition, bool> when, string? consequence, Act act) =>
        Add(services, order, id, title, icon, when, act, consequence is null ? null : async (provider, host, ct) => new Confirmation($"{title}: {host.Name}?", consequence, title)
        {
            Hits = await RunningAsync(provider, host, ct),
        });

    private static void Add(
        IServiceCollection services,
        int order,
        string id,
        string title,
        string icon,
        Func<SimulatedCondition, bool> when,
        Act act,
        Func<IServiceProvider, Host, CancellationToken, Task<Confirmation>>? ask) =>
        services.Contribute(new HostAction($"simulate-{id}", title, icon, order, Permission.Simulate, async (provider, caller, host, ct) =>
        {
            var outcome = await act(provider.GetRequiredService<SimulatedHostActions>(), caller, host.Id, ct);
            return outcome.Succeeded ? $"{host.Name}: {char.ToLowerInvariant(title[0])}{title[1..]}, done." : outcome.Refusal;
        })
        {
            Group = Group,
            AppliesTo = (provider, host) => provider.GetRequiredService<SimulatedFleet>().ConditionOf(host.Endpoint) is { } condition && when(condition),
            Ask = ask,
        });

    private static async Task<List<string>> RunningAsync(IServiceProvider provider, Host host, CancellationToken ct)
    {
        var found = await provider.GetRequiredService<VirtualMachineDirectory>().ListAsync(new VirtualMachineQuery { HostId = host.Id, Search = "status=up", Take = MostNamed }, ct);
        return found.Succeeded ? [.. found.Value.Items.Select(r => r.Vm.Name)] : [];
    }
}
