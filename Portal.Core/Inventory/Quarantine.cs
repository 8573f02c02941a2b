using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Storage;

namespace Portal.Core.Inventory;

/// <summary>
/// Begins and ends the quarantine of hosts whose verdict changed, by their cluster's policy, in the transaction of whoever changes the verdict:
/// a host that fell and was trusted again a moment later was in quarantine all the same.
/// </summary>
/// <param name="audit">The audit.</param>
public sealed class Quarantine(AuditLog audit)
{
    /// <summary>Hosts fell: those whose cluster says so take no VM that requires trust from now on. One in maintenance takes none anyway. The caller commits.</summary>
    /// <returns>The hosts it began for.</returns>
    internal async Task<IReadOnlyList<Guid>> BeginAsync(PortalDbContext db, IReadOnlyCollection<Guid> fallen, DateTimeOffset now, CancellationToken ct)
    {
        var hosts = await FindAsync(db, fallen, h => h.QuarantinedSince is null && h.State != HostState.Maintenance, _ => true, ct);
        foreach (var host in hosts)
        {
            host.QuarantinedSince = now;
            audit.Add(db, Person.Portal, "host.quarantined", Target(host), $"Host {host.Name} is in quarantine: it takes no virtual machine that requires trust.");
        }

        await db.SaveChangesAsync(ct);
        return hosts.ConvertAll(h => h.Id);
    }

    /// <summary>Hosts are trusted again: where the policy asks for no longer time of trust, their quarantine ends. The caller commits.</summary>
    /// <returns>The hosts it ended for.</returns>
    internal async Task<IReadOnlyList<Guid>> EndAsync(PortalDbContext db, IReadOnlyCollection<Guid> trusted, CancellationToken ct)
    {
        var hosts = await FindAsync(db, trusted, h => h.QuarantinedSince is not null, policy => policy.ReleaseAfter <= TimeSpan.Zero, ct);
        foreach (var host in hosts)
        {
            host.QuarantinedSince = null;
            audit.Add(db, Person.Portal, "host.released", Target(host), Released(host.Name));
        }

        await db.SaveChangesAsync(ct);
        return hosts.ConvertAll(h => h.Id);
    }

    internal static string Released(string host) => $"Host {host} left quarantine: it takes virtual machines that require trust again.";

    private static AuditTarget Target(Host host) => new("host", host.Id, host.Name);

    private static async Task<List<Host>> FindAsync(PortalDbContext db, IReadOnlyCollection<Guid> ids, Func<Host, bool> which, Func<ReactionPolicy, bool> when, CancellationToken ct)
    {
        if (ids.Count == 0)
        {
            return [];
        }

        var hosts = (await db.Hosts.Where(h => ids.Contains(h.Id)).ToListAsync(ct)).FindAll(h => which(h));
        var clusterIds = hosts.Select(h => h.ClusterId).Distinct().ToList();
        var policies = await db.Clusters.AsNoTracking().Where(c => clusterIds.Contains(c.Id)).ToDictionaryAsync(c => c.Id, c => c.Reaction, ct);
        return hosts.FindAll(h => policies.GetValueOrDefault(h.ClusterId) is { Kind: >= ReactionKind.Quarantine } policy && when(policy));
    }
}
