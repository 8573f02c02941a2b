using System.Buffers.Binary;
using System.Security.Cryptography;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>Public areas and signed quotes of software keys, to reach what the recorded ones do not.</summary>
internal static class SoftwareTpm
{
    public const TpmObjectAttributes AttestationAttributes = TpmObjectAttributes.FixedTpm | TpmObjectAttributes.FixedParent
        | TpmObjectAttributes.SensitiveDataOrigin | TpmObjectAttributes.UserWithAuth | TpmObjectAttributes.Restricted | TpmObjectAttributes.Sign;

    public static byte[] RsaArea(
        RSA rsa, TpmAlgorithm scheme, TpmAlgorithm hash, TpmObjectAttributes attributes = AttestationAttributes, uint exponent = 0)
    {
        var modulus = rsa.ExportParameters(false).Modulus!;
        return [.. Head(TpmAlgorithm.Rsa, attributes, scheme, hash), .. U16((ushort)(modulus.Length * 8)), .. U32(exponent), .. Sized(modulus)];
    }

    public static byte[] EccArea(ECDsa ecdsa, TpmCurve curve, TpmAlgorithm hash)
    {
        var point = ecdsa.ExportParameters(false).Q;
        return EccArea(curve, hash, point.X!, point.Y!);
    }

    public static byte[] EccArea(TpmCurve curve, TpmAlgorithm hash, byte[] x, byte[] y) =>
        [.. Head(TpmAlgorithm.Ecc, AttestationAttributes, TpmAlgorithm.EcDsa, hash), .. U16((ushort)curve), .. U16((ushort)TpmAlgorithm.Null), .. Sized(x), .. Sized(y)];

    /// <summary>A quote over the values with the given nonce; PCR digest by the signing hash.</summary>
    public static byte[] Attest(TpmAlgorithm hash, byte[] nonce, PcrSelection selection, byte[] joinedValues, byte safe = 1)
    {
        var digest = new byte[hash.DigestSize()];
        TpmHash.Compute(hash, joinedValues, digest);
        return
        [
            .. U32(TpmsAttest.Magic), .. U16(TpmsAttest.QuoteType), .. Sized(new byte[34]), .. Sized(nonce), .. new byte[16], safe,
            .. new byte[8], .. Selection(selection), .. Sized(digest),
        ];
    }

    public static byte[] RsaSignature(TpmAlgorithm scheme, TpmAlgorithm hash, byte[] number) => [.. U16((ushort)scheme), .. U16((ushort)hash), .. Sized(number)];

    public static byte[] EccSignature(TpmAlgorithm hash, ReadOnlySpan<byte> r, ReadOnlySpan<byte> s) =>
        [.. U16((ushort)TpmAlgorithm.EcDsa), .. U16((ushort)hash), .. Sized(r), .. Sized(s)];

    public static byte[] Selection(PcrSelection selection) =>
    [
        .. U32((uint)selection.Banks.Length),
        .. selection.Banks.SelectMany(bank => (byte[])[.. U16((ushort)bank.Bank), 3, (byte)bank.Mask, (byte)(bank.Mask >> 8), (byte)(bank.Mask >> 16)]),
    ];

    public static byte[] U16(ushort value) => [(byte)(value >> 8), (byte)value];

    public static byte[] U32(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Sized(ReadOnlySpan<byte> bytes) => [.. U16((ushort)bytes.Length), .. bytes];

    private static byte[] Head(TpmAlgorithm type, TpmObjectAttributes attributes, TpmAlgorithm scheme, TpmAlgorithm hash) =>
    [
        .. U16((ushort)type), .. U16((ushort)TpmAlgorithm.Sha256), .. U32((uint)attributes), .. U16(0), .. U16((ushort)TpmAlgorithm.Null),
        .. U16((ushort)scheme), .. scheme == TpmAlgorithm.Null ? [] : U16((ushort)hash),
    ];
}
