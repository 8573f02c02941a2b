using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Attestation.Outside;

namespace Portal.Tests.Attestation.Outside;

/// <summary>An authority and a client certificate by it, made once for all tests.</summary>
internal static class TestCertificates
{
    private static readonly Lazy<(string Authority, ClientIdentity Client, ClientIdentity Server)> Made = new(Make);
    private static readonly Lazy<(string Authority, ClientIdentity Client, ClientIdentity Server)> Others = new(Make);

    public static string Authority => Made.Value.Authority;

    public static ClientIdentity Client => Made.Value.Client;

    /// <summary>Of a server on 127.0.0.1, by the authority.</summary>
    public static X509Certificate2 Server => X509Certificate2.CreateFromPem(Made.Value.Server.Certificate, Made.Value.Server.PrivateKey);

    /// <summary>By an authority nobody knows.</summary>
    public static ClientIdentity Stranger => Others.Value.Client;

    private static (string Authority, ClientIdentity Client, ClientIdentity Server) Make()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Test authority", rootKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        return (root.ExportCertificatePem(), Issue(root, "CN=portal", [1, 2, 3], null), Issue(root, "CN=server", [1, 2, 4], names.Build()));
    }

    private static ClientIdentity Issue(X509Certificate2 root, string subject, byte[] serial, X509Extension? names)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        if (names is not null)
        {
            request.CertificateExtensions.Add(names);
        }

        using var issued = request.Create(root, new DateTimeOffset(root.NotBefore.ToUniversalTime()), new DateTimeOffset(root.NotAfter.ToUniversalTime()), serial);
        return new ClientIdentity(issued.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}
