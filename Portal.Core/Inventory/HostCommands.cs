using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Inventory;

/// <summary>Sets hosts aside for maintenance and takes them back.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
public sealed class ChangeHostState(IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, IChangeFeed feed)
{
    /// <summary>The host takes no new VMs; those it runs stay.</summary>
    public Task<Outcome<Done>> ToMaintenanceAsync(Caller caller, Guid hostId, CancellationToken ct) =>
        SetAsync(caller, hostId, HostState.Maintenance, "host.maintenance", "set to maintenance", ct);

    /// <summary>The host takes VMs again.</summary>
    public Task<Outcome<Done>> ActivateAsync(Caller caller, Guid hostId, CancellationToken ct) =>
        SetAsync(caller, hostId, HostState.Up, "host.activated", "activated", ct);

    private async Task<Outcome<Done>> SetAsync(Caller caller, Guid hostId, HostState state, string @event, string done, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.SingleOrDefaultAsync(h => h.Id == hostId, ct);
        var target = new AuditTarget("host", hostId, host?.Name ?? hostId.ToString());
        if (await access.DemandAsync(caller, Permission.ManageHosts, target, ct) is { } denied)
        {
            return denied;
        }

        if (host is null)
        {
            var refusal = Refusal.NotFound("host", hostId.ToString());
            await audit.RefusedAsync(caller.Person, target, refusal, ct);
            return refusal;
        }

        if (host.State == state)
        {
            return Done.Value;
        }

        host.State = state;
        audit.Add(db, caller.Person, @event, target, $"Host {host.Name} was {done}.");
        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        return Done.Value;
    }
}
