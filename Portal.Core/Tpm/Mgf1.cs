namespace Portal.Core.Tpm;

/// <summary>The mask generation of RSA paddings. Source: RFC 8017 section B.2.1.</summary>
internal static class Mgf1
{
    /// <summary>XORs the mask of a seed onto a block, which masks and unmasks.</summary>
    public static void Mask(TpmAlgorithm hash, ReadOnlySpan<byte> seed, Span<byte> block)
    {
        Span<byte> input = new byte[seed.Length + 4];
        seed.CopyTo(input);
        Span<byte> mask = stackalloc byte[TpmHash.MaxDigestSize];
        for (var counter = 0; !block.IsEmpty; counter++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(input[seed.Length..], counter);
            var size = Math.Min(TpmHash.Compute(hash, input, mask), block.Length);
            for (var i = 0; i < size; i++)
                block[i] ^= mask[i];
            block = block[size..];
        }
    }
}
