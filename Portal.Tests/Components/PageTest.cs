using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using MudBlazor.Services;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Profiles;

namespace Portal.Tests.Components;

/// <summary>
/// A place to render components in, with what the shell gives them: MudBlazor, a clock, the change feed, a signed-in caller.
/// MudBlazor services dispose asynchronously, so tests are <see cref="IAsyncLifetime"/>.
/// </summary>
public abstract class PageTest : BunitContext, IAsyncLifetime
{
    protected PageTest()
    {
        JSInterop.Mode = JSRuntimeMode.Loose;
        DefaultWaitTimeout = TimeSpan.FromSeconds(20);
        Services.AddMudServices(mud => mud.PopoverOptions.CheckForPopoverProvider = false);
        Services.AddSingleton<TimeProvider>(Clock);
        Services.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        Services.AddScoped<Announcer>();
        Services.AddSingleton(new PortalProfile
        {
            Kind = ProfileKind.Demo,
            ConnectionString = "Data Source=portal.db",
            Identity = null,
            Simulation = new SimulationSettings(),
            DataProtection = new DataProtectionSettings(),
        });
    }

    protected FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));

    /// <summary>Signs somebody in: pages get them as the cascading Caller.</summary>
    protected Caller As(params IEnumerable<Role> roles)
    {
        var caller = Caller.With(new Person("urn:test", "ada", "ada@internal"), roles);
        RenderTree.Add<Microsoft.AspNetCore.Components.CascadingValue<Caller>>(p => p.Add(c => c.Value, caller));
        return caller;
    }

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;
}
