using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside.Publishing;

/// <summary>Writes down how servers stand to what is approved.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class PublicationLedger(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    /// <summary>The server keeps exactly what is approved.</summary>
    /// <param name="clusterId">The cluster.</param>
    /// <param name="server">The server.</param>
    /// <param name="policyRevision">What was verified.</param>
    /// <param name="wanted">What it keeps.</param>
    /// <param name="wasWritten">Whether it kept something else a moment ago: evidence from before does not count then.</param>
    /// <param name="ct">Cancels.</param>
    public Task VerifiedAsync(Guid clusterId, AttestationServer server, long policyRevision, IReadOnlyList<ServerPolicy> wanted, bool wasWritten, CancellationToken ct) =>
        SetAsync(clusterId, server, ct, async (db, row, now) =>
        {
            var told = row.State != PublicationState.Verified || wasWritten;
            if (wasWritten || row.State != PublicationState.Verified)
            {
                row.WrittenAt = now;
            }

            (row.State, row.PolicyRevision, row.Sentence, row.Remedy) = (PublicationState.Verified, policyRevision, "", "");
            await KeepAsync(db, clusterId, server.Id, wanted, now, ct);
            return told ? ("service.published", "keeps what is approved", AuditSeverity.Notice) : null;
        });

    /// <summary>It does not, and why.</summary>
    public Task NotAsync(Guid clusterId, AttestationServer server, long policyRevision, PublicationState state, string sentence, string remedy, CancellationToken ct) =>
        SetAsync(clusterId, server, ct, (_, row, _) =>
        {
            var told = row.State != state || row.Sentence != sentence;
            (row.State, row.PolicyRevision, row.Sentence, row.Remedy) = (state, policyRevision, sentence, remedy);
            return Task.FromResult<(string, string, AuditSeverity)?>(told ? ("service.not_published", $"does not keep what is approved: {sentence}", AuditSeverity.Alarm) : null);
        });

    /// <summary>
    /// Somebody edited it behind our back. The cluster's policy revision is raised in the same transaction: what the server said of hosts does
    /// not count from this moment, and no virtual machine is moved for it.
    /// </summary>
    public Task DriftedAsync(Guid clusterId, AttestationServer server, IReadOnlyList<string> what, CancellationToken ct) =>
        SetAsync(clusterId, server, ct, async (db, row, _) =>
        {
            var cluster = await db.Clusters.SingleAsync(c => c.Id == clusterId, ct);
            cluster.PolicyRevision++;
            (row.State, row.PolicyRevision) = (PublicationState.Drifted, cluster.PolicyRevision);
            row.Sentence = $"{Listed(what)} was changed there by somebody else.";
            row.Remedy = "Find out who reached the server, then publish again.";
            feed.Publish(Change.Of(ChangeTopic.Cluster, clusterId));
            return ("service.drifted", $"was edited behind our back: {Listed(what)} is not what is approved", AuditSeverity.Alarm);
        });

    /// <summary>What somebody else had changed is written over because something new was approved; it is told all the same.</summary>
    public Task OverwrittenAsync(Guid clusterId, AttestationServer server, IReadOnlyList<string> what, CancellationToken ct) =>
        SetAsync(clusterId, server, ct, (_, _, _) => Task.FromResult<(string, string, AuditSeverity)?>(
            ("service.drifted", $"was edited behind our back: {Listed(what)} is neither what was approved before nor what is now; it is written anew", AuditSeverity.Alarm)));

    /// <summary>An operation writes it; saved by the caller, with the operation.</summary>
    public static async Task BegunAsync(PortalDbContext db, Guid clusterId, Guid serverId, Guid operationId, CancellationToken ct) =>
        (await RowAsync(db, clusterId, serverId, ct)).OperationId = operationId;

    private static string Listed(IReadOnlyList<string> what) =>
        what.Count <= 3 ? string.Join(", ", what) : $"{string.Join(", ", what.Take(3))} and {what.Count - 3} more";

    private static async Task<Publication> RowAsync(PortalDbContext db, Guid clusterId, Guid serverId, CancellationToken ct)
    {
        var row = await db.Publications.SingleOrDefaultAsync(p => p.ClusterId == clusterId && p.ServerId == serverId, ct);
        if (row is null)
        {
            db.Publications.Add(row = new Publication { ClusterId = clusterId, ServerId = serverId });
        }

        return row;
    }

    private static async Task KeepAsync(PortalDbContext db, Guid clusterId, Guid serverId, IReadOnlyList<ServerPolicy> wanted, DateTimeOffset now, CancellationToken ct)
    {
        // With those of hosts that were moved here from another cluster.
        var known = await db.PublishedPolicies
            .Where(p => p.ServerId == serverId && (p.ClusterId == clusterId || db.Hosts.Any(h => h.Id == p.HostId && h.ClusterId == clusterId)))
            .ToDictionaryAsync(p => p.Key, ct);

        // Of a host that was moved away, or bound anew, since the server was read, what was read says nothing any more.
        var names = await db.HostsOnServers.Where(b => b.ServerId == serverId)
            .Join(db.Hosts.Where(h => h.ClusterId == clusterId), b => b.HostId, h => h.Id, (b, h) => new { h.Id, b.Name })
            .ToDictionaryAsync(b => b.Id, b => b.Name, ct);
        foreach (var policy in wanted.Where(w => w.HostId is not { } host || (names.TryGetValue(host, out var name) && name == w.NameThere)))
        {
            if (known.Remove(policy.Key, out var row))
            {
                (row.Title, row.Content, row.HostId, row.ClusterId, row.At) =
                    (policy.Title, policy.Content, policy.HostId, clusterId, row.Content == policy.Content && row.ClusterId == clusterId ? row.At : now);
            }
            else
            {
                db.PublishedPolicies.Add(new PublishedPolicy { ServerId = serverId, ClusterId = clusterId, Key = policy.Key, HostId = policy.HostId, Title = policy.Title, Content = policy.Content, At = now });
            }
        }

        db.PublishedPolicies.RemoveRange(known.Values);
    }

    private async Task SetAsync(
        Guid clusterId, AttestationServer server, CancellationToken ct, Func<PortalDbContext, Publication, DateTimeOffset, Task<(string Event, string Words, AuditSeverity Severity)?>> change)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Clusters.AsNoTracking().Where(c => c.Id == clusterId).Select(c => c.Name).SingleOrDefaultAsync(ct) is not { } cluster)
        {
            return;
        }

        var now = time.GetUtcNow();
        var row = await RowAsync(db, clusterId, server.Id, ct);
        row.CheckedAt = now;
        var told = await change(db, row, now);
        if (told is { } word)
        {
            audit.Add(db, Person.Portal, word.Event, ServerSteps.Target(server), $"The attestation service {server.Name} {word.Words} for {cluster}.", word.Severity);
        }

        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Service, server.Id));
        if (told is not null)
        {
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }
    }
}
