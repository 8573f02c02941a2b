using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Inventory;

/// <summary>A cluster with what a list shows.</summary>
/// <param name="Cluster">The cluster.</param>
/// <param name="Hosts">Its hosts.</param>
/// <param name="Vms">Its VMs.</param>
/// <param name="Memory">Memory of its hosts, in bytes.</param>
/// <param name="MemoryClaimed">Claimed of it, in bytes.</param>
/// <param name="Proposal">A looser policy that waits for a second person, if one does.</param>
public sealed record ClusterRow(Cluster Cluster, int Hosts, int Vms, long Memory, long MemoryClaimed, PolicyProposal? Proposal);

/// <summary>Reads clusters and templates.</summary>
/// <param name="contexts">The database.</param>
public sealed class ClusterDirectory(IDbContextFactory<PortalDbContext> contexts)
{
    /// <summary>All clusters by name.</summary>
    public async Task<IReadOnlyList<ClusterRow>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = await db.Clusters.AsNoTracking().OrderBy(c => c.Name).ToListAsync(ct);
        var hosts = await db.Hosts.GroupBy(h => h.ClusterId)
            .Select(g => new { g.Key, Count = g.Count(), Memory = g.Sum(h => h.Memory), Claimed = g.Sum(h => h.MemoryClaimed) })
            .ToDictionaryAsync(g => g.Key, ct);
        var vms = await db.VirtualMachines.GroupBy(v => v.ClusterId).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        var proposals = await db.PolicyProposals.AsNoTracking().ToDictionaryAsync(p => p.ClusterId, ct);
        return [.. clusters.Select(c => new ClusterRow(
            c,
            hosts.TryGetValue(c.Id, out var h) ? h.Count : 0,
            vms.GetValueOrDefault(c.Id),
            hosts.TryGetValue(c.Id, out var m) ? m.Memory : 0,
            hosts.TryGetValue(c.Id, out var k) ? k.Claimed : 0,
            proposals.GetValueOrDefault(c.Id)))];
    }

    /// <summary>One cluster, or null.</summary>
    public async Task<ClusterRow?> FindAsync(Guid id, CancellationToken ct) => (await ListAsync(ct)).FirstOrDefault(c => c.Cluster.Id == id);

    /// <summary>One cluster by its name, or null.</summary>
    public async Task<ClusterRow?> FindByNameAsync(string name, CancellationToken ct) =>
        (await ListAsync(ct)).FirstOrDefault(c => string.Equals(c.Cluster.Name, name, StringComparison.Ordinal));

    /// <summary>All templates by name, Blank first.</summary>
    public async Task<IReadOnlyList<Template>> TemplatesAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var templates = await db.Templates.AsNoTracking().OrderBy(t => t.Name).ToListAsync(ct);
        return [.. templates.OrderBy(t => t.Id != Template.Blank)];
    }
}
