using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>The two ways a TPM derives keys from secrets.</summary>
internal static class TpmKdf
{
    /// <summary>A key out of a seed: counter mode over HMAC. Source: TPM 2.0 Library Part 1, "KDFa()".</summary>
    /// <param name="hash">The HMAC's hash.</param>
    /// <param name="seed">The secret.</param>
    /// <param name="label">Text without the NUL that ends it on the wire.</param>
    /// <param name="context">What the key is bound to.</param>
    /// <param name="bits">Length of the key.</param>
    public static byte[] A(TpmAlgorithm hash, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> label, ReadOnlySpan<byte> context, int bits)
    {
        // The same construction, with the same NUL after the label and the length at the end, is in NIST SP 800-108.
        var key = new byte[bits / 8];
        SP800108HmacCounterKdf.DeriveBytes(seed, hash.PlatformName(), label, context, key);
        return key;
    }

    /// <summary>
    /// A seed of digest length out of an agreed point. Source: TPM 2.0 Library Part 1, "KDFe for ECDH".
    /// </summary>
    /// <param name="hash">The hash.</param>
    /// <param name="agreed">x of the agreed point, as long as the curve's field.</param>
    /// <param name="label">Text without the NUL that ends it on the wire.</param>
    /// <param name="partyU">x of the passing key.</param>
    /// <param name="partyV">x of the TPM's key.</param>
    public static byte[] E(TpmAlgorithm hash, ReadOnlySpan<byte> agreed, ReadOnlySpan<byte> label, ReadOnlySpan<byte> partyU, ReadOnlySpan<byte> partyV)
    {
        // One round gives all bits that are asked for, so the counter is 1.
        Span<byte> counter = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(counter, 1);
        using var digest = IncrementalHash.CreateHash(hash.PlatformName());
        digest.AppendData(counter);
        digest.AppendData(agreed);
        digest.AppendData(label);
        digest.AppendData([0]);
        digest.AppendData(partyU);
        digest.AppendData(partyV);
        return digest.GetHashAndReset();
    }
}
