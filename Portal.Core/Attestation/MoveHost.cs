using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>
/// Moves a host without VMs to another cluster. The target's policy revision is raised above both clusters': whatever the host was appraised
/// under before never counts there.
/// </summary>
/// <param name="desk">What commands on trust policies share.</param>
public sealed class MoveHost(PolicyDesk desk)
{
    /// <summary>
    /// Moves it and returns the target's standing. Needs <see cref="Permission.ManageHosts"/>.
    /// Refusals: <c>host.move.vms</c>, <c>host.move.claimed</c>, <c>host.not_found</c>, <c>cluster.not_found</c>.
    /// </summary>
    public Task<Outcome<PolicyStanding>> ExecuteAsync(Caller caller, Guid hostId, Guid clusterId, CancellationToken ct) => desk.RunAsync(
        caller,
        Permission.ManageHosts,
        new AuditTarget("host", hostId, hostId.ToString()),
        step => AttemptAsync(step, hostId, clusterId),
        standing => standing.Effect == PolicyEffect.InForce ? standing.ClusterId : null,
        ReappraisalCause.HostMoved,
        ct);

    private static async Task<Outcome<PolicyStanding>> AttemptAsync(ClusterStep step, Guid hostId, Guid clusterId)
    {
        var db = step.Db;
        if (await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, step.Ct) is not { } host)
        {
            return Refusal.NotFound("host", hostId.ToString());
        }

        step.About(new AuditTarget("host", host.Id, host.Name));
        var clusters = await db.Clusters.Where(c => c.Id == clusterId || c.Id == host.ClusterId).ToListAsync(step.Ct);
        if (clusters.Find(c => c.Id == clusterId) is not { } target)
        {
            return Refusal.NotFound("cluster", clusterId.ToString());
        }

        if (host.ClusterId == clusterId)
        {
            return new PolicyStanding(clusterId, PolicyEffect.Unchanged, target.PolicyRevision);
        }

        var vms = await db.VirtualMachines.CountAsync(v => v.HostId == hostId || v.TargetHostId == hostId, step.Ct);
        if (vms > 0)
        {
            return ClusterRefusals.HostHasVms(host.Name, vms);
        }

        if (host.MemoryClaimed > 0 || host.CpusClaimed > 0)
        {
            return ClusterRefusals.HostClaimed(host.Name);
        }

        var source = clusters.Single(c => c.Id == host.ClusterId);
        target.PolicyRevision = Math.Max(target.PolicyRevision, source.PolicyRevision) + 1;

        // Written as it is, so that a source revision that rises meanwhile, perhaps to the target's, sends us round again.
        db.Entry(source).Property(c => c.PolicyRevision).IsModified = true;
        step.Audit("host.moved", $"{step.Person.Name} moved host {host.Name} from cluster {source.Name} to {target.Name}.");
        var asksOthers = !source.Policy.Services.Equals(target.Policy.Services);
        step.OnCommit(async () =>
        {
            if (asksOthers)
            {
                await ServiceReset.ForgetAsync(step.Db, h => h.Id == hostId, step.Ct);
            }

            return await ClaimAsync(step, host, clusterId);
        });
        step.Changes.Add(Change.Of(ChangeTopic.Host, hostId));
        step.Changes.Add(Change.Of(ChangeTopic.Attestation, hostId));
        step.Changes.Add(Change.Of(ChangeTopic.Cluster, source.Id, target.Id));
        return new PolicyStanding(clusterId, PolicyEffect.InForce, target.PolicyRevision);
    }

    /// <summary>One conditional update: a VM that claimed the host meanwhile, or somebody else's move, leaves no row to change.</summary>
    private static async Task<bool> ClaimAsync(ClusterStep step, Host host, Guid clusterId)
    {
        var (id, from) = (host.Id, host.ClusterId);
        return await step.Db.Hosts
            .Where(h => h.Id == id && h.ClusterId == from && h.MemoryClaimed == 0 && h.CpusClaimed == 0)
            .Where(h => !step.Db.VirtualMachines.Any(v => v.HostId == id || v.TargetHostId == id))
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.ClusterId, clusterId), step.Ct) == 1;
    }
}
