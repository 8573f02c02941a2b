using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>One-shot hashing and PCR extension into buffers the caller owns; allocates nothing.</summary>
public static class TpmHash
{
    /// <summary>The longest digest of any bank, in bytes.</summary>
    public const int MaxDigestSize = 64;

    /// <summary>
    /// Hashes <paramref name="data"/> into the start of <paramref name="digest"/>.
    /// Returns the digest length in bytes, or 0 when <paramref name="algorithm"/> cannot be computed here.
    /// </summary>
    /// <param name="algorithm">SHA-1, SHA-256, SHA-384 or SHA-512.</param>
    /// <param name="data">What to hash.</param>
    /// <param name="digest">At least <see cref="TpmAlgorithmFacts.DigestSize"/> bytes.</param>
    [SuppressMessage("Security", "CA5350", Justification = "Old logs hold SHA-1; nothing is trusted by it.")]
    public static int Compute(TpmAlgorithm algorithm, ReadOnlySpan<byte> data, Span<byte> digest) => algorithm switch
    {
        TpmAlgorithm.Sha1 => SHA1.HashData(data, digest),
        TpmAlgorithm.Sha256 => SHA256.HashData(data, digest),
        TpmAlgorithm.Sha384 => SHA384.HashData(data, digest),
        TpmAlgorithm.Sha512 => SHA512.HashData(data, digest),
        _ => 0,
    };

    /// <summary>
    /// Extends a PCR in place: new value = hash(old value, digest).
    /// Returns false, and changes nothing, when the bank cannot be computed here or a length does not fit it.
    /// Source: TPM 2.0 Library Part 1, "Extend of a PCR".
    /// </summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="pcr">The value to replace.</param>
    /// <param name="digest">The measured digest.</param>
    public static bool TryExtend(TpmAlgorithm bank, Span<byte> pcr, ReadOnlySpan<byte> digest)
    {
        var size = bank.DigestSize();
        if (!bank.CanHash() || pcr.Length != size || digest.Length != size)
            return false;
        Span<byte> joined = stackalloc byte[2 * MaxDigestSize];
        pcr.CopyTo(joined);
        digest.CopyTo(joined[size..]);
        return Compute(bank, joined[..(2 * size)], pcr) == size;
    }

    /// <summary>Whether <paramref name="digest"/> is the hash of <paramref name="data"/>; false when the hash cannot be computed here.</summary>
    /// <param name="algorithm">The hash.</param>
    /// <param name="data">The claimed content.</param>
    /// <param name="digest">The digest it should have.</param>
    public static bool Matches(TpmAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> digest)
    {
        Span<byte> computed = stackalloc byte[MaxDigestSize];
        var size = Compute(algorithm, data, computed);
        return size != 0 && computed[..size].SequenceEqual(digest);
    }
}
