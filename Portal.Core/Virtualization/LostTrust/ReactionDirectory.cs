using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Evacuation;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>A reaction as pages show it.</summary>
/// <param name="Reaction">The row.</param>
/// <param name="HostName">Its host.</param>
/// <param name="ClusterName">Its cluster.</param>
/// <param name="Machines">VMs that require trust and run there.</param>
public sealed record ReactionRow(HostReaction Reaction, string HostName, string ClusterName, int Machines);

/// <summary>Reads reactions.</summary>
/// <param name="contexts">The database.</param>
public sealed class ReactionDirectory(IDbContextFactory<PortalDbContext> contexts)
{
    /// <summary>All reactions, of one cluster if given; held ones first, then by when the host fell.</summary>
    public async Task<IReadOnlyList<ReactionRow>> ListAsync(Guid? clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await db.HostReactions.AsNoTracking()
            .Where(r => clusterId == null || r.ClusterId == clusterId)
            .Join(db.Hosts, r => r.HostId, h => h.Id, (r, h) => new { Reaction = r, h.Name })
            .Join(db.Clusters, r => r.Reaction.ClusterId, c => c.Id, (r, c) => new { r.Reaction, Host = r.Name, Cluster = c.Name })
            .ToListAsync(ct);
        var machines = await MachinesAsync(db, [.. rows.Select(r => r.Reaction.HostId)], ct);
        return
        [
            .. rows.Select(r => new ReactionRow(r.Reaction, r.Host, r.Cluster, machines.GetValueOrDefault(r.Reaction.HostId)))
                .OrderByDescending(r => r.Reaction.State == ReactionState.Held).ThenBy(r => r.Reaction.FellAt).ThenBy(r => r.HostName, StringComparer.Ordinal),
        ];
    }

    /// <summary>Names of the VMs that move when a host goes to maintenance, those that run first.</summary>
    public async Task<IReadOnlyList<string>> MovingAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.VirtualMachines.Where(v => v.HostId == hostId).OrderBy(v => v.Status == VirtualMachineStatus.Down).ThenBy(v => v.Name).Select(v => v.Name).ToListAsync(ct);
    }

    private static async Task<Dictionary<Guid, int>> MachinesAsync(PortalDbContext db, List<Guid> hosts, CancellationToken ct)
    {
        var counts = new Dictionary<Guid, int>();
        foreach (var host in hosts)
        {
            counts[host] = await EvacuationDesk.RequiringTrust(db, host).CountAsync(ct);
        }

        return counts;
    }
}
