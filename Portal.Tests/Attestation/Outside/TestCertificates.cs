using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Attestation.Outside;

namespace Portal.Tests.Attestation.Outside;

/// <summary>An authority and a client certificate by it, made once for all tests.</summary>
internal static class TestCertificates
{
    private static readonly Lazy<(string Authority, ClientIdentity Client)> Made = new(Make);
    private static readonly Lazy<(string Authority, ClientIdentity Client)> Others = new(Make);

    public static string Authority => Made.Value.Authority;

    public static ClientIdentity Client => Made.Value.Client;

    /// <summary>By an authority nobody knows.</summary>
    public static ClientIdentity Stranger => Others.Value.Client;

    private static (string Authority, ClientIdentity Client) Make()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Test authority", rootKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var client = new CertificateRequest("CN=portal", key, HashAlgorithmName.SHA256).Create(root, new DateTimeOffset(root.NotBefore.ToUniversalTime()), new DateTimeOffset(root.NotAfter.ToUniversalTime()), [1, 2, 3]);
        return (root.ExportCertificatePem(), new ClientIdentity(client.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem()));
    }
}
