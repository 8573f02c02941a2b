using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>The numbers of a TPM key as a key of the platform, or why they are none.</summary>
internal static class PublicNumbers
{
    /// <summary>Longest coordinate of an accepted curve, in bytes.</summary>
    public const int MaxFieldSize = 48;

    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 4096;

    /// <summary>RSA of 2048 to 4096 bits with exponent 65537, imported.</summary>
    public static TpmResult<RSA> ImportRsa(TpmtPublic area)
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
            ? rsa
            : new TpmRefusal(TpmRefusalCode.KeyInvalid, "The modulus is no usable RSA key.");
    }

    /// <summary>A point of P-256 or P-384, imported for the use the caller has.</summary>
    public static TpmResult<T> ImportEcc<T>(TpmtPublic area, Func<ECParameters, T> import)
        where T : ECAlgorithm
    {
        var fieldSize = FieldSize(area.Curve);
        if (fieldSize == 0)
            return new TpmRefusal(TpmRefusalCode.KeyTooWeak, $"Curve 0x{(ushort)area.Curve:x4} is not accepted; P-256 and P-384 are.");
        var point = new ECPoint { X = new byte[fieldSize], Y = new byte[fieldSize] };
        if (!TryPad(area.X.Span, point.X) || !TryPad(area.Y.Span, point.Y))
            return new TpmRefusal(TpmRefusalCode.KeyInvalid, "A coordinate is longer than the curve's field.");
        var parameters = new ECParameters { Curve = Named(area.Curve), Q = point };
        return TryImport(() => import(parameters), out var key)
            ? key
            : new TpmRefusal(TpmRefusalCode.KeyInvalid, "The point is not on the curve.");
    }

    /// <summary>Length of a coordinate in bytes; 0 for a curve that is not accepted.</summary>
    public static int FieldSize(TpmCurve curve) => curve switch
    {
        TpmCurve.P256 => 32,
        TpmCurve.P384 => 48,
        _ => 0,
    };

    /// <summary>The platform's curve; the caller has asked <see cref="FieldSize"/>.</summary>
    public static ECCurve Named(TpmCurve curve) => curve == TpmCurve.P256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;

    /// <summary>Copies a number with zeros in front; false when it is too long. More zeros than needed are cut off.</summary>
    public static bool TryPad(ReadOnlySpan<byte> number, Span<byte> padded)
    {
        number = number.TrimStart((byte)0);
        if (number.Length > padded.Length)
            return false;
        padded[..^number.Length].Clear();
        number.CopyTo(padded[^number.Length..]);
        return true;
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
}
