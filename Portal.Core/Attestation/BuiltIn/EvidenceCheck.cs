using System.Text;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn;

/// <summary>Evidence that passed every check of its own: signed by the enrolled key over our nonce, complete, and with a log that explains it.</summary>
/// <param name="Quote">The quote.</param>
/// <param name="Bank">The PCR values of the requested bank.</param>
/// <param name="Log">The event log, if one was sent.</param>
/// <param name="Explained">Mask of the quoted PCRs whose values the log leads to; of the others its events say nothing.</param>
/// <param name="Notes">Remarks that take no trust.</param>
public sealed record CheckedEvidence(TpmsAttest Quote, PcrBank Bank, EventLog? Log, uint Explained, IReadOnlyList<Finding> Notes)
{
    /// <summary>What the kernel's measurement list says; null when it was not asked for or not sent.</summary>
    public RuntimeEvidence? Runtime { get; init; }

    /// <summary>Whether the log leads to the quoted value of a PCR.</summary>
    public bool Explains(int pcr) => (Explained >> pcr & 1) != 0;
}

/// <summary>Checks evidence before it is appraised. Pure. An answer that fails here is untrusted at once.</summary>
public static class EvidenceCheck
{
    /// <summary>The longest event log that is accepted and stored. Real ones have some tens of KiB, a few several hundred.</summary>
    public const int LongestLog = 1 << 20;

    /// <summary>PCRs 0 to 7 belong to the firmware: a log that was sent must explain them.</summary>
    private const int FirmwarePcrs = 8;

    /// <summary>The checked evidence, or the finding that refuses it.</summary>
    /// <param name="key">The key enrolled for the host.</param>
    /// <param name="evidence">What came.</param>
    /// <param name="nonce">The nonce of this request.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="known">How far the host's measurement list was found before, when it is to be gone on with.</param>
    public static (CheckedEvidence? Evidence, Finding? Failure) Check(AttestationKey key, Evidence evidence, string nonce, QuoteRequest request, RuntimeKnown? known = null)
    {
        var bank = (TpmAlgorithm)request.Bank;
        Span<byte> expected = stackalloc byte[64];
        var length = Encoding.ASCII.GetBytes(nonce, expected);
        if (evidence.Bank != request.Bank)
        {
            return (null, Failures.Of(FindingCode.SelectionIncomplete, $"PCR values came for another bank than {bank.DisplayName()}.", "Check the attestation agent on the host."));
        }

        if (!PcrBank.Create(bank, evidence.Pcrs.Select(p => KeyValuePair.Create(p.Key, (ReadOnlyMemory<byte>)p.Value))).TryGet(out var values, out var refusal)
            || !QuoteCheck.Verify(key, evidence.Quote, evidence.Signature, expected[..length], PcrSelection.Of(bank, [.. request.Pcrs]), PcrValues.Of(values)).TryGet(out var quote, out refusal))
        {
            return (null, Failures.Of(refusal));
        }

        var notes = new List<Finding>();
        if (quote.Notes.HasFlag(QuoteNotes.ClockNotSafe))
        {
            notes.Add(Failures.Note(FindingCode.ClockUnsafe, "The TPM lost power in disorder and does not vouch for its clock.", "Nothing to do: it says so until its clock has run on for a while."));
        }

        var (log, explained, failure) = evidence.EventLog is { Length: > 0 } bytes ? CheckLog(bytes, bank, values, notes) : default;
        return failure is null
            ? (new CheckedEvidence(quote.Attest, values, log, explained, notes) { Runtime = CheckMeasurements(evidence, request, quote, known) }, null)
            : (null, failure);
    }

    /// <summary>A list that cannot be found in PCR 10 is no failed check: it concerns only those who require it, and some kernels cannot do better.</summary>
    private static RuntimeEvidence? CheckMeasurements(Evidence evidence, QuoteRequest request, VerifiedQuote quote, RuntimeKnown? known)
    {
        if (request.MeasurementsFault is { } fault)
        {
            return RuntimeEvidence.Refused(fault);
        }

        if (request.MeasurementsFrom is not { } from || evidence.Measurements is not { } sent)
        {
            return null;
        }

        var goesOn = from > 0 ? known : null;
        return MeasurementText.Verify(sent, quote, (TpmAlgorithm)request.Bank, goesOn).TryGet(out var verified, out var refusal)
            ? RuntimeEvidence.Of(verified, goesOn?.Standings)
            : RuntimeEvidence.Refused(refusal.Message);
    }

    /// <summary>Whether a log is one to keep though its evidence failed: somebody could read it.</summary>
    internal static bool IsReadable(byte[]? log) => log is { Length: <= LongestLog } && EventLog.Parse(log).TryGet(out _, out _);

    private static (EventLog? Log, uint Explained, Finding? Failure) CheckLog(byte[] bytes, TpmAlgorithm bank, PcrBank values, List<Finding> notes)
    {
        if (bytes.Length > LongestLog)
        {
            return (null, 0, Failures.Of(
                FindingCode.LogMalformed,
                $"The event log has {bytes.Length:N0} bytes; more than {LongestLog >> 20} MiB is neither read nor stored.",
                "Check the attestation agent on the host: a boot log of that size was padded or is no boot log."));
        }

        if (!EventLog.Parse(bytes).TryGet(out var log, out var refusal))
        {
            return (null, 0, Failures.Of(FindingCode.LogMalformed, refusal.Message, refusal.Remedy));
        }

        if (log.CheckMeasured(bank) is { } unmeasured)
        {
            return (null, 0, Failures.Of(FindingCode.BankUnmeasured, unmeasured.Message, unmeasured.Remedy));
        }

        if (!log.Replay(bank).TryGet(out var replayed, out refusal))
        {
            return (null, 0, Failures.Of(FindingCode.LogMalformed, refusal.Message, refusal.Remedy));
        }

        var explained = 0u;
        foreach (var pcr in values.Pcrs)
        {
            values.TryGet(pcr, out var quoted);
            var isTouched = replayed.TryGet(pcr, out var value);
            if (isTouched ? quoted.SequenceEqual(value) : IsAsReset(pcr, quoted))
            {
                explained |= 1u << pcr;
            }
            else if (pcr < FirmwarePcrs)
            {
                return (null, 0, Failures.Of(
                    FindingCode.LogDoesNotReplay,
                    $"The event log does not add up to the quoted PCR {pcr}: events were removed, added, changed or reordered.",
                    "Treat the host as tampered with until its log is explained; compare it with a host of the same kind.") with
                {
                    Pcr = pcr,
                    Short = $"event log does not match PCR {pcr}",
                });
            }
            else if (isTouched)
            {
                notes.Add(Failures.Note(FindingCode.ExtendedAfterBoot, $"PCR {pcr} was extended after the log ended; no baseline that looks at its events can match.", "Nothing to do.") with { Pcr = pcr });
            }
        }

        return (log, explained, null);
    }

    /// <summary>Whether a PCR holds what a reset leaves there: zeros, or ones in those of a measured launch that never took place.</summary>
    private static bool IsAsReset(int pcr, ReadOnlySpan<byte> value) =>
        !value.ContainsAnyExcept((byte)0) || (pcr is >= 17 and <= 22 && !value.ContainsAnyExcept((byte)0xFF));
}

/// <summary>Findings made of refusals.</summary>
internal static class Failures
{
    public static Finding Of(FindingCode code, string sentence, string remedy) => new(code, sentence, remedy) { Short = Words(code) };

    public static Finding Note(FindingCode code, string sentence, string remedy) => new(code, sentence, remedy) { IsNote = true };

    public static Finding Of(TpmRefusal refusal) => Of(Code(refusal.Code), refusal.Message, refusal.Remedy);

    private static FindingCode Code(TpmRefusalCode code) => code switch
    {
        TpmRefusalCode.NonceMismatch => FindingCode.NonceMismatch,
        TpmRefusalCode.SignatureInvalid => FindingCode.SignatureInvalid,
        TpmRefusalCode.SchemeMismatch or TpmRefusalCode.WeakHash => FindingCode.SchemeRefused,
        TpmRefusalCode.SelectionLacksPcr or TpmRefusalCode.PcrValueMissing or TpmRefusalCode.PcrValueExtra => FindingCode.SelectionIncomplete,
        TpmRefusalCode.PcrDigestMismatch => FindingCode.PcrDigestMismatch,
        TpmRefusalCode.KeyNotRestricted or TpmRefusalCode.KeyCannotSign or TpmRefusalCode.KeyNotFixedToTpm or TpmRefusalCode.KeyNotFixedToParent
            or TpmRefusalCode.KeyMadeOutsideTpm or TpmRefusalCode.KeyCanDecrypt or TpmRefusalCode.KeySchemeOpen or TpmRefusalCode.KeyTooWeak
            or TpmRefusalCode.KeyInvalid or TpmRefusalCode.KeyCannotDecrypt or TpmRefusalCode.KeyCanSign => FindingCode.KeyUnacceptable,
        TpmRefusalCode.BankAbsent or TpmRefusalCode.BankIncomplete or TpmRefusalCode.SeparatorMissing => FindingCode.BankUnmeasured,
        TpmRefusalCode.TemplateUnknown or TpmRefusalCode.ListGap => FindingCode.LogMalformed,
        TpmRefusalCode.TemplateDigestMismatch or TpmRefusalCode.ListNotReplayed or TpmRefusalCode.BootAggregateMismatch => FindingCode.LogDoesNotReplay,
        TpmRefusalCode.NothingGiven or TpmRefusalCode.Truncated or TpmRefusalCode.TrailingBytes or TpmRefusalCode.TooLarge or TpmRefusalCode.Malformed
            or TpmRefusalCode.UnsupportedAlgorithm or TpmRefusalCode.BadMagic or TpmRefusalCode.NotAQuote => FindingCode.QuoteMalformed,
    };

    private static string Words(FindingCode code) => code switch
    {
        FindingCode.QuoteMalformed => "its quote is malformed",
        FindingCode.NonceMismatch => "its quote answers another nonce",
        FindingCode.SignatureInvalid => "its quote is not signed by the enrolled key",
        FindingCode.SchemeRefused => "its quote is signed with a refused scheme",
        FindingCode.KeyUnacceptable => "its attestation key is not acceptable",
        FindingCode.SelectionIncomplete => "its quote lacks PCRs asked for",
        FindingCode.PcrDigestMismatch => "its PCR values do not match its quote",
        FindingCode.ClockWentBack => "its TPM's clock went back",
        FindingCode.LogMalformed => "its event log is malformed",
        FindingCode.LogDoesNotReplay => "its event log does not match its PCRs",
        FindingCode.BankUnmeasured => "its firmware left the PCR bank unmeasured",
        _ => "its answer failed a check",
    };
}
