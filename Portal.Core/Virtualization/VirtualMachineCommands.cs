using System.Text.Json;
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

/// <summary>Kinds of VM operation.</summary>
public static class VirtualMachineOperations
{
    /// <summary>Create, without starting.</summary>
    public const string Create = "vm.create";

    /// <summary>Create and start.</summary>
    public const string CreateAndStart = "vm.create_start";

    /// <summary>Start.</summary>
    public const string Start = "vm.start";

    /// <summary>Ask the guest to shut down.</summary>
    public const string Shutdown = "vm.shutdown";

    /// <summary>Pull the plug.</summary>
    public const string Stop = "vm.stop";

    /// <summary>Move to another host.</summary>
    public const string Migrate = "vm.migrate";

    /// <summary>Change size, words or trust level.</summary>
    public const string Edit = "vm.edit";

    /// <summary>Delete.</summary>
    public const string Delete = "vm.delete";
}

/// <summary>Creates a VM: records the operation, places it through the trust gate, defines it, and starts it if asked to.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">Where refusals are told.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
public sealed partial class CreateVirtualMachine(
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    OperationRunner runner,
    OperationQueue queue,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<CreateVirtualMachine> log)
{
    /// <summary>Checks the request and records the operation.</summary>
    /// <returns>The operation's id; its target is the VM's id. Wait for it with <see cref="OperationQueue.WaitAsync"/>.</returns>
    public async Task<Outcome<Guid>> ExecuteAsync(Caller caller, NewVirtualMachine request, CancellationToken ct)
    {
        var target = new AuditTarget("vm", null, request.Name);
        if (await access.DemandAsync(caller, Permission.OperateVirtualMachines, target, ct) is { } denied)
        {
            return denied;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var checkedInput = await CheckAsync(db, request, ct);
        if (!checkedInput.Succeeded)
        {
            await audit.RefusedAsync(caller.Person, target, checkedInput.Refusal, ct);
            return checkedInput.Refusal;
        }

        var kind = request.Start ? VirtualMachineOperations.CreateAndStart : VirtualMachineOperations.Create;
        var (vm, operation) = Record(caller, request, checkedInput.Value, kind);
        try
        {
            db.VirtualMachines.Add(vm);
            db.Operations.Add(operation);
            await db.SaveChangesAsync(ct);
        }
        catch (DbUpdateException fault) when (Refusals.IsDuplicate(fault))
        {
            var refusal = Refusals.NameTaken(request.Name);
            await audit.RefusedAsync(caller.Person, target, refusal, ct);
            return refusal;
        }
        catch (Exception fault) when (Refusals.IsLocked(fault))
        {
            // Nothing was written, so the audit could not be either; the operator's log has it.
            DatabaseBusy(log, request.Name);
            return Refusals.DatabaseBusy();
        }

        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vm.Id));
        feed.Publish(Change.Of(ChangeTopic.Operation, operation.Id));
        await queue.EnqueueAsync(operation.Id, ct);
        return operation.Id;
    }

    private static async Task<Outcome<Template>> CheckAsync(PortalDbContext db, NewVirtualMachine request, CancellationToken ct)
    {
        if (new NewVirtualMachineValidator().Check(request, "vm.invalid") is { } invalid)
        {
            return invalid;
        }

        if (await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == request.ClusterId, ct) is not { } cluster)
        {
            return Refusal.Invalid("vm.cluster.unknown", "cluster.id", $"There is no cluster '{request.ClusterId}'.", "Name a cluster that exists.");
        }

        if (!cluster.Allows(request.TrustLevel))
        {
            var level = request.TrustLevel.ToString().ToLowerInvariant();
            return Refusal.Invalid("vm.trust_level.not_allowed", "trust_level", $"Cluster {cluster.Name} does not allow the trust level '{level}'.", "Choose another trust level or cluster.");
        }

        if (await db.Templates.AsNoTracking().SingleOrDefaultAsync(t => t.Id == request.TemplateId, ct) is not { } template)
        {
            return Refusal.Invalid("vm.template.unknown", "template.id", $"There is no template '{request.TemplateId}'.", "Name a template that exists.");
        }

        return await db.VirtualMachines.AnyAsync(v => v.Name == request.Name, ct) ? Refusals.NameTaken(request.Name) : template;
    }

    private (VirtualMachine Vm, Operation Operation) Record(Caller caller, NewVirtualMachine request, Template template, string kind)
    {
        var (now, operationId) = (time.GetUtcNow(), Guid.CreateVersion7());
        var vm = new VirtualMachine
        {
            Name = request.Name,
            Description = request.Description,
            ClusterId = request.ClusterId,
            TemplateId = template.Id,
            Cpus = request.Cpus ?? template.Cpus,
            Memory = request.Memory ?? template.Memory,
            Disk = request.Disk ?? template.Disk,
            Network = request.Network,
            TrustLevel = request.TrustLevel,
            OperationId = operationId,
            CreatedBy = caller.Person.Name,
            CreatedAt = now,
        };
        var work = new VmWork
        {
            VirtualMachineId = vm.Id,
            Name = vm.Name,
            ClusterId = vm.ClusterId,
            Definition = VmOperations.DefinitionOf(vm),
            StatusBefore = VirtualMachineStatus.Down,
        };
        return (vm, VmOperations.New(runner, kind, operationId, $"Create virtual machine {vm.Name}", vm, work, caller.Person, now));
    }

    [LoggerMessage(311, LogLevel.Warning, "The database was locked too long to record the creation of {Name}")]
    private static partial void DatabaseBusy(ILogger log, string name);
}

/// <summary>Starts, shuts down, stops, migrates, edits and deletes VMs: takes hold of the VM, records the operation and lets it run.</summary>
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
    /// <summary>Starts it, where it is or on another host that qualifies.</summary>
    public Task<Outcome<Guid>> StartAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Start, "Start", VirtualMachineAction.Start, (_, work) => work, ct);

    /// <summary>Asks the guest to shut down.</summary>
    public Task<Outcome<Guid>> ShutdownAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Shutdown, "Shut down", VirtualMachineAction.Shutdown, (_, work) => work, ct);

    /// <summary>Pulls the plug.</summary>
    public Task<Outcome<Guid>> StopAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Stop, "Stop", VirtualMachineAction.Stop, (_, work) => work, ct);

    /// <summary>Moves it, running or not, to a host that qualifies: the given one, or the best.</summary>
    public Task<Outcome<Guid>> MigrateAsync(Caller caller, Guid id, Guid? targetHostId, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Migrate, "Migrate", VirtualMachineAction.Migrate, (_, work) => work with { OnlyHostId = targetHostId }, ct);

    /// <summary>Deletes it and its disk; it must be down.</summary>
    public Task<Outcome<Guid>> DeleteAsync(Caller caller, Guid id, CancellationToken ct) =>
        BeginAsync(caller, id, VirtualMachineOperations.Delete, "Delete", VirtualMachineAction.Delete, (_, work) => work, ct);

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

    private static VmWork Edited(VirtualMachine vm, VmWork work, VirtualMachineEdit edit) => work with
    {
        Before = work.Definition,
        DescriptionBefore = vm.Description,
        DescriptionAfter = edit.Description ?? vm.Description,
        Definition = work.Definition with
        {
            Name = edit.Name ?? vm.Name,
            Cpus = edit.Cpus ?? vm.Cpus,
            Memory = edit.Memory ?? vm.Memory,
            TrustLevel = edit.TrustLevel ?? vm.TrustLevel,
        },
    };

    /// <summary>Another trust level must be allowed, and raising it on a running VM needs its host to qualify now.</summary>
    private async Task<Refusal?> QualifiesAsync(PortalDbContext db, VirtualMachine vm, VirtualMachineEdit edit, CancellationToken ct)
    {
        var resizes = (edit.Cpus is { } cpus && cpus != vm.Cpus) || (edit.Memory is { } memory && memory != vm.Memory);
        if (resizes && vm.Status != VirtualMachineStatus.Down)
        {
            return Refusals.WrongState(vm.Name, VmOperations.Words(vm.Status), "CPUs and memory can be changed while it is down.");
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
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var held = await db.VirtualMachines.Where(v => v.Id == vm.Id && v.OperationId == null && v.Status == vm.Status && v.HostId == vm.HostId)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.OperationId, operationId), ct);
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

/// <summary>How VM operations are recorded.</summary>
internal static class VmOperations
{
    public static DomainDefinition DefinitionOf(VirtualMachine vm) =>
        new(vm.Id, vm.Name, vm.Cpus, vm.Memory, vm.Disk, vm.Network, vm.TrustLevel, vm.DecisionId);

    public static string Words(VirtualMachineStatus status) => status switch
    {
        VirtualMachineStatus.Down => "down",
        VirtualMachineStatus.Starting => "starting",
        VirtualMachineStatus.Up => "up",
        VirtualMachineStatus.PoweringDown => "shutting down",
        VirtualMachineStatus.Migrating => "moving",
        VirtualMachineStatus.Creating => "being created",
        VirtualMachineStatus.Deleting => "being deleted",
        VirtualMachineStatus.Unknown => "in an unknown state",
    };

    public static Operation New(OperationRunner runner, string kind, Guid id, string title, VirtualMachine vm, VmWork work, Person person, DateTimeOffset now) => new()
    {
        Id = id,
        Kind = kind,
        Title = title,
        TargetKind = "vm",
        TargetId = vm.Id,
        TargetName = vm.Name,
        Data = JsonSerializer.Serialize(work),
        Steps = runner.InitialSteps(kind),
        Issuer = person.Issuer,
        Subject = person.Subject,
        PersonName = person.Name,
        CreatedAt = now,
    };
}
