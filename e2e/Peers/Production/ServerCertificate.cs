using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.E2E.Peers.Production;

/// <summary>A certificate for the portal's own https address.</summary>
internal static class ServerCertificate
{
    private const string Password = "e2e";

    /// <summary>Makes one in a folder.</summary>
    /// <returns>The settings that name it.</returns>
    public static IReadOnlyDictionary<string, string> SettingsIn(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var file = Path.Combine(folder, "portal.pfx");
        File.WriteAllBytes(file, certificate.Export(X509ContentType.Pkcs12, Password));
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Kestrel__Certificates__Default__Path"] = file,
            ["Kestrel__Certificates__Default__Password"] = Password,
        };
    }
}
