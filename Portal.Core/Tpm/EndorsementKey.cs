using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>
/// The public key by which a TPM is known. It only decrypts, and only what credential activation made for it: that is how a TPM shows
/// that an attestation key lives in it. Immutable; safe for use by several threads at once.
/// </summary>
public sealed class EndorsementKey
{
    private EndorsementKey(TpmtPublic area) => Public = area;

    /// <summary>The public area the key was accepted with.</summary>
    public TpmtPublic Public { get; }

    /// <summary>Longest secret a credential for this key can carry, in bytes: a digest of its name hash.</summary>
    public int LongestSecret => Public.NameAlgorithm.DigestSize();

    /// <summary>
    /// SHA-256 of the key as SubjectPublicKeyInfo, lower-case hexadecimal: what a TPM is known and compared by. On a host it is what
    /// <c>tpm2_readpublic -f der</c> writes, hashed. Attributes and policy are no part of it: credential activation does not prove them, so one
    /// TPM could come under many. Source: RFC 5280 section 4.1.2.7.
    /// </summary>
    public string Fingerprint()
    {
        using AsymmetricAlgorithm key = Public.Type == TpmAlgorithm.Rsa ? PublicNumbers.ImportRsa(Public).Value : PublicNumbers.ImportEcc(Public, ECDiffieHellman.Create).Value;
        return Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
    }

    /// <summary>
    /// Accepts a public area as endorsement key, or says which demand it fails: restricted, decrypt, fixedTPM, fixedParent and
    /// sensitiveDataOrigin set; sign clear; name hash SHA-256, SHA-384 or SHA-512; AES of 128 or 256 bits in CFB mode; no scheme of its
    /// own; RSA of 2048 to 4096 bits with exponent 65537, or P-256 or P-384; usable numbers.
    /// Source: TCG EK Credential Profile for TPM 2.0, "Default EK Templates"; TPM 2.0 Library Part 1, "Credential Protection".
    /// </summary>
    /// <param name="bytes">A TPM2B_PUBLIC or TPMT_PUBLIC.</param>
    public static TpmResult<EndorsementKey> Accept(ReadOnlySpan<byte> bytes) =>
        TpmtPublic.Parse(bytes).TryGet(out var area, out var refusal) ? Accept(area) : refusal;

    /// <summary>As <see cref="Accept(ReadOnlySpan{byte})"/>, for a public area already read.</summary>
    /// <param name="area">The public area.</param>
    public static TpmResult<EndorsementKey> Accept(TpmtPublic area)
    {
        ArgumentNullException.ThrowIfNull(area);
        return (CheckAttributes(area.Attributes) ?? CheckProtection(area) ?? CheckNumbers(area)) is { } refusal ? refusal : new EndorsementKey(area);
    }

    private static TpmRefusal? CheckAttributes(TpmObjectAttributes attributes)
    {
        if (!attributes.HasFlag(TpmObjectAttributes.Restricted))
            return new(TpmRefusalCode.KeyNotRestricted, "The endorsement key is not restricted, so it would decrypt anything for its owner.");
        if (!attributes.HasFlag(TpmObjectAttributes.Decrypt))
            return new(TpmRefusalCode.KeyCannotDecrypt, "The endorsement key may not decrypt.");
        if (attributes.HasFlag(TpmObjectAttributes.Sign))
            return new(TpmRefusalCode.KeyCanSign, "The endorsement key may sign, which it must not.");
        if (!attributes.HasFlag(TpmObjectAttributes.FixedTpm))
            return new(TpmRefusalCode.KeyNotFixedToTpm, "The endorsement key can be copied to another TPM (fixedTPM is clear).");
        if (!attributes.HasFlag(TpmObjectAttributes.FixedParent))
            return new(TpmRefusalCode.KeyNotFixedToParent, "The endorsement key can be given another parent (fixedParent is clear).");
        if (!attributes.HasFlag(TpmObjectAttributes.SensitiveDataOrigin))
            return new(TpmRefusalCode.KeyMadeOutsideTpm, "The endorsement key was made outside the TPM (sensitiveDataOrigin is clear).");
        return null;
    }

    private static TpmRefusal? CheckProtection(TpmtPublic area)
    {
        if (!area.NameAlgorithm.IsTrustedHash())
            return new(TpmRefusalCode.WeakHash, $"The endorsement key is named by {area.NameAlgorithm.DisplayName()}; SHA-256 or stronger is needed.");
        if (area.Symmetric is not (TpmAlgorithm.Aes, 128 or 256, TpmAlgorithm.Cfb))
        {
            var (cipher, bits, mode) = area.Symmetric;
            return new(TpmRefusalCode.UnsupportedAlgorithm,
                $"The endorsement key protects with {cipher.DisplayName()} of {bits} bits in mode {mode.DisplayName()}; AES-128 or AES-256 in mode cfb is needed.");
        }
        return area.Scheme == TpmAlgorithm.Null
            ? null
            : new(TpmRefusalCode.UnsupportedAlgorithm, $"The endorsement key has scheme {area.Scheme.DisplayName()}; it must have none.");
    }

    private static TpmRefusal? CheckNumbers(TpmtPublic area)
    {
        var tried = area.Type == TpmAlgorithm.Rsa
            ? Freed(PublicNumbers.ImportRsa(area))
            : Freed(PublicNumbers.ImportEcc(area, ECDiffieHellman.Create));
        return tried;

        static TpmRefusal? Freed<T>(TpmResult<T> imported)
            where T : AsymmetricAlgorithm
        {
            if (!imported.TryGet(out var key, out var refusal))
                return refusal;
            key.Dispose();
            return null;
        }
    }
}
