using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Tpm;

/// <summary>
/// The numbers of a certified public key. Read here and not by the platform, which knows no RSA key under the identifier some makers of
/// TPMs gave it.
/// </summary>
internal sealed class CertifiedKey
{
    private const string Rsa = "1.2.840.113549.1.1.1";
    private const string RsaOaep = "1.2.840.113549.1.1.7";
    private const string Ecc = "1.2.840.10045.2.1";
    private const string P256 = "1.2.840.10045.3.1.7";
    private const string P384 = "1.3.132.0.34";

    private readonly TpmAlgorithm _type;
    private readonly TpmCurve _curve;
    private readonly byte[] _first;
    private readonly byte[] _second;

    private CertifiedKey(TpmAlgorithm type, TpmCurve curve, byte[] first, byte[] second) =>
        (_type, _curve, _first, _second) = (type, curve, first, second);

    /// <summary>A key of a kind no TPM endorses with is read as one that equals none. Throws <see cref="AsnContentException"/>.</summary>
    public static CertifiedKey Of(PublicKey key) => key.Oid.Value switch
    {
        Rsa or RsaOaep => OfRsa(key.EncodedKeyValue.RawData),
        Ecc => OfPoint(CurveOf(key.EncodedParameters?.RawData), key.EncodedKeyValue.RawData),
        _ => new(TpmAlgorithm.None, TpmCurve.None, [], []),
    };

    public bool Is(TpmtPublic area) => area.Type == _type && _type switch
    {
        TpmAlgorithm.Rsa => Same(_first, area.Modulus.Span) && Same(_second, [(byte)(area.Exponent >> 24), (byte)(area.Exponent >> 16), (byte)(area.Exponent >> 8), (byte)area.Exponent]),
        TpmAlgorithm.Ecc => area.Curve == _curve && Same(_first, area.X.Span) && Same(_second, area.Y.Span),
        _ => false,
    };

    /// <summary>Source: RFC 8017 appendix A.1.1.</summary>
    private static CertifiedKey OfRsa(byte[] encoded)
    {
        var numbers = new AsnReader(encoded, AsnEncodingRules.BER).ReadSequence();
        return new(TpmAlgorithm.Rsa, TpmCurve.None, numbers.ReadIntegerBytes().ToArray(), numbers.ReadIntegerBytes().ToArray());
    }

    private static TpmCurve CurveOf(byte[]? parameters) => parameters is null ? TpmCurve.None
        : new AsnReader(parameters, AsnEncodingRules.BER).ReadObjectIdentifier() switch
        {
            P256 => TpmCurve.P256,
            P384 => TpmCurve.P384,
            _ => TpmCurve.None,
        };

    /// <summary>Source: SEC 1 section 2.3.3; only the uncompressed form is used in certificates.</summary>
    private static CertifiedKey OfPoint(TpmCurve curve, byte[] point)
    {
        var size = PublicNumbers.FieldSize(curve);
        return size > 0 && point.Length == 1 + 2 * size && point[0] == 4
            ? new(TpmAlgorithm.Ecc, curve, point[1..(1 + size)], point[(1 + size)..])
            : new(TpmAlgorithm.None, TpmCurve.None, [], []);
    }

    private static bool Same(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other) =>
        one.TrimStart((byte)0) is { IsEmpty: false } number && number.SequenceEqual(other.TrimStart((byte)0));
}
