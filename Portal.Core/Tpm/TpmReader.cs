using System.Buffers.Binary;

namespace Portal.Core.Tpm;

/// <summary>
/// Reads a structure front to back. A read past the end gives zero or nothing and is remembered in
/// <see cref="Failed"/>, so a parser reads a whole group of fields and asks once.
/// </summary>
internal ref struct TpmReader(ReadOnlySpan<byte> bytes, bool littleEndian = false)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Bytes read so far.</summary>
    public int Position { get; private set; }

    /// <summary>Whether any read went past the end.</summary>
    public bool Failed { get; private set; }

    /// <summary>Bytes left.</summary>
    public readonly int Remaining => _bytes.Length - Position;

    /// <summary>Whether everything was read, neither more nor less.</summary>
    public readonly bool AtEnd => !Failed && Remaining == 0;

    public byte U8() => Take(1) is [var value] ? value : (byte)0;

    public ushort U16()
    {
        var taken = Take(2);
        if (taken.IsEmpty)
            return 0;
        return littleEndian ? BinaryPrimitives.ReadUInt16LittleEndian(taken) : BinaryPrimitives.ReadUInt16BigEndian(taken);
    }

    public uint U32()
    {
        var taken = Take(4);
        if (taken.IsEmpty)
            return 0;
        return littleEndian ? BinaryPrimitives.ReadUInt32LittleEndian(taken) : BinaryPrimitives.ReadUInt32BigEndian(taken);
    }

    public ulong U64()
    {
        var taken = Take(8);
        if (taken.IsEmpty)
            return 0;
        return littleEndian ? BinaryPrimitives.ReadUInt64LittleEndian(taken) : BinaryPrimitives.ReadUInt64BigEndian(taken);
    }

    public TpmAlgorithm Algorithm() => (TpmAlgorithm)U16();

    /// <summary>The next <paramref name="count"/> bytes, or none and <see cref="Failed"/>.</summary>
    public ReadOnlySpan<byte> Take(long count)
    {
        if (Failed || count < 0 || count > Remaining)
        {
            Failed = true;
            return default;
        }
        var taken = _bytes.Slice(Position, (int)count);
        Position += (int)count;
        return taken;
    }

    /// <summary>A TPM2B: a 16-bit length and that many bytes; where they start and how many, to slice a stored copy.</summary>
    public (int Start, int Length) Sized()
    {
        var length = U16();
        var start = Position;
        Take(length);
        return Failed ? (0, 0) : (start, length);
    }
}
