using Microsoft.EntityFrameworkCore;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Boot;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Storage;
using Portal.Core.Virtualization;
using Quartz;
using Portal.Tests.Simulation;

namespace Portal.Tests.World;

/// <summary>The whole core on a database of its own, with a simulated fleet whose hosts are enrolled and trusted. Time stands still until a test moves it.</summary>
internal sealed class TrustedPool : IAsyncDisposable
{
    public static readonly Caller Administrator = Caller.With(new Person("test", "ada", "ada"), Role.Administrator);
    public static readonly Caller Operator = Caller.With(new Person("test", "otto", "otto"), Role.Operator);
    public static readonly Caller Author = Caller.With(new Person("test", "sam", "sam"), Role.Security);
    public static readonly Caller Approver = Caller.With(new Person("test", "eve", "eve"), Role.Security);
    public static readonly Caller Auditor = Caller.With(new Person("test", "ann", "ann"), Role.Auditor);

    private readonly string folder = Directory.CreateTempSubdirectory("portal-pool-").FullName;
    private readonly Func<ServiceProvider> build;
    private ServiceProvider services;

    private TrustedPool(int hosts, int clusters, Action<IServiceCollection>? more)
    {
        build = () => Build(hosts, clusters, more);
        services = build();
        SimulatedWorld.GiveKeys(Get<SimulationState>());
    }

    private ServiceProvider Build(int hosts, int clusters, Action<IServiceCollection>? more)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton<TimeProvider>(Time);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.TryAdd(ServiceDescriptor.Singleton(typeof(ILogger<>), typeof(NullLogger<>)));
        collection.AddDataProtection().PersistKeysToFileSystem(new DirectoryInfo(Path.Combine(folder, "keys")));
        collection.AddPortalStorage($"Data Source={Path.Combine(folder, "portal.db")};Pooling=False");
        collection.AddAudit();
        collection.AddInventory();
        collection.AddBaselines();
        collection.AddAttestation();
        collection.AddPlacement();
        collection.AddSingleton<IHostFilter, TrustFilter>();
        collection.AddVirtualization();
        collection.AddOperations();
        collection.AddQuartz();
        collection.AddSimulation(new SimulationOptions { Hosts = hosts, Clusters = clusters }, Path.Combine(folder, "simulation.db"));
        more?.Invoke(collection);
        return collection.BuildServiceProvider();
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 10, 1, 8, 0, 0, TimeSpan.Zero));

    public CancellationToken Ct => TestContext.Current.CancellationToken;

    public Guid Cluster { get; private set; }

    public string DatabaseFile => Path.Combine(folder, "portal.db");

    public static async Task<TrustedPool> StartAsync(int hosts = 4, int clusters = 1, bool approve = true, bool enrol = true, Action<IServiceCollection>? more = null)
    {
        var pool = new TrustedPool(hosts, clusters, more);
        await using var db = pool.Database();
        await db.Database.EnsureCreatedAsync(pool.Ct);
        await pool.Get<ReportWriter>().StartAsync(pool.Ct);
        await pool.Get<DemoSeed>().EnsureAsync(pool.Ct);
        foreach (var vm in await db.VirtualMachines.Join(db.Hosts, v => v.HostId, h => h.Id, (v, h) => new { v.Id, Host = new HostEndpoint(h.Id, h.Name, h.Address, h.LibvirtUri) }).ToListAsync(pool.Ct))
        {
            await pool.Get<SimulatedHypervisor>().StopAsync(vm.Host, vm.Id, pool.Ct);
            await pool.Get<SimulatedHypervisor>().DeleteAsync(vm.Host, vm.Id, withDisks: true, pool.Ct);
        }

        await db.VirtualMachines.ExecuteDeleteAsync(pool.Ct);
        await db.Hosts.ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, 0L).SetProperty(h => h.CpusClaimed, 0), pool.Ct);
        pool.Cluster = await db.Clusters.OrderBy(c => c.Name).Select(c => c.Id).FirstAsync(pool.Ct);
        await pool.Get<TrustFacts>().LoadAsync(pool.Ct);
        if (approve)
        {
            await pool.ApproveBaselinesAsync();
        }

        if (enrol)
        {
            foreach (var host in await db.Hosts.Select(h => h.Id).ToListAsync(pool.Ct))
            {
                Expect(await pool.Get<EnrolAttester>().ExecuteAsync(Administrator, host, pool.Ct));
            }
        }

        return pool;
    }

    /// <summary>Ends the portal and starts it again on its database: what was only in memory is gone.</summary>
    public async Task RestartAsync()
    {
        await Get<ReportWriter>().StopAsync(Ct);
        await services.DisposeAsync();
        services = build();
        await Get<ReportWriter>().StartAsync(Ct);
        await Get<TrustFacts>().LoadAsync(Ct);
    }

    public IServiceProvider Services => services;

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public PortalDbContext Database() => Get<IDbContextFactory<PortalDbContext>>().CreateDbContext();

    public static T Expect<T>(Outcome<T> outcome)
    {
        Assert.True(outcome.Succeeded, outcome.Refusal?.ToString());
        return outcome.Value;
    }

    public async Task ApproveBaselinesAsync()
    {
        foreach (var reference in Get<SimulatedFleet>().References)
        {
            var kind = reference.Kind == ReferenceKind.Firmware ? BaselineKinds.Firmware : BaselineKinds.Hypervisor;
            var name = new string([.. reference.Name.Split(':')[0].Where(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ' ')]);
            await ApproveAsync(name, kind, ContentOf(reference));
        }
    }

    public async Task<RevisionStanding> ApproveAsync(string name, BaselineKinds kind, BaselineContent content)
    {
        var created = Expect(await Get<CreateBaseline>().ExecuteAsync(Author, new(name, kind, "", content), Ct));
        var submitted = Expect(await Get<SubmitRevision>().ExecuteAsync(Author, new(created.RevisionId), Ct));
        return Expect(await Get<ApproveRevision>().ExecuteAsync(Approver, new(submitted.RevisionId, submitted.ContentHash), Ct));
    }

    /// <summary>Approves the files a host used as baseline <c>runtime</c> and requires the kind of its cluster.</summary>
    public async Task RequireRuntimeAsync(params string[] hosts)
    {
        await ApproveAsync("runtime", BaselineKinds.Runtime, await CaptureFilesAsync(hosts[0]));
        foreach (var host in hosts)
        {
            await AttestAsync(host);
        }

        await using var db = Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == Cluster, Ct);
        Expect(await Get<ChangeTrustPolicy>().ExecuteAsync(Administrator, new(Cluster, cluster.Policy with { RequiredKinds = cluster.Policy.RequiredKinds | BaselineKinds.Runtime }, cluster.PolicyRevision), Ct));
    }

    /// <summary>What a host used, as the draft of a baseline <c>captured</c> has it.</summary>
    public async Task<BaselineContent> CaptureFilesAsync(string host)
    {
        var captured = Expect(await Get<CaptureBaseline>().ExecuteAsync(Author, new((await HostAsync(host)).Id, BaselineKinds.Runtime, "captured"), Ct));
        await using var db = Database();
        return BaselineContent.Parse(await db.BaselineRevisions.Where(r => r.Id == captured.RevisionId).Select(r => r.Content).SingleAsync(Ct));
    }

    public static BaselineContent ContentOf(ReferenceImage reference) => new(
        (ushort)Portal.Core.Tpm.TpmAlgorithm.Sha256,
        [
            .. reference.Pcrs.Select(pcr => new PcrReference(
                pcr, [], [.. reference.Events.Where(e => e.Pcr == pcr).Select(e => new EventReference(e.EventType, [e.Sha256], "", e.Optional))])),
        ],
        [],
        "");

    public async Task<Host> HostAsync(string name)
    {
        await using var db = Database();
        return await db.Hosts.AsNoTracking().SingleAsync(h => h.Name == name, Ct);
    }

    public async Task<HostAttestation> AttestAsync(string host) =>
        (await Get<AttestationDesk>().AttestAsync((await HostAsync(host)).Id, AttestationPurpose.AttestNow, null, Ct))!;

    public async Task<HostAttestation> RowAsync(string host)
    {
        var id = (await HostAsync(host)).Id;
        await using var db = Database();
        return await db.Attestations.AsNoTracking().SingleAsync(a => a.HostId == id, Ct);
    }

    public async Task<string> AuditAsync()
    {
        await using var db = Database();
        return string.Join('\n', await db.AuditEntries.OrderBy(a => a.Id).Select(a => a.Event + ": " + a.Sentence).ToListAsync(Ct));
    }

    /// <summary>Asks for a VM and runs its operation to the end, as the scheduler would.</summary>
    public async Task<OperationView> CreateAsync(string name, TrustLevel level = TrustLevel.Trusted, bool start = false, long memory = 1L << 30)
    {
        var request = new NewVirtualMachine { Name = name, ClusterId = Cluster, TrustLevel = level, Start = start, Memory = memory };
        return await RunAsync(Expect(await Get<CreateVirtualMachine>().ExecuteAsync(Operator, request, Ct)));
    }

    public async Task<OperationView> RunAsync(Guid operation)
    {
        await Get<OperationRunner>().RunAsync(operation, Ct);
        return (await Get<OperationDirectory>().FindAsync(operation, Ct))!;
    }

    public async Task<VirtualMachine?> VmAsync(string name)
    {
        await using var db = Database();
        return await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Name == name, Ct);
    }

    /// <summary>What a host claims is what its VMs claim, and nothing is left of VMs that are gone.</summary>
    public async Task AssertNoCapacityLeakedAsync()
    {
        await using var db = Database();
        var vms = await db.VirtualMachines.AsNoTracking().ToListAsync(Ct);
        foreach (var host in await db.Hosts.AsNoTracking().ToListAsync(Ct))
        {
            var here = vms.Where(v => v.HostId == host.Id || v.TargetHostId == host.Id).ToList();
            Assert.Equal(here.Sum(v => v.Memory), host.MemoryClaimed);
            Assert.Equal(here.Sum(v => v.Cpus), host.CpusClaimed);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Get<ReportWriter>().StopAsync(CancellationToken.None);
        await services.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }
}
