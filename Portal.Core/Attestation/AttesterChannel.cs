using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>What we ask a host's TPM for.</summary>
/// <param name="Nonce">32 alphanumeric ASCII characters: goes into the quote's extraData.</param>
/// <param name="Bank">TPM algorithm id of the PCR bank (0x000B is SHA-256).</param>
/// <param name="Pcrs">PCR indices to quote, ascending.</param>
/// <param name="WithEventLog">Whether the boot event log is needed.</param>
public sealed record QuoteRequest(string Nonce, ushort Bank, IReadOnlyList<int> Pcrs, bool WithEventLog)
{
    /// <summary>The first entry needed of the kernel's measurement list; null when the list is not needed at all. PCR 10 is asked for with it.</summary>
    public int? MeasurementsFrom { get; init; }

    /// <summary>Why the list is not asked for, though it is wanted; null otherwise.</summary>
    public string? MeasurementsFault { get; init; }
}

/// <summary>What a host answered, as it came: nothing here has been checked.</summary>
/// <param name="Quote">TPMS_ATTEST.</param>
/// <param name="Signature">TPMT_SIGNATURE.</param>
/// <param name="Bank">TPM algorithm id of the bank of <paramref name="Pcrs"/>.</param>
/// <param name="Pcrs">PCR index to value.</param>
/// <param name="EventLog">The boot event log, binary, if sent.</param>
public sealed record Evidence(byte[] Quote, byte[] Signature, ushort Bank, IReadOnlyDictionary<int, byte[]> Pcrs, byte[]? EventLog)
{
    /// <summary>What the running kernel measured, read after the quote was made; null when it was not asked for, or not sent.</summary>
    public SentMeasurements? Measurements { get; init; }
}

/// <summary>A measurement list as it came.</summary>
/// <param name="First">Place in the host's whole list of the first entry sent.</param>
/// <param name="Text">The entries in the text form of <c>ascii_runtime_measurements</c>; may be empty.</param>
public sealed record SentMeasurements(int First, byte[] Text);

/// <summary>The closed list of ways a host answers a request for evidence.</summary>
public abstract record ChannelAnswer
{
    private ChannelAnswer()
    {
    }

    /// <summary>Evidence came.</summary>
    public sealed record Answered(Evidence Evidence) : ChannelAnswer;

    /// <summary>Nothing came: no connection, or the time was up. Says nothing about the host's integrity.</summary>
    public sealed record Silent(string Sentence) : ChannelAnswer;

    /// <summary>The agent answered that its TPM failed.</summary>
    public sealed record TpmFailed(string Sentence) : ChannelAnswer;

    /// <summary>The kernel's measurement list was asked for, and with it the answer is longer than is read: to be asked without it.</summary>
    public sealed record ListTooLong(string Sentence) : ChannelAnswer;

    /// <summary>Something came over the host's channel that is no answer: untrusted at once.</summary>
    public sealed record Garbled(string Sentence) : ChannelAnswer;
}

/// <summary>What a host says of its own keys.</summary>
/// <param name="AttestationKey">Public area of the attestation key, TPMT_PUBLIC.</param>
public sealed record AttesterIdentity(byte[] AttestationKey);

/// <summary>The way to a host's TPM. Adapters implement it; the verifier does not know which one answers.</summary>
public interface IAttesterChannel
{
    /// <summary>Whether this adapter reaches that host.</summary>
    bool Reaches(HostEndpoint host);

    /// <summary>Whether two of its hosts may have one key. True only for a simulated fleet larger than its pool of keys: a real TPM's key is its own.</summary>
    bool SharesKeys => false;

    /// <summary>PCRs its agents quote beside those asked for.</summary>
    IReadOnlyList<int> AlwaysQuotes => [];

    /// <summary>Asks for a quote. Never throws but for cancellation: trouble is an answer.</summary>
    ValueTask<ChannelAnswer> QuoteAsync(HostEndpoint host, QuoteRequest request, CancellationToken ct);

    /// <summary>Asks for the attester's identity, for enrolment; null when it does not answer.</summary>
    ValueTask<AttesterIdentity?> IdentifyAsync(HostEndpoint host, CancellationToken ct);
}
