using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside.Publishing;

/// <summary>Publishes what is approved for a cluster to a server that keeps it for the portal: an operation. A second request joins the first.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class PublishNow(
    IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, OperationRunner runner, OperationQueue queue, IChangeFeed feed, TimeProvider time)
{
    /// <summary>Records the operation and returns its id. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>cluster.not_found</c>, <c>service.not_found</c>, <c>publish.not_wanted</c>.</summary>
    public async Task<Outcome<Guid>> ExecuteAsync(Caller caller, Guid clusterId, Guid serverId, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.ManageClusters, ServerSteps.Unread(serverId, null), ct) is { } denied)
        {
            return denied;
        }

        var outcome = await BeginAsync(caller.Person, clusterId, serverId, ct);
        if (!outcome.Succeeded)
        {
            await audit.RefusedAsync(caller.Person, ServerSteps.Unread(serverId, null), outcome.Refusal, ct);
        }

        return outcome;
    }

    /// <summary>The same because what is approved changed.</summary>
    internal async Task<Outcome<Guid>> BeginAsync(Person person, Guid clusterId, Guid serverId, CancellationToken ct)
    {
        Guid id;
        await using (var db = await contexts.CreateDbContextAsync(ct))
        {
            await using var transaction = await db.Database.BeginTransactionAsync(ct);
            var cluster = await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == clusterId, ct);
            var server = await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct);
            if (cluster is null || server is null)
            {
                return cluster is null ? Refusal.NotFound("cluster", clusterId.ToString()) : ServerRefusals.NotFound(serverId);
            }

            if (cluster.Policy.Services.Of(serverId) is not { Keeper: PolicyKeeper.Portal })
            {
                return Refusal.Conflict("publish.not_wanted", $"The portal does not keep the policies of {cluster.Name} on {server.Name}.", "Choose so in the cluster's trust policy first.");
            }

            if (await OpenAsync(db, clusterId, serverId, ct) is { } open)
            {
                return open;
            }

            var operation = Record(person, cluster, server);
            id = operation.Id;
            db.Operations.Add(operation);
            await PublicationLedger.BegunAsync(db, clusterId, serverId, id, ct);
            audit.Add(db, person, PublicationWork.Kind, ServerSteps.Target(server), $"{operation.Title} was asked for.");
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
        }

        feed.Publish(Change.Of(ChangeTopic.Operation, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        await queue.EnqueueAsync(id, ct);
        return id;
    }

    /// <summary>The operation that writes there for the cluster now, if one does.</summary>
    internal static async Task<Guid?> OpenAsync(PortalDbContext db, Guid clusterId, Guid serverId, CancellationToken ct) => await (
        from publication in db.Publications
        where publication.ClusterId == clusterId && publication.ServerId == serverId
        join operation in db.Operations on publication.OperationId equals operation.Id
        where operation.State == OperationState.Queued || operation.State == OperationState.Running || operation.State == OperationState.Undoing
        select (Guid?)operation.Id).SingleOrDefaultAsync(ct);

    private Operation Record(Person person, Cluster cluster, AttestationServer server) => new()
    {
        Kind = PublicationWork.Kind,
        Title = $"Publish the baselines of {cluster.Name} to {server.Name}",
        TargetKind = ServerSteps.Kind,
        TargetId = server.Id,
        TargetName = server.Name,
        Data = JsonSerializer.Serialize(new PublicationWork { ClusterId = cluster.Id, ServerId = server.Id }),
        Steps = runner.InitialSteps(PublicationWork.Kind),
        Issuer = person.Issuer,
        Subject = person.Subject,
        PersonName = person.Name,
        CreatedAt = time.GetUtcNow(),
    };
}
