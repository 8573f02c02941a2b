using System.Buffers;
using System.Buffers.Binary;

namespace Portal.Core.Tpm;

/// <summary>
/// Reads the text form of a measurement list by writing out what the kernel hashed. Source: Linux kernel, "ima_ascii_measurements_show".
/// </summary>
internal static class ImaText
{
    private const int MaxFields = 6;

    private static readonly SearchValues<byte> s_digits = SearchValues.Create("0123456789abcdef"u8);

    /// <summary>Usual length of a line in bytes, to size the first buffer.</summary>
    private const int TypicalLine = 160;

    public static TpmResult<ImaList> Parse(ReadOnlySpan<byte> text)
    {
        // What a line says is always shorter than the line: two digits stand for a byte.
        var kept = new byte[text.Length];
        var places = new List<ImaList.Place>(text.Length / TypicalLine + 1);
        for (var used = 0; !text.IsEmpty;)
        {
            if (places.Count == ImaList.MaxEntries)
                return new TpmRefusal(TpmRefusalCode.TooLarge, $"The measurement list has more than {ImaList.MaxEntries} entries.");
            var length = text.IndexOf((byte)'\n');
            if (length < 0)
                return new TpmRefusal(TpmRefusalCode.Truncated, $"The measurement list ends within entry {places.Count}.");
            if (ReadLine(text[..length], kept, ref used, places) is { } refusal)
                return refusal;
            text = text[(length + 1)..];
        }
        return new ImaList(kept, places);
    }

    private static TpmRefusal? ReadLine(ReadOnlySpan<byte> line, byte[] kept, ref int used, List<ImaList.Place> places)
    {
        var index = places.Count;
        Span<Range> ranges = stackalloc Range[MaxFields + 1];
        var count = Split(line, ranges);
        if (count < 4 || !line[ranges[0]].SequenceEqual("10"u8))
            return TpmRefusal.Malformed($"Entry {index} is no measurement of PCR {ImaList.Pcr}.");
        if (ImaFields.TemplateNamed(line[ranges[2]]) is not { } template || template == ImaTemplate.Other)
            return new(TpmRefusalCode.TemplateUnknown, $"Entry {index} has a template whose text does not give what was measured.");
        if (count != (template is ImaTemplate.ImaSig or ImaTemplate.ImaBuf ? 6 : 5))
            return TpmRefusal.Malformed($"Entry {index} has {count} fields, which its template has not.");

        var writer = new Writer(kept, used);
        if (!writer.TryHex(line[ranges[1]]) || writer.Position - used != TpmAlgorithm.Sha1.DigestSize())
            return TpmRefusal.Malformed($"Entry {index} has no SHA-1 digest.");
        var start = writer.Position;
        var isWritten = template == ImaTemplate.Ima
            ? TryWriteLegacy(ref writer, line[ranges[3]], line[ranges[4]])
            : TryWrite(ref writer, line[ranges[3]], line[ranges[4]], count == 6 ? line[ranges[5]] : default, withLast: count == 6);
        var data = kept.AsSpan(start, writer.Position - start);
        var isViolation = !kept.AsSpan(used, TpmAlgorithm.Sha1.DigestSize()).ContainsAnyExcept((byte)0);
        if (!isWritten || !ImaFields.TryRead(template, data, isViolation, out _))
            return TpmRefusal.Malformed($"Entry {index} is not built as its template says.");
        if (data.Length > ImaList.MaxTemplateSize)
            return new(TpmRefusalCode.TooLarge, $"Entry {index} has {data.Length} bytes; at most {ImaList.MaxTemplateSize} are possible.");
        places.Add(new(template, used, start, data.Length));
        used = writer.Position;
        return null;
    }

    private static bool TryWriteLegacy(ref Writer writer, ReadOnlySpan<byte> digest, ReadOnlySpan<byte> name)
    {
        if (digest.Length != 2 * ImaFields.LegacyDigestSize || !writer.TryHex(digest))
            return false;
        var length = writer.Reserve();
        writer.Bytes(name);
        writer.Close(length);
        return true;
    }

    private static bool TryWrite(ref Writer writer, ReadOnlySpan<byte> digest, ReadOnlySpan<byte> path, ReadOnlySpan<byte> last, bool withLast)
    {
        var colon = digest.IndexOf((byte)':');
        if (colon < 0)
            return false;
        var length = writer.Reserve();
        writer.Bytes(digest[..(colon + 1)]);
        writer.Bytes([0]);
        if (!writer.TryHex(digest[(colon + 1)..]))
            return false;
        writer.Close(length);
        length = writer.Reserve();
        writer.Bytes(path);
        writer.Bytes([0]);
        writer.Close(length);
        if (!withLast)
            return true;
        length = writer.Reserve();
        if (!writer.TryHex(last))
            return false;
        writer.Close(length);
        return true;
    }

    /// <summary>Parts between single spaces; one more than fit when there are too many.</summary>
    private static int Split(ReadOnlySpan<byte> line, Span<Range> ranges)
    {
        var count = 0;
        foreach (var range in line.Split((byte)' '))
        {
            if (count == ranges.Length)
                break;
            ranges[count++] = range;
        }
        return count;
    }

    private ref struct Writer(byte[] buffer, int position)
    {
        public int Position { get; private set; } = position;

        /// <summary>Keeps room for a length; gives where it stands.</summary>
        public int Reserve() => (Position += sizeof(uint)) - sizeof(uint);

        public readonly void Close(int length) =>
            BinaryPrimitives.WriteUInt32LittleEndian(buffer.AsSpan(length), (uint)(Position - length - sizeof(uint)));

        public void Bytes(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(buffer.AsSpan(Position));
            Position += bytes.Length;
        }

        /// <summary>Lower-case digits only: the kernel writes no others, and one value has one text.</summary>
        public bool TryHex(ReadOnlySpan<byte> digits)
        {
            if (digits.Length % 2 != 0 || digits.ContainsAnyExcept(s_digits))
                return false;
            for (var i = 0; i < digits.Length; i += 2)
                buffer[Position++] = (byte)(Value(digits[i]) << 4 | Value(digits[i + 1]));
            return true;
        }

        private static int Value(byte digit) => digit <= '9' ? digit - '0' : digit - 'a' + 10;
    }
}
