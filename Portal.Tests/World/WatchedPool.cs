using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization;
using Host = Portal.Core.Inventory.Host;
using IHostedService = Microsoft.Extensions.Hosting.IHostedService;

namespace Portal.Tests.World;

/// <summary>A pool whose watch over hypervisors runs, with scripted hosts beside the simulated ones.</summary>
internal sealed class WatchedPool : IAsyncDisposable
{
    private HypervisorWatch? watch;

    private WatchedPool(TrustedPool pool) => Pool = pool;

    public TrustedPool Pool { get; }

    public ScriptedHypervisor Hypervisor => Pool.Get<ScriptedHypervisor>();

    public RecordedWatcher Watcher => Pool.Get<RecordedWatcher>();

    public CancellationToken Ct => Pool.Ct;

    public static async Task<WatchedPool> StartAsync(int hosts = 1, bool watch = true, Action<IServiceCollection>? more = null)
    {
        var watched = new WatchedPool(await TrustedPool.StartAsync(hosts, more: services =>
        {
            services.AddSingleton<ScriptedHypervisor>();
            services.AddSingleton<IHypervisor>(p => p.GetRequiredService<ScriptedHypervisor>());
            services.AddSingleton<RecordedWatcher>();
            services.AddSingleton<IWatchMachines>(p => p.GetRequiredService<RecordedWatcher>());
            more?.Invoke(services);
        }));
        if (watch)
        {
            await watched.WatchAsync();
        }

        return watched;
    }

    public async Task WatchAsync()
    {
        watch = Pool.Get<IEnumerable<IHostedService>>().OfType<HypervisorWatch>().Single();
        await watch.StartAsync(Ct);
    }

    /// <summary>A host nobody has reached yet.</summary>
    public async Task<Host> HostAsync(string name, HostState state = HostState.NonResponsive)
    {
        var host = new Host { Name = name, Address = $"{name}.example.com", LibvirtUri = $"test:///{name}", ClusterId = Pool.Cluster, State = state, Cpus = 8, Memory = 32L << 30 };
        await using var db = Pool.Database();
        db.Add(host);
        await db.SaveChangesAsync(Ct);
        return host;
    }

    /// <summary>A VM as it was on a host when all was well, on record and there.</summary>
    public async Task<VirtualMachine> PlaceAsync(string name, Host host, VirtualMachineStatus status = VirtualMachineStatus.Up, TrustLevel level = TrustLevel.Any, long memory = 1L << 30)
    {
        var vm = new VirtualMachine
        {
            Name = name, ClusterId = host.ClusterId, TemplateId = Template.Blank, Cpus = 1, Memory = memory, Disk = 0, HostId = host.Id, Status = status, TrustLevel = level,
            CreatedBy = "test", CreatedAt = Pool.Time.GetUtcNow(),
        };
        await using var db = Pool.Database();
        db.Add(vm);
        await db.SaveChangesAsync(Ct);
        await db.Hosts.Where(h => h.Id == host.Id).ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed + memory).SetProperty(h => h.CpusClaimed, h => h.CpusClaimed + 1), Ct);
        Hypervisor.Of(host).Domains[vm.Id] = DomainOf(vm, status == VirtualMachineStatus.Down ? DomainState.ShutOff : DomainState.Running);
        return vm;
    }

    public static Domain DomainOf(VirtualMachine vm, DomainState state) => new(VmOperations.DefinitionOf(vm), state);

    public static Domain Foreign(string name, DomainState state = DomainState.Running, long memory = 4L << 30, bool ours = false) =>
        new(new DomainDefinition(Guid.NewGuid(), name, 2, memory, 0, "", TrustLevel.Any, null), state) { IsOurs = ours };

    public async Task<T> QueryAsync<T>(Func<PortalDbContext, Task<T>> query)
    {
        await using var db = Pool.Database();
        return await query(db);
    }

    public Task<Host> ReadAsync(Host host) => QueryAsync(db => db.Hosts.AsNoTracking().SingleAsync(h => h.Id == host.Id, Ct));

    public Task<VirtualMachine> ReadAsync(VirtualMachine vm) => QueryAsync(db => db.VirtualMachines.AsNoTracking().SingleAsync(v => v.Id == vm.Id, Ct));

    public Task<List<AuditEntry>> AuditAsync(string @event) => QueryAsync(db => db.AuditEntries.AsNoTracking().Where(a => a.Event == @event).OrderBy(a => a.Id).ToListAsync(Ct));

    /// <summary>Waits until something holds, looking again whenever something is committed.</summary>
    public async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        deadline.CancelAfter(TimeSpan.FromSeconds(20));
        using var moved = new SemaphoreSlim(0);
        using var subscription = Pool.Get<IChangeFeed>().Subscribe(_ => moved.Release());
        while (!await holds())
        {
            try
            {
                await moved.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!Ct.IsCancellationRequested)
            {
                Assert.Fail($"It never came to be so. The audit says:\n{await Pool.AuditAsync()}");
            }
        }
    }

    public Task UntilAsync(Host host, Func<Host, bool> holds) => UntilAsync(async () => holds(await ReadAsync(host)));

    public Task UntilAsync(VirtualMachine vm, Func<VirtualMachine, bool> holds) => UntilAsync(async () => holds(await ReadAsync(vm)));

    public Task UntilAuditedAsync(string @event) => UntilAsync(async () => (await AuditAsync(@event)).Count > 0);

    public async ValueTask DisposeAsync()
    {
        if (watch is not null)
        {
            await watch.StopAsync(CancellationToken.None);
        }

        await Pool.DisposeAsync();
    }
}

/// <summary>Remembers what it was told of VMs.</summary>
internal sealed class RecordedWatcher(IChangeFeed feed) : IWatchMachines
{
    public System.Collections.Concurrent.ConcurrentQueue<(Guid Vm, DomainCause Cause)> Down { get; } = new();

    public System.Collections.Concurrent.ConcurrentQueue<Guid> Started { get; } = new();

    public Task WentDownAsync(Guid vmId, DomainCause cause, CancellationToken ct)
    {
        Down.Enqueue((vmId, cause));
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vmId));
        return Task.CompletedTask;
    }

    public Task StartedWithoutGateAsync(Guid vmId, CancellationToken ct)
    {
        Started.Enqueue(vmId);
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vmId));
        return Task.CompletedTask;
    }
}
