using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Portal.Core.Tpm;

/// <summary>A bank of a log.</summary>
/// <param name="Algorithm">Its hash.</param>
/// <param name="DigestSize">Length of its digests, in bytes.</param>
public readonly record struct EventLogBank(TpmAlgorithm Algorithm, int DigestSize);

/// <summary>
/// A firmware boot log, as <c>/sys/kernel/security/tpm0/binary_bios_measurements</c> holds it. The log itself is unprotected:
/// it is worth what its replay has in common with quoted PCR values.
/// Source: TCG PC Client Platform Firmware Profile, "Event Logging".
/// </summary>
public sealed class EventLog
{
    private const int FirmwarePcrs = 8;

    private readonly ReadOnlyMemory<byte> _raw;
    private readonly int[] _digestOffsets;

    internal EventLog(EventLogParser.Draft draft)
    {
        _raw = draft.Raw;
        _digestOffsets = draft.DigestOffsets;
        Banks = draft.Banks;
        IsLegacy = draft.IsLegacy;
        StartupLocality = draft.StartupLocality;
        var entries = new EventLogEntry[draft.Events.Count];
        for (var i = 0; i < entries.Length; i++)
        {
            var (pcr, type, start, length) = draft.Events[i];
            entries[i] = new EventLogEntry(this, i, pcr, type, _raw.Slice(start, length));
        }
        Entries = System.Runtime.InteropServices.ImmutableCollectionsMarshal.AsImmutableArray(entries);
    }

    /// <summary>The banks, in the order of the log's header; SHA-1 alone in a legacy log.</summary>
    public ImmutableArray<EventLogBank> Banks { get; }

    /// <summary>All events in order, the header first.</summary>
    public ImmutableArray<EventLogEntry> Entries { get; }

    /// <summary>Whether the log has the SHA-1 format of TPM 1.2 days.</summary>
    public bool IsLegacy { get; }

    /// <summary>The locality that started the TPM and so PCR 0's start value: 0, 3 or 4. Source: as above, "Startup Locality Event".</summary>
    public byte StartupLocality { get; }

    /// <summary>
    /// Reads a log in either format. Refused: more than 16 MiB or 100,000 events, lengths beyond the log, unknown digests whose size nobody
    /// gave, a PCR above 23, StartupLocality twice or after PCR 0 was extended. Time and memory grow with the bytes given, not with what they claim.
    /// </summary>
    /// <param name="bytes">The whole log.</param>
    public static TpmResult<EventLog> Parse(ReadOnlySpan<byte> bytes) => EventLogParser.Parse(bytes);

    /// <summary>
    /// Computes the PCR values the log explains: of every PCR it extends and no other, starting from zero (PCR 0: from the startup
    /// locality; PCR 17 to 22: as a measured launch resets them). Refused: a bank the log lacks, lacks in some event, or of a hash not computed here.
    /// </summary>
    /// <param name="bank">The bank's hash.</param>
    public TpmResult<PcrBank> Replay(TpmAlgorithm bank)
    {
        var number = IndexOf(bank);
        if (number < 0)
            return new TpmRefusal(TpmRefusalCode.BankAbsent, $"The event log has no {bank.DisplayName()} digests.");
        if (!bank.CanHash())
            return new TpmRefusal(TpmRefusalCode.UnsupportedAlgorithm, $"Bank {bank.DisplayName()} cannot be computed.");

        var size = bank.DigestSize();
        var table = new byte[PcrMask.PcrCount * size];
        table[size - 1] = StartupLocality;
        uint touched = 0;
        // Old value and digest side by side, through one reused hash: a third faster than a hash of its own per event.
        using var hash = IncrementalHash.CreateHash(bank.PlatformName());
        Span<byte> joined = stackalloc byte[2 * TpmHash.MaxDigestSize];
        joined = joined[..(2 * size)];
        foreach (var entry in Entries)
        {
            if (!entry.IsExtended)
                continue;
            var offset = _digestOffsets[entry.Index * Banks.Length + number];
            if (offset < 0)
                return new TpmRefusal(TpmRefusalCode.BankIncomplete, $"Event {entry.Index} has no {bank.DisplayName()} digest.");
            var value = table.AsSpan(entry.Pcr * size, size);
            value.CopyTo(joined);
            _raw.Span.Slice(offset, size).CopyTo(joined[size..]);
            hash.AppendData(joined);
            hash.GetHashAndReset(value);
            touched |= 1u << entry.Pcr;
        }
        return PcrBank.FromTable(bank, touched, table);
    }

    /// <summary>
    /// Whether a bank of this log can carry trust at all; null when it can. Refused: a legacy log, SHA-1, a bank the log lacks in whole or
    /// part, and a bank without a valid separator in each of PCR 0 to 7, because into PCRs the firmware left alone anybody can
    /// extend somebody else's good log.
    /// </summary>
    /// <param name="bank">The bank's hash.</param>
    public TpmRefusal? CheckMeasured(TpmAlgorithm bank)
    {
        if (IsLegacy)
            return new(TpmRefusalCode.WeakHash, "The event log has the old SHA-1 format, which cannot carry trust.");
        if (!bank.IsTrustedHash())
            return new(TpmRefusalCode.WeakHash, $"Bank {bank.DisplayName()} is too weak for trust; SHA-256 or stronger is needed.");
        if (IndexOf(bank) < 0)
            return new(TpmRefusalCode.BankAbsent, $"The event log has no {bank.DisplayName()} digests.");

        uint separated = 0;
        foreach (var entry in Entries)
        {
            if (!entry.IsExtended)
                continue;
            if (!entry.TryGetDigest(bank, out var digest))
                return new(TpmRefusalCode.BankIncomplete, $"Event {entry.Index} has no {bank.DisplayName()} digest.");
            // The type is only a claim, so the digest itself must be a separator's.
            if (entry.Type == EventType.Separator && entry.Pcr < FirmwarePcrs && Separators.IsNormal(bank, digest.Span))
                separated |= 1u << entry.Pcr;
        }
        var missing = ~separated & ((1u << FirmwarePcrs) - 1);
        return missing == 0
            ? null
            : new(TpmRefusalCode.SeparatorMissing,
                $"Bank {bank.DisplayName()} has no valid separator in PCR {string.Join(", ", PcrMask.Numbers(missing))}.");
    }

    internal bool TryGetDigest(int index, TpmAlgorithm bank, out ReadOnlyMemory<byte> digest)
    {
        var number = IndexOf(bank);
        var offset = number < 0 ? -1 : _digestOffsets[index * Banks.Length + number];
        digest = offset < 0 ? default : _raw.Slice(offset, Banks[number].DigestSize);
        return offset >= 0;
    }

    private int IndexOf(TpmAlgorithm bank)
    {
        for (var i = 0; i < Banks.Length; i++)
        {
            if (Banks[i].Algorithm == bank)
                return i;
        }
        return -1;
    }
}
