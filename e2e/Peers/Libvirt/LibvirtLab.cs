using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Libvirt;
using Host = Portal.Core.Inventory.Host;

namespace Portal.E2E.Peers.Libvirt;

/// <summary>Several hosts on this machine, the portal's adapter over a database that knows them, and everything it told since.</summary>
internal sealed class LibvirtLab : IAsyncDisposable
{
    private static int s_ports = 49_200;

    private readonly string folder;
    private readonly ServiceProvider services;
    private readonly Cluster cluster = Cluster.Create("lab", TrustPolicy.Default);
    private readonly CancellationTokenSource stop = new();
    private readonly List<LibvirtDaemon> daemons = [];
    private Task listening = Task.CompletedTask;

    private LibvirtLab(LibvirtOptions options)
    {
        folder = Directory.CreateTempSubdirectory("plv-").FullName;
        var collection = new ServiceCollection();
        collection.AddLogging();
        collection.AddPortalStorage($"Data Source={folder}/portal.db");
        collection.AddSingleton(TimeProvider.System);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.AddSingleton<IHypervisorSecrets>(Secrets);
        collection.AddLibvirt(options);
        services = collection.BuildServiceProvider();
    }

    /// <summary>Quick to notice what is wrong.</summary>
    public static LibvirtOptions Options { get; } = new()
    {
        AllowsUnprotected = true,
        OpenDeadline = TimeSpan.FromSeconds(3),
        CallDeadline = TimeSpan.FromSeconds(30),
        KeepAlive = TimeSpan.FromSeconds(1),
        ProgressInterval = TimeSpan.FromMilliseconds(20),
    };

    public LabSecrets Secrets { get; } = new();

    public IHypervisor Hypervisor => services.GetRequiredService<IHypervisor>();

    public IReadOnlyList<LibvirtDaemon> Daemons => daemons;

    /// <summary>What the adapter told, with the time it was heard.</summary>
    public ConcurrentQueue<(HypervisorEvent Event, long At)> Heard { get; } = [];

    public string Folder => folder;

    /// <summary>Brings up hosts and waits until the adapter is connected to all of them.</summary>
    public static async Task<LibvirtLab> StartAsync(int hosts, LibvirtOptions? options = null)
    {
        LibvirtDaemon.RequireOrSkip();
        var lab = new LibvirtLab(options ?? Options);
        try
        {
            await LibvirtDaemon.RunAsync("chmod", "711", lab.folder);
            await using (var db = await lab.Contexts.CreateDbContextAsync())
            {
                await db.Database.MigrateAsync();
                db.Add(lab.cluster);
                await db.SaveChangesAsync();
            }

            lab.daemons.AddRange(Enumerable.Range(1, hosts).Select(number =>
                new LibvirtDaemon($"{lab.folder}/{number}", $"kvmhost{number}", Interlocked.Add(ref s_ports, 40))));
            await Task.WhenAll(lab.daemons.Select(d => d.StartAsync()));
            lab.listening = lab.ListenAsync();
            foreach (var service in lab.services.GetServices<IHostedService>())
            {
                await service.StartAsync(CancellationToken.None);
            }

            await lab.AddAsync([.. lab.daemons.Select(d => d.Host)]);
            foreach (var daemon in lab.daemons)
            {
                await lab.HearAsync<ConnectionEvent>(e => e.HostId == daemon.Host.Id && e.Answers, $"{daemon.Host.Name} to be connected");
            }

            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>Has the database know hosts.</summary>
    public async Task AddAsync(params IReadOnlyList<Host> hosts)
    {
        await using var db = await Contexts.CreateDbContextAsync();
        foreach (var host in hosts)
        {
            host.ClusterId = cluster.Id;
            db.Add(host);
        }

        await db.SaveChangesAsync();
        services.GetRequiredService<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host));
    }

    /// <summary>A machine of 64 MiB that has no name or id of another test.</summary>
    public static DomainDefinition Tiny(string pool = "", string image = "")
    {
        var id = Guid.CreateVersion7();
        return new DomainDefinition(id, $"vm-{id.ToString("N")[^8..]}", 1, 64L << 20, pool.Length > 0 ? 32L << 20 : 0, "", TrustLevel.Trusted, Guid.NewGuid())
        {
            Storage = new DomainStorage(pool, image),
        };
    }

    /// <summary>Waits for an event, also one that was heard already.</summary>
    public async Task<(T Event, long At)> HearAsync<T>(Func<T, bool> wanted, string what, long since = 0)
        where T : HypervisorEvent
    {
        var found = await Eventually.GetAsync<object>(
            () => Task.FromResult<object?>(Heard.Where(h => h.At >= since && h.Event is T e && wanted(e)).Select(h => (object)((T)h.Event, h.At)).FirstOrDefault()),
            what,
            () => string.Join('\n', Heard.Select(h => h.Event)) + '\n' + string.Join('\n', daemons.Select(d => d.Log)));
        return ((T, long))found;
    }

    public static long Now => Stopwatch.GetTimestamp();

    public async ValueTask DisposeAsync()
    {
        foreach (var daemon in daemons)
        {
            await daemon.DisposeAsync();
        }

        await stop.CancelAsync();
        foreach (var service in services.GetServices<IHostedService>())
        {
            await service.StopAsync(CancellationToken.None);
        }

        await listening;
        await services.DisposeAsync();
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    private IDbContextFactory<PortalDbContext> Contexts => services.GetRequiredService<IDbContextFactory<PortalDbContext>>();

    private async Task ListenAsync()
    {
        try
        {
            await foreach (var happened in Hypervisor.EventsAsync(stop.Token))
            {
                Heard.Enqueue((happened, Now));
            }
        }
        catch (OperationCanceledException)
        {
            // The lab is taken down.
        }
    }
}

/// <summary>What signs in to the lab's hosts.</summary>
internal sealed class LabSecrets : IHypervisorSecrets
{
    private readonly ConcurrentDictionary<Guid, HypervisorCredentials> kept = new();

    public void Keep(Guid hostId, HypervisorCredentials credentials) => kept[hostId] = credentials;

    public byte[] Protect(string privateKey) => Encoding.UTF8.GetBytes(privateKey);

    public Task<HypervisorCredentials> OfAsync(Guid hostId, CancellationToken ct) => Task.FromResult(kept.GetValueOrDefault(hostId, HypervisorCredentials.None));
}

/// <summary>Three hosts that a class of tests shares.</summary>
public sealed class ThreeHosts : IAsyncLifetime
{
    internal LibvirtLab Lab { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        LibvirtDaemon.RequireOrSkip();
        Lab = await LibvirtLab.StartAsync(3);
        await Lab.Daemons[0].MakeImageAsync("tiny.qcow2", "first");
    }

    public async ValueTask DisposeAsync() => await (Lab?.DisposeAsync() ?? ValueTask.CompletedTask);
}
