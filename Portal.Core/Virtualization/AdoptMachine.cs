using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization;

/// <summary>Makes a machine that was found on a host one of the portal's, where it is and as it is, running or not.</summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">Where refusals are told.</param>
/// <param name="hypervisors">Asked what the machine is.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs the operation.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class AdoptMachine(
    IDbContextFactory<PortalDbContext> contexts, AccessControl access, AuditLog audit, Hypervisors hypervisors, OperationRunner runner, OperationQueue queue, IChangeFeed feed, TimeProvider time)
{
    /// <summary>
    /// Checks and records the operation. Needs <see cref="Permission.OperateVirtualMachines"/>. A running machine that is to require trust needs its
    /// host to be trusted and fresh now. Refusals: <c>machine.*</c>, <c>vm.name.taken</c>, <c>vm.trust_level.*</c>.
    /// </summary>
    /// <returns>The operation's id; its target is the VM, whose id is the machine's.</returns>
    public async Task<Outcome<Guid>> ExecuteAsync(Caller caller, Guid hostId, Guid machineId, TrustLevel level, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var found = await db.ForeignMachines.AsNoTracking().SingleOrDefaultAsync(m => m.HostId == hostId && m.Id == machineId, ct);
        var target = new AuditTarget("vm", machineId, found?.Name ?? machineId.ToString());
        if (await access.DemandAsync(caller, Permission.OperateVirtualMachines, target, ct) is { } denied)
        {
            return denied;
        }

        var adoption = found is null ? Refusal.NotFound("machine", machineId.ToString()) : await CheckAsync(db, found, level, ct);
        if (!adoption.Succeeded)
        {
            await audit.RefusedAsync(caller.Person, target, adoption.Refusal, ct);
            return adoption.Refusal;
        }

        var (vm, operation) = Record(caller, adoption.Value);
        try
        {
            db.VirtualMachines.Add(vm);
            db.Operations.Add(operation);
            await db.SaveChangesAsync(ct);
        }
        catch (DbUpdateException fault) when (Refusals.IsDuplicate(fault))
        {
            var refusal = NameTaken(vm.Name, adoption.Value.Host.Name);
            await audit.RefusedAsync(caller.Person, target, refusal, ct);
            return refusal;
        }

        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vm.Id));
        feed.Publish(Change.Of(ChangeTopic.Operation, operation.Id));
        await queue.EnqueueAsync(operation.Id, ct);
        return operation.Id;
    }

    private async Task<Outcome<Adoption>> CheckAsync(PortalDbContext db, ForeignMachine found, TrustLevel level, CancellationToken ct)
    {
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == found.HostId, ct);
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == host.ClusterId, ct);
        if (!cluster.Allows(level))
        {
            return Refusal.Invalid("vm.trust_level.not_allowed", "trust_level", $"Cluster {cluster.Name} does not allow the trust level '{level.ToString().ToLowerInvariant()}'.", "Choose another trust level.");
        }

        var answer = await hypervisors.Of(host.Endpoint).FindAsync(host.Endpoint, found.Id, ct);
        if (!answer.Reached)
        {
            return new Refusal("machine.host_silent", RefusalKind.Unavailable, $"{host.Name} does not answer, so what '{found.Name}' is cannot be told.", "Try again when it answers.");
        }

        if (answer.Domain is not { } domain)
        {
            return Refusal.NotFound("machine", found.Name);
        }

        var definition = domain.Definition with { TrustLevel = level, DecisionId = null };
        if (Unfit(definition) is { } unfit)
        {
            return Refusal.Conflict("machine.unfit", $"'{definition.Name}' cannot be one of the portal's: {unfit}", $"Change it on {host.Name} first.");
        }

        if (await db.VirtualMachines.AnyAsync(v => v.Id == definition.Id || v.Name == definition.Name, ct))
        {
            return NameTaken(definition.Name, host.Name);
        }

        var runs = domain.State != DomainState.ShutOff;
        var qualifies = level == TrustLevel.Any || !runs
            || await db.Hosts.Where(h => h.Id == host.Id).AnyAsync(EffectiveTrust.Of(db, time.GetUtcNow(), DateTimeOffset.UnixEpoch, cluster.PolicyRevision), ct);
        return qualifies
            ? new Adoption(host, definition, domain.State)
            : Refusal.Conflict("vm.trust_level.host", $"'{definition.Name}' runs on {host.Name}, which is not trusted and fresh now.", "Shut it down first, or adopt it with the trust level 'any'.");
    }

    private static string? Unfit(DomainDefinition definition) => new NewVirtualMachineValidator().Validate(new NewVirtualMachine
    {
        Name = definition.Name,
        ClusterId = Guid.Empty,
        Cpus = definition.Cpus,
        Memory = definition.Memory,
    }) is { IsValid: false } result ? result.Errors[0].ErrorMessage : null;

    private static Refusal NameTaken(string name, string host) => new(
        "vm.name.taken", RefusalKind.Conflict, $"There is a virtual machine named '{name}' already.", $"Rename that one here, or this one on {host} while it is off.", "name");

    private (VirtualMachine Vm, Operation Operation) Record(Caller caller, Adoption adoption)
    {
        var (now, operationId, said) = (time.GetUtcNow(), Guid.CreateVersion7(), adoption.Definition);
        var vm = new VirtualMachine
        {
            Id = said.Id,
            Name = said.Name,
            Description = $"Found on {adoption.Host.Name}.",
            ClusterId = adoption.Host.ClusterId,
            TemplateId = Template.Blank,
            Cpus = said.Cpus,
            Memory = said.Memory,
            Disk = said.Disk,
            Network = said.Network,
            Pool = said.Storage.Pool,
            Image = said.Storage.Image,
            MachineType = said.Machine.Type,
            Firmware = said.Machine.Firmware,
            HasTpm = said.Machine.HasTpm,
            TrustLevel = said.TrustLevel,
            Status = Watch.MachineNotes.StatusOf(adoption.State),
            OperationId = operationId,
            CreatedBy = caller.Person.Name,
            CreatedAt = now,
        };
        var work = new VmWork
        {
            VirtualMachineId = vm.Id,
            Name = vm.Name,
            ClusterId = vm.ClusterId,
            Definition = said,
            StatusBefore = vm.Status,
            HostId = adoption.Host.Id,
            HostName = adoption.Host.Name,
        };
        return (vm, VmOperations.New(runner, VirtualMachineOperations.Adopt, operationId, $"Adopt {vm.Name} on {adoption.Host.Name}", vm, work, caller.Person, now));
    }

    private sealed record Adoption(Host Host, DomainDefinition Definition, DomainState State);
}
