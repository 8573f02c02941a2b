using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.E2E.Peers.Agents;

/// <summary>An authority that vouches for nobody here.</summary>
internal sealed class AgentHostAuthority
{
    public AgentHostAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=another authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        Pem = certificate.ExportCertificatePem();
    }

    public string Pem { get; }
}
