using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Components;

/// <summary>Pages of hosts over the whole core on a real database, with a simulated fleet.</summary>
public abstract class HostPoolPageTest : PageTest
{
    private TrustedPool? pool;

    private protected TrustedPool Pool => pool!;

    /// <summary>Starts the core, signs a role in, and gives the pages what they ask for.</summary>
    private protected async Task StartAsync(Role role = Role.Administrator, int hosts = 4, bool approve = true, bool enrol = true, Action<IServiceCollection>? more = null)
    {
        pool = await TrustedPool.StartAsync(hosts: hosts, approve: approve, enrol: enrol, more: more);
        Services.AddSingleton<TimeProvider>(pool.Time);
        Forward<IChangeFeed>();
        Forward<HostDirectory>();
        Forward<ClusterDirectory>();
        Forward<VirtualMachineDirectory>();
        Forward<ChangeHostState>();
        Forward<AttestationDirectory>();
        Forward<HostExplanations>();
        Forward<TrustOverview>();
        Forward<AttestHost>();
        Forward<EnrolAttester>();
        Forward<BaselineDirectory>();
        Forward<AuditDirectory>();
        Forward<OperationDirectory>();
        Forward<SimulatedHostActions>();
        Forward<SimulatedFleet>();
        Services.AddHostsFeature();
        Services.AddAttestationFeature();
        Services.AddSimulationMenu();
        As(role);
    }

    /// <summary>Renders a page as if its address had been opened.</summary>
    private protected IRenderedComponent<TPage> Open<TPage>(string address, params (string Name, object Value)[] parameters)
        where TPage : IComponent
    {
        Services.GetRequiredService<NavigationManager>().NavigateTo(address);
        return Render<TPage>(builder =>
        {
            foreach (var (name, value) in parameters)
            {
                builder.TryAdd(name, value);
            }
        });
    }

    /// <summary>What the addresses lead to: the part after the host.</summary>
    private protected static string Text(IRenderedComponent<IComponent> page) => string.Join(' ', page.Find("body, :root, *").TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    protected override async ValueTask DisposeAsyncCore()
    {
        await base.DisposeAsyncCore();
        if (pool is not null)
        {
            await pool.DisposeAsync();
        }
    }

    private void Forward<T>()
        where T : class => Services.AddSingleton(_ => Pool.Get<T>());
}
