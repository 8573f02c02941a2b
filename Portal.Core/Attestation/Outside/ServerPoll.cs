using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>Asks a server once about all of its hosts, or about one, and applies what it says.</summary>
/// <param name="contexts">The database.</param>
/// <param name="clients">Clients of servers.</param>
/// <param name="policies">Policies of clusters.</param>
/// <param name="ledger">Applies reports.</param>
/// <param name="health">Remembers how servers do.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
public sealed partial class ServerPoll(
    IDbContextFactory<PortalDbContext> contexts,
    ServerClients clients,
    PolicyReader policies,
    AttestationLedger ledger,
    ServerHealth health,
    AuditLog audit,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<ServerPoll> log)
{
    private const int PageSize = 1000;

    /// <summary>Polls a server once and commits what it says; false when there is no such server.</summary>
    public async Task<bool> PollAsync(Guid serverId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await ServerScope.ReadAsync(db, policies, serverId, ct) is not { } scope)
        {
            health.Forget(serverId);
            return false;
        }

        var (askedAt, began) = (time.GetUtcNow(), time.GetTimestamp());
        try
        {
            var client = await clients.OfAsync(serverId, ct) ?? throw new ServerException(ServerFault.Failed, "The server was removed.", "");
            var news = await client.PollAsync([.. scope.Clusters.SelectMany(c => c.Hosts)], ct);
            await ApplyAsync(scope, news, askedAt, ct);
            if (health.Answered(serverId, time.GetElapsedTime(began), news.Statements.Any(s => s is HostStatement.Trusted or HostStatement.Untrusted { IsNew: true }), news.ClockSkew))
            {
                await TellAsync(scope, null, ct);
            }
        }
        catch (ServerException fault)
        {
            PollFailed(log, scope.Server.Name, fault.Fault, fault.Message);
            if (health.Failed(serverId, fault))
            {
                await SilentAsync(scope, fault, askedAt, ct);
                await TellAsync(scope, fault, ct);
            }
        }

        return true;
    }

    /// <summary>Has one host verified anew by one server; the report is not applied yet.</summary>
    public async Task<AttestationReport?> AskAsync(Guid serverId, Guid hostId, AppraisalPolicy policy, AttestationPurpose purpose, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct) is not { } server)
        {
            return null;
        }

        var scope = await ClusterScope.ReadAsync(db, server, policy, hostId, ct);
        var askedAt = time.GetUtcNow();
        if (scope.Hosts is not [var host])
        {
            return scope.Unbound.Count == 0 ? null : scope.Word.Report(ClusterScope.NotBound(hostId, server.Name), null, askedAt, purpose);
        }

        try
        {
            return await clients.OfAsync(serverId, ct) is { } client ? scope.Word.Report(await client.AskAsync(host, ct), host.Name, askedAt, purpose) : null;
        }
        catch (ServerException fault)
        {
            return scope.Word.Silent(host, fault, askedAt, purpose);
        }
    }

    private async Task ApplyAsync(ServerScope scope, ServerNews news, DateTimeOffset askedAt, CancellationToken ct)
    {
        var said = news.Statements.ToDictionary(s => s.HostId);
        foreach (var cluster in scope.Clusters)
        {
            var reports = cluster.Hosts.Select(h => said.TryGetValue(h.HostId, out var statement) ? cluster.Word.Report(statement, h.Name, askedAt, AttestationPurpose.Round) : null)
                .Concat(cluster.Unbound.Select(id => cluster.Word.Report(ClusterScope.NotBound(id, scope.Server.Name), null, askedAt, AttestationPurpose.Round)));
            foreach (var page in reports.OfType<AttestationReport>().Chunk(PageSize))
            {
                // Hosts whose policy or name there changed meanwhile are told about by the next poll.
                await ledger.ApplyAsync(page, null, ct);
            }
        }
    }

    private async Task SilentAsync(ServerScope scope, ServerException fault, DateTimeOffset askedAt, CancellationToken ct)
    {
        foreach (var cluster in scope.Clusters)
        {
            foreach (var page in cluster.Hosts.Select(h => cluster.Word.Silent(h, fault, askedAt, AttestationPurpose.Round)).Chunk(PageSize))
            {
                await ledger.ApplyAsync(page, null, ct);
            }
        }
    }

    /// <summary>One alarm for the server, however many hosts it verifies, and one word when it is back.</summary>
    private async Task TellAsync(ServerScope scope, ServerException? fault, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = scope.Clusters.Sum(c => c.Hosts.Count);
        var target = new AuditTarget("service", scope.Server.Id, scope.Server.Name);
        var (@event, sentence, severity) = fault is null
            ? ("service.up", $"The attestation service {scope.Server.Name} answers again.", AuditSeverity.Notice)
            : ("service.down", $"The attestation service {scope.Server.Name} does not answer: {fault.Message} The {hosts} hosts it verifies run stale; no virtual machine is moved.", AuditSeverity.Alarm);
        audit.Add(db, Person.Portal, @event, target, sentence, severity);
        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Service, scope.Server.Id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    [LoggerMessage(431, LogLevel.Warning, "Polling the attestation server {Server} failed ({Fault}): {Sentence}")]
    private static partial void PollFailed(ILogger log, string server, ServerFault fault, string sentence);
}
