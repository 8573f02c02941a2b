using System.Numerics;

namespace Portal.Core.Tpm;

/// <summary>
/// RSASSA-PSS with the longest salt that fits, as TPMs outside FIPS mode make it; the platform verifies only salts of hash length.
/// Source: RFC 8017 section 9.1.2; TPM 2.0 Library Part 1, "RSASSA_PSS".
/// </summary>
internal static class PssMaxSalt
{
    public static bool Verifies(TpmtPublic key, ReadOnlySpan<byte> digest, ReadOnlySpan<byte> signature)
    {
        var modulus = new BigInteger(key.Modulus.Span, isUnsigned: true, isBigEndian: true);
        var number = new BigInteger(signature, isUnsigned: true, isBigEndian: true);
        if (number >= modulus)
            return false;
        // The modulus has its top bit set, so the encoded message has as many bytes and one bit less.
        var encoded = new byte[signature.Length];
        var opened = BigInteger.ModPow(number, key.Exponent, modulus).ToByteArray(isUnsigned: true, isBigEndian: true);
        opened.CopyTo(encoded.AsSpan(encoded.Length - opened.Length));
        return Matches(key.SchemeHash, digest, encoded);
    }

    private static bool Matches(TpmAlgorithm hash, ReadOnlySpan<byte> digest, Span<byte> encoded)
    {
        var size = digest.Length;
        if (encoded[^1] != 0xBC || (encoded[0] & 0x80) != 0)
            return false;
        var block = encoded[..(encoded.Length - size - 1)];
        var check = encoded.Slice(block.Length, size);
        Mgf1.Mask(hash, check, block);
        block[0] &= 0x7F;
        // Longest salt: no padding zeros, the separator 01 stands first.
        if (block[0] != 1)
            return false;
        Span<byte> message = new byte[8 + size + block.Length - 1];
        digest.CopyTo(message[8..]);
        block[1..].CopyTo(message[(8 + size)..]);
        return TpmHash.Matches(hash, message, check);
    }
}
