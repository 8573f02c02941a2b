using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization;

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

        if (await db.VirtualMachines.AnyAsync(v => v.Name == request.Name, ct))
        {
            return Refusals.NameTaken(request.Name);
        }

        var pool = request.Pool ?? template.Pool;
        var together = VirtualMachineLimits.WhyNotTogether(pool, ImageOf(request, template), request.MachineType ?? template.MachineType, request.Firmware ?? template.Firmware);
        return together is null ? template : together;
    }

    /// <summary>Whoever asks for no disk asks for no image, whatever the template says.</summary>
    private static string ImageOf(NewVirtualMachine request, Template template) => request.Image ?? (request.Pool is "" ? "" : template.Image);

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
            Network = request.Network ?? template.Network,
            Pool = request.Pool ?? template.Pool,
            Image = ImageOf(request, template),
            MachineType = request.MachineType ?? template.MachineType,
            Firmware = request.Firmware ?? template.Firmware,
            HasTpm = request.HasTpm ?? template.HasTpm,
            Priority = request.Priority,
            RestartsAutomatically = request.RestartsAutomatically,
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
