using MudBlazor;
using Portal.Core.Access;
using Portal.Extensions;

namespace Portal.Components.Activity;

/// <summary>The place Activity: what happened, who did it, and whether the record of it is whole.</summary>
public static class ActivityPages
{
    /// <summary>Adds the place and its export.</summary>
    public static IServiceCollection AddActivityPages(this IServiceCollection services) => services
        .Contribute(new MenuPlace("Activity", "activity", Icons.Material.Outlined.History, MenuOrder.Activity) { Requires = Permission.Read })
        .Contribute(new AdditionalEndpoints(ActivityExport.Map));
}
