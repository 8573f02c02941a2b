using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Access;

namespace Portal.Tests.Components;

/// <summary>Pages of hosts over the whole core. Each test starts it with the fleet it wants.</summary>
public abstract class HostPoolPageTest : PoolPageTest
{
    public override ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Starts the core, signs a role in, and adds what contributes to the pages of hosts.</summary>
    private protected async Task StartAsync(Role role = Role.Administrator, int hosts = 4, bool approve = true, bool enrol = true, Action<IServiceCollection>? more = null)
    {
        await StartPoolAsync(hosts, approve, enrol, more);
        Services.AddHostsFeature();
        Services.AddAttestationFeature();
        Services.AddLostTrustFeature();
        Services.AddSimulationMenu();
        As(role);
    }

    /// <summary>Renders a page as if its address had been opened.</summary>
    private protected IRenderedComponent<TPage> Open<TPage>(string address, params (string Name, object Value)[] parameters)
        where TPage : IComponent => Open<TPage>(address, builder =>
    {
        foreach (var (name, value) in parameters)
        {
            builder.TryAdd(name, value);
        }
    });

    /// <summary>What a page says, with one space between words.</summary>
    private protected static string Text(IRenderedComponent<IComponent> page) => string.Join(' ', page.Find("body, :root, *").TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
