using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Inventory;
using Portal.Tests.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

/// <summary>Pages of attestation services over the whole core, with one server that does as a test tells it.</summary>
public abstract class ServicePageTest : HostPoolPageTest
{
    private protected ScriptedServer Script { get; private set; } = null!;

    public override async ValueTask InitializeAsync()
    {
        await StartPoolAsync(2, more: services => services.AddSingleton<IServerAdapter>(provider => Script = new ScriptedServer(provider.GetRequiredService<TimeProvider>())));
        _ = Pool.Get<ServerClients>();
        Services.AddSingleton(Pool.Get<AddServer>());
        Services.AddSingleton(Pool.Get<EditServer>());
        Services.AddSingleton(Pool.Get<DecideServerChange>());
        Services.AddSingleton(Pool.Get<RemoveServer>());
        Services.AddSingleton(Pool.Get<TestServer>());
        Services.AddSingleton(Pool.Get<BindHost>());
        Services.AddSingleton(Pool.Get<ServerAttesters>());
        Services.AddSingleton(Pool.Get<ServerPolicies>());
        Services.AddSingleton(Pool.Get<ControlAttester>());
        Services.AddSingleton(Pool.Get<PublishNow>());
        Services.AddHostsFeature();
        Services.AddAttestationFeature();
    }

    /// <summary>A server that no cluster names.</summary>
    private protected async Task<Guid> AddAsync(string name = "keylime-a") =>
        TrustedPool.Expect(await Pool.Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(ServedPool.Words(name), TestCertificates.Client), Pool.Ct));

    /// <summary>Has the cluster name services, with a second person where that takes one.</summary>
    private protected async Task NameAsync(ServiceSet services)
    {
        await using var db = Pool.Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == Pool.Cluster, Pool.Ct);
        var standing = TrustedPool.Expect(await Pool.Get<ChangeTrustPolicy>().ExecuteAsync(TrustedPool.Author, new(cluster.Id, cluster.Policy with { Services = services }, cluster.PolicyRevision), Pool.Ct));
        if (standing.Effect == PolicyEffect.WaitsForSecondPerson)
        {
            TrustedPool.Expect(await Pool.Get<ConfirmTrustPolicy>().ExecuteAsync(TrustedPool.Approver, cluster.Id, standing.ProposalId!.Value, Pool.Ct));
        }
    }

    private protected Task NameBesideOursAsync(Guid server, PolicyKeeper keeper = PolicyKeeper.Server) => NameAsync(new ServiceSet([.. ServiceSet.BuiltIn, new ServiceChoice(server, keeper)]));

    private protected async Task BindAsync(Guid server, string host, string name) =>
        TrustedPool.Expect(await Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(server, (await Pool.HostAsync(host)).Id, name), Pool.Ct));

    private protected Task PollAsync(Guid server) => Pool.Get<ServerPoll>().PollAsync(server, Pool.Ct);

    private protected async Task VerifyAsync(Guid server)
    {
        for (var i = 0; i < 2; i++)
        {
            Pool.Time.Advance(TimeSpan.FromSeconds(10));
            await PollAsync(server);
        }
    }

    /// <summary>Clicks a button that asks first, and says yes.</summary>
    private protected static async Task ConfirmAsync(IRenderedComponent<MudDialogProvider> dialogs, IRenderedComponent<Microsoft.AspNetCore.Components.IComponent> page, string button, string yes)
    {
        var asked = Button(page, button).ClickAsync();
        dialogs.WaitForElement(".confirm-text");
        await dialogs.FindAll("button").Single(b => Plain(b) == yes).ClickAsync();
        await asked;
    }
}
