using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>Sets hosts aside for maintenance, their VMs moved away first, and takes them back, attested.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="attest">Asks a host that comes back.</param>
/// <param name="quarantine">Begins for one that comes back untrusted.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="operations">Cancels a maintenance under way.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class ChangeHostState(
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    IAttestNow attest,
    Quarantine quarantine,
    OperationRunner runner,
    OperationDirectory operations,
    OperationQueue queue,
    IChangeFeed feed,
    TimeProvider time)
{
    /// <summary>
    /// The host takes no VM from now on. One that carries none is in maintenance at once; otherwise an operation moves every VM away first.
    /// Refusal: <c>host.not_found</c>.
    /// </summary>
    /// <returns>The operation, which may have been under way already; null when the host is in maintenance.</returns>
    public async Task<Outcome<Guid?>> ToMaintenanceAsync(Caller caller, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await WhyNotAsync(db, caller, hostId, ct) is { } refusal)
        {
            return refusal;
        }

        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var host = await db.Hosts.SingleAsync(h => h.Id == hostId, ct);
        if (host.State == HostState.Maintenance)
        {
            return (Guid?)null;
        }

        if (await UnderWayAsync(db, hostId, ct) is { } under)
        {
            return (Guid?)under;
        }

        var operation = await BeginAsync(db, caller, host, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        Tell(hostId);
        if (operation is null)
        {
            return (Guid?)null;
        }

        feed.Publish(Change.Of(ChangeTopic.Operation, operation.Id));
        await queue.EnqueueAsync(operation.Id, ct);
        return (Guid?)operation.Id;
    }

    /// <summary>
    /// The host takes VMs again. One that comes back from maintenance is attested first: from then on losing trust counts again, and if it is
    /// untrusted now, that is when it began. One on its way there is up again at once; what moved is not brought back. Refusal: <c>host.not_found</c>.
    /// </summary>
    public async Task<Outcome<Done>> ActivateAsync(Caller caller, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await WhyNotAsync(db, caller, hostId, ct) is { } refusal)
        {
            return refusal;
        }

        if (await UnderWayAsync(db, hostId, ct) is { } under)
        {
            // It stops after those in flight; one that has ended meanwhile is no reason to refuse.
            await operations.CancelAsync(caller, under, ct);
            await ComeBackAsync(caller, hostId, ct);
            Tell(hostId);
            await queue.EnqueueAsync(under, ct);
            return Done.Value;
        }

        var state = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.State).SingleAsync(ct);
        if (state is HostState.Up)
        {
            return Done.Value;
        }

        if (state == HostState.Maintenance)
        {
            await attest.AttestAsync(hostId, AttestationPurpose.AttestNow, null, ct);
        }

        await ComeBackAsync(caller, hostId, ct);
        Tell(hostId);
        return Done.Value;
    }

    private async Task ComeBackAsync(Caller caller, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var host = await db.Hosts.SingleAsync(h => h.Id == hostId, ct);
        var (now, target, wasAside) = (time.GetUtcNow(), new AuditTarget("host", hostId, host.Name), host.State == HostState.Maintenance);
        host.State = host.State != HostState.NonResponsive && host.StateReason.Length > 0 ? HostState.NonResponsive : HostState.Up;
        audit.Add(db, caller.Person, "host.activated", target, $"Host {host.Name} was activated.");
        await db.SaveChangesAsync(ct);
        if (wasAside && await db.Attestations.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId && a.Verdict == Verdict.Untrusted, ct) is { } row)
        {
            audit.Add(db, Person.Portal, "host.untrusted", target, $"Host {host.Name} came back from maintenance and is untrusted: {row.Reason}.", AuditSeverity.Alarm);
            await quarantine.BeginAsync(db, [hostId], now, ct);
            await ReactFromNowAsync(db, host, now, ct);
        }

        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
    }

    /// <summary>What it was found to be while in maintenance was nobody's concern: the reaction to it begins with its return.</summary>
    private static async Task ReactFromNowAsync(PortalDbContext db, Host host, DateTimeOffset now, CancellationToken ct)
    {
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == host.ClusterId, ct);
        await db.HostReactions.Where(r => r.HostId == host.Id).ExecuteDeleteAsync(ct);
        if (cluster.Reaction.Kind == ReactionKind.Evacuate)
        {
            db.HostReactions.Add(new HostReaction { HostId = host.Id, ClusterId = host.ClusterId, FellAt = now, Since = now });
        }
    }

    private async Task<Refusal?> WhyNotAsync(PortalDbContext db, Caller caller, Guid hostId, CancellationToken ct)
    {
        var name = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.Name).SingleOrDefaultAsync(ct);
        var target = new AuditTarget("host", hostId, name ?? hostId.ToString());
        if (await access.DemandAsync(caller, Permission.ManageHosts, target, ct) is { } denied)
        {
            return denied;
        }

        if (name is not null)
        {
            return null;
        }

        var refusal = Refusal.NotFound("host", hostId.ToString());
        await audit.RefusedAsync(caller.Person, target, refusal, ct);
        return refusal;
    }

    private static async Task<Guid?> UnderWayAsync(PortalDbContext db, Guid hostId, CancellationToken ct) => await db.Operations
        .Where(o => o.Kind == EvacuationOperations.Maintenance && o.TargetId == hostId && o.EndedAt == null && !o.CancelRequested && o.State != OperationState.Undoing)
        .Select(o => (Guid?)o.Id)
        .FirstOrDefaultAsync(ct);

    private async Task<Operation?> BeginAsync(PortalDbContext db, Caller caller, Host host, CancellationToken ct)
    {
        var target = new AuditTarget("host", host.Id, host.Name);
        var machines = await db.VirtualMachines.CountAsync(v => v.HostId == host.Id || v.TargetHostId == host.Id, ct);
        if (machines == 0)
        {
            host.State = HostState.Maintenance;
            audit.Add(db, caller.Person, "host.maintenance", target, $"Host {host.Name} was set to maintenance.");
            return null;
        }

        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == host.ClusterId, ct);
        var work = EvacuationOperations.Work(host, cluster.Reaction, EvacuationPurpose.Maintenance);
        var operation = EvacuationOperations.New(runner, work, $"Set host {host.Name} to maintenance", caller.Person, time.GetUtcNow());
        host.State = HostState.PreparingForMaintenance;
        db.Operations.Add(operation);
        audit.Add(db, caller.Person, "host.preparing", target, $"Host {host.Name} is being set to maintenance; its {(machines == 1 ? "virtual machine moves" : $"{machines} virtual machines move")} away first.");
        return operation;
    }

    private void Tell(Guid hostId)
    {
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }
}
