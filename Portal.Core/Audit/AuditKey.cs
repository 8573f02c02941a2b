using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Audit;

/// <summary>
/// The chain's key: random, made at the first start, kept in the database under Data Protection, so that writing
/// rows is not enough to forge seals. It is as secret as the Data Protection keys: where those lie in the same database unencrypted, who reads it all can forge.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="protection">Protects the key.</param>
public sealed class AuditKey(IDbContextFactory<PortalDbContext> contexts, IDataProtectionProvider protection)
{
    internal const string Stamp = "audit.key";

    private const int KeySize = 32;

    private readonly IDataProtector protector = protection.CreateProtector("Portal.Audit.Chain");
    private byte[]? known;

    /// <summary>The key; null when it is gone or cannot be unprotected, and then nothing can be sealed or verified.</summary>
    /// <param name="create">Whether to make one when the database has none. It does so only while nothing is sealed yet.</param>
    /// <param name="ct">Cancels the reading.</param>
    internal async Task<byte[]?> ReadAsync(bool create, CancellationToken ct)
    {
        if (known is not null)
        {
            return known;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var text = await StoredAsync(db, ct);
        if (text is null && create && !await db.AuditEntries.AnyAsync(a => a.Sequence != null, ct))
        {
            text = await CreateAsync(db, ct);
        }

        return known = text is null ? null : Unprotect(text);
    }

    private async Task<string?> CreateAsync(PortalDbContext db, CancellationToken ct)
    {
        db.Stamps.Add(new DatabaseStamp { Name = Stamp, Value = Convert.ToBase64String(protector.Protect(RandomNumberGenerator.GetBytes(KeySize))) });
        try
        {
            await db.SaveChangesAsync(ct);
        }
        catch (DbUpdateException)
        {
            // Another replica was first: its key counts. A broken database shows on the next line.
            db.ChangeTracker.Clear();
        }

        return await StoredAsync(db, ct);
    }

    private static Task<string?> StoredAsync(PortalDbContext db, CancellationToken ct) =>
        db.Stamps.AsNoTracking().Where(s => s.Name == Stamp).Select(s => s.Value).FirstOrDefaultAsync(ct);

    private byte[]? Unprotect(string text)
    {
        try
        {
            var key = protector.Unprotect(Convert.FromBase64String(text));
            return key.Length == KeySize ? key : null;
        }
        catch (Exception fault) when (fault is CryptographicException or FormatException)
        {
            return null;
        }
    }
}
