using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization.Watch;

/// <summary>
/// Settles what it means that one of the portal's VMs is found on another host than its row says: its row follows one that was moved, two that run
/// are an alarm, a definition left behind is told. Nothing on any host is changed.
/// </summary>
/// <param name="hypervisors">Both hosts are asked.</param>
/// <param name="contexts">The database.</param>
/// <param name="store">Marks VMs that run where they may not.</param>
/// <param name="notes">Tells watchers.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class Strays(
    Hypervisors hypervisors, IDbContextFactory<PortalDbContext> contexts, VmStore store, MachineNotes notes, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>What was told already of a VM on a host, so that looking again does not tell it again.</summary>
    private readonly ConcurrentDictionary<(Guid Vm, Guid Host), string> told = new();

    /// <summary>Where VMs were seen arriving while they had not left yet.</summary>
    private readonly ConcurrentDictionary<Guid, Guid> arriving = new();

    /// <summary>Where a VM was seen that had not left its host then; null when nowhere.</summary>
    public Guid? ArrivedAt(Guid vmId) => arriving.TryGetValue(vmId, out var host) ? host : null;

    /// <summary>VMs of which something is being removed now.</summary>
    private readonly ConcurrentDictionary<Guid, bool> removing = new();

    /// <summary>Nothing strange about a VM any more.</summary>
    public void Forget(Guid vmId)
    {
        arriving.TryRemove(vmId, out _);
        foreach (var key in told.Keys.Where(k => k.Vm == vmId))
        {
            told.TryRemove(key, out _);
        }
    }

    /// <summary>A VM is on a host its row does not name. Asks both hosts, then settles it.</summary>
    public async Task SettleAsync(Guid vmId, HostEndpoint here, CancellationToken ct)
    {
        var vm = await store.FindAsync(vmId, ct);
        if (vm is not { OperationId: null, TargetHostId: null } || vm.HostId == here.Id)
        {
            return;
        }

        var there = vm.HostId is { } placed ? await hypervisors.EndpointAsync(placed, ct) : null;
        var before = there is null ? new DomainAnswer(true, null) : await AskAsync(there, vmId, ct);
        var now = await AskAsync(here, vmId, ct);
        if (now is not { Reached: true, Domain: { } found })
        {
            return;
        }

        if (there is not null && IsLeftover(found, before.Domain) && await LeftHereByAMoveAsync(vm, here.Id, ct))
        {
            await RemoveAsync(vm, here, there, found.State, ct);
            return;
        }

        var runs = found.State is not DomainState.ShutOff;
        switch (before)
        {
            case { Reached: false } when runs:
                await AlarmAsync(vm, here, "vm.maybe_on_two_hosts", $"'{vm.Name}' runs on {here.Name}, though it is placed on {there!.Name}, which does not answer: it may run there too. Find out before anybody starts or stops it.", ct);
                break;
            case { Reached: false }:
                break;
            case { Domain: null }:
                await FollowAsync(vm, there, here, found.State, leftOver: false, ct);
                break;
            case { Domain.State: DomainState.ShutOff } when runs:
                await FollowAsync(vm, there, here, found.State, leftOver: true, ct);
                break;
            case { Domain.State: not DomainState.ShutOff } when found.State == DomainState.Running && before.Domain.State == DomainState.Running:
                await AlarmAsync(vm, here, "vm.on_two_hosts", $"'{vm.Name}' runs on two hosts: on {there!.Name}, where it is placed, and on {here.Name}. Two machines that write to one disk destroy it: stop one of them now. The portal stops neither, for it cannot know which.", ct);
                break;
            case { Domain: not null } when runs:
                // One of the two is paused: it is on its way. The host it leaves tells when it has left.
                arriving[vmId] = here.Id;
                break;
            default:
                await AlarmAsync(vm, here, "vm.left_behind", $"A definition of '{vm.Name}' lies on {here.Name}, not running; it is placed on {there!.Name}. It is left there: remove it on {here.Name}, so that nobody starts it twice.", ct);
                break;
        }
    }

    /// <summary>Whether one of ours idles while the VM is where it is placed: off, or paused while the other runs.</summary>
    private static bool IsLeftover(Domain found, Domain? placed) =>
        found.IsOurs && placed is not null && (found.State == DomainState.ShutOff || (found.State == DomainState.Paused && placed.State == DomainState.Running));

    /// <summary>Whether the last move of the VM was the portal's own, from here to where it is placed: then what idles here is what the move left, because this host did not see its end.</summary>
    private async Task<bool> LeftHereByAMoveAsync(VirtualMachine vm, Guid here, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var last = await db.Operations.AsNoTracking()
            .Where(o => o.TargetId == vm.Id && (o.Kind == VirtualMachineOperations.Migrate || o.Kind == VirtualMachineOperations.Start) && o.EndedAt != null)
            .OrderByDescending(o => o.CreatedAt)
            .Select(o => o.Data)
            .FirstOrDefaultAsync(ct);
        return last is not null && JsonSerializer.Deserialize<VmWork>(last) is { } work && work.SourceHostId == here && work.HostId == vm.HostId;
    }

    /// <summary>Removes what a move left, never its disk: storage may be shared with where the VM runs.</summary>
    private async Task RemoveAsync(VirtualMachine vm, HostEndpoint here, HostEndpoint there, DomainState state, CancellationToken ct)
    {
        if (!removing.TryAdd(vm.Id, true))
        {
            return;
        }

        try
        {
            var hypervisor = hypervisors.Of(here);
            if (state == DomainState.Paused && !(await hypervisor.StopAsync(here, vm.Id, ct)).IsSo)
            {
                return;
            }

            if ((await hypervisor.DeleteAsync(here, vm.Id, withDisks: false, ct)).IsSo)
            {
                Forget(vm.Id);
                await audit.AppendAsync(
                    Person.Portal, "vm.leftover_removed", new AuditTarget("vm", vm.Id, vm.Name), $"What the move of '{vm.Name}' to {there.Name} left on {here.Name} is removed; its disk there, if it had one, was left.", AuditSeverity.Notice, null, ct);
            }
        }
        finally
        {
            removing.TryRemove(vm.Id, out _);
        }
    }

    private async Task<DomainAnswer> AskAsync(HostEndpoint host, Guid vmId, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
        try
        {
            return await hypervisors.Of(host).FindAsync(host, vmId, either.Token).WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new DomainAnswer(false, null);
        }
    }

    private async Task AlarmAsync(VirtualMachine vm, HostEndpoint here, string @event, string sentence, CancellationToken ct)
    {
        if (told.TryGetValue((vm.Id, here.Id), out var last) && last == @event)
        {
            return;
        }

        told[(vm.Id, here.Id)] = @event;
        await audit.AppendAsync(Person.Portal, @event, new AuditTarget("vm", vm.Id, vm.Name), sentence, AuditSeverity.Alarm, null, ct);
    }

    /// <summary>The row follows the VM, with its claim; if the host has no room for it on the books, the row stays and people are told.</summary>
    private async Task FollowAsync(VirtualMachine vm, HostEndpoint? there, HostEndpoint here, DomainState state, bool leftOver, CancellationToken ct)
    {
        var status = MachineNotes.StatusOf(state);
        var from = there is null ? "no host" : there.Name;
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var claimed = await db.Hosts
            .Where(h => h.Id == here.Id && h.ClusterId == vm.ClusterId && h.MemoryClaimed + vm.Memory <= h.Memory && h.CpusClaimed + vm.Cpus <= h.Cpus * Host.CpuOvercommit)
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed + vm.Memory).SetProperty(h => h.CpusClaimed, h => h.CpusClaimed + vm.Cpus), ct);
        if (claimed != 1)
        {
            await transaction.RollbackAsync(ct);
            var why = await db.Hosts.AnyAsync(h => h.Id == here.Id && h.ClusterId != vm.ClusterId, ct) ? "which is of another cluster" : "which has no room for it on the books";
            await AlarmAsync(vm, here, "vm.found_elsewhere", $"'{vm.Name}' was moved from {from} to {here.Name} without the portal, {why}: the portal still counts it where it was. Move it back, or make room.", ct);
            return;
        }

        // The mark for having run on an untrusted host ends when it leaves that host; it is never erased.
        var left = vm is { UntrustedSince: not null, UntrustedUntil: null } ? time.GetUtcNow() : vm.UntrustedUntil;
        var (id, source) = (vm.Id, vm.HostId);
        var followed = await db.VirtualMachines.Where(v => v.Id == id && v.HostId == source && v.TargetHostId == null && v.OperationId == null).ExecuteUpdateAsync(
            set => set.SetProperty(v => v.HostId, here.Id).SetProperty(v => v.Status, status).SetProperty(v => v.UntrustedUntil, left), ct);
        if (followed != 1)
        {
            // Somebody else's by now: nothing is claimed for it.
            return;
        }

        if (source is { } gone)
        {
            await VmStore.GiveBackAsync(db, gone, vm.Cpus, vm.Memory, ct);
        }

        var definition = leftOver ? $" A definition of it is left on {from}, not running: remove it there." : "";
        audit.Add(
            db,
            Person.Portal,
            "vm.moved_outside",
            new AuditTarget("vm", id, vm.Name),
            $"'{vm.Name}' was moved from {from} to {here.Name}, not by the portal; it is {VmOperations.Words(status)} there and counted there now.{definition}",
            leftOver ? AuditSeverity.Alarm : AuditSeverity.Notice);
        await db.SaveChangesAsync(ct);
        var runs = state == DomainState.Running;
        if (runs && vm.TrustLevel == TrustLevel.Trusted)
        {
            await store.MarkIfUntrustedAsync(db, vm, here.Id, ct);
        }

        await transaction.CommitAsync(ct);
        Forget(id);
        feed.Publish(source is { } host ? Change.Of(ChangeTopic.Host, host, here.Id) : Change.Of(ChangeTopic.Host, here.Id));
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        if (runs)
        {
            await notes.StartedAsync(vm, here.Id, ct);
        }
    }
}
