using System.Numerics;

namespace Portal.Core.Tpm;

/// <summary>
/// PCR values as <c>tpm2_quote -F serialized</c> and keylime agents send them: the C structures of tpm2-tss dumped in the
/// little-endian layout of x86 and ARM, padding included. Not a TCG format, hence apart from the others.
/// Source: tpm2-tools, lib/pcr.c ("pcr_fwrite_serialized").
/// </summary>
public static class SerializedPcrs
{
    private const int SelectionSlots = 16;
    private const int SelectionSlotSize = 8;
    private const int DigestSlots = 8;
    private const int DigestSlotSize = 2 + TpmHash.MaxDigestSize;
    private const int MaxLists = PcrSelection.MaxBanks * PcrMask.PcrCount / DigestSlots;

    /// <summary>
    /// The values, banks in the order of the selection inside. Refused: wrong lengths, absurd counts, more or fewer digests than the
    /// selection has PCRs, a digest of another length than its bank's, trailing bytes.
    /// </summary>
    /// <param name="bytes">Selection (132 bytes), a count, and lists of eight digests (532 bytes each).</param>
    public static TpmResult<PcrValues> Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new TpmReader(bytes, littleEndian: true);
        if (!ReadSelection(ref reader).TryGet(out var selection, out var refusal))
            return refusal;
        var lists = reader.U32();
        if (reader.Failed)
            return TpmRefusal.Truncated("PCR list");
        if (lists > MaxLists)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"{lists} lists of PCR values; at most {MaxLists} are possible.");
        var joined = new byte[selection.Count * TpmHash.MaxDigestSize];
        var sizes = DigestSizes(selection);
        var digests = 0;
        var length = 0;
        for (var list = 0; list < lists; list++)
        {
            var used = reader.U32();
            var slots = reader.Take(DigestSlots * DigestSlotSize);
            if (reader.Failed)
                return TpmRefusal.Truncated("PCR list");
            if (used > DigestSlots)
                return new TpmRefusal(TpmRefusalCode.TooLarge, $"A list of {DigestSlots} PCR values claims {used}.");
            var inList = new TpmReader(slots, littleEndian: true);
            for (var slot = 0; slot < used; slot++)
            {
                var size = inList.U16();
                var digest = inList.Take(TpmHash.MaxDigestSize);
                if (digests == sizes.Length)
                    return new TpmRefusal(TpmRefusalCode.PcrValueExtra, "More PCR values than the selection beside them names.");
                if (size != sizes[digests++])
                    return TpmRefusal.Malformed($"A PCR value of {size} bytes does not fit its bank.");
                digest[..size].CopyTo(joined.AsSpan(length));
                length += size;
            }
        }
        if (reader.Remaining > 0)
            return TpmRefusal.Trailing("PCR list", reader.Remaining);
        if (digests < sizes.Length)
            return new TpmRefusal(TpmRefusalCode.PcrValueMissing, "Fewer PCR values than the selection beside them names.");
        return PcrValues.FromConcatenated(selection, joined.AsSpan(0, length));
    }

    /// <summary>The same form of values, for <c>tpm2_checkquote -f</c>: the one it reads for any number of PCRs.</summary>
    /// <param name="values">At most 16 banks.</param>
    public static byte[] Write(PcrValues values)
    {
        ArgumentNullException.ThrowIfNull(values);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(values.Banks.Length);
        foreach (var bank in values.Banks)
        {
            writer.Write((ushort)bank.Algorithm);
            writer.Write((byte)(PcrMask.PcrCount / 8));
            writer.Write(bank.Mask);
            writer.Write((byte)0);
        }
        writer.Write(new byte[SelectionSlotSize * (SelectionSlots - values.Banks.Length)]);
        var lists = values.Banks.SelectMany(bank => bank.Pcrs.Select(pcr => bank.Get(pcr)!)).Chunk(DigestSlots).ToArray();
        writer.Write(lists.Length);
        foreach (var list in lists)
        {
            writer.Write(list.Length);
            foreach (var digest in list)
            {
                writer.Write((ushort)digest.Length);
                writer.Write(digest);
                writer.Write(new byte[TpmHash.MaxDigestSize - digest.Length]);
            }
            writer.Write(new byte[DigestSlotSize * (DigestSlots - list.Length)]);
        }
        return stream.ToArray();
    }

    private static int[] DigestSizes(PcrSelection selection)
    {
        var sizes = new int[selection.Count];
        var next = 0;
        foreach (var (bank, mask) in selection.Banks)
        {
            sizes.AsSpan(next, BitOperations.PopCount(mask)).Fill(bank.DigestSize());
            next += BitOperations.PopCount(mask);
        }
        return sizes;
    }

    private static TpmResult<PcrSelection> ReadSelection(ref TpmReader reader)
    {
        var count = reader.U32();
        var slots = reader.Take(SelectionSlots * SelectionSlotSize);
        if (reader.Failed)
            return TpmRefusal.Truncated("PCR list");
        if (count > SelectionSlots)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"A PCR selection names {count} banks; at most {SelectionSlots} are possible.");
        var banks = new PcrBankSelection[count];
        for (var i = 0; i < banks.Length; i++)
        {
            var slot = new TpmReader(slots.Slice(i * SelectionSlotSize, SelectionSlotSize), littleEndian: true);
            var bank = slot.Algorithm();
            var bitmap = slot.Take(slot.U8());
            if (slot.Failed || bitmap.Length > 4 || !PcrMask.TryRead(bitmap, out var mask))
                return TpmRefusal.Malformed($"A PCR selection names a PCR above {PcrMask.PcrCount - 1}.");
            if (bank.DigestSize() == 0)
                return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"{bank.DisplayName()} is no known PCR bank.");
            if (Array.Exists(banks[..i], earlier => earlier.Bank == bank))
                return TpmRefusal.Malformed("A PCR selection names one bank twice.");
            banks[i] = new(bank, mask);
        }
        return PcrSelection.FromBanks(banks);
    }
}
