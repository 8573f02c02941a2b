using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>
/// An endorsement key with its private part, and TPM2_ActivateCredential as the specification words it: every derivation and padding
/// is written out here, so that it shares nothing with what made the credential.
/// </summary>
internal sealed class SoftwareEndorsement : IDisposable
{
    public const TpmObjectAttributes Attributes = TpmObjectAttributes.FixedTpm | TpmObjectAttributes.FixedParent
        | TpmObjectAttributes.SensitiveDataOrigin | TpmObjectAttributes.AdminWithPolicy | TpmObjectAttributes.Restricted | TpmObjectAttributes.Decrypt;

    private readonly RSA? _rsa;
    private readonly ECDiffieHellman? _ecc;
    private readonly TpmAlgorithm _hash;
    private readonly int _aesBits;

    private SoftwareEndorsement(RSA? rsa, ECDiffieHellman? ecc, TpmAlgorithm hash, int aesBits) =>
        (_rsa, _ecc, _hash, _aesBits) = (rsa, ecc, hash, aesBits);

    public static SoftwareEndorsement Rsa(TpmAlgorithm hash, int aesBits) => new(RSA.Create(2048), null, hash, aesBits);

    public static SoftwareEndorsement Ecc(ECCurve curve, TpmAlgorithm hash, int aesBits) => new(null, ECDiffieHellman.Create(curve), hash, aesBits);

    public void Dispose()
    {
        _rsa?.Dispose();
        _ecc?.Dispose();
    }

    /// <summary>The key for a certificate.</summary>
    public PublicKey CertifiedKey => _rsa is null ? new(_ecc!) : new(_rsa);

    /// <summary>The TPMT_PUBLIC.</summary>
    public byte[] Area(
        TpmObjectAttributes attributes = Attributes, TpmAlgorithm cipher = TpmAlgorithm.Aes, TpmAlgorithm mode = TpmAlgorithm.Cfb,
        TpmAlgorithm scheme = TpmAlgorithm.Null)
    {
        byte[] head =
        [
            .. SoftwareTpm.U16((ushort)(_rsa is null ? TpmAlgorithm.Ecc : TpmAlgorithm.Rsa)), .. SoftwareTpm.U16((ushort)_hash),
            .. SoftwareTpm.U32((uint)attributes), .. SoftwareTpm.Sized(new byte[32]),
            .. SoftwareTpm.U16((ushort)cipher), .. cipher == TpmAlgorithm.Null ? [] : (byte[])[.. SoftwareTpm.U16((ushort)_aesBits), .. SoftwareTpm.U16((ushort)mode)],
            .. SoftwareTpm.U16((ushort)scheme), .. scheme == TpmAlgorithm.Null ? [] : SoftwareTpm.U16((ushort)_hash),
        ];
        if (_rsa is not null)
            return [.. head, .. SoftwareTpm.U16(2048), .. SoftwareTpm.U32(0), .. SoftwareTpm.Sized(_rsa.ExportParameters(false).Modulus)];
        var point = _ecc!.ExportParameters(false).Q;
        var curve = point.X!.Length == 32 ? TpmCurve.P256 : TpmCurve.P384;
        return [.. head, .. SoftwareTpm.U16((ushort)curve), .. SoftwareTpm.U16((ushort)TpmAlgorithm.Null), .. SoftwareTpm.Sized(point.X), .. SoftwareTpm.Sized(point.Y)];
    }

    /// <summary>The secret for a key of that name; null when the integrity value is not right.</summary>
    public byte[]? Activate(byte[] file, byte[] name)
    {
        Assert.Equal("BADCC0DE00000001", Convert.ToHexString(file[..8]));
        var (idObject, rest) = Split(file[8..]);
        var (encryptedSecret, left) = Split(rest);
        Assert.Empty(left);
        var (integrity, encrypted) = Split(idObject);

        var seed = _rsa is null ? SeedFromPoint(encryptedSecret) : SeedFromOaep(encryptedSecret);
        if (seed is null || !Hmac(Kdfa(seed, "INTEGRITY", [], Size * 8), [.. encrypted, .. name]).SequenceEqual(integrity))
            return null;
        var (secret, more) = Split(Decrypt(Kdfa(seed, "STORAGE", name, _aesBits), encrypted));
        Assert.Empty(more);
        return secret;
    }

    private int Size => _hash.DigestSize();

    private byte[]? SeedFromOaep(byte[] encrypted)
    {
        var parameters = _rsa!.ExportParameters(true);
        var opened = BigInteger.ModPow(Number(encrypted), Number(parameters.D!), Number(parameters.Modulus!)).ToByteArray(isUnsigned: true, isBigEndian: true);
        byte[] padded = [.. new byte[encrypted.Length - opened.Length], .. opened];
        var block = padded[(1 + Size)..];
        var seed = Xor(padded[1..(1 + Size)], Mgf(block, Size));
        block = Xor(block, Mgf(seed, block.Length));
        var end = Array.FindIndex(block, Size, value => value != 0);
        return padded[0] == 0 && block[..Size].SequenceEqual(Hash("IDENTITY\0"u8.ToArray())) && block[end] == 1 ? block[(end + 1)..] : null;
    }

    private byte[] SeedFromPoint(byte[] encrypted)
    {
        var (x, rest) = Split(encrypted);
        var (y, left) = Split(rest);
        Assert.Empty(left);
        var mine = _ecc!.ExportParameters(false);
        Assert.Equal(mine.Q.X!.Length, x.Length);
        using var passing = ECDiffieHellman.Create(new ECParameters { Curve = mine.Curve, Q = new ECPoint { X = x, Y = y } });
        var agreed = _ecc.DeriveRawSecretAgreement(passing.PublicKey);
        return Hash([0, 0, 0, 1, .. agreed, .. "IDENTITY\0"u8, .. x, .. mine.Q.X]);
    }

    private byte[] Kdfa(byte[] seed, string label, byte[] context, int bits)
    {
        var made = new List<byte>();
        for (uint counter = 1; made.Count < bits / 8; counter++)
            made.AddRange(Hmac(seed, [.. SoftwareTpm.U32(counter), .. System.Text.Encoding.ASCII.GetBytes(label), 0, .. context, .. SoftwareTpm.U32((uint)bits)]));
        return [.. made.Take(bits / 8)];
    }

    private static byte[] Decrypt(byte[] key, byte[] encrypted)
    {
        using var aes = Aes.Create();
        aes.Key = key;
        var register = new byte[16];
        var plain = new List<byte>();
        foreach (var block in encrypted.Chunk(16))
        {
            plain.AddRange(Xor(block, aes.EncryptEcb(register, PaddingMode.None)[..block.Length]));
            register = [.. block, .. new byte[16 - block.Length]];
        }
        return [.. plain];
    }

    private byte[] Mgf(byte[] seed, int length)
    {
        var made = new List<byte>();
        for (uint counter = 0; made.Count < length; counter++)
            made.AddRange(Hash([.. seed, .. SoftwareTpm.U32(counter)]));
        return [.. made.Take(length)];
    }

    private byte[] Hash(byte[] bytes) => _hash == TpmAlgorithm.Sha256 ? SHA256.HashData(bytes) : SHA384.HashData(bytes);

    private byte[] Hmac(byte[] key, byte[] bytes) => _hash == TpmAlgorithm.Sha256 ? HMACSHA256.HashData(key, bytes) : HMACSHA384.HashData(key, bytes);

    private static BigInteger Number(byte[] bytes) => new(bytes, isUnsigned: true, isBigEndian: true);

    private static byte[] Xor(byte[] one, byte[] other) => [.. one.Zip(other, (a, b) => (byte)(a ^ b))];

    private static (byte[] Field, byte[] Left) Split(byte[] bytes)
    {
        var length = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        return (bytes[2..(2 + length)], bytes[(2 + length)..]);
    }
}
