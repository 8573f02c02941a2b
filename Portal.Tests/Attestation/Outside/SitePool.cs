using System.Net;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.OpenAttestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.E2E.Peers.Keylime;
using Portal.E2E.Peers.OpenAttestation;
using Portal.E2E.Peers.Servers;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>Which server a site runs.</summary>
public enum SiteKind
{
    Keylime,
    OatFirst,
    OatSecond,
}

/// <summary>A pool whose one service is a server of the site's own: a real one on TLS, with the portal's own client, that keeps what is approved here.</summary>
internal sealed class SitePool : IAsyncDisposable
{
    public static readonly string Good = new('a', 64);
    public static readonly string Other = new('b', 64);

    private readonly SiteKind kind;
    private KeylimeServer? registrar;

    private SitePool(SiteKind kind, TrustedPool pool)
    {
        (this.kind, Pool) = (kind, pool);
        Site = new KeylimeSite { Time = pool.Time };
        Keylime = new KeylimeServer(Site, Authority, isRegistrar: false) { Time = pool.Time };
        Oat = new OatServer { IsFirst = kind == SiteKind.OatFirst, Time = pool.Time };
    }

    public TrustedPool Pool { get; }

    public SiteAuthority Authority { get; } = new();

    public KeylimeSite Site { get; }

    public KeylimeServer Keylime { get; }

    public OatServer Oat { get; }

    /// <summary>The server that is asked.</summary>
    public ContractServer Server => kind == SiteKind.Keylime ? Keylime : Oat;

    public Guid ServerId { get; private set; }

    public CancellationToken Ct => Pool.Ct;

    public static async Task<SitePool> StartAsync(SiteKind kind)
    {
        var pool = await TrustedPool.StartAsync(2, approve: false, more: services =>
        {
            services.AddSingleton(new AgentNetworks([IPNetwork.Parse("127.0.0.0/8")]));
            services.AddKeylime();
            services.AddOpenAttestation();
        });
        var site = new SitePool(kind, pool);
        await site.Server.StartAsync(site.Authority.Server());
        await pool.ApproveAsync("firmware", BaselineKinds.Firmware, Content(0, Good));
        await pool.ApproveAsync("hypervisor", BaselineKinds.Hypervisor, Content(17, Good));
        await site.NameAsync();
        return site;
    }

    public static BaselineContent Content(int pcr, string digest) => new(PcrBanks.Sha256, [new PcrReference(pcr, [digest], [])], [], "");

    /// <summary>Looks after what the server keeps, and runs the operations that come of it.</summary>
    public async Task PublishAsync()
    {
        await Pool.Get<PublicationWatch>().LookAsync(Ct);
        await using var db = Pool.Database();
        foreach (var id in await db.Operations.Where(o => o.Kind == PublicationWork.Kind && (o.State == OperationState.Queued || o.State == OperationState.Undoing)).Select(o => o.Id).ToListAsync(Ct))
        {
            await RunAsync(Pool.Get<OperationRunner>().RunAsync(id, Ct));
        }
    }

    /// <summary>The server verifies its hosts, and is polled as often as it takes to see that.</summary>
    public async Task VerifyAsync()
    {
        for (var i = 0; i < 3; i++)
        {
            Pool.Time.Advance(TimeSpan.FromSeconds(5));
            Site.Verify();
            Assert.True(await Pool.Get<ServerPoll>().PollAsync(ServerId, Ct));
        }
    }

    /// <summary>Somebody who reaches the server changes what it trusts a host by.</summary>
    public void EditBehindOurBack()
    {
        if (kind == SiteKind.Keylime)
        {
            Site.Agents.First().Value.TpmPolicy = """{"mask": "0x0"}""";
        }
        else
        {
            var list = Oat.Lists.Values.First();
            list[list.Keys.First()] = Other.ToUpperInvariant();
        }
    }

    /// <summary>All that decides whom the server trusts.</summary>
    public string Kept() => kind == SiteKind.Keylime
        ? string.Join('\n', Site.Agents.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}: {PolicyText.Tpm(a.Value.TpmPolicy)} {a.Value.Metadata}"))
        : string.Join('\n', Oat.Lists.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}: {string.Join(' ', l.Value)}"))
            + string.Join('\n', Oat.Hosts.OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => $"{h.Key}: {string.Join(' ', h.Value.Record.OrderBy(r => r.Key, StringComparer.Ordinal))}"));

    public async Task<Publication> PublicationAsync()
    {
        await using var db = Pool.Database();
        return await db.Publications.AsNoTracking().SingleAsync(p => p.ServerId == ServerId && p.ClusterId == Pool.Cluster, Ct);
    }

    public async Task<TrustStatus> StatusAsync(string host) => (await Pool.RowAsync(host)).StatusAt(Pool.Time.GetUtcNow());

    /// <summary>Does work that waits for the test's time while it waits for a real socket.</summary>
    public async Task<T> RunAsync<T>(Task<T> work)
    {
        await PassAsync(work);
        return await work;
    }

    /// <inheritdoc cref="RunAsync{T}"/>
    public async Task RunAsync(Task work)
    {
        await PassAsync(work);
        await work;
    }

    public async ValueTask DisposeAsync()
    {
        await Pool.DisposeAsync();
        await Server.DisposeAsync();
        await (registrar?.DisposeAsync() ?? ValueTask.CompletedTask);
        Authority.Dispose();
    }

    private async Task PassAsync(Task work)
    {
        while (!work.IsCompleted)
        {
            // In small steps: requests under way are under the same time.
            Pool.Time.Advance(TimeSpan.FromMilliseconds(200));
            await Task.WhenAny(work, Task.Delay(5, Ct));
        }
    }

    /// <summary>Who keeps what the server trusts hosts by.</summary>
    public async Task KeptByAsync(PolicyKeeper keeper)
    {
        await using var db = Pool.Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == Pool.Cluster, Ct);
        var standing = TrustedPool.Expect(await Pool.Get<ChangeTrustPolicy>().ExecuteAsync(
            TrustedPool.Author, new(cluster.Id, cluster.Policy with { Services = new ServiceSet(new ServiceChoice(ServerId, keeper)) }, cluster.PolicyRevision), Ct));
        if (standing.ProposalId is { } proposal)
        {
            TrustedPool.Expect(await Pool.Get<ConfirmTrustPolicy>().ExecuteAsync(TrustedPool.Approver, cluster.Id, proposal, Ct));
        }
    }

    private async Task NameAsync()
    {
        if (kind == SiteKind.Keylime)
        {
            registrar = new KeylimeServer(Site, Authority, isRegistrar: true);
            await registrar.StartAsync(Authority.Server());
        }

        var type = kind == SiteKind.Keylime ? ServiceType.Keylime : ServiceType.OpenAttestation;
        var endpoint = new ServerEndpoint(Of(Server), registrar is null ? "" : Of(registrar), Authority.Pem, true);
        var (certificate, key) = Authority.Client();
        ServerId = TrustedPool.Expect(await Pool.Get<AddServer>().ExecuteAsync(
            TrustedPool.Administrator, new(new ServerWords("site", type, endpoint, 10, 300), new ClientIdentity(certificate, key)), Ct));
        await KeptByAsync(PolicyKeeper.Portal);
        await using var db = Pool.Database();
        foreach (var host in await db.Hosts.AsNoTracking().ToListAsync(Ct))
        {
            Site.Add("there-" + host.Name);
            Oat.Add("there-" + host.Name);
            TrustedPool.Expect(await Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(ServerId, host.Id, "there-" + host.Name), Ct));
        }
    }

    private static string Of(ContractServer server) => server.Address.ToString().TrimEnd('/');
}
