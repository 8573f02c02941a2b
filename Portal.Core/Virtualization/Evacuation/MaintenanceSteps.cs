using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>What steps do to the row of a host that is emptied. Every method is safe to repeat.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
internal sealed class MaintenanceDesk(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed)
{
    public async Task<HostState?> StateAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Hosts.Where(h => h.Id == hostId).Select(h => (HostState?)h.State).SingleOrDefaultAsync(ct);
    }

    /// <summary>Changes the state if it is one of those given; tells whether it was.</summary>
    public async Task<bool> SetAsync(Guid hostId, IReadOnlyCollection<HostState> from, HostState to, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var changed = await db.Hosts.Where(h => h.Id == hostId && from.Contains(h.State)).ExecuteUpdateAsync(set => set.SetProperty(h => h.State, to), ct);
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
        return changed == 1;
    }

    /// <summary>The host is set aside no longer, unless somebody asked for that again meanwhile: it is up, or silent as it was told.</summary>
    public async Task TakeBackAsync(Guid hostId, Guid operationId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var aside = db.Hosts.Where(h => h.Id == hostId && (h.State == HostState.PreparingForMaintenance || h.State == HostState.Maintenance)
            && !db.Operations.Any(o => o.Kind == EvacuationOperations.Maintenance && o.TargetId == hostId && o.Id != operationId && o.EndedAt == null && !o.CancelRequested));
        await aside.Where(h => h.StateReason == "").ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.Up), ct);
        await aside.ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.NonResponsive), ct);
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
    }

    /// <summary>The host is in maintenance, if nothing runs there, arrives there or is being changed there. Tells whether it is.</summary>
    public async Task<bool> EnterAsync(OperationContext<EvacuationWork> context, CancellationToken ct)
    {
        var work = context.Data;
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var changed = await db.Hosts
            .Where(h => h.Id == work.HostId && h.State == HostState.PreparingForMaintenance)
            .Where(h => !db.VirtualMachines.Any(v => v.TargetHostId == h.Id || (v.HostId == h.Id && (v.OperationId != null || v.Status != VirtualMachineStatus.Down))))
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.Maintenance), ct);
        if (changed == 1)
        {
            audit.Add(db, context.Person, "host.maintenance", new AuditTarget("host", work.HostId, work.HostName), $"Host {work.HostName} is in maintenance; {Moved(work)}.");
            await db.SaveChangesAsync(ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, work.HostId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        return changed == 1;
    }

    private static string Moved(EvacuationWork work) => work.Machines.Count switch
    {
        0 => "it carried no virtual machine",
        1 => "its virtual machine was seen to",
        var machines => $"its {machines} virtual machines were seen to",
    };
}

/// <summary>From now on the host takes no VM.</summary>
internal sealed class PrepareStep(MaintenanceDesk desk) : OperationStep<EvacuationWork>
{
    private static readonly HostState[] Before = [HostState.Up, HostState.NonResponsive, HostState.PreparingForMaintenance];

    public override string Title => "Take no new virtual machine";

    private static string Says(EvacuationWork work) => $"{work.HostName} takes no new virtual machine.";

    public override async Task<string?> CheckAsync(OperationContext<EvacuationWork> context, CancellationToken ct) =>
        await desk.StateAsync(context.Data.HostId, ct) == HostState.PreparingForMaintenance ? Says(context.Data) : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<EvacuationWork> context, CancellationToken ct) =>
        await desk.SetAsync(context.Data.HostId, Before, HostState.PreparingForMaintenance, ct) ? Says(context.Data) : Refusal.NotFound("host", context.Data.HostName);

    /// <summary>The host takes VMs again; what moved away is not brought back.</summary>
    public override Task UndoAsync(OperationContext<EvacuationWork> context, CancellationToken ct) =>
        desk.TakeBackAsync(context.Data.HostId, context.Operation.Id, ct);
}

/// <summary>The host is empty: it is in maintenance.</summary>
internal sealed class EnterMaintenanceStep(MaintenanceDesk desk) : OperationStep<EvacuationWork>
{
    public override string Title => "Set it to maintenance";

    private static string Says(EvacuationWork work) => $"{work.HostName} is in maintenance.";

    public override async Task<string?> CheckAsync(OperationContext<EvacuationWork> context, CancellationToken ct) =>
        await desk.StateAsync(context.Data.HostId, ct) == HostState.Maintenance ? Says(context.Data) : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<EvacuationWork> context, CancellationToken ct)
    {
        if (await desk.EnterAsync(context, ct))
        {
            return Says(context.Data);
        }

        return await desk.StateAsync(context.Data.HostId, ct) == HostState.PreparingForMaintenance
            ? OperationWait.Refusal($"A virtual machine runs on {context.Data.HostName} that was not there before: shut it down or move it.")
            : Refusal.Conflict("host.maintenance.overtaken", $"{context.Data.HostName} is not on its way to maintenance any more.", "Look at its activity; set it to maintenance again if it is still wanted.");
    }

    public override Task UndoAsync(OperationContext<EvacuationWork> context, CancellationToken ct) => Task.CompletedTask;
}
