using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Query;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Steps;

/// <summary>What steps do to the portal's own rows of VMs and of the capacity they claim. Every method is one transaction and safe to repeat.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class VmStore(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    public async Task<VirtualMachine?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id, ct);
    }

    /// <summary>How VMs of a cluster move.</summary>
    public async Task<MigrationSettings> MigrationSettingsAsync(Guid clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return (await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == clusterId, ct)).Migration;
    }

    /// <summary>Changes the VM if the operation still holds it; tells whether it does.</summary>
    public async Task<bool> UpdateAsync(Guid id, Guid operationId, Action<UpdateSettersBuilder<VirtualMachine>> set, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await db.VirtualMachines.Where(v => v.Id == id && v.OperationId == operationId).ExecuteUpdateAsync(set, ct);
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, id));
        return rows == 1;
    }

    /// <summary>The VM is now on its target host: the claim there becomes its place, the claim where it was is given back.</summary>
    /// <param name="id">The VM.</param>
    /// <param name="operationId">The operation that holds it.</param>
    /// <param name="runs">Whether it runs: then it is marked if the target lost trust while it moved.</param>
    /// <param name="ct">Cancels.</param>
    public async Task SettleAsync(Guid id, Guid operationId, bool runs, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var vm = await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id && v.OperationId == operationId, ct);
        if (vm?.TargetHostId is not { } target)
        {
            return;
        }

        // The mark for having run on an untrusted host ends when it leaves that host; it is never erased.
        var left = vm is { UntrustedSince: not null, UntrustedUntil: null } ? time.GetUtcNow() : vm.UntrustedUntil;
        await db.VirtualMachines.Where(v => v.Id == id && v.TargetHostId == target).ExecuteUpdateAsync(
            set => set.SetProperty(v => v.HostId, target).SetProperty(v => v.TargetHostId, (Guid?)null).SetProperty(v => v.UntrustedUntil, left), ct);
        if (vm.HostId is { } source)
        {
            await GiveBackAsync(db, source, vm.Cpus, vm.Memory, ct);
        }

        if (runs && vm.TrustLevel == TrustLevel.Trusted)
        {
            await MarkIfUntrustedAsync(db, vm, target, ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(vm.HostId is { } from ? Change.Of(ChangeTopic.Host, from, target) : Change.Of(ChangeTopic.Host, target));
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, id));
    }

    /// <summary>Marks a VM that requires trust and runs on a host whose verdict is not Trusted, with an alarm; the caller commits.</summary>
    public async Task MarkIfUntrustedAsync(PortalDbContext db, VirtualMachine vm, Guid hostId, CancellationToken ct)
    {
        if (await db.Attestations.AnyAsync(a => a.HostId == hostId && a.Verdict == Verdict.Trusted, ct))
        {
            return;
        }

        var (now, host) = (time.GetUtcNow(), await db.Hosts.Where(h => h.Id == hostId).Select(h => h.Name).SingleAsync(ct));
        await db.VirtualMachines.Where(v => v.Id == vm.Id).ExecuteUpdateAsync(
            set => set.SetProperty(v => v.UntrustedSince, v => v.UntrustedSince ?? now).SetProperty(v => v.UntrustedUntil, (DateTimeOffset?)null), ct);
        audit.Add(db, Person.Portal, "vm.host_lost_trust", new AuditTarget("vm", vm.Id, vm.Name), $"'{vm.Name}' requires trust, but runs on {host}, which is not trusted.", AuditSeverity.Alarm);
        await db.SaveChangesAsync(ct);
    }

    /// <summary>Gives back the claim on the target host.</summary>
    public async Task UnclaimAsync(Guid id, Guid operationId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var vm = await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id && v.OperationId == operationId, ct);
        if (vm?.TargetHostId is not { } target)
        {
            return;
        }

        var mine = await db.VirtualMachines.Where(v => v.Id == id && v.TargetHostId == target)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.TargetHostId, (Guid?)null), ct);
        if (mine == 1)
        {
            await GiveBackAsync(db, target, vm.Cpus, vm.Memory, ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, target));
    }

    /// <summary>Removes the VM's row with every claim it holds.</summary>
    public async Task RemoveAsync(Guid id, Guid operationId, (Person By, string Event, string Sentence)? entry, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var vm = await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id && v.OperationId == operationId, ct);
        if (vm is null || await db.VirtualMachines.Where(v => v.Id == id).ExecuteDeleteAsync(ct) != 1)
        {
            return;
        }

        var claimed = new[] { vm.HostId, vm.TargetHostId }.OfType<Guid>().Distinct().ToList();
        foreach (var host in claimed)
        {
            await GiveBackAsync(db, host, vm.Cpus, vm.Memory, ct);
        }

        if (entry is { } told)
        {
            audit.Add(db, told.By, told.Event, new AuditTarget("vm", id, vm.Name), told.Sentence);
            await db.SaveChangesAsync(ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(new Change(ChangeTopic.Host, claimed));
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    /// <summary>The operation lets go of the VM, in the given state, with an audit row; what its claim exceeds the given size by is given back.</summary>
    public async Task ReleaseAsync(Guid id, Guid operationId, VirtualMachineStatus status, (Person By, string Event, string Sentence)? entry, CancellationToken ct, DomainDefinition? keep = null)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id && v.OperationId == operationId, ct) is not { } vm)
        {
            return;
        }

        await LetGoAsync(db, vm, status, keep ?? VmOperations.DefinitionOf(vm), ct);
        if (entry is { } told)
        {
            audit.Add(db, told.By, told.Event, new AuditTarget("vm", id, vm.Name), told.Sentence);
            await db.SaveChangesAsync(ct);
        }

        await transaction.CommitAsync(ct);
        Tell(vm, keep is not null);
    }

    /// <summary>The operation lets go of a VM it was to change: size, words and trust level are what they were. Nothing to do once it has let go.</summary>
    public async Task RestoreAsync(Guid id, Guid operationId, DomainDefinition before, VmWords? words, VirtualMachineStatus status, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id && v.OperationId == operationId, ct) is not { } vm)
        {
            return;
        }

        // Somebody may have taken the old name meanwhile; then it keeps the new one, for an undo must come to an end.
        var name = await db.VirtualMachines.AnyAsync(v => v.Id != id && v.Name == before.Name, ct) ? vm.Name : before.Name;
        await db.VirtualMachines.Where(v => v.Id == id).ExecuteUpdateAsync(
            set => Write(set.SetProperty(v => v.Name, name).SetProperty(v => v.TrustLevel, before.TrustLevel), before, words ?? VmWords.Of(vm)), ct);
        await LetGoAsync(db, vm, status, before, ct);
        if (before.TrustLevel == TrustLevel.Trusted && vm is { TrustLevel: TrustLevel.Any, IsRunning: true, HostId: { } host })
        {
            await MarkIfUntrustedAsync(db, vm, host, ct);
        }

        await transaction.CommitAsync(ct);
        Tell(vm, claim: true);
    }

    private static async Task LetGoAsync(PortalDbContext db, VirtualMachine vm, VirtualMachineStatus status, DomainDefinition keep, CancellationToken ct)
    {
        await db.VirtualMachines.Where(v => v.Id == vm.Id).ExecuteUpdateAsync(
            set => set.SetProperty(v => v.Status, status).SetProperty(v => v.OperationId, (Guid?)null)
                .SetProperty(v => v.Cpus, keep.Cpus).SetProperty(v => v.Memory, keep.Memory),
            ct);
        if (vm.HostId is { } host && (vm.Cpus != keep.Cpus || vm.Memory != keep.Memory))
        {
            await GiveBackAsync(db, host, vm.Cpus - keep.Cpus, vm.Memory - keep.Memory, ct);
        }
    }

    private void Tell(VirtualMachine vm, bool claim)
    {
        if (claim && vm.HostId is { } host)
        {
            feed.Publish(Change.Of(ChangeTopic.Host, host));
        }

        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vm.Id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    /// <summary>Changes size and words of a VM and the claim with it; false when the host lacks the room, or the trust a running VM is raised to.</summary>
    public async Task<bool> ResizeAsync(Guid id, Guid operationId, DomainDefinition to, VmWords? words, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == id && v.OperationId == operationId, ct) is not { } vm)
        {
            return false;
        }

        var (cpus, memory) = (to.Cpus - vm.Cpus, to.Memory - vm.Memory);
        if (vm.HostId is { } host && (cpus != 0 || memory != 0))
        {
            Expression<Func<Host, bool>> fits = h => h.Id == host
                && h.MemoryClaimed + memory <= h.Memory
                && h.CpusClaimed + cpus <= h.Cpus * Host.CpuOvercommit;
            var claimed = await db.Hosts.Where(fits).ExecuteUpdateAsync(
                set => set.SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed + memory).SetProperty(h => h.CpusClaimed, h => h.CpusClaimed + cpus), ct);
            if (claimed != 1)
            {
                return false;
            }
        }

        // A running VM may be raised only while its host is trusted: a host that loses trust later marks it, one that lost it before must not be missed.
        var raises = to.TrustLevel == TrustLevel.Trusted && vm.TrustLevel != TrustLevel.Trusted && vm.IsRunning;
        var changed = await db.VirtualMachines.Where(v => v.Id == id && (!raises || db.Attestations.Any(a => a.HostId == v.HostId && a.Verdict == Verdict.Trusted))).ExecuteUpdateAsync(
            set => Write(
                set.SetProperty(v => v.Name, to.Name).SetProperty(v => v.Cpus, to.Cpus).SetProperty(v => v.Memory, to.Memory).SetProperty(v => v.TrustLevel, to.TrustLevel),
                to,
                words ?? VmWords.Of(vm)),
            ct);
        if (changed != 1)
        {
            return false;
        }

        await transaction.CommitAsync(ct);
        feed.Publish(vm.HostId is { } on ? Change.Of(ChangeTopic.Host, on) : Change.Of(ChangeTopic.Host));
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, id));
        return true;
    }

    /// <summary>What an edit may change beside name, size and trust level.</summary>
    private static void Write(UpdateSettersBuilder<VirtualMachine> set, DomainDefinition to, VmWords words) => set
        .SetProperty(v => v.Network, to.Network)
        .SetProperty(v => v.MachineType, to.Machine.Type).SetProperty(v => v.Firmware, to.Machine.Firmware).SetProperty(v => v.HasTpm, to.Machine.HasTpm)
        .SetProperty(v => v.Description, words.Description)
        .SetProperty(v => v.Priority, words.Priority).SetProperty(v => v.RestartsAutomatically, words.RestartsAutomatically);

    internal static Task<int> GiveBackAsync(PortalDbContext db, Guid hostId, int cpus, long memory, CancellationToken ct) =>
        db.Hosts.Where(h => h.Id == hostId).ExecuteUpdateAsync(
            set => set.SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed - memory).SetProperty(h => h.CpusClaimed, h => h.CpusClaimed - cpus), ct);
}
