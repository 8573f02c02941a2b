using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization;

/// <summary>Starts, shuts down, stops, suspends, resumes, reboots, migrates, edits and deletes VMs: takes hold of the VM, records the operation and lets it run.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">Where refusals are told.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
public sealed partial class ChangeVirtualMachine(
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    OperationRunner runner,
    OperationQueue queue,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<ChangeVirtualMachine> log)
{
    /// <summary>Starts it, where it is or on another host that qualifies; a paused one runs on where it is, as <see cref="ResumeAsync"/> does.</summary>
    public async Task<Outcome<Guid>> StartAsync(Caller caller, Guid id, CancellationToken ct) => await IsPausedAsync(id, ct)
        ? await ResumeAsync(caller, id, ct)
        : await BeginAsync(caller, id, VirtualMachineOperations.Start, "Start", VirtualMachineAction.Start, (_, work) => work, ct);

    /// <summary>Asks the guest to shut down.</summary>
    public Task<Outcome<Guid>> ShutdownAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Shutdown, "Shut down", VirtualMachineAction.Shutdown, (_, work) => work, ct);

    /// <summary>Pulls the plug.</summary>
    public Task<Outcome<Guid>> StopAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Stop, "Stop", VirtualMachineAction.Stop, (_, work) => work, ct);

    /// <summary>Stops its CPUs; it stays in its host's memory.</summary>
    public Task<Outcome<Guid>> SuspendAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Suspend, "Suspend", VirtualMachineAction.Suspend, (_, work) => work, ct);

    /// <summary>Lets a paused one run on where it is, if that host qualifies now as it must for a start. It never moves.</summary>
    public Task<Outcome<Guid>> ResumeAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Resume, "Resume", VirtualMachineAction.Resume, Stays, ct);

    /// <summary>Asks the guest to reboot, if its host qualifies now as it must for a start.</summary>
    public Task<Outcome<Guid>> RebootAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Reboot, "Reboot", VirtualMachineAction.Reboot, Stays, ct);

    /// <summary>Moves it, running or not, to a host that qualifies: the given one, or the best.</summary>
    public Task<Outcome<Guid>> MigrateAsync(Caller caller, Guid id, Guid? targetHostId, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Migrate, "Migrate", VirtualMachineAction.Migrate, (_, work) => work with { OnlyHostId = targetHostId }, ct);

    /// <summary>Deletes it and its disk; it must be down.</summary>
    public Task<Outcome<Guid>> DeleteAsync(Caller caller, Guid id, CancellationToken ct) => DeleteAsync(caller, id, withDisks: true, ct);

    /// <summary>Deletes it; it must be down. Without its disk, the disk stays in its storage pool and nobody's.</summary>
    public Task<Outcome<Guid>> DeleteAsync(Caller caller, Guid id, bool withDisks, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Delete, "Delete", VirtualMachineAction.Delete, (_, work) => work with { KeepsDisks = !withDisks }, ct);

    /// <summary>Changes it.</summary>
    public async Task<Outcome<Guid>> EditAsync(Caller caller, Guid id, VirtualMachineEdit edit, CancellationToken ct)
    {
        if (new VirtualMachineEditValidator().Check(edit, "vm.invalid") is { } invalid)
        {
            if (await access.DemandAsync(caller, Permission.OperateVirtualMachines, new AuditTarget("vm", id, edit.Name ?? ""), ct) is { } denied)
            {
                return denied;
            }

            await audit.RefusedAsync(caller.Person, new AuditTarget("vm", id, edit.Name ?? ""), invalid, ct);
            return invalid;
        }

        return await BeginAsync(caller, id, VirtualMachineOperations.Edit, "Edit", VirtualMachineAction.Edit, (vm, work) => Edited(vm, work, edit), ct, (db, vm) => QualifiesAsync(db, vm, edit, ct));
    }

    private static VmWork Stays(VirtualMachine vm, VmWork work) => work with { OnlyHostId = vm.HostId };

    /// <summary>Only which way to go; what is recorded checks the state again.</summary>
    private async Task<bool> IsPausedAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.VirtualMachines.AnyAsync(v => v.Id == id && v.Status == VirtualMachineStatus.Paused, ct);
    }

    private static VmWork Edited(VirtualMachine vm, VmWork work, VirtualMachineEdit edit) => work with
    {
        Before = work.Definition,
        WordsBefore = VmWords.Of(vm),
        WordsAfter = new VmWords(edit.Description ?? vm.Description, edit.Priority ?? vm.Priority, edit.RestartsAutomatically ?? vm.RestartsAutomatically),
        Definition = work.Definition with
        {
            Name = edit.Name ?? vm.Name,
            Cpus = edit.Cpus ?? vm.Cpus,
            Memory = edit.Memory ?? vm.Memory,
            Network = edit.Network ?? vm.Network,
            TrustLevel = edit.TrustLevel ?? vm.TrustLevel,
            Machine = MachineAfter(vm, edit),
        },
    };

    private static DomainMachine MachineAfter(VirtualMachine vm, VirtualMachineEdit edit) =>
        new(edit.MachineType ?? vm.MachineType, edit.Firmware ?? vm.Firmware, edit.HasTpm ?? vm.HasTpm);

    /// <summary>Another trust level must be allowed, and raising it on a running VM needs its host to qualify now.</summary>
    private async Task<Refusal?> QualifiesAsync(PortalDbContext db, VirtualMachine vm, VirtualMachineEdit edit, CancellationToken ct)
    {
        var resizes = (edit.Cpus is { } cpus && cpus != vm.Cpus) || (edit.Memory is { } memory && memory != vm.Memory);
        if (resizes && vm.Status != VirtualMachineStatus.Down)
        {
            return Refusals.WrongState(vm.Name, VmOperations.Words(vm.Status), "CPUs and memory can be changed while it is down.");
        }

        var machine = MachineAfter(vm, edit);
        if ((machine != VmOperations.DefinitionOf(vm).Machine || (edit.Network is { } network && network != vm.Network)) && vm.Status != VirtualMachineStatus.Down)
        {
            return Refusals.WrongState(vm.Name, VmOperations.Words(vm.Status), "Its board, firmware, TPM and network can be changed while it is down.");
        }

        if (VirtualMachineLimits.WhyNotTogether(vm.Pool, vm.Image, machine.Type, machine.Firmware) is { } together)
        {
            return together;
        }

        if (edit.Name is { } wanted && wanted != vm.Name && vm.Status != VirtualMachineStatus.Down)
        {
            return Refusals.WrongState(vm.Name, VmOperations.Words(vm.Status), "It can be renamed while it is down.");
        }

        if (edit.Name is { } name && name != vm.Name && await db.VirtualMachines.AnyAsync(v => v.Name == name, ct))
        {
            return Refusals.NameTaken(name);
        }

        if (edit.TrustLevel is not { } level || level == vm.TrustLevel)
        {
            return null;
        }

        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == vm.ClusterId, ct);
        if (!cluster.Allows(level))
        {
            return Refusal.Invalid("vm.trust_level.not_allowed", "trust_level", $"Cluster {cluster.Name} does not allow the trust level '{level.ToString().ToLowerInvariant()}'.", "Choose another trust level.");
        }

        if (level != TrustLevel.Trusted || !vm.IsRunning)
        {
            return null;
        }

        var qualifies = await db.Hosts.Where(h => h.Id == vm.HostId)
            .AnyAsync(EffectiveTrust.Of(db, time.GetUtcNow(), DateTimeOffset.UnixEpoch, cluster.PolicyRevision), ct);
        return qualifies
            ? null
            : Refusal.Conflict("vm.trust_level.host", $"'{vm.Name}' runs on a host that is not trusted and fresh now.", "Move it to a trusted host first, or shut it down.");
    }

    private async Task<Outcome<Guid>> BeginAsync(
        Caller caller,
        Guid id,
        string kind,
        string verb,
        VirtualMachineAction action,
        Func<VirtualMachine, VmWork, VmWork> shape,
        CancellationToken ct,
        Func<PortalDbContext, VirtualMachine, Task<Refusal?>>? check = null)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var vm = await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id, ct);
        var target = new AuditTarget("vm", id, vm?.Name ?? id.ToString());
        if (await access.DemandAsync(caller, Permission.OperateVirtualMachines, target, ct) is { } denied)
        {
            return denied;
        }

        var refusal = vm is null
            ? Refusal.NotFound("vm", id.ToString())
            : await WhyNotAsync(db, vm, action, check);
        if (refusal is null)
        {
            try
            {
                var recorded = await RecordAsync(db, caller, vm!, kind, verb, shape, ct);
                if (recorded.Succeeded)
                {
                    return recorded;
                }

                refusal = recorded.Refusal;
            }
            catch (Exception fault) when (Refusals.IsLocked(fault))
            {
                // Nothing was written, so the audit could not be either; the operator's log has it.
                DatabaseBusy(log, kind, target.Name);
                return Refusals.DatabaseBusy();
            }
        }

        await audit.RefusedAsync(caller.Person, target, refusal, ct);
        return refusal;
    }

    private static async Task<Refusal?> WhyNotAsync(PortalDbContext db, VirtualMachine vm, VirtualMachineAction action, Func<PortalDbContext, VirtualMachine, Task<Refusal?>>? check) =>
        VirtualMachineRules.WhyNot(vm, action) ?? (check is null ? null : await check(db, vm));

    private async Task<Outcome<Guid>> RecordAsync(PortalDbContext db, Caller caller, VirtualMachine vm, string kind, string verb, Func<VirtualMachine, VmWork, VmWork> shape, CancellationToken ct)
    {
        var operationId = Guid.CreateVersion7();
        var work = shape(vm, new VmWork
        {
            VirtualMachineId = vm.Id,
            Name = vm.Name,
            ClusterId = vm.ClusterId,
            Definition = VmOperations.DefinitionOf(vm),
            SourceHostId = vm.HostId,
            HostId = vm.HostId,
            StatusBefore = vm.Status,
        });

        // Restarts in a row are counted from when a person started it last.
        var restarts = caller.Person.Is(Person.Portal) ? vm.Restarts + 1 : 0;
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var held = await db.VirtualMachines.Where(v => v.Id == vm.Id && v.OperationId == null && v.Status == vm.Status && v.HostId == vm.HostId)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.OperationId, operationId).SetProperty(v => v.Restarts, v => kind == VirtualMachineOperations.Start ? restarts : v.Restarts), ct);
        if (held != 1)
        {
            return Refusals.Busy(vm.Name);
        }

        db.Operations.Add(VmOperations.New(runner, kind, operationId, $"{verb} virtual machine {vm.Name}", vm, work, caller.Person, time.GetUtcNow()));
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vm.Id));
        feed.Publish(Change.Of(ChangeTopic.Operation, operationId));
        await queue.EnqueueAsync(operationId, ct);
        return operationId;
    }

    [LoggerMessage(312, LogLevel.Warning, "The database was locked too long to record {Kind} of {Name}")]
    private static partial void DatabaseBusy(ILogger log, string kind, string name);
}
