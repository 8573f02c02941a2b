using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.E2E.Peers.Servers;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>A pool whose cluster names Keylime verifiers of this process, with the portal's own client, that keep what is approved here; and the truth beside it.</summary>
internal sealed class VerifiedPool : IAsyncDisposable
{
    public const int Hosts = 3;

    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    private readonly List<string> wrong = [];
    private int vms;
    private int approved;
    private Server? polled;

    private VerifiedPool(InProcess way) => Way = way;

    public InProcess Way { get; }

    public List<Server> Servers { get; } = [];

    /// <summary>Starts of VMs that require trust.</summary>
    public int Starts { get; private set; }

    public CancellationToken Ct => Pool.Ct;

    private TrustedPool Pool { get; set; } = null!;

    public static async Task<VerifiedPool> StartAsync(int servers)
    {
        var pool = new VerifiedPool(new InProcess());
        pool.Way.Answered = (host, path, query) =>
        {
            if (pool.polled?.Model.Name == host && path.EndsWith("/agents/", StringComparison.Ordinal) && query.Contains("bulk", StringComparison.Ordinal))
            {
                pool.polled.Model.Told();
            }
        };
        pool.Pool = await TrustedPool.StartAsync(Hosts, approve: false, more: services =>
        {
            services.AddSingleton<IServerAdapter>(provider => new Adapter(pool.Way, provider.GetRequiredService<TimeProvider>()));
            services.Insert(0, ServiceDescriptor.Singleton<IHypervisor>(provider => WatchedHypervisor.Of(provider.GetRequiredService<SimulatedHypervisor>(), pool.Judge)));
        });
        await pool.Pool.ApproveAsync("firmware", BaselineKinds.Firmware, SitePool.Content(0, SitePool.Good));
        await pool.Pool.ApproveAsync("hypervisor", BaselineKinds.Hypervisor, SitePool.Content(17, SitePool.Good));
        for (var i = 0; i < servers; i++)
        {
            await pool.AddAsync(FormattableString.Invariant($"kl-{i}"));
        }

        await pool.NameAsync();
        foreach (var server in pool.Servers)
        {
            for (var i = 0; i < Hosts; i++)
            {
                await pool.BindAsync(server, i, Agent(i));
            }
        }

        return pool;
    }

    public static string Host(int i) => FormattableString.Invariant($"kvm-a{i + 1:00}");

    public static string Agent(int i) => FormattableString.Invariant($"agent-{i}");

    public T Get<T>()
        where T : notnull => Pool.Get<T>();

    /// <summary>Time passes, and verifiers take their turns.</summary>
    public void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            Pool.Time.Advance(TimeSpan.FromSeconds(1));
            if (Pool.Time.GetUtcNow().ToUnixTimeSeconds() % 2 == 0)
            {
                Servers.ForEach(s => s.Model.Site.Verify());
            }
        }
    }

    public async Task PollAsync(Server server)
    {
        polled = server;
        Assert.True(await WhileTimePassesAsync(Get<ServerPoll>().PollAsync(server.Id, Ct)));
        polled = null;
    }

    /// <summary>Looks after what servers keep, and does what comes of it.</summary>
    public async Task LookAsync()
    {
        var began = Pool.Time.GetUtcNow();
        await WhileTimePassesAsync(LookedAsync());
        await using var db = Pool.Database();
        foreach (var server in Servers)
        {
            var publication = await db.Publications.AsNoTracking().SingleOrDefaultAsync(p => p.ServerId == server.Id && p.ClusterId == Pool.Cluster, Ct);

            // One that is away was not read, and keeps what it kept.
            if (Way.IsAway(server.Model.Name) || publication?.CheckedAt is not { } read || read < began)
            {
                continue;
            }

            // Read a moment ago: what was edited is known by now.
            server.MayCount = publication.State == PublicationState.Verified;
            Assert.True(
                !server.MayCount || server.Model.Discerns(server.Names.Values),
                $"{server.Model.Name} is said to keep what is approved, and does not: {string.Join(", ", server.Names.Select(n => $"{n.Key} is {n.Value}, compared with {server.Model.Site.Agents.GetValueOrDefault(n.Value)?.TpmPolicy ?? "nothing"}"))}.");
            for (var i = 0; i < Hosts; i++)
            {
                server.Model.Of(Agent(i)).IsEdited = false;
            }
        }
    }

    public async Task PublishAsync(Server server)
    {
        if (await Get<PublishNow>().ExecuteAsync(TrustedPool.Administrator, Pool.Cluster, server.Id, Ct) is { Succeeded: true })
        {
            await LookAsync();
        }
    }

    public Task CreateAsync() => RunAsync(WhileTimePassesAsync(Pool.CreateAsync(FormattableString.Invariant($"vm{vms++}"), start: true, memory: 1L << 28)));

    public Task RunAsync(Guid operation) => RunAsync(WhileTimePassesAsync(Pool.RunAsync(operation)));

    /// <summary>Another baseline of the same content: what is kept there is written anew, or compared at least.</summary>
    public async Task ApproveAsync()
    {
        if (approved < 4)
        {
            await Pool.ApproveAsync(FormattableString.Invariant($"spare {approved++}"), BaselineKinds.Firmware, SitePool.Content(0, SitePool.Good));
            Servers.ForEach(s => s.MayCount = false);
        }
    }

    /// <summary>Says what a server calls a host; null for nothing any more.</summary>
    public async Task BindAsync(Server server, int host, string? name)
    {
        if (name is null && !server.Names.ContainsKey(Host(host)))
        {
            return;
        }

        var id = (await Pool.HostAsync(Host(host))).Id;
        TrustedPool.Expect(await Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(server.Id, id, name), Ct));
        if (name is null)
        {
            server.Names.Remove(Host(host));
        }
        else
        {
            // Nothing was compared for it under this name: what it is compared with there counts from when that was read.
            (server.Names[Host(host)], server.Model.Of(name).IsEdited) = (name, false);
        }
    }

    public async Task ExchangeAsync(Server server, int one, int other)
    {
        var (first, second) = (server.Names.GetValueOrDefault(Host(one)), server.Names.GetValueOrDefault(Host(other)));
        await BindAsync(server, one, null);
        await BindAsync(server, other, null);
        foreach (var (host, name) in new[] { (one, second), (other, first) })
        {
            if (name is not null)
            {
                await BindAsync(server, host, name);
            }
        }
    }

    /// <summary>Somebody who reaches a server has it compare an agent with nothing any more; nobody can know until it is looked at.</summary>
    public static void Edit(Server server, string agent) => server.Model.Edit(agent, isUnseen: server.MayCount && server.Names.ContainsValue(agent));

    public string? FreeName(Server server) => Enumerable.Range(0, Hosts).Select(Agent).FirstOrDefault(a => !server.Names.ContainsValue(a));

    /// <summary>Another server stands behind the same name, by two people's word; what the first kept and said is void.</summary>
    public async Task ReplaceAsync(Server server)
    {
        var model = Model(FormattableString.Invariant($"{server.Model.Name}x"));
        await using var db = Pool.Database();
        var row = await db.AttestationServers.AsNoTracking().SingleAsync(s => s.Id == server.Id, Ct);
        var words = Words(row.Name, model.Name);
        var proposed = TrustedPool.Expect(await Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(server.Id, row.Version, words), Ct));
        TrustedPool.Expect(await Get<DecideServerChange>().ConfirmAsync(TrustedPool.Administrator, server.Id, proposed.ProposalId!.Value, Ct));
        (server.Model, server.MayCount) = (model, false);
    }

    public Task RestartAsync() => Pool.RestartAsync();

    public async Task<Guid?> AnyAsync(VirtualMachineStatus status)
    {
        await using var db = Pool.Database();
        return await db.VirtualMachines.Where(v => v.Status == status).OrderBy(v => v.Name).Select(v => (Guid?)v.Id).FirstOrDefaultAsync(Ct);
    }

    public async Task<List<string>> MachinesAsync()
    {
        await using var db = Pool.Database();
        return await db.VirtualMachines.OrderBy(v => v.Name).Select(v => v.Name + " " + v.HostId + " " + v.TargetHostId + " " + v.Status).ToListAsync(Ct);
    }

    public ValueTask DisposeAsync() => Pool.DisposeAsync();

    /// <summary>At the moment a VM is started: whether each server had verified that host in truth, lately enough and after any failure that was told.</summary>
    private void Judge(string host)
    {
        Starts++;
        var oldest = Pool.Time.GetUtcNow() - DemoSeed.Policy.MaxAgeAtStart - Slack;
        foreach (var server in Servers)
        {
            var truth = server.Names.TryGetValue(host, out var name) ? server.Model.Of(name) : null;
            var why = truth is null ? "has no name there"
                : !server.MayCount ? "is verified by something else than what is approved, as far as the portal looked"
                : truth.WellAt < oldest ? FormattableString.Invariant($"was verified in truth last at {truth.WellAt:T}")
                : truth.WellAt <= truth.ToldOfFailureAt ? FormattableString.Invariant($"failed at {truth.ToldOfFailureAt:T}, which the portal was told, and was not verified since")
                : null;
            if (why is not null)
            {
                wrong.Add(FormattableString.Invariant($"A VM was started at {Pool.Time.GetUtcNow():T} on {host}, which {why} ({server.Model.Name})."));
            }
        }
    }

    private async Task RunAsync(Task work)
    {
        await work;
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private async Task LookedAsync()
    {
        await Get<PublicationWatch>().LookAsync(Ct);
        await using var db = Pool.Database();
        foreach (var id in await db.Operations.Where(o => o.Kind == PublicationWork.Kind && (o.State == OperationState.Queued || o.State == OperationState.Running || o.State == OperationState.Undoing)).Select(o => o.Id).ToListAsync(Ct))
        {
            try
            {
                await Get<OperationRunner>().RunAsync(id, Ct);
            }
            catch (ServerException)
            {
                // It cannot take back now what it wrote, and goes on with that later.
            }
        }
    }

    private async Task<T> WhileTimePassesAsync<T>(Task<T> work)
    {
        await WhileTimePassesAsync((Task)work);
        return await work;
    }

    private async Task WhileTimePassesAsync(Task work)
    {
        while (!work.IsCompleted)
        {
            Pass(1);
            await Task.WhenAny(work, Task.Delay(1, Ct));
        }

        await work;
    }

    private async Task AddAsync(string name)
    {
        var model = Model(name);
        var id = TrustedPool.Expect(await Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(Words(name, name), TestCertificates.Client), Ct));
        Servers.Add(new Server(id) { Model = model });
    }

    private VerifierModel Model(string name)
    {
        var model = new VerifierModel(name, Pool.Time, Way);
        for (var i = 0; i < Hosts; i++)
        {
            model.Site.Add(Agent(i));
        }

        return model;
    }

    private async Task NameAsync()
    {
        await using var db = Pool.Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == Pool.Cluster, Ct);
        var services = new ServiceSet([.. Servers.Select(s => new ServiceChoice(s.Id))]);
        var standing = TrustedPool.Expect(await Get<ChangeTrustPolicy>().ExecuteAsync(TrustedPool.Author, new(cluster.Id, cluster.Policy with { Services = services }, cluster.PolicyRevision), Ct));
        TrustedPool.Expect(await Get<ConfirmTrustPolicy>().ExecuteAsync(TrustedPool.Approver, cluster.Id, standing.ProposalId!.Value, Ct));
    }

    private static ServerWords Words(string name, string host) => new(
        name, ServiceType.Keylime, new ServerEndpoint($"https://{host}:8881", $"https://{host}-registrar:8891", TestCertificates.Authority, true), 10, 300);

    /// <summary>A server the cluster names.</summary>
    internal sealed class Server(Guid id)
    {
        public Guid Id => id;

        public required VerifierModel Model { get; set; }

        /// <summary>What it calls hosts, by host.</summary>
        public Dictionary<string, string> Names { get; } = new(StringComparer.Ordinal);

        /// <summary>Whether it was seen to keep what is approved when the portal looked last.</summary>
        public bool MayCount { get; set; }
    }

    private sealed class Adapter(InProcess way, TimeProvider time) : IServerAdapter
    {
        public ServiceType Type => ServiceType.Keylime;

        public IServerClient Open(ServerConnection connection) => new KeylimeClient(connection, new ServerHttp(connection, time, way), null, time);
    }
}
