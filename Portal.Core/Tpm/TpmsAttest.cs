namespace Portal.Core.Tpm;

/// <summary>
/// A quote as the TPM signed it: nonce, clock, selection and digest of the selected PCRs.
/// Source: TPM 2.0 Library Part 2, "TPMS_ATTEST", "TPMS_CLOCK_INFO" and "TPMS_QUOTE_INFO".
/// </summary>
public sealed class TpmsAttest
{
    /// <summary>First four bytes of everything a TPM attests. Source: TPM 2.0 Library Part 2, "TPM_GENERATED".</summary>
    public const uint Magic = 0xFF544347;

    /// <summary>Marks a quote. Source: TPM 2.0 Library Part 2, "TPM_ST_ATTEST_QUOTE".</summary>
    public const ushort QuoteType = 0x8018;

    /// <summary>Longest structure accepted, in bytes; all fields at their maximum stay below.</summary>
    public const int MaxLength = 1024;

    private TpmsAttest(ReadOnlyMemory<byte> raw) => Raw = raw;

    /// <summary>The bytes that were signed.</summary>
    public ReadOnlyMemory<byte> Raw { get; }

    /// <summary>Qualified name of the signing key: its name chained with its parents'. Differs from the key's own name.</summary>
    public ReadOnlyMemory<byte> QualifiedSigner { get; private init; }

    /// <summary>The nonce the quote answers.</summary>
    public ReadOnlyMemory<byte> ExtraData { get; private init; }

    /// <summary>Milliseconds the TPM has been powered; comparable only within one <see cref="ResetCount"/> and <see cref="RestartCount"/>.</summary>
    public ulong Clock { get; private init; }

    /// <summary>How often the TPM was reset, that is, the machine rebooted.</summary>
    public uint ResetCount { get; private init; }

    /// <summary>How often the TPM was restarted or resumed since its reset.</summary>
    public uint RestartCount { get; private init; }

    /// <summary>Whether <see cref="Clock"/> has surely not run backwards; false after an unorderly power loss.</summary>
    public bool Safe { get; private init; }

    /// <summary>The TPM's firmware version, in its vendor's encoding.</summary>
    public ulong FirmwareVersion { get; private init; }

    /// <summary>Banks and PCRs covered, in hashing order.</summary>
    public required PcrSelection Selection { get; init; }

    /// <summary>Hash, by the signing hash, of the selected values joined in order.</summary>
    public ReadOnlyMemory<byte> PcrDigest { get; private init; }

    /// <summary>
    /// Reads a quote. Refused: no TPM magic, another attestation kind, a length that does not fit, an absurd selection,
    /// a yes/no that is neither, bytes left over.
    /// </summary>
    /// <param name="bytes">The TPMS_ATTEST without its TPM2B length.</param>
    public static TpmResult<TpmsAttest> Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return TpmRefusal.NothingGiven;
        if (bytes.Length > MaxLength)
            return new TpmRefusal(TpmRefusalCode.TooLarge, $"An attestation of {bytes.Length} bytes; at most {MaxLength} are possible.");
        var reader = new TpmReader(bytes);
        var magic = reader.U32();
        var type = reader.U16();
        if (reader.Failed)
            return TpmRefusal.Truncated("quote");
        if (magic != Magic)
            return new TpmRefusal(TpmRefusalCode.BadMagic, $"The attestation starts with 0x{magic:x8}, not with the TPM's mark.");
        if (type != QuoteType)
            return new TpmRefusal(TpmRefusalCode.NotAQuote, $"The attestation is of type 0x{type:x4}, not a quote.");

        var signer = reader.Sized();
        var extraData = reader.Sized();
        var clock = reader.U64();
        var resetCount = reader.U32();
        var restartCount = reader.U32();
        var safe = reader.U8();
        var firmware = reader.U64();
        if (reader.Failed)
            return TpmRefusal.Truncated("quote");
        if (safe > 1)
            return TpmRefusal.Malformed($"The clock's safe mark is {safe}, neither yes nor no.");
        if (!PcrSelection.Read(ref reader).TryGet(out var selection, out var refusal))
            return refusal;
        var digest = reader.Sized();
        if (reader.Failed)
            return TpmRefusal.Truncated("quote");
        if (reader.Remaining > 0)
            return TpmRefusal.Trailing("quote", reader.Remaining);

        ReadOnlyMemory<byte> raw = bytes.ToArray();
        return new TpmsAttest(raw)
        {
            QualifiedSigner = raw.Slice(signer.Start, signer.Length),
            ExtraData = raw.Slice(extraData.Start, extraData.Length),
            Clock = clock,
            ResetCount = resetCount,
            RestartCount = restartCount,
            Safe = safe == 1,
            FirmwareVersion = firmware,
            Selection = selection,
            PcrDigest = raw.Slice(digest.Start, digest.Length),
        };
    }
}
