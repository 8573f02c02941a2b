using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Watch;

namespace Portal.Core.Virtualization.Steps;

/// <summary>Counts a found machine as one of the portal's: what it uses was counted as somebody else's, and is claimed instead.</summary>
internal sealed class ClaimFoundStep(IDbContextFactory<PortalDbContext> contexts, VmStore store, IChangeFeed feed, TimeProvider time) : OperationStep<VmWork>
{
    public override string Title => "Claim what it uses on its host";

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await store.FindAsync(context.Data.VirtualMachineId, ct) is { } vm && (vm.TargetHostId ?? vm.HostId) == context.Data.HostId ? "Claimed before the interruption." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var (work, hostId) = (context.Data, context.Data.HostId!.Value);
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        await db.ForeignMachines.Where(m => m.HostId == hostId && m.Id == work.VirtualMachineId).ExecuteDeleteAsync(ct);
        await HostStanding.FitAsync(db, hostId, ct);
        var hosts = db.Hosts.Where(h => h.Id == hostId && h.ClusterId == work.ClusterId);
        if (work.Definition.TrustLevel == TrustLevel.Trusted && work.StatusBefore != VirtualMachineStatus.Down)
        {
            var revision = await db.Clusters.Where(c => c.Id == work.ClusterId).Select(c => c.PolicyRevision).SingleAsync(ct);
            hosts = hosts.Where(EffectiveTrust.Of(db, time.GetUtcNow(), DateTimeOffset.UnixEpoch, revision));
        }

        var (cpus, memory) = (work.Definition.Cpus, work.Definition.Memory);
        var claimed = await hosts.Where(h => h.MemoryClaimed + memory <= h.Memory && h.CpusClaimed + cpus <= h.Cpus * Host.CpuOvercommit)
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed + memory).SetProperty(h => h.CpusClaimed, h => h.CpusClaimed + cpus), ct);
        var held = claimed == 1
            ? await db.VirtualMachines.Where(v => v.Id == work.VirtualMachineId && v.OperationId == context.Operation.Id && v.TargetHostId == null && v.HostId == null)
                .ExecuteUpdateAsync(set => set.SetProperty(v => v.TargetHostId, hostId), ct)
            : 0;
        if (held != 1)
        {
            return Refusal.Conflict("machine.no_room", $"{work.HostName} has no room on the books for {cpus} CPUs and {ByteSize.Text(memory)}, or lost trust meanwhile.", "Move virtual machines away from it, or shut this one down first.");
        }

        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
        return $"Claimed {cpus} CPUs and {ByteSize.Text(memory)} on {work.HostName}.";
    }

    /// <summary>It is somebody else's again, and counted so.</summary>
    public override async Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var (work, hostId) = (context.Data, context.Data.HostId!.Value);
        await store.RemoveAsync(work.VirtualMachineId, context.Operation.Id, null, ct);
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (await db.Hosts.AnyAsync(h => h.Id == hostId, ct) && !await db.ForeignMachines.AnyAsync(m => m.HostId == hostId && m.Id == work.VirtualMachineId, ct))
        {
            db.ForeignMachines.Add(new ForeignMachine
            {
                HostId = hostId, Id = work.VirtualMachineId, Name = work.Name, Cpus = work.Definition.Cpus, Memory = work.Definition.Memory, Status = work.StatusBefore, FirstSeenAt = time.GetUtcNow(),
            });
            await db.SaveChangesAsync(ct);
            await HostStanding.FitAsync(db, hostId, ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
    }
}

/// <summary>Writes the portal's metadata into the machine's definition; from then on it is the portal's, and nothing takes that back.</summary>
internal sealed class MakeOursStep(Hypervisors hypervisors, VmStore store, TrustGate gate) : HostStep(hypervisors, store)
{
    public override string Title => "Write the portal's metadata";

    public override bool IsPointOfNoReturn => true;

    public override async Task<string?> CheckAsync(OperationContext<VmWork> context, CancellationToken ct) =>
        await Store.FindAsync(context.Data.VirtualMachineId, ct) is { TargetHostId: null, HostId: { } host } && host == context.Data.HostId ? "Adopted before the interruption." : null;

    public override async Task<Outcome<string>> DoAsync(OperationContext<VmWork> context, CancellationToken ct)
    {
        var work = context.Data;
        if (await WhereAsync(work.HostId, ct) is not var (hypervisor, host))
        {
            return NoHost(work);
        }

        var runs = work.StatusBefore != VirtualMachineStatus.Down;
        if (runs && work.Definition.TrustLevel == TrustLevel.Trusted && !await gate.StillTrustedAsync(host.Id, ct))
        {
            return Refusal.Conflict("vm.trust_level.host", $"{host.Name} lost trust while '{work.Name}' was being adopted.", "Shut it down first, or adopt it with the trust level 'any'.");
        }

        var answer = await hypervisor.RedefineAsync(host, work.Definition, ct);
        if (!answer.IsSo)
        {
            return Refused("machine.adopt.failed", "Adopting it", host.Name, answer);
        }

        await Store.SettleAsync(work.VirtualMachineId, context.Operation.Id, runs, ct);
        return $"{host.Name} knows it as the portal's.";
    }

    public override Task UndoAsync(OperationContext<VmWork> context, CancellationToken ct) => Task.CompletedTask;
}
