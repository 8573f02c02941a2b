using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>A pool whose cluster names attestation servers of the site's own, each played by a script.</summary>
internal sealed class ServedPool(TrustedPool pool, ScriptedServer script) : IAsyncDisposable
{
    /// <summary>Certificates that are good for nothing but being there: the scripted servers make no connection.</summary>
    public static readonly string Authority = TestCertificates.Authority;

    public TrustedPool Pool => pool;

    public ScriptedServer Script => script;

    public Guid ServerId { get; private set; }

    public CancellationToken Ct => pool.Ct;

    /// <summary>With one server beside the verifier of our own, or instead of it.</summary>
    public static async Task<ServedPool> StartAsync(bool besideOurs = false, PolicyKeeper keeper = PolicyKeeper.Server, int hosts = 3)
    {
        ScriptedServer? script = null;
        var pool = await TrustedPool.StartAsync(hosts, more: services => services.AddSingleton<IServerAdapter>(provider => script ??= new ScriptedServer(provider.GetRequiredService<TimeProvider>())));
        pool.Get<IEnumerable<IServerAdapter>>();
        var served = new ServedPool(pool, script!);
        served.ServerId = TrustedPool.Expect(await pool.Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(Words("keylime-a"), TestCertificates.Client), pool.Ct));
        var choice = new ServiceChoice(served.ServerId, keeper);
        await served.NameAsync(besideOurs ? new ServiceSet([.. ServiceSet.BuiltIn, choice]) : new ServiceSet(choice));
        await using var db = pool.Database();
        foreach (var host in await db.Hosts.ToListAsync(pool.Ct))
        {
            TrustedPool.Expect(await pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(served.ServerId, host.Id, "there-" + host.Name), pool.Ct));
        }

        return served;
    }

    public static ServerWords Words(string name, string address = "https://keylime.example.com:8881") =>
        new(name, ServiceType.Keylime, new ServerEndpoint(address, "https://keylime.example.com:8891", Authority, true), 10, 30);

    /// <summary>Has the cluster name services, with a second person where that takes one.</summary>
    public async Task NameAsync(ServiceSet services, Guid? inCluster = null)
    {
        await using var db = pool.Database();
        var id = inCluster ?? pool.Cluster;
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == id, Ct);
        var standing = TrustedPool.Expect(await pool.Get<ChangeTrustPolicy>().ExecuteAsync(TrustedPool.Author, new(cluster.Id, cluster.Policy with { Services = services }, cluster.PolicyRevision), Ct));
        if (standing.Effect == PolicyEffect.WaitsForSecondPerson)
        {
            TrustedPool.Expect(await pool.Get<ConfirmTrustPolicy>().ExecuteAsync(TrustedPool.Approver, cluster.Id, standing.ProposalId!.Value, Ct));
        }
    }

    /// <summary>Time passes, and the server is polled as often as it takes for what it verified since to be seen.</summary>
    public async Task VerifyAsync()
    {
        for (var i = 0; i < 2; i++)
        {
            pool.Time.Advance(TimeSpan.FromSeconds(10));
            await PollAsync();
        }
    }

    public async Task PollAsync() => Assert.True(await pool.Get<ServerPoll>().PollAsync(ServerId, Ct));

    /// <summary>Looks after what servers keep, and runs the operations that come of it as the scheduler would.</summary>
    public async Task PublishAsync()
    {
        await pool.Get<PublicationWatch>().LookAsync(Ct);
        await using var db = pool.Database();
        foreach (var id in await db.Operations.Where(o => o.Kind == PublicationWork.Kind && (o.State == OperationState.Queued || o.State == OperationState.Running || o.State == OperationState.Undoing)).Select(o => o.Id).ToListAsync(Ct))
        {
            await pool.Get<OperationRunner>().RunAsync(id, Ct);
        }
    }

    public async Task<Publication> PublicationAsync()
    {
        await using var db = pool.Database();
        return await db.Publications.AsNoTracking().SingleAsync(p => p.ServerId == ServerId && p.ClusterId == pool.Cluster, Ct);
    }

    public async Task<TrustStatus> StatusAsync(string host) => (await pool.RowAsync(host)).StatusAt(pool.Time.GetUtcNow());

    public ValueTask DisposeAsync() => pool.DisposeAsync();
}
