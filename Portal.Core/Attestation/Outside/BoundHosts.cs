using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>The hosts a server is asked about, and what its word is taken under.</summary>
/// <param name="Server">The server.</param>
/// <param name="Clusters">By cluster that names it: policy, publication and hosts.</param>
internal sealed record ServerScope(AttestationServer Server, IReadOnlyList<ClusterScope> Clusters)
{
    /// <summary>The hosts of all clusters; those on which a VM that requires trust waits come first, whatever their cluster.</summary>
    public IReadOnlyList<BoundHost> Hosts { get; } = [.. Clusters.SelectMany(c => c.Hosts.Select(h => (Host: h, IsAwaited: c.Awaited.Contains(h.HostId)))).OrderBy(h => !h.IsAwaited).Select(h => h.Host)];

    /// <summary>What is said of hosts nobody told us the server's name of.</summary>
    public IEnumerable<HostStatement> Unbound() => Clusters.SelectMany(c => c.Unbound).Select(id => ClusterScope.NotBound(id, Server.Name));

    /// <summary>Reads it; null when there is no such server.</summary>
    public static async Task<ServerScope?> ReadAsync(PortalDbContext db, PolicyReader policies, Guid serverId, CancellationToken ct)
    {
        if (await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct) is not { } server)
        {
            return null;
        }

        var clusters = (await db.Clusters.AsNoTracking().ToListAsync(ct)).FindAll(c => c.Policy.Services.Of(serverId) is not null);
        var read = new List<ClusterScope>(clusters.Count);
        foreach (var cluster in clusters)
        {
            if (await policies.OfAsync(cluster.Id, ct) is { } policy && await ClusterScope.ReadAsync(db, server, policy, null, ct) is { } scope)
            {
                read.Add(scope);
            }
        }

        return new ServerScope(server, read);
    }
}

/// <summary>One cluster's part of it.</summary>
/// <param name="Policy">The cluster's policy.</param>
/// <param name="Publication">How the server stands to what is approved there; null before it was looked at.</param>
/// <param name="Hosts">Hosts the server has a name for.</param>
/// <param name="Awaited">Hosts on which a VM that requires trust waits.</param>
/// <param name="Unbound">Hosts nobody told us the server's name of.</param>
/// <param name="Word">Makes reports of statements.</param>
internal sealed record ClusterScope(AppraisalPolicy Policy, Publication? Publication, IReadOnlyList<BoundHost> Hosts, IReadOnlySet<Guid> Awaited, IReadOnlyList<Guid> Unbound, ServerWord Word)
{
    public static async Task<ClusterScope> ReadAsync(PortalDbContext db, AttestationServer server, AppraisalPolicy policy, Guid? onlyHost, CancellationToken ct)
    {
        var (clusterId, serverId) = (policy.Set.ClusterId, server.Id);
        var publication = await db.Publications.AsNoTracking().SingleOrDefaultAsync(p => p.ClusterId == clusterId && p.ServerId == serverId, ct);
        var hosts = await (
            from host in db.Hosts.AsNoTracking()
            where host.ClusterId == clusterId && (onlyHost == null || host.Id == onlyHost)
            join bound in db.HostsOnServers.AsNoTracking().Where(b => b.ServerId == serverId) on host.Id equals bound.HostId into names
            from bound in names.DefaultIfEmpty()
            orderby host.Id
            select new { host.Id, Name = bound == null ? null : bound.Name }).ToListAsync(ct);
        var comparedAt = await db.PublishedPolicies.AsNoTracking()
            .Where(p => p.ServerId == serverId && p.ClusterId == clusterId && p.HostId != null && (onlyHost == null || p.HostId == onlyHost))
            .GroupBy(p => p.HostId!.Value)
            .Select(g => new { g.Key, At = g.Max(p => p.At) })
            .ToDictionaryAsync(g => g.Key, g => g.At, ct);
        var awaited = await db.VirtualMachines.AsNoTracking()
            .Where(v => v.ClusterId == clusterId && v.TrustLevel == TrustLevel.Trusted
                && (v.Status == VirtualMachineStatus.Creating || v.Status == VirtualMachineStatus.Starting || v.Status == VirtualMachineStatus.Migrating))
            .Select(v => v.TargetHostId ?? v.HostId)
            .Where(id => id != null)
            .Select(id => id!.Value)
            .ToHashSetAsync(ct);
        return new ClusterScope(
            policy,
            publication,
            [.. hosts.Where(h => h.Name is not null).Select(h => new BoundHost(h.Id, h.Name!))],
            awaited,
            [.. hosts.Where(h => h.Name is null).Select(h => h.Id)],
            new ServerWord(serverId, server.Name, policy, publication, comparedAt));
    }

    /// <summary>What is said of a host nobody told us the server's name of.</summary>
    public static HostStatement NotBound(Guid hostId, string server) => new HostStatement.Trouble(
        hostId,
        CheckOutcome.NotConfigured,
        new Finding(FindingCode.NotEnrolled, $"Nobody said yet what {server} calls this host.", "Choose its name on the service's page; likely ones are proposed there.") { Short = $"not bound on {server}" });
}
