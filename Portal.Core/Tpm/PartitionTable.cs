using System.Globalization;

namespace Portal.Core.Tpm;

/// <summary>The disk's partition table in an event. Source: TCG PC Client Platform Firmware Profile, "UEFI_GPT_DATA"; UEFI Specification, "GPT Header".</summary>
internal static class PartitionTable
{
    private const int HeaderSize = 92;
    private const int DiskGuidAt = 56;
    private const int EntrySize = 128;
    private const int NameAt = 56;
    private const int MaxShown = 64;

    public static EventDescription Describe(EventLogEntry entry, EventProof proof)
    {
        var data = entry.Data.Span;
        var plain = new EventDescription { Type = entry.Type, Text = ClaimedText.Hex(data), Proof = proof };
        if (data.Length < HeaderSize + 8 || !data.StartsWith("EFI PART"u8))
            return plain;
        var reader = new TpmReader(data[HeaderSize..], littleEndian: true);
        var count = reader.U64();
        if (count > (ulong)reader.Remaining / EntrySize)
            return plain;
        var lines = new List<string>();
        for (var i = 0; i < (int)count && i < MaxShown; i++)
        {
            var partition = reader.Take(EntrySize);
            lines.Add($"{new Guid(partition.Slice(16, 16))} {ClaimedText.FromUtf16(partition[NameAt..])}".TrimEnd());
        }
        var disk = new Guid(data.Slice(DiskGuidAt, 16));
        return plain with
        {
            Text = string.Create(CultureInfo.InvariantCulture, $"disk {disk} with {count} partitions"),
            Details = [.. lines],
        };
    }
}
