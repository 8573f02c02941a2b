using MudBlazor;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal.Components.VirtualMachines;

/// <summary>The place Virtual machines.</summary>
public static class VirtualMachinesPages
{
    /// <summary>Adds the place; its badge counts those that run where their trust is lost.</summary>
    public static IServiceCollection AddVirtualMachinesPages(this IServiceCollection services) => services.Contribute(
        new MenuPlace("Virtual machines", "vms", Icons.Material.Outlined.Computer, MenuOrder.VirtualMachines)
        {
            Requires = Permission.Read,
            BadgeTopics = [ChangeTopic.VirtualMachine],
            Badge = async (services, ct) =>
            {
                var found = await services.GetRequiredService<VirtualMachineDirectory>().ListAsync(new VirtualMachineQuery { OnlyMarked = true, Take = 1 }, ct);
                return found is { Succeeded: true, Value.Total: > 0 and var count }
                    ? new MenuBadge(count, count == 1 ? "1 virtual machine that requires trust is on an untrusted host" : $"{count:N0} virtual machines that require trust are on untrusted hosts")
                    : null;
            },
        });
}
