using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Tests.Tpm;

/// <summary>A maker of TPMs with a root and an intermediate authority, who certifies any key in any way a test asks for.</summary>
internal sealed class TpmMaker : IDisposable
{
    private readonly ECDsa _rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _root;
    private readonly X509Certificate2 _issuer;

    public TpmMaker(string name = "Chip Works")
    {
        var root = Authority($"CN={name} Root", _rootKey);
        _root = root.CreateSelfSigned(Start, End);
        _issuer = Authority($"CN={name} EK 1", _issuerKey).Create(_root, Start, IssuerEnd, [1]);
    }

    public static DateTimeOffset Start { get; } = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static DateTimeOffset IssuerEnd { get; } = new(2040, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static DateTimeOffset End { get; } = new(2050, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public string RootPem => _root.ExportCertificatePem();

    public string IssuerPem => _issuer.ExportCertificatePem();

    public void Dispose()
    {
        _rootKey.Dispose();
        _issuerKey.Dispose();
        _root.Dispose();
        _issuer.Dispose();
    }

    /// <summary>A certificate of the key.</summary>
    /// <param name="key">What is certified.</param>
    /// <param name="usage">Extended usage, or none.</param>
    /// <param name="manufacturer">Named in the alternative name, which is left out without it.</param>
    /// <param name="keyUsage">Key usage, or none.</param>
    /// <param name="isAuthority">Whether it may issue more.</param>
    /// <param name="inOneSet">Whether manufacturer, model and version stand in one set.</param>
    /// <param name="subject">The subject's name.</param>
    /// <param name="end">End of validity.</param>
    public byte[] Certify(
        PublicKey key, string? usage = "2.23.133.8.1", string? manufacturer = "id:494E5443", X509KeyUsageFlags? keyUsage = X509KeyUsageFlags.KeyAgreement,
        bool isAuthority = false, bool inOneSet = false, string subject = "", DateTimeOffset? end = null)
    {
        var request = new CertificateRequest(new X500DistinguishedName(subject), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        if (usage is not null)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        if (keyUsage is { } flags)
            request.CertificateExtensions.Add(new X509KeyUsageExtension(flags, critical: true));
        if (manufacturer is not null)
            request.CertificateExtensions.Add(new X509Extension("2.5.29.17", Names(manufacturer, inOneSet), critical: true));
        using var certificate = request.Create(_issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(_issuerKey), Start, end ?? IssuerEnd, [7]);
        return certificate.RawData;
    }

    private static CertificateRequest Authority(string name, ECDsa key)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        return request;
    }

    private static byte[] Names(string manufacturer, bool inOneSet)
    {
        (string Oid, string Text)[] attributes = [("2.23.133.2.1", manufacturer), ("2.23.133.2.2", "SLB 9672"), ("2.23.133.2.3", "id:00020008")];
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 4)))
        using (writer.PushSequence())
        {
            foreach (var set in inOneSet ? [attributes] : attributes.Select(attribute => new[] { attribute }))
            {
                using (writer.PushSetOf())
                {
                    foreach (var (oid, text) in set)
                    {
                        using (writer.PushSequence())
                        {
                            writer.WriteObjectIdentifier(oid);
                            writer.WriteCharacterString(UniversalTagNumber.UTF8String, text);
                        }
                    }
                }
            }
        }
        return writer.Encode();
    }
}
