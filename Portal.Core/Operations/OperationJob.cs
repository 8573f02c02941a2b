using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Storage;
using Quartz;

namespace Portal.Core.Operations;

/// <summary>Runs one operation on the scheduler.</summary>
/// <param name="runner">The runner.</param>
[DisallowConcurrentExecution]
internal sealed class OperationJob(OperationRunner runner) : IJob
{
    public const string IdKey = "operation";

    public static JobKey KeyOf(Guid id) => new(id.ToString("N"), "operations");

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
        await runner.RunAsync(Guid.Parse(context.MergedJobDataMap.GetString(IdKey)!), cancellationToken);
}

/// <summary>Hands recorded operations to the scheduler.</summary>
/// <param name="schedulers">Quartz.</param>
/// <param name="contexts">The database.</param>
/// <param name="feed">Tells when an operation moves.</param>
public sealed class OperationQueue(ISchedulerFactory schedulers, IDbContextFactory<PortalDbContext> contexts, Changes.IChangeFeed feed)
{
    /// <summary>Starts a recorded operation soon; harmless when it is queued already.</summary>
    public async Task EnqueueAsync(Guid id, CancellationToken ct)
    {
        var scheduler = await schedulers.GetScheduler(ct);
        var job = JobBuilder.Create<OperationJob>()
            .WithIdentity(OperationJob.KeyOf(id))
            .UsingJobData(OperationJob.IdKey, id.ToString())
            .RequestRecovery()
            .Build();
        if (await scheduler.GetJobDetail(job.Key, ct) is null)
        {
            await scheduler.ScheduleJob(job, TriggerBuilder.Create().WithIdentity(id.ToString("N"), "operations").StartNow().Build(), cancellationToken: ct);
        }
    }

    /// <summary>Waits until an operation has ended and returns its record; returns the record as it stands when the time is up.</summary>
    public async Task<Operation> WaitAsync(Guid id, TimeSpan atMost, CancellationToken ct)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(atMost);
        using var moved = new SemaphoreSlim(0);
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic == Changes.ChangeTopic.Operation && change.Touches(id))
            {
                moved.Release();
            }
        });
        while (true)
        {
            var operation = await FindAsync(id, ct);
            if (operation.HasEnded)
            {
                return operation;
            }

            try
            {
                await moved.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                return await FindAsync(id, ct);
            }
        }
    }

    private async Task<Operation> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Operations.AsNoTracking().SingleAsync(o => o.Id == id, ct);
    }
}

/// <summary>Picks up operations that a crash left unfinished: at start, and from time to time those whose undo failed.</summary>
/// <param name="contexts">The database.</param>
/// <param name="queue">Where to put them.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
internal sealed partial class OperationRecovery(IDbContextFactory<PortalDbContext> contexts, OperationQueue queue, TimeProvider time, ILogger<OperationRecovery> log) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var born = time.GetUtcNow();
        using var timer = new PeriodicTimer(Pause, time);
        do
        {
            try
            {
                await using var db = await contexts.CreateDbContextAsync(stoppingToken);
                var open = await db.Operations
                    .Where(o => o.State == OperationState.Queued || o.State == OperationState.Running || o.State == OperationState.Undoing)
                    .OrderBy(o => o.CreatedAt)
                    .Select(o => new { o.Id, o.CreatedAt })
                    .ToListAsync(stoppingToken);
                var left = open.Count(o => o.CreatedAt < born);
                if (left > 0)
                {
                    Resuming(log, left);
                }

                foreach (var operation in open)
                {
                    await queue.EnqueueAsync(operation.Id, stoppingToken);
                }
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                RecoveryFailed(log, fault);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(211, LogLevel.Information, "{Count} operations of an earlier run are unfinished; going on with them")]
    private static partial void Resuming(ILogger log, int count);

    [LoggerMessage(212, LogLevel.Error, "Looking for unfinished operations failed; trying again")]
    private static partial void RecoveryFailed(ILogger log, Exception fault);
}

/// <summary>Registers operations.</summary>
public static class OperationsRegistration
{
    /// <summary>Adds the runner, its queue and recovery after a crash.</summary>
    public static IServiceCollection AddOperations(this IServiceCollection services)
    {
        services.AddSingleton<OperationRunner>();
        services.AddSingleton<OperationQueue>();
        services.AddSingleton<OperationDirectory>();
        services.AddHostedService<OperationRecovery>();
        return services;
    }
}
