using System.Collections.Frozen;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Tpm;

/// <summary>
/// Finds who signed a certificate whose own key the platform cannot read: some makers certify RSA keys under the identifier of OAEP.
/// Only this last link is checked here; the platform checks the rest from the issuer on.
/// Source: RFC 5280 sections 4.1 and 6.1; RFC 4055 section 4.1.
/// </summary>
internal static class EndorsementIssuer
{
    /// <summary>Key usage, alternative name, basic constraints and extended usage: what <see cref="EndorsementCertificate"/> looks at.</summary>
    private static readonly FrozenSet<string> s_understood = FrozenSet.Create(StringComparer.Ordinal, "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37");

    /// <summary>The authority that signed the certificate; null when none given here did, or when it demands something not understood.</summary>
    public static X509Certificate2? Find(X509Certificate2 certificate, EndorsementAuthorities authorities)
    {
        if (certificate.Extensions.Any(extension => extension.Critical && !s_understood.Contains(extension.Oid?.Value ?? "")))
            return null;
        try
        {
            var parts = new AsnReader(certificate.RawDataMemory, AsnEncodingRules.BER).ReadSequence();
            var signed = parts.ReadEncodedValue();
            var named = parts.ReadEncodedValue();
            var signature = parts.ReadBitString(out var unusedBits);
            // What stands outside the signed part must have one form only: whole bytes, and the algorithm named inside.
            if (unusedBits != 0 || !named.Span.SequenceEqual(AlgorithmInside(signed)))
                return null;
            var algorithm = new AsnReader(named, AsnEncodingRules.BER).ReadSequence().ReadObjectIdentifier();
            return authorities.Intermediates.Concat(authorities.Roots).FirstOrDefault(authority =>
                authority.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)
                && MayIssue(authority) && Signed(authority, algorithm, signed.Span, signature));
        }
        catch (Exception unreadable) when (unreadable is AsnContentException or CryptographicException)
        {
            return null;
        }
    }

    private static ReadOnlySpan<byte> AlgorithmInside(ReadOnlyMemory<byte> signed)
    {
        var fields = new AsnReader(signed, AsnEncodingRules.BER).ReadSequence();
        if (fields.PeekTag().TagClass == TagClass.ContextSpecific)
            fields.ReadEncodedValue();
        fields.ReadInteger();
        return fields.ReadEncodedValue().Span;
    }

    private static bool MayIssue(X509Certificate2 authority) =>
        authority.Extensions.OfType<X509BasicConstraintsExtension>().Any(constraints => constraints.CertificateAuthority)
        && authority.Extensions.OfType<X509KeyUsageExtension>().All(usage => usage.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign));

    /// <summary>Source: RFC 8017 appendix A.2.4 and RFC 5758 section 3.2 for the identifiers.</summary>
    private static bool Signed(X509Certificate2 authority, string algorithm, ReadOnlySpan<byte> signed, byte[] signature)
    {
        var hash = algorithm switch
        {
            "1.2.840.113549.1.1.11" or "1.2.840.10045.4.3.2" => HashAlgorithmName.SHA256,
            "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => HashAlgorithmName.SHA384,
            "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => HashAlgorithmName.SHA512,
            _ => default,
        };
        if (hash.Name is null)
            return false;
        using var rsa = authority.GetRSAPublicKey();
        using var ecdsa = authority.GetECDsaPublicKey();
        return algorithm.StartsWith("1.2.840.113549.", StringComparison.Ordinal)
            ? rsa?.VerifyData(signed, signature, hash, RSASignaturePadding.Pkcs1) == true
            : ecdsa?.VerifyData(signed, signature, hash, DSASignatureFormat.Rfc3279DerSequence) == true;
    }
}
