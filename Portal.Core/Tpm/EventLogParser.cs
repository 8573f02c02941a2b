using System.Collections.Immutable;

namespace Portal.Core.Tpm;

/// <summary>Reads both log formats. All numbers in logs are little-endian.</summary>
internal static class EventLogParser
{
    public const int MaxBytes = 16 * 1024 * 1024;
    public const int MaxEvents = 100_000;

    private const int MaxBanks = 16;
    private const uint NoPcr = uint.MaxValue;

    /// <summary>Shortest event of either format in bytes, to size the first buffer.</summary>
    private const int TypicalEventSize = 128;

    private static ReadOnlySpan<byte> CryptoAgileMark => "Spec ID Event03\0"u8;

    private static ReadOnlySpan<byte> StartupLocalityMark => "StartupLocality\0"u8;

    /// <summary>A log under construction.</summary>
    internal sealed class Draft
    {
        public required ReadOnlyMemory<byte> Raw { get; init; }

        public ImmutableArray<EventLogBank> Banks { get; set; } = [new(TpmAlgorithm.Sha1, 20)];

        public bool IsLegacy { get; set; } = true;

        public byte StartupLocality { get; set; }

        /// <summary>PCR, type, and place of the data.</summary>
        public required List<(int Pcr, EventType Type, int Start, int Length)> Events { get; init; }

        /// <summary>For each event and bank where its digest starts; -1 where it has none.</summary>
        public int[] DigestOffsets { get; set; } = [];

        public bool LocalitySeen { get; set; }

        public bool Pcr0Extended { get; set; }
    }

    public static TpmResult<EventLog> Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return TpmRefusal.NothingGiven;
        if (bytes.Length > MaxBytes)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"An event log of {bytes.Length} bytes; at most {MaxBytes} are read.");
        var draft = new Draft
        {
            Raw = bytes.ToArray(),
            Events = new(Math.Min(bytes.Length / TypicalEventSize + 1, MaxEvents)),
        };
        var reader = new TpmReader(draft.Raw.Span, littleEndian: true);
        return ReadAll(ref reader, draft) is { } refusal ? refusal : new EventLog(draft);
    }

    private static TpmRefusal? ReadAll(ref TpmReader reader, Draft draft)
    {
        // The first event has the legacy shape in both formats and tells which one follows.
        var refusal = ReadEvent(ref reader, draft);
        if (refusal is not null)
            return refusal;
        var (_, type, start, length) = draft.Events[0];
        var data = draft.Raw.Span.Slice(start, length);
        if (type == EventType.NoAction && data.StartsWith(CryptoAgileMark))
        {
            refusal = ReadHeader(data, draft);
            if (refusal is not null)
                return refusal;
        }
        while (reader.Remaining > 0)
        {
            if (draft.Events.Count == MaxEvents)
                return new(TpmRefusalCode.TooLarge, $"The event log has more than {MaxEvents} events.");
            refusal = ReadEvent(ref reader, draft);
            if (refusal is not null)
                return refusal;
        }
        return null;
    }

    /// <summary>Source: TCG PC Client Platform Firmware Profile, "TCG_EfiSpecIdEvent".</summary>
    private static TpmRefusal? ReadHeader(ReadOnlySpan<byte> data, Draft draft)
    {
        var reader = new TpmReader(data[CryptoAgileMark.Length..], littleEndian: true);
        reader.U32(); // platform class
        reader.U32(); // version minor and major, errata, UINTN size
        var count = reader.U32();
        if (reader.Failed)
            return TpmRefusal.Truncated("event log's header");
        if (count is 0 or > MaxBanks)
            return new(TpmRefusalCode.TooLarge, $"The event log's header names {count} banks; 1 to {MaxBanks} are possible.");
        var banks = ImmutableArray.CreateBuilder<EventLogBank>((int)count);
        for (var i = 0; i < count; i++)
        {
            var bank = new EventLogBank(reader.Algorithm(), reader.U16());
            if (reader.Failed)
                return TpmRefusal.Truncated("event log's header");
            var known = bank.Algorithm.DigestSize();
            if (bank.DigestSize is 0 or > TpmHash.MaxDigestSize || (known != 0 && known != bank.DigestSize))
                return TpmRefusal.Malformed($"The event log's header gives {bank.Algorithm.DisplayName()} digests {bank.DigestSize} bytes.");
            if (banks.Any(earlier => earlier.Algorithm == bank.Algorithm))
                return TpmRefusal.Malformed("The event log's header names one bank twice.");
            banks.Add(bank);
        }
        reader.Take(reader.U8()); // vendor information
        if (reader.Failed)
            return TpmRefusal.Truncated("event log's header");
        if (reader.Remaining > 0)
            return TpmRefusal.Trailing("event log's header", reader.Remaining);
        draft.Banks = banks.MoveToImmutable();
        draft.IsLegacy = false;
        // The header's own digest is a placeholder of zeros and belongs to no bank.
        draft.DigestOffsets = new int[Math.Max(draft.Events.Capacity, 1) * (int)count];
        draft.DigestOffsets.AsSpan(0, (int)count).Fill(-1);
        return null;
    }

    private static TpmRefusal? ReadEvent(ref TpmReader reader, Draft draft)
    {
        var index = draft.Events.Count;
        var pcr = reader.U32();
        var type = (EventType)reader.U32();
        var offsets = OffsetsOf(draft, index);
        var refusal = draft.IsLegacy ? ReadLegacyDigest(ref reader, offsets) : ReadDigests(ref reader, draft.Banks, offsets, index);
        if (refusal is not null)
            return refusal;
        var length = reader.U32();
        var start = reader.Position;
        var data = reader.Take(length);
        if (reader.Failed)
            return new(TpmRefusalCode.Truncated, $"The event log ends within event {index}.");
        if (pcr >= PcrMask.PcrCount && !(pcr == NoPcr && type == EventType.NoAction))
            return TpmRefusal.Malformed($"Event {index} names PCR {pcr}, which no TPM has.");
        draft.Events.Add((unchecked((int)pcr), type, start, (int)length));
        return NoteLocality(draft, index, pcr, type, data);
    }

    private static Span<int> OffsetsOf(Draft draft, int index)
    {
        var banks = draft.Banks.Length;
        var needed = (index + 1) * banks;
        if (draft.DigestOffsets.Length < needed)
        {
            var grown = new int[Math.Max(needed, draft.DigestOffsets.Length * 2)];
            draft.DigestOffsets.CopyTo(grown, 0);
            draft.DigestOffsets = grown;
        }
        return draft.DigestOffsets.AsSpan(index * banks, banks);
    }

    /// <summary>Source: TCG PC Client Specific Implementation Specification for Conventional BIOS, "TCG_PCClientPCREvent".</summary>
    private static TpmRefusal? ReadLegacyDigest(ref TpmReader reader, Span<int> offsets)
    {
        offsets[0] = reader.Position;
        reader.Take(TpmAlgorithm.Sha1.DigestSize());
        return null;
    }

    /// <summary>Source: TCG PC Client Platform Firmware Profile, "TCG_PCR_EVENT2" and "TPML_DIGEST_VALUES".</summary>
    private static TpmRefusal? ReadDigests(ref TpmReader reader, ImmutableArray<EventLogBank> banks, Span<int> offsets, int index)
    {
        offsets.Fill(-1);
        var count = reader.U32();
        if (reader.Failed)
            return new(TpmRefusalCode.Truncated, $"The event log ends within event {index}.");
        if (count > banks.Length)
            return new(TpmRefusalCode.TooLarge, $"Event {index} has {count} digests; the log has {banks.Length} banks.");
        for (var i = 0; i < count; i++)
        {
            var algorithm = reader.Algorithm();
            var number = 0;
            while (number < banks.Length && banks[number].Algorithm != algorithm)
                number++;
            if (reader.Failed)
                return new(TpmRefusalCode.Truncated, $"The event log ends within event {index}.");
            if (number == banks.Length)
                return TpmRefusal.Malformed($"Event {index} has a {algorithm.DisplayName()} digest, a bank the log's header does not name.");
            if (offsets[number] >= 0)
                return TpmRefusal.Malformed($"Event {index} has two {algorithm.DisplayName()} digests.");
            offsets[number] = reader.Position;
            reader.Take(banks[number].DigestSize);
        }
        return null;
    }

    /// <summary>Source: TCG PC Client Platform Firmware Profile, "TCG_EfiStartupLocalityEvent".</summary>
    private static TpmRefusal? NoteLocality(Draft draft, int index, uint pcr, EventType type, ReadOnlySpan<byte> data)
    {
        draft.Pcr0Extended |= pcr == 0 && type != EventType.NoAction;
        if (type != EventType.NoAction || pcr != 0 || !data.StartsWith(StartupLocalityMark))
            return null;
        if (data.Length != StartupLocalityMark.Length + 1 || data[^1] is not (0 or 3 or 4))
            return TpmRefusal.Malformed($"Event {index} gives no startup locality that exists.");
        if (draft.LocalitySeen || draft.Pcr0Extended)
            return TpmRefusal.Malformed($"Event {index} gives the startup locality too late.");
        draft.LocalitySeen = true;
        draft.StartupLocality = data[^1];
        return null;
    }
}
