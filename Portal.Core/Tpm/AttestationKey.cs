using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>
/// A public key whose signature under an attestation can be believed: it lives in one TPM, was born there, and signs nothing a host
/// could make up. Holds the imported key, so keep one per host and verify many quotes with it. Safe for use by several threads at once.
/// </summary>
public sealed class AttestationKey : IDisposable
{
    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 4096;

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
        return area.Type == TpmAlgorithm.Rsa ? ImportRsa(area) : ImportEcc(area);
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
        return TryPad(signature.R.Span, joined[.._fieldSize]) && TryPad(signature.S.Span, joined[_fieldSize..])
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

    private static TpmResult<AttestationKey> ImportRsa(TpmtPublic area)
    {
        if (area.KeyBits < MinRsaBits)
            return new TpmRefusal(TpmRefusalCode.KeyTooWeak, $"An RSA key of {area.KeyBits} bits; at least {MinRsaBits} are needed.");
        if (area.KeyBits > MaxRsaBits)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"An RSA key of {area.KeyBits} bits; at most {MaxRsaBits} are supported.");
        var modulus = area.Modulus.Span;
        if (modulus.Length * 8 != area.KeyBits || (modulus[0] & 0x80) == 0 || (modulus[^1] & 1) == 0)
            return new TpmRefusal(TpmRefusalCode.KeyInvalid, $"The modulus is no odd number of {area.KeyBits} bits.");
        if (area.Exponent != 65537)
            return new TpmRefusal(TpmRefusalCode.KeyInvalid, $"The public exponent is {area.Exponent}; only 65537 is supported.");
        var parameters = new RSAParameters { Modulus = modulus.ToArray(), Exponent = [1, 0, 1] };
        return TryImport(() => RSA.Create(parameters), out var rsa)
            ? new AttestationKey(area, rsa, null, 0)
            : new TpmRefusal(TpmRefusalCode.KeyInvalid, "The modulus is no usable RSA key.");
    }

    private static TpmResult<AttestationKey> ImportEcc(TpmtPublic area)
    {
        var (curve, fieldSize) = area.Curve switch
        {
            TpmCurve.P256 => (ECCurve.NamedCurves.nistP256, 32),
            TpmCurve.P384 => (ECCurve.NamedCurves.nistP384, 48),
            _ => (default, 0),
        };
        if (fieldSize == 0)
            return new TpmRefusal(TpmRefusalCode.KeyTooWeak, $"Curve 0x{(ushort)area.Curve:x4} is not accepted; P-256 and P-384 are.");
        var point = new ECPoint { X = new byte[fieldSize], Y = new byte[fieldSize] };
        if (!TryPad(area.X.Span, point.X) || !TryPad(area.Y.Span, point.Y))
            return new TpmRefusal(TpmRefusalCode.KeyInvalid, "A coordinate is longer than the curve's field.");
        var parameters = new ECParameters { Curve = curve, Q = point };
        return TryImport(() => ECDsa.Create(parameters), out var ecdsa)
            ? new AttestationKey(area, null, ecdsa, fieldSize)
            : new TpmRefusal(TpmRefusalCode.KeyInvalid, "The point is not on the curve.");
    }

    /// <summary>The platform reports bad numbers by an exception only; this is where it ends.</summary>
    private static bool TryImport<T>(Func<T> import, [NotNullWhen(true)] out T? key)
        where T : AsymmetricAlgorithm
    {
        try
        {
            key = import();
            return true;
        }
        catch (CryptographicException)
        {
            key = null;
            return false;
        }
    }

    /// <summary>Copies a number with zeros in front; false when it is too long. More zeros than needed are cut off.</summary>
    private static bool TryPad(ReadOnlySpan<byte> number, Span<byte> padded)
    {
        number = number.TrimStart((byte)0);
        if (number.Length > padded.Length)
            return false;
        padded[..^number.Length].Clear();
        number.CopyTo(padded[^number.Length..]);
        return true;
    }
}
