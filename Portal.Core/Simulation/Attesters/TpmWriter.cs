using System.Buffers.Binary;

namespace Portal.Core.Simulation.Attesters;

/// <summary>Writes the big-endian structures of TPM 2.0 (Part 2). Written apart from the verifier's parser, so that each checks the other.</summary>
internal sealed class TpmWriter
{
    private readonly MemoryStream stream = new();

    public byte[] ToArray() => stream.ToArray();

    public TpmWriter Byte(byte value)
    {
        stream.WriteByte(value);
        return this;
    }

    public TpmWriter UInt16(ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        return Bytes(bytes);
    }

    public TpmWriter UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return Bytes(bytes);
    }

    public TpmWriter UInt64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return Bytes(bytes);
    }

    public TpmWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        return this;
    }

    /// <summary>A TPM2B: size, then bytes.</summary>
    public TpmWriter Sized(ReadOnlySpan<byte> bytes) => UInt16((ushort)bytes.Length).Bytes(bytes);
}
