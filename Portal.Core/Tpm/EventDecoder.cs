using System.Globalization;

namespace Portal.Core.Tpm;

/// <summary>Turns event data into text, by type. Source: TCG PC Client Platform Firmware Profile, "Event Types" and the structures named there.</summary>
internal static class EventDecoder
{
    private const uint LinuxInitrdTag = 0x8F3B22EC;
    private const uint LinuxLoadOptionsTag = 0x8F3B22ED;

    public static EventDescription Decode(EventLogEntry entry, TpmAlgorithm bank)
    {
        var data = entry.Data.Span;
        var proof = entry.DataIsProven(bank) ? EventProof.Whole : EventProof.Claimed;
        return entry.Type switch
        {
            EventType.EfiVariableDriverConfig or EventType.EfiVariableBoot or EventType.EfiVariableBoot2 or EventType.EfiVariableAuthority
                => Variable(entry, bank, proof),
            EventType.EfiBootServicesApplication or EventType.EfiBootServicesDriver or EventType.EfiRuntimeServicesDriver
                => Image(entry, proof),
            EventType.Ipl => Ipl(entry, bank, proof),
            EventType.NoAction => Plain(entry, EventProof.Claimed, Note(data)),
            EventType.Separator => Plain(entry, proof, Separator(data)),
            EventType.EventTag => Plain(entry, proof, Tag(data)),
            EventType.CrtmVersion => Plain(entry, proof, CrtmVersion(data)),
            EventType.PostCode or EventType.PostCode2 or EventType.EfiPlatformFirmwareBlob or EventType.EfiPlatformFirmwareBlob2
                => Plain(entry, proof, FirmwareBlob(data)),
            EventType.EfiHandoffTables => Plain(entry, proof, HandoffTables(data) ?? ClaimedText.Hex(data)),
            EventType.EfiHandoffTables2 => Plain(entry, proof, NamedHandoffTables(data)),
            EventType.EfiGptEvent or EventType.EfiGptEvent2 => PartitionTable.Describe(entry, proof),
            _ => Plain(entry, proof, ClaimedText.TextOrHex(data)),
        };
    }

    private static EventDescription Plain(EventLogEntry entry, EventProof proof, string text) =>
        new() { Type = entry.Type, Text = text, Proof = proof };

    private static EventDescription Variable(EventLogEntry entry, TpmAlgorithm bank, EventProof proof)
    {
        if (UefiVariable.Read(entry.Data) is not { } variable)
            return Plain(entry, proof, ClaimedText.TextOrHex(entry.Data.Span));
        // Boot variables are measured by their value alone, which leaves the name a claim.
        var valueProven = proof == EventProof.Claimed && entry.IsExtended && entry.TryGetDigest(bank, out var digest)
            && TpmHash.Matches(bank, variable.Value.Span, digest.Span);
        var (value, details) = variable.Describe();
        var relation = entry.Type == EventType.EfiVariableAuthority ? "allowed by" : "=";
        return new()
        {
            Type = entry.Type,
            Text = entry.Type == EventType.EfiVariableAuthority ? $"{relation} {variable.Name}: {value}" : $"{variable.Name} {relation} {value}",
            Proof = valueProven ? EventProof.Part : proof,
            ProvenText = valueProven ? value : null,
            Variable = variable,
            Details = [.. details],
        };
    }

    /// <summary>Source: as above, "UEFI_IMAGE_LOAD_EVENT". The digest is the image's Authenticode hash, so the path is never proven.</summary>
    private static EventDescription Image(EventLogEntry entry, EventProof proof)
    {
        var reader = new TpmReader(entry.Data.Span, littleEndian: true);
        reader.U64(); // address in memory
        var length = reader.U64();
        reader.U64(); // link address
        var pathLength = reader.U64();
        var bytes = reader.Take((long)Math.Min(pathLength, int.MaxValue));
        if (reader.Failed)
            return Plain(entry, proof, ClaimedText.Hex(entry.Data.Span));
        var path = DevicePath.Read(bytes);
        var name = path.File ?? path.Text;
        return Plain(entry, proof, name.Length > 0 ? name : Text($"image of {length} bytes without a path"))
            with
        { Path = name.Length > 0 ? name : null };
    }

    /// <summary>GRUB puts a word in front of what it hashed; GRUB and shim end with a NUL they may or may not have hashed.</summary>
    private static EventDescription Ipl(EventLogEntry entry, TpmAlgorithm bank, EventProof proof)
    {
        var data = entry.Data.Span;
        var description = Plain(entry, proof, ClaimedText.TextOrHex(data));
        if (proof != EventProof.Claimed || !entry.TryGetDigest(bank, out var digest))
            return description;
        if (data is [.., 0] && TpmHash.Matches(bank, data[..^1], digest.Span))
            return description with { Proof = EventProof.Whole };
        foreach (var separator in (ReadOnlySpan<string>)[": ", " "])
        {
            var at = data.IndexOf(System.Text.Encoding.ASCII.GetBytes(separator));
            if (at < 0)
                continue;
            var hashed = data[(at + separator.Length)..];
            if (TpmHash.Matches(bank, hashed, digest.Span) || (hashed is [.., 0] && TpmHash.Matches(bank, hashed[..^1], digest.Span)))
                return description with { Proof = EventProof.Part, ProvenText = ClaimedText.TextOrHex(hashed) };
        }
        return description;
    }

    private static string Note(ReadOnlySpan<byte> data)
    {
        if (data.StartsWith("StartupLocality\0"u8))
            return data.Length == 17 ? Text($"TPM started at locality {data[16]}") : "TPM started at an unreadable locality";
        var end = data.IndexOf((byte)0);
        return end > 0 && ClaimedText.Guess(data[..end]) is { } text ? text : ClaimedText.TextOrHex(data);
    }

    private static string Separator(ReadOnlySpan<byte> data)
    {
        if (data.SequenceEqual(Separators.Zeros))
            return "end of firmware measurements (00000000)";
        if (data.SequenceEqual(Separators.Ones))
            return "end of firmware measurements (ffffffff)";
        return data.SequenceEqual(Separators.Error) ? "measuring failed (error separator)" : ClaimedText.TextOrHex(data);
    }

    /// <summary>Source: as above, "TCG_PCClientTaggedEvent"; tags of Linux: drivers/firmware/efi/libstub.</summary>
    private static string Tag(ReadOnlySpan<byte> data)
    {
        var reader = new TpmReader(data, littleEndian: true);
        var tag = reader.U32();
        var content = reader.Take(reader.U32());
        if (reader.Failed)
            return ClaimedText.Hex(data);
        var name = tag switch
        {
            LinuxInitrdTag => "Linux, initial RAM disk",
            LinuxLoadOptionsTag => "Linux, command line",
            _ => Text($"tag 0x{tag:x8}"),
        };
        return $"{name}: {ClaimedText.TextOrHex(content)}";
    }

    private static string CrtmVersion(ReadOnlySpan<byte> data)
    {
        if (data.IndexOfAnyExcept((byte)0) < 0)
            return "no version given";
        return ClaimedText.Guess(data) ?? (data.Length == 16 ? Text($"version {new Guid(data)}") : ClaimedText.Hex(data));
    }

    /// <summary>Source: as above, "UEFI_PLATFORM_FIRMWARE_BLOB" and "UEFI_PLATFORM_FIRMWARE_BLOB2".</summary>
    private static string FirmwareBlob(ReadOnlySpan<byte> data)
    {
        if (data.Length != 16 && ClaimedText.Guess(data) is { } text)
            return text;
        var reader = new TpmReader(data, littleEndian: true);
        var name = data.Length == 16 ? default : reader.Take(reader.U8());
        ulong address = reader.U64(), length = reader.U64();
        if (!reader.AtEnd)
            return ClaimedText.Hex(data);
        var place = Text($"firmware at 0x{address:x}, {length} bytes");
        return ClaimedText.Guess(name) is { } named ? $"{named}: {place}" : place;
    }

    /// <summary>Source: as above, "UEFI_HANDOFF_TABLE_POINTERS"; null when the data is none.</summary>
    private static string? HandoffTables(ReadOnlySpan<byte> data)
    {
        const int shown = 16;
        var reader = new TpmReader(data, littleEndian: true);
        var count = reader.U64();
        if (reader.Failed || count > (ulong)reader.Remaining / 24)
            return null;
        var names = new List<string>();
        for (var i = 0; i < (int)count && i < shown; i++)
        {
            names.Add(UefiGuids.Name(new Guid(reader.Take(16))));
            reader.U64();
        }
        return Text($"{count} tables: {string.Join(", ", names)}");
    }

    private static string NamedHandoffTables(ReadOnlySpan<byte> data)
    {
        var reader = new TpmReader(data, littleEndian: true);
        var name = reader.Take(reader.U8());
        if (reader.Failed)
            return ClaimedText.Hex(data);
        var tables = HandoffTables(data[reader.Position..]) ?? ClaimedText.Hex(data[reader.Position..]);
        return ClaimedText.Guess(name) is { } named ? $"{named}: {tables}" : tables;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
