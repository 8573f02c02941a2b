using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>Has a server read again before its turn, because something may have happened there.</summary>
public interface IEarlyReads
{
    /// <summary>Asks for it; returns at once. Many requests lead to one read.</summary>
    void Read(Guid serverId);
}

/// <summary>Polls every server a cluster names, each at its own pace and never twice at once: one that hangs delays nobody else.</summary>
/// <param name="contexts">The database.</param>
/// <param name="poll">Polls once.</param>
/// <param name="health">Told when the next poll is.</param>
/// <param name="feed">Tells of clusters and servers that change.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
public sealed partial class ServerPolls(
    IDbContextFactory<PortalDbContext> contexts, ServerPoll poll, ServerHealth health, IChangeFeed feed, TimeProvider time, ILogger<ServerPolls> log) : BackgroundService, IEarlyReads
{
    /// <summary>Shortest time between two polls of a server, whoever asks for them.</summary>
    public static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(1);

    /// <summary>Polls as soon as that pause allows, once a server is back that was down.</summary>
    private const int HurriedPolls = 5;

    private readonly ConcurrentDictionary<Guid, Loop> loops = new();

    /// <inheritdoc/>
    public void Read(Guid serverId)
    {
        if (loops.TryGetValue(serverId, out var loop))
        {
            loop.Wake();
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var changed = new SemaphoreSlim(1);
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic is ChangeTopic.Cluster or ChangeTopic.Service)
            {
                changed.Release();
            }
        });
        try
        {
            while (true)
            {
                await changed.WaitAsync(stoppingToken);
                try
                {
                    await ArrangeAsync(stoppingToken);
                }
                catch (Exception fault) when (fault is not OperationCanceledException)
                {
                    ArrangingFailed(log, fault);
                }
            }
        }
        finally
        {
            await Task.WhenAll(loops.Values.Select(l => l.StopAsync()));
        }
    }

    private async Task ArrangeAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var named = (await db.Clusters.AsNoTracking().Select(c => c.Services).Distinct().ToListAsync(ct))
            .SelectMany(text => Inventory.ServiceSet.Parse(text).Outside.Select(s => s.ServiceId))
            .ToHashSet();
        var servers = (await db.AttestationServers.AsNoTracking().ToListAsync(ct)).Where(s => named.Contains(s.Id)).ToDictionary(s => s.Id);
        foreach (var (id, loop) in loops)
        {
            if (!servers.TryGetValue(id, out var server) || server.PollSeconds != loop.Seconds)
            {
                loops.TryRemove(id, out _);
                await loop.StopAsync();
            }
        }

        foreach (var server in servers.Values.Where(s => !loops.ContainsKey(s.Id)))
        {
            loops[server.Id] = new Loop(new LoopParts(poll, health, time, log), server.Id, server.PollSeconds, ct);
        }
    }

    [LoggerMessage(432, LogLevel.Error, "Arranging the polls of attestation servers failed")]
    private static partial void ArrangingFailed(ILogger log, Exception fault);

    [LoggerMessage(433, LogLevel.Error, "A poll of attestation server {Server} stopped on an unexpected fault; the next one tries again")]
    private static partial void PollBroke(ILogger log, Guid server, Exception fault);

    private sealed record LoopParts(ServerPoll Poll, ServerHealth Health, TimeProvider Time, ILogger Log);

    /// <summary>The polls of one server.</summary>
    private sealed class Loop
    {
        private readonly LoopParts parts;
        private readonly Guid server;
        private readonly CancellationTokenSource stop;
        private readonly SemaphoreSlim early = new(0, 1);
        private readonly Task running;

        public Loop(LoopParts parts, Guid server, int seconds, CancellationToken ct)
        {
            (this.parts, this.server, Seconds) = (parts, server, seconds);
            stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
            running = Task.Run(RunAsync, CancellationToken.None);
        }

        public int Seconds { get; }

        public void Wake()
        {
            try
            {
                early.Release();
            }
            catch (SemaphoreFullException)
            {
                // Somebody else asked already.
            }
        }

        public async Task StopAsync()
        {
            await stop.CancelAsync();
            await running;
            stop.Dispose();
            early.Dispose();
        }

        private async Task RunAsync()
        {
            try
            {
                for (var hurried = 0; ; hurried--)
                {
                    var wasDown = parts.Health.Of(server).IsDown;
                    await OnceAsync();
                    if (wasDown && !parts.Health.Of(server).IsDown)
                    {
                        // What is new in its first answer may be from before it was down: hosts are trusted again by the next ones.
                        hurried = HurriedPolls;
                    }

                    var pause = hurried > 0 ? LeastPause : TimeSpan.FromSeconds(Seconds);
                    parts.Health.Next(server, parts.Time.GetUtcNow() + pause);
                    await Task.Delay(LeastPause, parts.Time, stop.Token);
                    if (pause > LeastPause)
                    {
                        await EarlyOrAsync(pause - LeastPause);
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // Nobody names the server any more, or the portal stops.
            }
        }

        private async Task OnceAsync()
        {
            try
            {
                await parts.Poll.PollAsync(server, stop.Token);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                PollBroke(parts.Log, server, fault);
            }
        }

        private async Task EarlyOrAsync(TimeSpan pause)
        {
            using var turn = new CancellationTokenSource(pause, parts.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(turn.Token, stop.Token);
            try
            {
                await early.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                // Its regular turn has come.
            }
        }
    }
}
