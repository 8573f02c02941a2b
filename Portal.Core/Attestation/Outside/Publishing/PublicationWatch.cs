using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside.Publishing;

/// <summary>
/// Sees to it that servers keep what is approved: publishes what changed, and looks again and again whether it is still so, since whoever
/// reaches a server may edit it. What was edited behind our back is told and left for a person to look at, not written over.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="reader">Compares.</param>
/// <param name="ledger">Writes down how it stands.</param>
/// <param name="publish">Begins an operation.</param>
/// <param name="feed">Tells of changes.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
internal sealed partial class PublicationWatch(
    IDbContextFactory<PortalDbContext> contexts,
    PublicationReader reader,
    PublicationLedger ledger,
    PublishNow publish,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<PublicationWatch> log) : BackgroundService
{
    /// <summary>Time between two looks at what a server keeps.</summary>
    public static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    /// <summary>Time before what failed is tried again.</summary>
    public static readonly TimeSpan TryAgainAfter = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(10);

    /// <summary>Looks after every cluster and server once.</summary>
    internal async Task LookAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        foreach (var cluster in await db.Clusters.AsNoTracking().ToListAsync(ct))
        {
            foreach (var choice in cluster.Policy.Services.Outside.Where(s => s.Keeper == PolicyKeeper.Portal))
            {
                try
                {
                    await LookAsync(db, cluster, choice.ServiceId, ct);
                }
                catch (ServerException fault)
                {
                    // That it is down the polls tell; what it kept last stays what is known.
                    NotRead(log, choice.ServiceId, fault.Message);
                }
            }
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var changed = new SemaphoreSlim(1);
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic is ChangeTopic.Cluster or ChangeTopic.Baseline or ChangeTopic.Service)
            {
                changed.Release();
            }
        });
        while (true)
        {
            await WaitAsync(changed, stoppingToken);
            try
            {
                await LookAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                LookFailed(log, fault);
            }
        }
    }

    private async Task WaitAsync(SemaphoreSlim changed, CancellationToken ct)
    {
        using var turn = new CancellationTokenSource(Tick, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(turn.Token, ct);
        try
        {
            await changed.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Its regular turn has come.
        }
    }

    private async Task LookAsync(PortalDbContext db, Cluster cluster, Guid serverId, CancellationToken ct)
    {
        var known = await db.Publications.AsNoTracking().SingleOrDefaultAsync(p => p.ClusterId == cluster.Id && p.ServerId == serverId, ct);
        if (!IsDue(known, cluster.PolicyRevision) || await PublishNow.OpenAsync(db, cluster.Id, serverId, ct) is not null)
        {
            return;
        }

        if (await reader.LookAsync(cluster.Id, serverId, ct) is not { } look)
        {
            return;
        }

        if (look.Refusal is { } no)
        {
            await ledger.NotAsync(cluster.Id, look.Server, look.PolicyRevision, PublicationState.Refused, no.Sentence, no.Remedy, ct);
        }
        else if (look.Writes.Count == 0)
        {
            await ledger.VerifiedAsync(cluster.Id, look.Server, look.PolicyRevision, look.Wanted, wasWritten: false, ct);
        }
        else if (look.Drifted.Count > 0)
        {
            // Told once; it stays as it is until a person publishes again or something else is approved.
            await (known is { State: PublicationState.Drifted }
                ? ledger.NotAsync(cluster.Id, look.Server, look.PolicyRevision, PublicationState.Drifted, known.Sentence, known.Remedy, ct)
                : ledger.DriftedAsync(cluster.Id, look.Server, look.Drifted, ct));
        }
        else
        {
            if (look.Overwritten.Count > 0)
            {
                await ledger.OverwrittenAsync(cluster.Id, look.Server, look.Overwritten, ct);
            }

            await publish.BeginAsync(Person.Portal, cluster.Id, serverId, ct);
        }
    }

    private bool IsDue(Publication? known, long policyRevision)
    {
        var now = time.GetUtcNow();
        if (known?.CheckedAt is not { } last || last > now || known.PolicyRevision != policyRevision || known.State == PublicationState.Waiting)
        {
            return true;
        }

        return now - last >= (known.State is PublicationState.Failed or PublicationState.Refused ? TryAgainAfter : LookEvery);
    }

    [LoggerMessage(435, LogLevel.Warning, "What attestation server {Server} keeps could not be read: {Sentence}")]
    private static partial void NotRead(ILogger log, Guid server, string sentence);

    [LoggerMessage(436, LogLevel.Error, "Looking after what attestation servers keep failed; the next look tries again")]
    private static partial void LookFailed(ILogger log, Exception fault);
}
