using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>A certificate as pages and REST show it.</summary>
/// <param name="Subject">Whose.</param>
/// <param name="Issuer">By whom.</param>
/// <param name="Fingerprint">SHA-256 of it, hexadecimal.</param>
/// <param name="NotAfter">Until when it is valid.</param>
public sealed record ShownCertificate(string Subject, string Issuer, string Fingerprint, DateTimeOffset NotAfter)
{
    /// <summary>The certificates in a PEM text; none when it holds none that can be read.</summary>
    public static IReadOnlyList<ShownCertificate> In(string pem)
    {
        try
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPem(pem);
            return [.. all.Select(c => new ShownCertificate(c.Subject, c.Issuer, Convert.ToHexStringLower(SHA256.HashData(c.RawData)), new DateTimeOffset(c.NotAfter.ToUniversalTime())))];
        }
        catch (CryptographicException)
        {
            return [];
        }
    }
}

/// <summary>A cluster that names a service, and how the service stands to what is approved there.</summary>
/// <param name="Id">The cluster.</param>
/// <param name="Name">Its name.</param>
/// <param name="Keeper">Who keeps what the service trusts hosts by.</param>
/// <param name="Hosts">Hosts of the cluster.</param>
/// <param name="Bound">Hosts the service has a name for.</param>
/// <param name="Publication">How the service stands to what is approved; null where it keeps its own policies, or before it was looked at.</param>
public sealed record NamingCluster(Guid Id, string Name, PolicyKeeper Keeper, int Hosts, int Bound, Publication? Publication);

/// <summary>An attestation service with all that is known of it. Never its private key.</summary>
/// <param name="Id">Identifier; <see cref="ServiceSet.BuiltInId"/> for the verifier of our own.</param>
/// <param name="Name">Its name.</param>
/// <param name="Type">What it is.</param>
/// <param name="Server">Its settings; null for the verifier of our own.</param>
/// <param name="Standing">How it does.</param>
/// <param name="Clusters">Clusters that name it.</param>
/// <param name="Proposal">A change that waits for a second person.</param>
public sealed record ServiceRow(Guid Id, string Name, ServiceType Type, AttestationServer? Server, ServerStanding Standing, IReadOnlyList<NamingCluster> Clusters, ServerProposal? Proposal)
{
    /// <summary>Whether it is the verifier of our own.</summary>
    public bool IsBuiltIn => Id == ServiceSet.BuiltInId;

    /// <summary>Whether a private key is kept for it.</summary>
    public bool HasKey => Server?.ProtectedKey is not null;
}

/// <summary>The word of one attestation service on a host.</summary>
/// <param name="ServiceId">The service.</param>
/// <param name="Name">Its name.</param>
/// <param name="Type">What it is.</param>
/// <param name="NameThere">What it calls the host; null when nobody said, and for the verifier of our own.</param>
/// <param name="Word">What it said; null when nothing yet.</param>
public sealed record ServiceWord(Guid ServiceId, string Name, ServiceType Type, string? NameThere, AttestationState? Word);

/// <summary>Reads attestation services.</summary>
/// <param name="contexts">The database.</param>
/// <param name="health">How servers do.</param>
/// <param name="time">Our clock.</param>
public sealed class ServiceDirectory(IDbContextFactory<PortalDbContext> contexts, ServerHealth health, TimeProvider time)
{
    /// <summary>The name of the verifier of our own.</summary>
    public const string BuiltInName = "Built-in verifier";

    /// <summary>Every service, the verifier of our own first, then by name.</summary>
    public async Task<IReadOnlyList<ServiceRow>> ListAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var servers = await db.AttestationServers.AsNoTracking().OrderBy(s => s.Name).ToListAsync(ct);
        var proposals = await db.ServerProposals.AsNoTracking().ToDictionaryAsync(p => p.ServerId, ct);
        var clusters = await ClustersAsync(db, ct);
        var ours = new ServiceRow(ServiceSet.BuiltInId, BuiltInName, ServiceType.BuiltIn, null, await OursAsync(db, ct), Naming(clusters, ServiceSet.BuiltInId), null);
        return [ours, .. servers.Select(s => new ServiceRow(s.Id, s.Name, s.Type, s, health.Of(s.Id), Naming(clusters, s.Id), proposals.GetValueOrDefault(s.Id)))];
    }

    /// <summary>One service; null when there is no such.</summary>
    public async Task<ServiceRow?> FindAsync(Guid id, CancellationToken ct) => (await ListAsync(ct)).FirstOrDefault(s => s.Id == id);

    /// <summary>Names of the servers by id, for sentences about policies.</summary>
    public async Task<IReadOnlyDictionary<Guid, string>> NamesAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.ServerNamesAsync(ct);
    }

    /// <summary>The words of the services a host's cluster names, in the order of its policy.</summary>
    public async Task<IReadOnlyList<ServiceWord>> WordsAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = await db.Hosts.Where(h => h.Id == hostId).Join(db.Clusters, h => h.ClusterId, c => c.Id, (h, c) => c).AsNoTracking().SingleOrDefaultAsync(ct);
        if (cluster is null)
        {
            return [];
        }

        var (services, row) = (cluster.Policy.Services, await db.Attestations.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, ct));
        var words = await db.ServiceAttestations.AsNoTracking().Where(w => w.HostId == hostId).ToDictionaryAsync(w => w.ServiceId, ct);
        var servers = await db.AttestationServers.AsNoTracking().ToDictionaryAsync(s => s.Id, ct);
        var names = await db.HostsOnServers.AsNoTracking().Where(b => b.HostId == hostId).ToDictionaryAsync(b => b.ServerId, b => b.Name, ct);
        return [.. services.Select(s => new ServiceWord(
            s.ServiceId,
            servers.GetValueOrDefault(s.ServiceId)?.Name ?? BuiltInName,
            servers.GetValueOrDefault(s.ServiceId)?.Type ?? ServiceType.BuiltIn,
            names.GetValueOrDefault(s.ServiceId),
            services.Count == 1 ? row : words.GetValueOrDefault(s.ServiceId)))];
    }

    /// <summary>What we made a server keep, by title.</summary>
    public async Task<IReadOnlyList<PublishedPolicy>> PublishedAsync(Guid serverId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.PublishedPolicies.AsNoTracking().Where(p => p.ServerId == serverId).OrderBy(p => p.Title).ToListAsync(ct);
    }

    /// <summary>The verifier of our own is this process: it answers when it verified somebody.</summary>
    private async Task<ServerStanding> OursAsync(PortalDbContext db, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var last = await db.Evidence.Where(e => e.Id == e.HostId && e.IssuedAt <= now).MaxAsync(e => (DateTimeOffset?)e.IssuedAt, ct);
        return ServerStanding.Unseen with { LastAnswerAt = last, LastEvidenceAt = last };
    }

    private static IReadOnlyList<NamingCluster> Naming(List<ReadCluster> clusters, Guid serviceId) =>
        [.. clusters.Where(c => c.Services.Of(serviceId) is not null).Select(c => new NamingCluster(
            c.Id,
            c.Name,
            c.Services.Of(serviceId)!.Keeper,
            c.Hosts,
            serviceId == ServiceSet.BuiltInId ? c.Enrolled : c.Bound.GetValueOrDefault(serviceId),
            c.Publications.Find(p => p.ServerId == serviceId)))];

    private static async Task<List<ReadCluster>> ClustersAsync(PortalDbContext db, CancellationToken ct)
    {
        var rows = await db.Clusters.AsNoTracking().OrderBy(c => c.Name).ToListAsync(ct);
        var hosts = await db.Hosts.GroupBy(h => h.ClusterId).Select(g => new { g.Key, Hosts = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        var enrolled = await db.Attesters.Join(db.Hosts, a => a.HostId, h => h.Id, (a, h) => h.ClusterId).GroupBy(id => id).Select(g => new { g.Key, Hosts = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Hosts, ct);
        var bound = await db.HostsOnServers.Join(db.Hosts, b => b.HostId, h => h.Id, (b, h) => new { b.ServerId, h.ClusterId })
            .GroupBy(b => b).Select(g => new { g.Key.ServerId, g.Key.ClusterId, Hosts = g.Count() }).ToListAsync(ct);
        var publications = (await db.Publications.AsNoTracking().ToListAsync(ct)).ToLookup(p => p.ClusterId);
        return [.. rows.Select(c => new ReadCluster(
            c.Id,
            c.Name,
            c.Policy.Services,
            hosts.GetValueOrDefault(c.Id),
            enrolled.GetValueOrDefault(c.Id),
            bound.Where(b => b.ClusterId == c.Id).ToDictionary(b => b.ServerId, b => b.Hosts),
            [.. publications[c.Id]]))];
    }

    private sealed record ReadCluster(Guid Id, string Name, ServiceSet Services, int Hosts, int Enrolled, Dictionary<Guid, int> Bound, List<Publication> Publications);
}
