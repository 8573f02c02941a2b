using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>One client per server, made anew when the server's settings change.</summary>
/// <param name="contexts">The database.</param>
/// <param name="adapters">The kinds of server there are.</param>
/// <param name="secrets">Opens private keys.</param>
public sealed class ServerClients(IDbContextFactory<PortalDbContext> contexts, IEnumerable<IServerAdapter> adapters, ServerSecrets secrets) : IDisposable
{
    private readonly Dictionary<ServiceType, IServerAdapter> adapters = adapters.ToDictionary(a => a.Type);
    private readonly ConcurrentDictionary<Guid, Opened> opened = new();

    /// <summary>The client of a server as it is set now; null when there is no such server.</summary>
    /// <exception cref="ServerException">Its settings cannot be used, for example a private key that cannot be opened any more.</exception>
    public async Task<IServerClient?> OfAsync(Guid serverId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct) is not { } server)
        {
            opened.TryRemove(serverId, out _);
            return null;
        }

        // A replaced client is left to the collector: somebody may be waiting for its answer. Its idle connections close by themselves.
        return opened.AddOrUpdate(
            serverId,
            static (_, known) => known.Make(),
            static (_, had, known) => had.Version == known.Server.Version ? had : known.Make(),
            new Making(server, this)).Client;
    }

    /// <summary>A client of a server as it would be; nobody else uses it.</summary>
    /// <exception cref="ServerException">The settings cannot be used.</exception>
    public IServerClient Open(AttestationServer server) => adapters.TryGetValue(server.Type, out var adapter)
        ? adapter.Open(Connection(server))
        : throw new ServerException(ServerFault.Failed, $"This portal has no client for {ServiceTypes.Title(server.Type)}.", "Look whether the portal is of a version that does.");

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var one in opened.Values)
        {
            one.Client.Dispose();
        }
    }

    private ServerConnection Connection(AttestationServer server)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPem(server.Authority);
            return new ServerConnection(
                server.Id,
                server.Name,
                new Uri(server.Address),
                server.RegistrarAddress.Length == 0 ? null : new Uri(server.RegistrarAddress),
                authorities,
                server.ProtectedKey is { } key ? secrets.Open(server.ClientCertificate, key) : null,
                server.ChecksName,
                TimeSpan.FromSeconds(server.TimeoutSeconds));
        }
        catch (CryptographicException fault)
        {
            throw new ServerException(
                ServerFault.Failed,
                $"The certificates of {server.Name} cannot be used: the authority is not PEM, or the private key cannot be opened with the portal's keys.",
                "Give the client certificate and its key again, and look at the pinned authority.",
                fault);
        }
    }

    private sealed record Opened(long Version, IServerClient Client);

    private sealed record Making(AttestationServer Server, ServerClients Clients)
    {
        public Opened Make() => new(Server.Version, Clients.Open(Server));
    }
}

/// <summary>Keeps private keys for servers: written, used, never shown.</summary>
/// <param name="protection">The portal's data protection keys.</param>
public sealed class ServerSecrets(IDataProtectionProvider protection)
{
    private const string Purpose = "Portal.Attestation.Servers";

    /// <summary>Protects a private key.</summary>
    /// <param name="privateKey">PEM.</param>
    public byte[] Protect(string privateKey) => protection.CreateProtector(Purpose).Protect(Encoding.UTF8.GetBytes(privateKey));

    /// <summary>A certificate with its key.</summary>
    /// <exception cref="CryptographicException">The key cannot be opened, or is not the certificate's.</exception>
    public X509Certificate2 Open(string certificate, byte[] protectedKey)
    {
        var key = protection.CreateProtector(Purpose).Unprotect(protectedKey);
        try
        {
            return X509Certificate2.CreateFromPem(certificate, Encoding.UTF8.GetString(key));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }
}
