using MudBlazor;
using Portal.Extensions;

namespace Portal.Components.Overview;

/// <summary>The front page.</summary>
public static class OverviewFeature
{
    /// <summary>Adds the place Overview; other features contribute its cards.</summary>
    public static IServiceCollection AddOverviewFeature(this IServiceCollection services) =>
        services.Contribute(new MenuPlace("Overview", "", Icons.Material.Outlined.SpaceDashboard, MenuOrder.Overview));
}
