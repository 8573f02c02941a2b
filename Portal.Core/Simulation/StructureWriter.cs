using System.Buffers.Binary;
using System.Text;

namespace Portal.Core.Simulation;

/// <summary>
/// Writes structures byte by byte: big-endian those of TPM 2.0 (Part 2), little-endian those of UEFI and of the event log. Written apart from the
/// verifier's parsers, so that each checks the other.
/// </summary>
internal sealed class StructureWriter
{
    private readonly MemoryStream stream = new();
    private readonly bool isBigEndian;

    private StructureWriter(bool isBigEndian) => this.isBigEndian = isBigEndian;

    public static StructureWriter BigEndian() => new(isBigEndian: true);

    public static StructureWriter LittleEndian() => new(isBigEndian: false);

    public byte[] ToArray() => stream.ToArray();

    public StructureWriter Byte(byte value)
    {
        stream.WriteByte(value);
        return this;
    }

    public StructureWriter UInt16(ushort value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        return InOrder(bytes);
    }

    public StructureWriter UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return InOrder(bytes);
    }

    public StructureWriter UInt64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return InOrder(bytes);
    }

    public StructureWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        return this;
    }

    /// <summary>A TPM2B: size, then bytes.</summary>
    public StructureWriter Sized(ReadOnlySpan<byte> bytes) => UInt16((ushort)bytes.Length).Bytes(bytes);

    public StructureWriter Guid(Guid guid) => Bytes(guid.ToByteArray());

    public StructureWriter Ascii(string text) => Bytes(Encoding.ASCII.GetBytes(text));

    public StructureWriter Utf16(string text) => Bytes(Encoding.Unicode.GetBytes(text));

    private StructureWriter InOrder(Span<byte> littleEndian)
    {
        if (isBigEndian)
        {
            littleEndian.Reverse();
        }

        return Bytes(littleEndian);
    }
}
