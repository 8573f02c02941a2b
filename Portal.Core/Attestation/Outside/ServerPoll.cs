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
            var told = new HashSet<Guid>();
            var news = await client.PollAsync(
                scope.Hosts,
                async early =>
                {
                    await ApplyAsync(scope, early, askedAt, ct);
                    told.UnionWith(early.Select(s => s.HostId));
                },
                ct);
            await ApplyAsync(scope, [.. news.Statements.Where(s => !told.Contains(s.HostId)), .. scope.Unbound()], askedAt, ct);
            var wasDown = health.Answered(serverId, time.GetElapsedTime(began), news.Statements.Any(s => s is HostStatement.Trusted or HostStatement.Untrusted { IsNew: true }), news.ClockSkew);
            if (wasDown || scope.Server.DownSince is not null)
            {
                await UpAsync(scope, ct);
            }
        }
        catch (ServerException fault)
        {
            PollFailed(log, scope.Server.Name, fault.Fault, fault.Message);
            if (health.Failed(serverId, fault))
            {
                await SilentAsync(scope, fault, askedAt, ct);
                await DownAsync(scope, fault, ct);
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

    /// <summary>Hosts whose policy or name there changed meanwhile are told about by the next poll.</summary>
    private async Task ApplyAsync(ServerScope scope, IReadOnlyList<HostStatement> statements, DateTimeOffset askedAt, CancellationToken ct)
    {
        var said = statements.ToDictionary(s => s.HostId);
        foreach (var cluster in scope.Clusters)
        {
            var reports = cluster.Hosts.Select(h => (h.HostId, Name: (string?)h.Name)).Concat(cluster.Unbound.Select(id => (HostId: id, Name: (string?)null)))
                .Select(h => said.TryGetValue(h.HostId, out var statement) ? cluster.Word.Report(statement, h.Name, askedAt, AttestationPurpose.Round) : null);
            foreach (var page in reports.OfType<AttestationReport>().Chunk(PageSize))
            {
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

    /// <summary>One alarm for the server, however many hosts it verifies and however often the portal is started meanwhile.</summary>
    private Task DownAsync(ServerScope scope, ServerException fault, CancellationToken ct) => TellAsync(
        scope,
        time.GetUtcNow(),
        "service.down",
        $"The attestation service {scope.Server.Name} does not answer: {fault.Message} The {scope.Hosts.Count} hosts it verifies run stale; no virtual machine is moved.",
        AuditSeverity.Alarm,
        ct);

    /// <summary>One word when it is back.</summary>
    private Task UpAsync(ServerScope scope, CancellationToken ct) =>
        TellAsync(scope, null, "service.up", $"The attestation service {scope.Server.Name} answers again.", AuditSeverity.Notice, ct);

    private async Task TellAsync(ServerScope scope, DateTimeOffset? downSince, string @event, string sentence, AuditSeverity severity, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var (id, isDown) = (scope.Server.Id, downSince is not null);
        if (await db.AttestationServers.Where(s => s.Id == id && (isDown ? s.DownSince == null : s.DownSince != null)).ExecuteUpdateAsync(set => set.SetProperty(s => s.DownSince, downSince), ct) == 0)
        {
            return;
        }

        audit.Add(db, Person.Portal, @event, new AuditTarget("service", id, scope.Server.Name), sentence, severity);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Service, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    [LoggerMessage(431, LogLevel.Warning, "Polling the attestation server {Server} failed ({Fault}): {Sentence}")]
    private static partial void PollFailed(ILogger log, string server, ServerFault fault, string sentence);
}
