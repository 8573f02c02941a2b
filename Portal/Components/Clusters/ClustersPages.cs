using MudBlazor;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Clusters;

/// <summary>The place Clusters.</summary>
public static class ClustersPages
{
    /// <summary>Adds the place; its badge counts the looser policies that wait for whoever looks.</summary>
    public static IServiceCollection AddClustersPages(this IServiceCollection services) => services
        .Contribute(new ClusterSection("reaction", "When a host loses trust", 50, typeof(ReactionSection)))
        .Contribute(new ClusterSection("migration", "How virtual machines move", 200, typeof(MigrationSection)))
        .Contribute(new ClusterSection("baselines", "Baselines in scope", 100, typeof(BaselinesInScope)))
        .Contribute(new MenuPlace("Clusters", "clusters", Icons.Material.Outlined.Lan, MenuOrder.Clusters)
        {
            Requires = Permission.Read,
            BadgeTopics = [ChangeTopic.Cluster],
            BadgeFor = async (provider, caller, ct) =>
            {
                var rows = await provider.GetRequiredService<ClusterDirectory>().ListAsync(ct);
                var waiting = caller.May(Permission.ManageClusters)
                    ? rows.Count(r => r.Proposal is { } p && !p.IsVoidFor(r.Cluster) && !p.IsBy(caller.Person))
                    : 0;
                return waiting == 0 ? null : new MenuBadge(waiting, waiting == 1 ? "1 looser policy waits for you" : $"{waiting:N0} looser policies wait for you");
            },
        });
}
