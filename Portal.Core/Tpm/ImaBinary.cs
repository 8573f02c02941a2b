namespace Portal.Core.Tpm;

/// <summary>Reads the binary form of a measurement list. Source: Linux kernel, "ima_measurements_show".</summary>
internal static class ImaBinary
{
    private const int MaxTemplateName = 255;

    /// <summary>Usual size of an entry in bytes, to size the first buffer.</summary>
    private const int TypicalEntrySize = 128;

    public static TpmResult<ImaList> Parse(ReadOnlySpan<byte> bytes)
    {
        ReadOnlyMemory<byte> kept = bytes.ToArray();
        var places = new List<ImaList.Place>(bytes.Length / TypicalEntrySize + 1);
        var reader = new TpmReader(kept.Span, littleEndian: true);
        while (reader.Remaining > 0)
        {
            if (places.Count == ImaList.MaxEntries)
                return new TpmRefusal(TpmRefusalCode.TooLarge, $"The measurement list has more than {ImaList.MaxEntries} entries.");
            if (ReadEntry(ref reader, kept.Span, places) is { } refusal)
                return refusal;
        }
        return new ImaList(kept, places);
    }

    private static TpmRefusal? ReadEntry(ref TpmReader reader, ReadOnlySpan<byte> bytes, List<ImaList.Place> places)
    {
        var index = places.Count;
        var pcr = reader.U32();
        var digest = reader.Position;
        reader.Take(TpmAlgorithm.Sha1.DigestSize());
        var nameLength = reader.U32();
        if (!reader.Failed && nameLength is 0 or > MaxTemplateName)
            return new(TpmRefusalCode.TooLarge, $"Entry {index} has a template name of {nameLength} bytes; 1 to {MaxTemplateName} are possible.");
        var named = ImaFields.TemplateNamed(reader.Take(nameLength));
        if (reader.Failed)
            return Truncated(index);
        if (pcr != ImaList.Pcr)
            return TpmRefusal.Malformed($"Entry {index} went to PCR {pcr}; only PCR {ImaList.Pcr} is supported.");

        if (named is not { } template)
            return new(TpmRefusalCode.TemplateUnknown, $"Entry {index} has a template the kernel does not have.");

        var isLegacy = template == ImaTemplate.Ima;
        var length = isLegacy ? LegacyLength(reader) : reader.U32();
        if (length > ImaList.MaxTemplateSize)
            return new(TpmRefusalCode.TooLarge, $"Entry {index} has {length} bytes; at most {ImaList.MaxTemplateSize} are possible.");
        var place = new ImaList.Place(template, digest, reader.Position, (int)length);
        var data = reader.Take(length);
        if (reader.Failed)
            return Truncated(index);
        var isViolation = !bytes.Slice(digest, TpmAlgorithm.Sha1.DigestSize()).ContainsAnyExcept((byte)0);
        if (!ImaFields.TryRead(template, data, isViolation, out _))
            return TpmRefusal.Malformed($"Entry {index} is not built as its template says.");
        places.Add(place);
        return null;
    }

    /// <summary>The oldest template gives no length of the whole: a digest, then a name with its length. Reads ahead in a copy.</summary>
    private static long LegacyLength(TpmReader reader)
    {
        reader.Take(ImaFields.LegacyDigestSize);
        return ImaFields.LegacyDigestSize + sizeof(uint) + (long)reader.U32();
    }

    private static TpmRefusal Truncated(int index) => new(TpmRefusalCode.Truncated, $"The measurement list ends within entry {index}.");
}
