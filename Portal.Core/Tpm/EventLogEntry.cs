namespace Portal.Core.Tpm;

/// <summary>One line of a boot log. Only its digests can be compared with a PCR; number, type and data are what the log claims.</summary>
public sealed class EventLogEntry
{
    private readonly EventLog _log;

    internal EventLogEntry(EventLog log, int index, int pcr, EventType type, ReadOnlyMemory<byte> data)
    {
        _log = log;
        Index = index;
        Pcr = pcr;
        Type = type;
        Data = data;
    }

    /// <summary>Place in the log, from 0.</summary>
    public int Index { get; }

    /// <summary>The PCR, 0 to 23; -1 for a note that belongs to none.</summary>
    public int Pcr { get; }

    /// <summary>What the event says it measured.</summary>
    public EventType Type { get; }

    /// <summary>The event's data as claimed.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>Whether the event changed its PCR; notes (<see cref="EventType.NoAction"/>) never do.</summary>
    public bool IsExtended => Type != EventType.NoAction;

    /// <summary>The digest in a bank, and whether there is one.</summary>
    /// <param name="bank">The bank's hash.</param>
    /// <param name="digest">The digest, or nothing.</param>
    public bool TryGetDigest(TpmAlgorithm bank, out ReadOnlyMemory<byte> digest) => _log.TryGetDigest(Index, bank, out digest);

    /// <summary>Whether the data hashes to the digest of a bank, so that it is what was measured.</summary>
    /// <param name="bank">The bank's hash.</param>
    public bool DataIsProven(TpmAlgorithm bank) =>
        IsExtended && TryGetDigest(bank, out var digest) && TpmHash.Matches(bank, Data.Span, digest.Span);

    /// <summary>The event as text for people, with how much of it is proven.</summary>
    /// <param name="bank">The bank whose digest is asked for proof.</param>
    public EventDescription Describe(TpmAlgorithm bank) => EventDescription.Of(this, bank);
}
