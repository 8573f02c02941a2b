using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>
/// A public key whose signature under an attestation can be believed: it lives in one TPM, was born there, and signs nothing a host
/// could make up. Holds the imported key, so keep one per host and verify many quotes with it. Safe for use by several threads at once.
/// </summary>
public sealed class AttestationKey : IDisposable
{
    // Verifying only reads the imported key: OpenSSL documents concurrent reads as safe, and .NET adds no state of its own.
    private readonly RSA? _rsa;
    private readonly ECDsa? _ecdsa;
    private readonly int _fieldSize;

    private AttestationKey(TpmtPublic publicArea, RSA? rsa, ECDsa? ecdsa, int fieldSize)
    {
        Public = publicArea;
        Name = publicArea.ComputeName();
        _rsa = rsa;
        _ecdsa = ecdsa;
        _fieldSize = fieldSize;
    }

    /// <summary>The public area the key was accepted with.</summary>
    public TpmtPublic Public { get; }

    /// <summary>The key's TPM name, to which credential activation binds it.</summary>
    public ReadOnlyMemory<byte> Name { get; }

    /// <summary>The fixed scheme: RSASSA, RSAPSS or ECDSA.</summary>
    public TpmAlgorithm Scheme => Public.Scheme;

    /// <summary>The fixed signing hash, SHA-256 or stronger.</summary>
    public TpmAlgorithm Hash => Public.SchemeHash;

    /// <summary>
    /// Accepts a public area as attestation key, or says which demand it fails: restricted, sign, fixedTPM, fixedParent and
    /// sensitiveDataOrigin set; decrypt clear; name hash and fixed scheme of SHA-256 or stronger; RSA of 2048 to 4096 bits with
    /// exponent 65537, or P-256 or P-384; usable numbers.
    /// Source: TPM 2.0 Library Part 1, "Attestation" and "Restricted Attribute"; TCG EK Credential Profile.
    /// </summary>
    /// <param name="bytes">A TPM2B_PUBLIC or TPMT_PUBLIC.</param>
    public static TpmResult<AttestationKey> Accept(ReadOnlySpan<byte> bytes) =>
        TpmtPublic.Parse(bytes).TryGet(out var area, out var refusal) ? Accept(area) : refusal;

    /// <summary>As <see cref="Accept(ReadOnlySpan{byte})"/>, for a public area already read.</summary>
    /// <param name="area">The public area.</param>
    public static TpmResult<AttestationKey> Accept(TpmtPublic area)
    {
        ArgumentNullException.ThrowIfNull(area);
        if ((CheckAttributes(area.Attributes) ?? CheckScheme(area)) is { } refusal)
            return refusal;
        if (area.Type == TpmAlgorithm.Rsa)
            return PublicNumbers.ImportRsa(area).TryGet(out var rsa, out refusal) ? new AttestationKey(area, rsa, null, 0) : refusal;
        return PublicNumbers.ImportEcc(area, ECDsa.Create).TryGet(out var ecdsa, out refusal)
            ? new AttestationKey(area, null, ecdsa, PublicNumbers.FieldSize(area.Curve))
            : refusal;
    }

    /// <summary>
    /// Whether the signature over <paramref name="digest"/> is this key's. The caller has compared scheme and hash.
    /// </summary>
    /// <param name="digest">Hash of the signed bytes by <see cref="Hash"/>.</param>
    /// <param name="signature">The signature.</param>
    internal bool Verifies(ReadOnlySpan<byte> digest, TpmtSignature signature)
    {
        if (_ecdsa is null)
            return VerifiesRsa(_rsa!, digest, signature.Rsa.Span);
        Span<byte> joined = stackalloc byte[2 * _fieldSize];
        return PublicNumbers.TryPad(signature.R.Span, joined[.._fieldSize]) && PublicNumbers.TryPad(signature.S.Span, joined[_fieldSize..])
            && _ecdsa.VerifyHash(digest, joined);
    }

    /// <summary>The public key as PEM (SubjectPublicKeyInfo), for tools outside.</summary>
    public string ToPem() => _ecdsa is null ? _rsa!.ExportSubjectPublicKeyInfoPem() : _ecdsa.ExportSubjectPublicKeyInfoPem();

    /// <summary>Frees the imported key; verifying afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        _rsa?.Dispose();
        _ecdsa?.Dispose();
    }

    private bool VerifiesRsa(RSA rsa, ReadOnlySpan<byte> digest, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != Public.Modulus.Length)
            return false;
        if (Scheme == TpmAlgorithm.RsaSsa)
            return rsa.VerifyHash(digest, signature, Hash.PlatformName(), RSASignaturePadding.Pkcs1);
        return rsa.VerifyHash(digest, signature, Hash.PlatformName(), RSASignaturePadding.Pss)
            || PssMaxSalt.Verifies(Public, digest, signature);
    }

    private static TpmRefusal? CheckAttributes(TpmObjectAttributes attributes)
    {
        if (!attributes.HasFlag(TpmObjectAttributes.Restricted))
            return new(TpmRefusalCode.KeyNotRestricted, "The key is not restricted, so its owner could sign invented quotes with it.");
        if (!attributes.HasFlag(TpmObjectAttributes.Sign))
            return new(TpmRefusalCode.KeyCannotSign, "The key may not sign.");
        if (attributes.HasFlag(TpmObjectAttributes.Decrypt))
            return new(TpmRefusalCode.KeyCanDecrypt, "The key may decrypt, which an attestation key must not.");
        if (!attributes.HasFlag(TpmObjectAttributes.FixedTpm))
            return new(TpmRefusalCode.KeyNotFixedToTpm, "The key can be copied to another TPM (fixedTPM is clear).");
        if (!attributes.HasFlag(TpmObjectAttributes.FixedParent))
            return new(TpmRefusalCode.KeyNotFixedToParent, "The key can be given another parent (fixedParent is clear).");
        if (!attributes.HasFlag(TpmObjectAttributes.SensitiveDataOrigin))
            return new(TpmRefusalCode.KeyMadeOutsideTpm, "The key was made outside the TPM (sensitiveDataOrigin is clear).");
        return null;
    }

    private static TpmRefusal? CheckScheme(TpmtPublic area)
    {
        if (!area.NameAlgorithm.IsTrustedHash())
            return new(TpmRefusalCode.WeakHash, $"The key is named by {area.NameAlgorithm.DisplayName()}; SHA-256 or stronger is needed.");
        if (area.Scheme == TpmAlgorithm.Null)
            return new(TpmRefusalCode.KeySchemeOpen, "The key has no fixed signing scheme.");
        var fits = area.Type == TpmAlgorithm.Rsa
            ? area.Scheme is TpmAlgorithm.RsaSsa or TpmAlgorithm.RsaPss
            : area.Scheme is TpmAlgorithm.EcDsa;
        if (!fits)
            return new(TpmRefusalCode.UnsupportedAlgorithm, $"Scheme {area.Scheme.DisplayName()} is no supported signature of an {area.Type.DisplayName()} key.");
        if (!area.SchemeHash.IsTrustedHash())
            return new(TpmRefusalCode.WeakHash, $"The key signs with {area.SchemeHash.DisplayName()}; SHA-256 or stronger is needed.");
        return null;
    }
}
