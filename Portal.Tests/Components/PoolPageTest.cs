using AngleSharp.Dom;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Simulation;
using Portal.Core.Storage;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;
using Portal.Core.Virtualization.Connecting;
using Portal.Tests.World;

namespace Portal.Tests.Components;

/// <summary>A place to render pages in over the whole core, with a simulated fleet on a database of its own. Operations run when the test says so.</summary>
public abstract class PoolPageTest : PageTest
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private TrustedPool? pool;

    static PoolPageTest() => DefaultWaitTimeout = Patience;

    private protected TrustedPool Pool => pool!;

    protected virtual int Hosts => 2;

    protected NavigationManager Navigation => Services.GetRequiredService<NavigationManager>();

    public override async ValueTask InitializeAsync() => await StartPoolAsync(Hosts);

    /// <summary>Starts the core and gives the pages what they ask for.</summary>
    private protected async Task StartPoolAsync(int hosts, bool approve = true, bool enrol = true, Action<IServiceCollection>? more = null)
    {
        pool = await TrustedPool.StartAsync(hosts, approve: approve, enrol: enrol, more: more);
        Services.AddSingleton<TimeProvider>(pool.Time);
        Share<IChangeFeed>();
        Share<HostDirectory>();
        Share<ClusterDirectory>();
        Share<CreateCluster>();
        Share<EditCluster>();
        Share<DeleteCluster>();
        Share<ChangeTrustPolicy>();
        Share<ConfirmTrustPolicy>();
        Share<RejectTrustPolicy>();
        Share<MoveHost>();
        Share<ApprovedRevisions>();
        Share<VirtualMachineDirectory>();
        Share<CreateVirtualMachine>();
        Share<ChangeVirtualMachine>();
        Share<AdoptMachine>();
        Share<ConnectionRules>();
        Share<HostConnections>();
        Share<AddHost>();
        Share<EditHost>();
        Share<DecideConnection>();
        Share<RemoveHost>();
        Share<TestConnection>();
        Share<StorageDirectory>();
        Share<TemplateDirectory>();
        Share<CreateTemplate>();
        Share<EditTemplate>();
        Share<DeleteTemplate>();
        Share<Placer>();
        Share<PlacementDirectory>();
        Share<OperationDirectory>();
        Share<AuditDirectory>();
        Share<AuditChain>();
        Share<ChangeHostState>();
        Share<ReactionDirectory>();
        Share<ChangeReaction>();
        Share<ChangeMigration>();
        Share<LetReactionGoOn>();
        Share<DismissReaction>();
        Share<QuarantineHost>();
        Share<ReleaseHost>();
        Share<HostExplanations>();
        Share<TrustOverview>();
        Share<AttestHost>();
        Share<AttestFleet>();
        Share<EnrolAttester>();
        Share<SimulatedHostActions>();
        Share<SimulatedFleet>();
        Share<BaselineDirectory>();
        Share<CreateBaseline>();
        Share<EditRevision>();
        Share<NewRevision>();
        Share<SubmitRevision>();
        Share<ApproveRevision>();
        Share<RejectRevision>();
        Share<RetireRevision>();
        Share<ImpactPreview>();
        Share<AttestationDirectory>();
        Share<IAttestationService>();
        Share<ServiceDirectory>();
        Share<IDbContextFactory<PortalDbContext>>();
    }

    /// <summary>Signs somebody in: pages get them as the cascading Caller.</summary>
    protected Caller As(Caller caller)
    {
        RenderTree.Add<CascadingValue<Caller>>(p => p.Add(c => c.Value, caller));
        return caller;
    }

    /// <summary>Renders a page at an address.</summary>
    protected IRenderedComponent<T> Open<T>(string address, Action<ComponentParameterCollectionBuilder<T>>? more = null)
        where T : IComponent
    {
        Navigation.NavigateTo(address);
        return Render<T>(p => more?.Invoke(p));
    }

    /// <summary>Runs what is recorded and not ended, as the scheduler would.</summary>
    protected async Task RunOperationsAsync()
    {
        foreach (var open in (await Pool.Get<OperationDirectory>().RecentAsync(50, null, Pool.Ct)).Where(v => !v.Operation.HasEnded))
        {
            await Pool.RunAsync(open.Operation.Id);
        }
    }

    /// <summary>Lets time pass, in which pages hear what changed and look again, until the assertion holds.</summary>
    protected async Task EventuallyAsync<T>(IRenderedComponent<T> page, Action assertion)
        where T : IComponent
    {
        for (var deadline = Environment.TickCount64 + Patience.TotalMilliseconds; ;)
        {
            Pool.Time.Advance(TimeSpan.FromMilliseconds(100));
            try
            {
                await page.InvokeAsync(assertion);
                return;
            }
            catch (Exception notYet) when (notYet is Xunit.Sdk.XunitException or ElementNotFoundException or ArgumentOutOfRangeException && Environment.TickCount64 < deadline)
            {
                // The page answers on its own dispatcher, in real time.
                await Task.Delay(10, Pool.Ct);
            }
        }
    }

    protected static IElement Button(IRenderedComponent<IComponent> page, string text) =>
        page.FindAll("button, a").First(b => string.Equals(Plain(b), text, StringComparison.Ordinal));

    protected static IEnumerable<string> Texts(IRenderedComponent<IComponent> page, string selector) => page.FindAll(selector).Select(Plain);

    /// <summary>An element's words with one space between them, as one reads them.</summary>
    protected static string Plain(INode element)
    {
        var texts = element.Descendants<IText>().SelectMany(t => t.Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return string.Join(' ', texts).Replace(" ,", ",", StringComparison.Ordinal).Replace(" .", ".", StringComparison.Ordinal);
    }

    protected override async ValueTask DisposeAsyncCore()
    {
        await base.DisposeAsyncCore();
        if (pool is not null)
        {
            await pool.DisposeAsync();
        }
    }

    private void Share<T>()
        where T : class => Services.AddSingleton(Pool.Get<T>());
}
