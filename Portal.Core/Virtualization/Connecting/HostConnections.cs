using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>The way to a host's hypervisor as people see it: a private key has no way into it.</summary>
/// <param name="Words">How it is reached and known.</param>
/// <param name="Version">Its version; 0 when there is none yet.</param>
/// <param name="ClientCertificate">Our certificate, PEM; empty when it has none.</param>
/// <param name="HasKey">Whether a private key is kept.</param>
/// <param name="Proposal">The change that waits for a second person, if one does.</param>
/// <param name="Pools">Storage pools as the host described them last, by name.</param>
public sealed record HostConnection(ConnectionWords Words, long Version, string ClientCertificate, bool HasKey, ConnectionProposal? Proposal, IReadOnlyList<HostPool> Pools)
{
    /// <summary>Nothing is known.</summary>
    public static HostConnection None { get; } = new(new ConnectionWords(""), 0, "", false, null, []);

    /// <summary>Whether the waiting change can still be confirmed.</summary>
    public bool IsVoid => Proposal is not null && Proposal.AgainstVersion != Version;

    /// <summary>What is proposed.</summary>
    public ConnectionWords? Proposed => Proposal?.Words();

    /// <summary>Whether a person is the one who proposed it.</summary>
    public bool IsProposedBy(Person person) => Proposal?.IsBy(person) == true;
}

/// <summary>Reads the ways to hosts' hypervisors, and what was found on them.</summary>
/// <param name="contexts">The database.</param>
public sealed class HostConnections(IDbContextFactory<PortalDbContext> contexts)
{
    /// <summary>The way to one host; <see cref="HostConnection.None"/> when it has no hypervisor.</summary>
    public async Task<HostConnection> OfAsync(Guid hostId, CancellationToken ct) => (await OfAsync([hostId], ct)).GetValueOrDefault(hostId, HostConnection.None);

    /// <summary>The ways to several hosts; hosts without any are left out.</summary>
    public async Task<IReadOnlyDictionary<Guid, HostConnection>> OfAsync(IReadOnlyList<Guid> hostIds, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = await db.Hosts.AsNoTracking().Where(h => hostIds.Contains(h.Id) && h.LibvirtUri != null).ToListAsync(ct);
        var known = hosts.ConvertAll(h => h.Id);
        var rows = await db.HypervisorConnections.AsNoTracking().Where(c => known.Contains(c.HostId))
            .Select(c => new { c.HostId, c.Authority, c.SshHostKey, c.ClientCertificate, c.Version, HasKey = c.ProtectedKey != null }).ToDictionaryAsync(c => c.HostId, ct);
        var proposals = await db.ConnectionProposals.AsNoTracking().Where(p => known.Contains(p.HostId)).ToDictionaryAsync(p => p.HostId, ct);
        var pools = (await db.HostPools.AsNoTracking().Where(p => known.Contains(p.HostId)).OrderBy(p => p.Name).ToListAsync(ct)).ToLookup(p => p.HostId);
        return hosts.ToDictionary(h => h.Id, h =>
        {
            var row = rows.GetValueOrDefault(h.Id);
            return new HostConnection(
                new ConnectionWords(h.LibvirtUri ?? "", row?.Authority ?? "", row?.SshHostKey ?? ""), row?.Version ?? 0, row?.ClientCertificate ?? "", row?.HasKey == true, proposals.GetValueOrDefault(h.Id), [.. pools[h.Id]]);
        });
    }

    /// <summary>Machines on a host that are not the portal's, by name.</summary>
    public async Task<IReadOnlyList<ForeignMachine>> FoundOnAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.ForeignMachines.AsNoTracking().Where(m => m.HostId == hostId).OrderBy(m => m.Name).ThenBy(m => m.Id).ToListAsync(ct);
    }
}
