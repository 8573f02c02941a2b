using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization.Watch;

/// <summary>Notes what a host says of the VMs placed on it. A VM that an operation holds is the operation's, and is left alone.</summary>
/// <param name="contexts">The database.</param>
/// <param name="store">Marks VMs that run where they may not.</param>
/// <param name="watchers">Told after the commit.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">Where a watcher's fault is told.</param>
internal sealed partial class MachineNotes(
    IDbContextFactory<PortalDbContext> contexts, VmStore store, IEnumerable<IWatchMachines> watchers, AuditLog audit, IChangeFeed feed, TimeProvider time, ILogger<MachineNotes> log)
{
    private readonly IWatchMachines[] watchers = [.. watchers];

    /// <summary>What a VM is doing, by the word of its host; null is a host that does not know it.</summary>
    public static VirtualMachineStatus StatusOf(DomainState? state) => state switch
    {
        DomainState.Running => VirtualMachineStatus.Up,
        DomainState.ShuttingDown => VirtualMachineStatus.PoweringDown,
        DomainState.ShutOff => VirtualMachineStatus.Down,
        DomainState.Paused => VirtualMachineStatus.Paused,
        null => VirtualMachineStatus.Unknown,
    };

    /// <summary>Notes the state of a VM on the host it is placed on.</summary>
    /// <param name="vm">The VM as it was read before the host was asked, or when it told: if its row changed since, nothing is noted.</param>
    /// <param name="host">Its host.</param>
    /// <param name="state">Its state there; null when the host does not know it.</param>
    /// <param name="cause">Why, as far as the host told.</param>
    /// <param name="ct">Cancels.</param>
    public async Task NoteAsync(VirtualMachine vm, HostEndpoint host, DomainState? state, DomainCause cause, CancellationToken ct)
    {
        var status = StatusOf(state);
        if (vm.Status == status || vm.OperationId is not null)
        {
            return;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var (id, hostId, before) = (vm.Id, host.Id, vm.Status);
        var changed = await db.VirtualMachines.Where(v => v.Id == id && v.HostId == hostId && v.OperationId == null && v.Status == before)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.Status, status), ct);
        if (changed != 1)
        {
            return;
        }

        Tell(db, vm, host, status, cause);
        await db.SaveChangesAsync(ct);
        if (status == VirtualMachineStatus.Up && vm.TrustLevel == TrustLevel.Trusted)
        {
            // Started by somebody else: no gate was passed.
            await store.MarkIfUntrustedAsync(db, vm, hostId, ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        if (status == VirtualMachineStatus.Down && before is VirtualMachineStatus.Up or VirtualMachineStatus.Paused)
        {
            await CallAsync(w => w.WentDownAsync(id, cause, ct), ct);
        }
        else if (status == VirtualMachineStatus.Up)
        {
            await StartedAsync(vm, hostId, ct);
        }
    }

    /// <summary>Tells the watchers of a VM that runs without a gate, if it requires trust and its host has none now.</summary>
    public async Task StartedAsync(VirtualMachine vm, Guid hostId, CancellationToken ct)
    {
        if (vm.TrustLevel == TrustLevel.Trusted && !await IsTrustedAsync(vm.ClusterId, hostId, ct))
        {
            await CallAsync(w => w.StartedWithoutGateAsync(vm.Id, ct), ct);
        }
    }

    private async Task<bool> IsTrustedAsync(Guid clusterId, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var revision = await db.Clusters.Where(c => c.Id == clusterId).Select(c => c.PolicyRevision).SingleAsync(ct);
        return await db.Hosts.Where(h => h.Id == hostId).AnyAsync(EffectiveTrust.Of(db, time.GetUtcNow(), DateTimeOffset.UnixEpoch, revision), ct);
    }

    private void Tell(PortalDbContext db, VirtualMachine vm, HostEndpoint host, VirtualMachineStatus status, DomainCause cause)
    {
        var target = new AuditTarget("vm", vm.Id, vm.Name);
        if (status == VirtualMachineStatus.Unknown && cause == DomainCause.Migrated)
        {
            audit.Add(db, Person.Portal, "vm.left", target, $"'{vm.Name}' left {host.Name} without the portal's doing; where it went is told by the host it went to.");
        }
        else if (status == VirtualMachineStatus.Unknown)
        {
            audit.Add(
                db,
                Person.Portal,
                "vm.absent",
                target,
                $"{host.Name} does not know '{vm.Name}' any more: somebody removed it there. Starting it does not make it again: bring its definition back on {host.Name}, or delete it here.",
                AuditSeverity.Alarm);
        }
        else
        {
            var crashed = cause == DomainCause.Crashed && status == VirtualMachineStatus.Down ? " It crashed." : "";
            audit.Add(db, Person.Portal, "vm.seen", target, $"'{vm.Name}' is now {VmOperations.Words(status)}; it was {VmOperations.Words(vm.Status)}.{crashed}");
        }
    }

    private async Task CallAsync(Func<IWatchMachines, Task> call, CancellationToken ct)
    {
        foreach (var watcher in watchers)
        {
            try
            {
                await call(watcher);
            }
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                WatcherFailed(log, watcher.GetType().Name, fault);
            }
        }
    }

    [LoggerMessage(304, LogLevel.Error, "{Watcher} failed on what happened to a VM")]
    private static partial void WatcherFailed(ILogger log, string watcher, Exception fault);
}
