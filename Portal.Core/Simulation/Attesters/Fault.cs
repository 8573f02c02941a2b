namespace Portal.Core.Simulation.Attesters;

/// <summary>Ways in which a simulated host answers dishonestly or badly. For tests and for showing what a hostile host comes to; never part of a fleet's normal life.</summary>
public enum Fault
{
    /// <summary>The agent's answer is no answer: <c>ChannelAnswer.Garbled</c>.</summary>
    Garbled,

    /// <summary>The TPM reports an error.</summary>
    TpmError,

    /// <summary>Answers honestly, after <see cref="SimulatedAttesterChannel.SlowAnswer"/>.</summary>
    Slow,

    /// <summary>Quote, signature and log are random bytes.</summary>
    Garbage,

    /// <summary>The quote ends in the middle.</summary>
    TruncatedQuote,

    /// <summary>One bit of the quote is flipped.</summary>
    QuoteBitFlip,

    /// <summary>One bit of the signature is flipped.</summary>
    SignatureBitFlip,

    /// <summary>The last quote again; before any, one for a nonce of nobody's.</summary>
    Replay,

    /// <summary>Another host's TPM answers, with its own key and our nonce.</summary>
    QuoteOfAnotherHost,

    /// <summary>The attestation key is an ordinary signing key outside the TPM's protection.</summary>
    UnrestrictedKey,

    /// <summary>Signed over SHA-1 where SHA-256 is the key's scheme.</summary>
    WeakSignature,

    /// <summary>The SHA-1 bank is quoted instead of the one asked for.</summary>
    WrongBank,

    /// <summary>The last PCR asked for is not quoted.</summary>
    MissingPcr,

    /// <summary>A PCR value is not the one that was quoted.</summary>
    PcrValueAltered,

    /// <summary>The clock reads less than before, in the same boot.</summary>
    ClockWentBack,

    /// <summary>No event log is sent though it was asked for.</summary>
    LogAbsent,

    /// <summary>An event of the log carries another digest than was extended.</summary>
    LogDigestAltered,

    /// <summary>The log lacks an event that was extended.</summary>
    LogEventAbsent,

    /// <summary>The log has an event that was not extended.</summary>
    LogEventExtra,

    /// <summary>Two events of the log changed places.</summary>
    LogEventsReordered,

    /// <summary>The log ends in the middle of an event.</summary>
    LogTruncated,

    /// <summary>An event of the log claims to be four gigabytes long.</summary>
    LogLengthAbsurd,

    /// <summary>The log is 64 MiB long.</summary>
    LogHuge,

    /// <summary>Really booted without loading shim: quote and log agree, and lack it.</summary>
    BootEventAbsent,

    /// <summary>Really loaded one more EFI application: quote and log agree.</summary>
    BootEventExtra,

    /// <summary>Really loaded GRUB before shim: quote and log agree.</summary>
    BootEventsReordered,

    /// <summary>The firmware never closed its PCRs: quote and log agree and there are no separators.</summary>
    BankUnmeasured,
}
