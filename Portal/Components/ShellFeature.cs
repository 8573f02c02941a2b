using Microsoft.AspNetCore.Components.Authorization;
using MudBlazor;
using MudBlazor.Services;
using Portal.Components;
using Portal.Components.Shared;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal;

/// <summary>The frame around the pages.</summary>
public static class ShellFeature
{
    /// <summary>Longest message of a browser, in bytes: a pasted baseline.</summary>
    private const int LongestMessage = 2 << 20;

    public static void AddShell(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddRazorComponents().AddInteractiveServerComponents(circuits =>
        {
            // A closed tab costs memory; the address of a page brings its state back.
            circuits.DisconnectedCircuitRetentionPeriod = TimeSpan.FromSeconds(30);
            circuits.DetailedErrors = builder.Environment.IsDevelopment();
        }).AddHubOptions(hub => hub.MaximumReceiveMessageSize = LongestMessage);
        services.AddCascadingAuthenticationState();
        services.AddMudServices(mud =>
        {
            mud.SnackbarConfiguration.PositionClass = Defaults.Classes.Position.BottomRight;
            mud.SnackbarConfiguration.PreventDuplicates = true;
        });
        services.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        services.AddScoped<Announcer>();
    }

    public static void MapShell(this WebApplication app)
    {
        app.MapStaticAssets().AllowAnonymous();
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode()
            .AddAdditionalAssemblies([.. app.Services.GetServices<AdditionalPages>().Select(p => p.Assembly)])
            .RequireAuthorization();

        // A group, so that an endpoint that says nothing of who may call it is not open to all.
        var more = app.MapGroup("").RequireAuthorization();
        foreach (var endpoints in app.Services.GetServices<AdditionalEndpoints>())
        {
            endpoints.Map(more);
        }
    }
}
