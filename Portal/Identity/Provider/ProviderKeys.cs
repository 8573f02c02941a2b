using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace Portal.Identity.Provider;

/// <summary>The provider's signing and encryption keys: made once, kept in its database.</summary>
internal sealed class ProviderKeys(IDbContextFactory<ProviderDbContext> database) : IConfigureOptions<OpenIddictServerOptions>
{
    private const string Signing = "signing";
    private const string Encryption = "encryption";
    private const int RsaBits = 2048;
    private const int EncryptionBytes = 32;

    /// <summary>Makes the keys that are not there yet.</summary>
    public async Task SeedAsync(CancellationToken ct)
    {
        await using var db = await database.CreateDbContextAsync(ct);
        if (!await db.Keys.AnyAsync(ct))
        {
            using var rsa = RSA.Create(RsaBits);
            db.Keys.Add(new ProviderKey { Use = Signing, Material = rsa.ExportPkcs8PrivateKey() });
            db.Keys.Add(new ProviderKey { Use = Encryption, Material = RandomNumberGenerator.GetBytes(EncryptionBytes) });
            await db.SaveChangesAsync(ct);
        }
    }

    public void Configure(OpenIddictServerOptions options)
    {
        using var db = database.CreateDbContext();
        var keys = db.Keys.AsNoTracking().ToDictionary(k => k.Use, k => k.Material, StringComparer.Ordinal);
        var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(keys[Signing], out _);
        options.SigningCredentials.Add(new SigningCredentials(
            new RsaSecurityKey(rsa) { KeyId = Convert.ToHexStringLower(SHA256.HashData(rsa.ExportSubjectPublicKeyInfo()))[..16] },
            SecurityAlgorithms.RsaSha256));
        options.EncryptionCredentials.Add(new EncryptingCredentials(
            new SymmetricSecurityKey(keys[Encryption]),
            SecurityAlgorithms.Aes256KW,
            SecurityAlgorithms.Aes256CbcHmacSha512));
    }
}
