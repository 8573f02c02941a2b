using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.E2E.Peers.Servers;

/// <summary>A certificate authority of a site's own: vouches for its servers and for who may be let in.</summary>
internal sealed class SiteAuthority : IDisposable
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 root;

    public SiteAuthority(string name = "Site authority")
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-10), DateTimeOffset.UtcNow.AddDays(10));
    }

    public string Pem => root.ExportCertificatePem();

    public X509Certificate2Collection Certificates => [X509CertificateLoader.LoadCertificate(root.RawData)];

    /// <summary>Whether a certificate is by this authority.</summary>
    public bool Vouches(X509Certificate2? certificate)
    {
        if (certificate is null)
        {
            return false;
        }

        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.Add(root);
        return chain.Build(certificate);
    }

    /// <summary>A server's certificate; valid now, or until yesterday.</summary>
    public X509Certificate2 Server(bool expired = false, bool named = true)
    {
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=attestation server", own, HashAlgorithmName.SHA256);
        if (named)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
        }

        return Issue(request, own, expired);
    }

    /// <summary>A client's certificate, in PEM with its key.</summary>
    public (string Certificate, string Key) Client()
    {
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=portal", own, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        using var certificate = Issue(request, own, expired: false);
        return (certificate.ExportCertificatePem(), own.ExportPkcs8PrivateKeyPem());
    }

    public void Dispose()
    {
        root.Dispose();
        key.Dispose();
    }

    private X509Certificate2 Issue(CertificateRequest request, ECDsa own, bool expired)
    {
        var serial = RandomNumberGenerator.GetBytes(8);
        serial[0] &= 0x7F;
        var until = DateTimeOffset.UtcNow.AddDays(expired ? -1 : 5);
        using var bare = request.Create(root, DateTimeOffset.UtcNow.AddDays(-5), until, serial);
        using var with = bare.CopyWithPrivateKey(own);

        // Kestrel wants a key that is not only in this object.
        return X509CertificateLoader.LoadPkcs12(with.Export(X509ContentType.Pkcs12), null);
    }
}
