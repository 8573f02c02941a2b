using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>One connection per host that has a libvirt: made when the host appears or is asked, let go of when it is gone or is reached otherwise.</summary>
internal sealed partial class LibvirtConnections : BackgroundService, IAsyncDisposable
{
    private const int Backlog = 16_384;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan LongestIdle = TimeSpan.FromMinutes(10);

    private readonly IDbContextFactory<PortalDbContext> contexts;
    private readonly IChangeFeed feed;
    private readonly IHypervisorSecrets secrets;
    private readonly LibvirtOptions options;
    private readonly TimeProvider time;
    private readonly ILogger<LibvirtConnections> log;
    private readonly ConcurrentDictionary<Guid, LibvirtConnection> connections = new();
    private readonly ConcurrentDictionary<Listener, bool> listeners = new();
    private readonly Lock sync = new();
    private bool disposed;

    /// <summary>Connects to nobody yet.</summary>
    /// <param name="contexts">The database.</param>
    /// <param name="feed">Tells when hosts change.</param>
    /// <param name="secrets">What signs in to them.</param>
    /// <param name="options">Deadlines.</param>
    /// <param name="time">Their clock.</param>
    /// <param name="log">For operators.</param>
    public LibvirtConnections(
        IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed, IHypervisorSecrets secrets, LibvirtOptions options, TimeProvider time, ILogger<LibvirtConnections> log) =>
        (this.contexts, this.feed, this.secrets, this.options, this.time, this.log) = (contexts, feed, secrets, options, time, log);

    /// <summary>The connection of a host as it is reached now.</summary>
    public LibvirtConnection Of(HostEndpoint host)
    {
        lock (sync)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (connections.TryGetValue(host.Id, out var known))
            {
                if (known.Host.LibvirtUri == host.LibvirtUri)
                {
                    return known;
                }

                LetGo(known);
            }

            return connections[host.Id] = new LibvirtConnection(host, secrets, options, time, Tell, log);
        }
    }

    /// <summary>All hosts that are connected to or tried.</summary>
    public IReadOnlyCollection<LibvirtConnection> All => [.. connections.Values];

    /// <summary>What happens from now on, after the state of every connection. A listener that falls behind is told the states again: it must look at everything.</summary>
    public IAsyncEnumerable<HypervisorEvent> EventsAsync(CancellationToken ct)
    {
        var listener = new Listener();
        listeners[listener] = true;
        ct.Register(() => listeners.TryRemove(listener, out _));
        return ReadAsync(listener, ct);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await DisposeAsync();
    }

    /// <summary>Lets go of every host.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (sync)
        {
            disposed = true;
        }

        foreach (var id in connections.Keys)
        {
            if (connections.TryRemove(id, out var connection))
            {
                await connection.DisposeAsync();
            }
        }

        Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        LibvirtCredentials.Sweep();
        using var changed = new SemaphoreSlim(1);
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic == ChangeTopic.Host && changed.CurrentCount == 0)
            {
                changed.Release();
            }
        });
        while (!stoppingToken.IsCancellationRequested)
        {
            await WaitAsync(changed, stoppingToken);
            try
            {
                await FollowHostsAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                NotFollowed(log, fault);
            }
        }
    }

    private async Task WaitAsync(SemaphoreSlim changed, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(LookAgain, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            await changed.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Nobody said anything; another process may have changed the hosts.
        }
    }

    private async Task FollowHostsAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = await db.Hosts.AsNoTracking()
            .Where(h => h.LibvirtUri != null)
            .Select(h => new
            {
                Host = new HostEndpoint(h.Id, h.Name, h.Address, h.LibvirtUri),
                Version = db.HypervisorConnections.Where(c => c.HostId == h.Id).Select(c => (long?)c.Version).FirstOrDefault() ?? 0,
            })
            .ToListAsync(ct);
        foreach (var host in hosts)
        {
            var connection = Of(host.Host);
            if (connection.CredentialsVersion is { } version && version != host.Version)
            {
                LetGo(connection);
                Of(host.Host);
            }
        }

        var kept = hosts.Select(h => h.Host.Id).ToHashSet();
        foreach (var gone in connections.Values.Where(c => !kept.Contains(c.Host.Id) && c.Idle > LongestIdle))
        {
            LetGo(gone);
        }
    }

    private void LetGo(LibvirtConnection connection)
    {
        connections.TryRemove(KeyValuePair.Create(connection.Host.Id, connection));
        _ = Task.Run(async () => await connection.DisposeAsync());
    }

    private void Tell(HypervisorEvent happened)
    {
        foreach (var listener in listeners.Keys)
        {
            listener.Take(happened);
        }
    }

    private async IAsyncEnumerable<HypervisorEvent> ReadAsync(Listener listener, [EnumeratorCancellation] CancellationToken ct)
    {
        try
        {
            foreach (var state in States())
            {
                yield return state;
            }

            await foreach (var happened in listener.Reader.ReadAllAsync(ct))
            {
                if (listener.FellBehind())
                {
                    foreach (var state in States())
                    {
                        yield return state;
                    }
                }

                yield return happened;
            }
        }
        finally
        {
            listeners.TryRemove(listener, out _);
        }
    }

    private IEnumerable<HypervisorEvent> States() => All.Select(c => c.State).OfType<ConnectionEvent>();

    [LoggerMessage(323, LogLevel.Warning, "Hosts with a libvirt could not be read; tried again in a minute")]
    private static partial void NotFollowed(ILogger log, Exception fault);

    private sealed class Listener
    {
        private readonly Channel<HypervisorEvent> channel;
        private int lost;

        public Listener() => channel = Channel.CreateBounded<HypervisorEvent>(
            new BoundedChannelOptions(Backlog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
            _ => Volatile.Write(ref lost, 1));

        public ChannelReader<HypervisorEvent> Reader => channel.Reader;

        public void Take(HypervisorEvent happened) => channel.Writer.TryWrite(happened);

        public bool FellBehind() => Interlocked.Exchange(ref lost, 0) == 1;
    }
}
