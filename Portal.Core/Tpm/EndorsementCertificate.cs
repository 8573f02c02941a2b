using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Tpm;

/// <summary>
/// What a TPM's maker certifies of its endorsement key. Everything here is the certificate's own claim until
/// <see cref="EndorsementCheck"/> found who signed it. Immutable.
/// Source: TCG EK Credential Profile for TPM Family 2.0, "X.509 ASN.1 Definitions".
/// </summary>
public sealed class EndorsementCertificate
{
    /// <summary>Longest input read, in bytes, padding included; a TPM's store holds 2 KiB.</summary>
    public const int MaxLength = 16 * 1024;

    /// <summary>Extended key usage of an endorsement certificate. Source: as above, "tcg-kp-EKCertificate".</summary>
    public const string EndorsementUsage = "2.23.133.8.1";

    private const X509KeyUsageFlags DecryptingUsages = X509KeyUsageFlags.KeyEncipherment | X509KeyUsageFlags.KeyAgreement;

    private readonly CertifiedKey _key;
    private readonly IReadOnlySet<string>? _extendedUsages;
    private readonly X509KeyUsageFlags? _usages;
    private readonly bool _isAuthority;

    private EndorsementCertificate(ReadOnlyMemory<byte> der, X509Certificate2 certificate)
    {
        Der = der;
        Subject = ClaimedText.Safe(certificate.Subject);
        Issuer = ClaimedText.Safe(certificate.Issuer);
        NotBefore = new DateTimeOffset(certificate.NotBefore.ToUniversalTime(), TimeSpan.Zero);
        NotAfter = new DateTimeOffset(certificate.NotAfter.ToUniversalTime(), TimeSpan.Zero);
        _key = CertifiedKey.Of(certificate.PublicKey);
        foreach (var extension in certificate.Extensions)
        {
            switch (extension)
            {
                case X509EnhancedKeyUsageExtension extended:
                    _extendedUsages = extended.EnhancedKeyUsages.Cast<Oid>().Select(usage => usage.Value ?? "").ToHashSet(StringComparer.Ordinal);
                    break;
                case X509KeyUsageExtension usage:
                    _usages = usage.KeyUsages;
                    break;
                case X509BasicConstraintsExtension constraints:
                    _isAuthority = constraints.CertificateAuthority;
                    break;
                case X509SubjectAlternativeNameExtension names:
                    Tpm = CertifiedTpm.Read(names.RawData);
                    break;
            }
        }
    }

    /// <summary>The certificate without what stood behind it.</summary>
    public ReadOnlyMemory<byte> Der { get; }

    /// <summary>The subject's name, safe to show; often empty.</summary>
    public string Subject { get; }

    /// <summary>The issuer's name, safe to show.</summary>
    public string Issuer { get; }

    /// <summary>Start of validity, UTC.</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>End of validity, UTC; the year 9999 stands for "no end".</summary>
    public DateTimeOffset NotAfter { get; }

    /// <summary>Manufacturer, model and version of the TPM, from the subject's alternative name.</summary>
    public CertifiedTpm Tpm { get; } = CertifiedTpm.Unnamed;

    /// <summary>
    /// Whether this is meant for an endorsement key: its extended usage says so, or it has none and names a TPM's manufacturer; it is no
    /// authority's, and its key usage, if given, is to decrypt or agree.
    /// </summary>
    public bool IsForEndorsement => !_isAuthority
        && (_usages is null || (_usages & DecryptingUsages) != 0)
        && (_extendedUsages?.Contains(EndorsementUsage) ?? Tpm.Manufacturer is not null);

    /// <summary>Whether the certified key is this endorsement key, number by number.</summary>
    /// <param name="key">The registered key.</param>
    public bool Certifies(EndorsementKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _key.Is(key.Public);
    }

    /// <summary>
    /// Reads a certificate as a TPM's store or an agent gives it: DER, perhaps with zeros behind it. Refused: more than 16 KiB, other bytes
    /// behind it, one extension twice, anything that is no X.509 certificate.
    /// </summary>
    /// <param name="bytes">The bytes.</param>
    public static TpmResult<EndorsementCertificate> Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return TpmRefusal.NothingGiven;
        if (bytes.Length > MaxLength)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"An endorsement certificate of {bytes.Length} bytes; at most {MaxLength} are read.");
        var length = SequenceLength(bytes);
        if (length == 0)
            return TpmRefusal.Malformed("The endorsement certificate is not DER.");
        if (length > bytes.Length)
            return TpmRefusal.Truncated("endorsement certificate");
        if (bytes[length..].ContainsAnyExcept((byte)0))
            return TpmRefusal.Trailing("endorsement certificate", bytes.Length - length);
        ReadOnlyMemory<byte> der = bytes[..length].ToArray();
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
            return certificate.Extensions.DistinctBy(extension => extension.Oid?.Value, StringComparer.Ordinal).Count() == certificate.Extensions.Count
                ? new EndorsementCertificate(der, certificate)
                : TpmRefusal.Malformed("The endorsement certificate has one extension twice.");
        }
        catch (Exception unreadable) when (unreadable is CryptographicException or AsnContentException)
        {
            return TpmRefusal.Malformed("The endorsement certificate is no X.509 certificate that can be read.");
        }
    }

    /// <summary>Length of a DER sequence with its head; 0 when the bytes start with none, or with one longer than is read here.</summary>
    private static int SequenceLength(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0x30, < 0x80 and var length, ..] => 2 + length,
        [0x30, 0x81, var length, ..] => 3 + length,
        [0x30, 0x82, var high, var low, ..] => 4 + (high << 8 | low),
        _ => 0,
    };

    /// <summary>As <see cref="Parse"/>, for the base64 text of a registrar's message.</summary>
    /// <param name="text">Base64 in one piece; nothing, or text that is no base64, is refused.</param>
    public static TpmResult<EndorsementCertificate> ParseBase64(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return TpmRefusal.NothingGiven;
        if (text.Length > MaxLength * 2)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"An endorsement certificate of {text.Length} characters; at most {MaxLength * 2} are read.");
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length)
            ? Parse(bytes.AsSpan(0, length))
            : TpmRefusal.Malformed("The endorsement certificate is not base64.");
    }
}
