using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>What a request to attest many hosts led to.</summary>
/// <param name="OperationId">The operation that asks them.</param>
/// <param name="Joined">Whether it was running already.</param>
public sealed record FleetAttestation(Guid OperationId, bool Joined);

/// <summary>Which hosts are asked.</summary>
/// <param name="ClusterId">Those of one cluster; null for all.</param>
public sealed record FleetScope(Guid? ClusterId);

/// <summary>Attests all hosts, or all of a cluster, because a person asked: an operation with progress. A second request joins the first.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class AttestFleet(
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    OperationRunner runner,
    OperationQueue queue,
    IChangeFeed feed,
    TimeProvider time)
{
    /// <summary>Kind of the operation.</summary>
    public const string Kind = "hosts.attest";

    /// <summary>Such operations at the same time: each holds one of the scheduler's threads, and starts of VMs need those too.</summary>
    public const int MostAtOnce = 4;

    /// <summary>Target of an operation over all hosts.</summary>
    public static readonly Guid AllHosts = Guid.Empty;

    /// <summary>Records the operation, or finds the one that asks these hosts already. Refusals: <c>cluster.not_found</c>, <c>attest.no_hosts</c>, <c>attest.busy</c>.</summary>
    public async Task<Outcome<FleetAttestation>> ExecuteAsync(Caller caller, Guid? clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = clusterId is { } id ? await db.Clusters.Where(c => c.Id == id).Select(c => c.Name).SingleOrDefaultAsync(ct) : null;
        var target = clusterId is null ? new AuditTarget("hosts", null, "all hosts") : new AuditTarget("cluster", clusterId, cluster ?? clusterId.Value.ToString());
        if (await access.DemandAsync(caller, Permission.ManageHosts, target, ct) is { } denied)
        {
            return denied;
        }

        var outcome = clusterId is not null && cluster is null ? Refusal.NotFound("cluster", clusterId.Value.ToString()) : await BeginAsync(db, caller, clusterId, target, ct);
        if (!outcome.Succeeded)
        {
            await audit.RefusedAsync(caller.Person, target, outcome.Refusal, ct);
            return outcome;
        }

        feed.Publish(Change.Of(ChangeTopic.Operation, outcome.Value.OperationId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        await queue.EnqueueAsync(outcome.Value.OperationId, ct);
        return outcome;
    }

    /// <summary>Looking and recording is one transaction: two presses at once lead to one operation.</summary>
    private async Task<Outcome<FleetAttestation>> BeginAsync(PortalDbContext db, Caller caller, Guid? clusterId, AuditTarget target, CancellationToken ct)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var scope = clusterId ?? AllHosts;
        var open = await db.Operations.AsNoTracking()
            .Where(o => o.Kind == Kind && !o.CancelRequested && (o.State == OperationState.Queued || o.State == OperationState.Running))
            .Select(o => new { o.Id, o.TargetId, o.Title })
            .ToListAsync(ct);
        if (open.Find(o => o.TargetId == scope) is { } running)
        {
            audit.Add(db, caller.Person, Kind, target, $"Asked to attest {Words(target, null)} now; '{running.Title}' is running already.");
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return new FleetAttestation(running.Id, Joined: true);
        }

        var hosts = await db.Hosts.CountAsync(h => clusterId == null || h.ClusterId == clusterId, ct);
        if (hosts == 0)
        {
            return Refusal.Conflict("attest.no_hosts", clusterId is null ? "There is no host yet." : $"Cluster {target.Name} has no host.", "Add hosts first.");
        }

        if (open.Count >= MostAtOnce)
        {
            return Refusal.Conflict("attest.busy", $"Hosts of {MostAtOnce} clusters are being attested already.", "Wait until one of them is done, or attest all hosts together.");
        }

        var operation = Record(caller, clusterId, target, hosts);
        db.Operations.Add(operation);
        audit.Add(db, caller.Person, Kind, target, $"Asked to attest {Words(target, hosts)} now.");
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new FleetAttestation(operation.Id, Joined: false);
    }

    private Operation Record(Caller caller, Guid? clusterId, AuditTarget target, int hosts) => new()
    {
        Kind = Kind,
        Title = $"Attest {Words(target, hosts)}",
        TargetKind = target.Kind,
        TargetId = clusterId ?? AllHosts,
        TargetName = target.Name,
        Data = JsonSerializer.Serialize(new FleetScope(clusterId)),
        Steps = runner.InitialSteps(Kind),
        Issuer = caller.Person.Issuer,
        Subject = caller.Person.Subject,
        PersonName = caller.Person.Name,
        CreatedAt = time.GetUtcNow(),
    };

    private static string Words(AuditTarget target, int? hosts)
    {
        var number = hosts is { } count ? FormattableString.Invariant($"{count:N0} ") : "";
        return (target.Id, hosts) switch
        {
            (null, 1) => "the one host",
            (null, _) => $"all {number}hosts",
            (_, 1) => $"the one host of {target.Name}",
            _ => $"all {number}hosts of {target.Name}",
        };
    }
}
