using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>A secret wrapped so that only one TPM can open it, and only while it holds one certain key.</summary>
/// <param name="IdObject">TPM2B_ID_OBJECT: integrity value and encrypted secret.</param>
/// <param name="EncryptedSecret">TPM2B_ENCRYPTED_SECRET: the seed of both, for the endorsement key.</param>
public sealed record Credential(ReadOnlyMemory<byte> IdObject, ReadOnlyMemory<byte> EncryptedSecret)
{
    private const uint FileMagic = 0xBADCC0DE;
    private const uint FileVersion = 1;

    /// <summary>Both parts in one file, as tpm2_makecredential writes and tpm2_activatecredential reads it.</summary>
    public byte[] ToFile()
    {
        var file = new byte[8 + IdObject.Length + EncryptedSecret.Length];
        BinaryPrimitives.WriteUInt32BigEndian(file, FileMagic);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(4), FileVersion);
        IdObject.Span.CopyTo(file.AsSpan(8));
        EncryptedSecret.Span.CopyTo(file.AsSpan(8 + IdObject.Length));
        return file;
    }

    /// <summary><see cref="ToFile"/> in base64: the blob a keylime agent expects from its registrar.</summary>
    public string ToBlob() => Convert.ToBase64String(ToFile());
}

/// <summary>
/// TPM2_MakeCredential without a TPM. Who returns the secret holds the private endorsement key and has the named key in the same TPM.
/// Source: TPM 2.0 Library Part 1, "Credential Protection"; Part 3, "TPM2_MakeCredential".
/// </summary>
public static class MakeCredential
{
    private static ReadOnlySpan<byte> IdentityLabel => "IDENTITY"u8;

    /// <summary>Wraps a secret for a TPM and a key of it. Random: two calls never give the same credential.</summary>
    /// <param name="endorsement">The TPM's endorsement key.</param>
    /// <param name="attestation">The key that must be in the same TPM.</param>
    /// <param name="secret">1 to <see cref="EndorsementKey.LongestSecret"/> bytes; another length throws <see cref="ArgumentOutOfRangeException"/>.</param>
    public static Credential For(EndorsementKey endorsement, AttestationKey attestation, ReadOnlySpan<byte> secret)
    {
        ArgumentNullException.ThrowIfNull(endorsement);
        ArgumentNullException.ThrowIfNull(attestation);
        ArgumentOutOfRangeException.ThrowIfZero(secret.Length, nameof(secret));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(secret.Length, endorsement.LongestSecret, nameof(secret));

        var area = endorsement.Public;
        var (seed, encryptedSeed) = area.Type == TpmAlgorithm.Rsa ? SeedForRsa(area) : SeedForEcc(area);
        var idObject = Protect(area, seed, attestation.Name.Span, secret);
        CryptographicOperations.ZeroMemory(seed);
        return new(Sized(idObject), Sized(encryptedSeed));
    }

    /// <summary>Encrypts the secret and binds it to the key's name. Source: Part 1, "Symmetric Encrypt" and "HMAC" of credential protection.</summary>
    private static byte[] Protect(TpmtPublic area, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> name, ReadOnlySpan<byte> secret)
    {
        var hash = area.NameAlgorithm;
        var encrypted = Encrypt(TpmKdf.A(hash, seed, "STORAGE"u8, name, area.Symmetric.KeyBits), Sized(secret));
        var integrityKey = TpmKdf.A(hash, seed, "INTEGRITY"u8, default, hash.DigestSize() * 8);
        using var hmac = IncrementalHash.CreateHMAC(hash.PlatformName(), integrityKey);
        hmac.AppendData(encrypted);
        hmac.AppendData(name);
        return [.. Sized(hmac.GetHashAndReset()), .. encrypted];
    }

    private static byte[] Encrypt(byte[] key, byte[] plain)
    {
        using var aes = Aes.Create();
        aes.Key = key;
        // The platform's CFB wants whole blocks: the zeros it adds change nothing before them and are cut off.
        return aes.EncryptCfb(plain, new byte[16], PaddingMode.Zeros, feedbackSizeInBits: 128)[..plain.Length];
    }

    /// <summary>Source: TPM 2.0 Library Part 1, "RSA", annex B "Secret Sharing".</summary>
    private static (byte[] Seed, byte[] Encrypted) SeedForRsa(TpmtPublic area)
    {
        var seed = RandomNumberGenerator.GetBytes(area.NameAlgorithm.DigestSize());
        var padded = PadOaep(area.NameAlgorithm, [.. IdentityLabel, 0], seed, area.Modulus.Length);
        var modulus = new BigInteger(area.Modulus.Span, isUnsigned: true, isBigEndian: true);
        var number = BigInteger.ModPow(new BigInteger(padded, isUnsigned: true, isBigEndian: true), area.Exponent, modulus);
        var encrypted = new byte[area.Modulus.Length];
        PublicNumbers.TryPad(number.ToByteArray(isUnsigned: true, isBigEndian: true), encrypted);
        return (seed, encrypted);
    }

    /// <summary>
    /// OAEP with a label, which the platform's own does not take. Source: RFC 8017 section 7.1.1 step 2; TPM 2.0 Library Part 1, annex B "OAEP".
    /// </summary>
    private static byte[] PadOaep(TpmAlgorithm hash, ReadOnlySpan<byte> label, ReadOnlySpan<byte> message, int length)
    {
        var size = hash.DigestSize();
        var padded = new byte[length];
        var seed = padded.AsSpan(1, size);
        var block = padded.AsSpan(1 + size);
        TpmHash.Compute(hash, label, block);
        block[^(message.Length + 1)] = 1;
        message.CopyTo(block[^message.Length..]);
        RandomNumberGenerator.Fill(seed);
        Mgf1.Mask(hash, seed, block);
        Mgf1.Mask(hash, block, seed);
        return padded;
    }

    /// <summary>Source: TPM 2.0 Library Part 1, annex C "ECC Secret Sharing"; coordinates are padded to the field's length.</summary>
    private static (byte[] Seed, byte[] Encrypted) SeedForEcc(TpmtPublic area)
    {
        using var passing = ECDiffieHellman.Create(PublicNumbers.Named(area.Curve));
        using var endorsement = PublicNumbers.ImportEcc(area, ECDiffieHellman.Create).Value;
        using var peer = endorsement.PublicKey;
        var agreed = passing.DeriveRawSecretAgreement(peer);
        var point = passing.ExportParameters(includePrivateParameters: false).Q;
        var theirs = endorsement.ExportParameters(includePrivateParameters: false).Q;
        var seed = TpmKdf.E(area.NameAlgorithm, agreed, IdentityLabel, point.X, theirs.X);
        CryptographicOperations.ZeroMemory(agreed);
        return (seed, [.. Sized(point.X), .. Sized(point.Y)]);
    }

    private static byte[] Sized(ReadOnlySpan<byte> bytes)
    {
        var sized = new byte[2 + bytes.Length];
        BinaryPrimitives.WriteUInt16BigEndian(sized, (ushort)bytes.Length);
        bytes.CopyTo(sized.AsSpan(2));
        return sized;
    }
}
