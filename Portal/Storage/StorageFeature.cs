using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;
using Portal.Profiles;

namespace Portal;

/// <summary>The database, and the keys of cookies in it, shared by replicas.</summary>
public static partial class StorageFeature
{
    public static void AddStorage(this WebApplicationBuilder builder, PortalProfile profile)
    {
        Directory.CreateDirectory(profile.DataFolder);
        builder.Services.AddPortalStorage(profile.ConnectionString);
        var protection = builder.Services.AddDataProtection().SetApplicationName("portal").PersistKeysToDbContext<PortalDbContext>();
        if (profile.DataProtection.CertificateFile is { Length: > 0 } file)
        {
            protection.ProtectKeysWithCertificate(X509CertificateLoader.LoadPkcs12FromFile(file, profile.DataProtection.CertificatePassword));
        }
    }

    /// <summary>Opens the database before anything else does: refuses one of the other profile, brings the schema up to date, marks it.</summary>
    /// <exception cref="StartRefusedException">The database belongs to the other profile.</exception>
    public static async Task OpenStorageAsync(this WebApplication app, PortalProfile profile)
    {
        var database = app.Services.GetRequiredService<IDbContextFactory<PortalDbContext>>();
        if (await DatabaseOpening.OpenAsync(database, profile.Kind.ToString(), app.Lifetime.ApplicationStopping) is { } refusal)
        {
            throw new StartRefusedException([refusal.ToString()]);
        }

        if (!profile.IsDemo && profile.DataProtection.CertificateFile.Length == 0)
        {
            KeysUnencrypted(app.Logger);
        }
    }

    [LoggerMessage(1001, LogLevel.Warning, "The keys that protect cookies lie unencrypted in the database; set Portal:DataProtection:CertificateFile to protect them with a certificate")]
    private static partial void KeysUnencrypted(ILogger log);
}
