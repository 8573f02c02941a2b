using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization;

/// <summary>What signs the portal in to a host's hypervisor, opened for use: not to be kept, logged or shown.</summary>
/// <param name="Version">Of the row it is from; a connection made under another is not used any more.</param>
/// <param name="Authority">The certificates that may have issued the host's, PEM; empty for none.</param>
/// <param name="ClientCertificate">Our certificate and its chain, PEM; empty for none.</param>
/// <param name="PrivateKey">Our private key, PEM or OpenSSH; empty for none.</param>
/// <param name="SshHostKey">The host's SSH key, type and base64; empty for none.</param>
public sealed record HypervisorCredentials(long Version, string Authority, string ClientCertificate, string PrivateKey, string SshHostKey)
{
    /// <summary>Nothing is known of the host.</summary>
    public static HypervisorCredentials None { get; } = new(0, "", "", "", "");

    private bool PrintMembers(StringBuilder text)
    {
        text.Append("Version = ").Append(Version);
        return true;
    }
}

/// <summary>Keeps what signs in to hypervisors: written, used, never shown.</summary>
public interface IHypervisorSecrets
{
    /// <summary>Protects a private key for <see cref="Inventory.HypervisorConnection.ProtectedKey"/>.</summary>
    /// <param name="privateKey">PEM or OpenSSH.</param>
    byte[] Protect(string privateKey);

    /// <summary>What is kept for a host; <see cref="HypervisorCredentials.None"/> when nothing is.</summary>
    /// <exception cref="CryptographicException">The key cannot be opened with the portal's keys any more.</exception>
    Task<HypervisorCredentials> OfAsync(Guid hostId, CancellationToken ct);
}

/// <summary>Those in the database, under the portal's data protection keys.</summary>
/// <param name="contexts">The database.</param>
/// <param name="protection">The portal's data protection keys.</param>
internal sealed class HypervisorSecrets(IDbContextFactory<PortalDbContext> contexts, IDataProtectionProvider protection) : IHypervisorSecrets
{
    private const string Purpose = "Portal.Virtualization.Hypervisors";

    public byte[] Protect(string privateKey) => protection.CreateProtector(Purpose).Protect(Encoding.UTF8.GetBytes(privateKey));

    public async Task<HypervisorCredentials> OfAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.HypervisorConnections.AsNoTracking().SingleOrDefaultAsync(c => c.HostId == hostId, ct) is { } row
            ? new HypervisorCredentials(row.Version, row.Authority, row.ClientCertificate, row.ProtectedKey is { } key ? Open(key) : "", row.SshHostKey)
            : HypervisorCredentials.None;
    }

    private string Open(byte[] protectedKey)
    {
        var key = protection.CreateProtector(Purpose).Unprotect(protectedKey);
        try
        {
            return Encoding.UTF8.GetString(key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }
}
