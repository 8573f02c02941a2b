using System.Text;
using Portal.Core.Attestation;
using Portal.Core.Tpm;

namespace Portal.Tests.Simulation;

/// <summary>What the portal's own parsers say of simulated evidence.</summary>
internal static class VerifierCheck
{
    /// <summary>Null when the quote verifies, else the first refusal's code.</summary>
    public static TpmRefusalCode? Quote(Evidence evidence, byte[] key, string nonce, params int[] requested)
    {
        var bank = PcrBank.Create((TpmAlgorithm)evidence.Bank, evidence.Pcrs.Select(p => KeyValuePair.Create(p.Key, (ReadOnlyMemory<byte>)p.Value)));
        if (!bank.TryGet(out var values, out var refusal))
        {
            return refusal.Code;
        }

        if (!AttestationKey.Accept(key).TryGet(out var accepted, out refusal))
        {
            return refusal.Code;
        }

        using (accepted)
        {
            return QuoteCheck.Verify(accepted, evidence.Quote, evidence.Signature, Encoding.ASCII.GetBytes(nonce), PcrSelection.Of(TpmAlgorithm.Sha256, requested), PcrValues.Of(values)).Refusal?.Code;
        }
    }

    /// <summary>Null when the log parses, is measured and replays to the PCRs; else the refusal's code.</summary>
    public static TpmRefusalCode? Log(Evidence evidence)
    {
        if (!EventLog.Parse(evidence.EventLog).TryGet(out var log, out var refusal))
        {
            return refusal.Code;
        }

        if (log.CheckMeasured((TpmAlgorithm)evidence.Bank) is { } unmeasured)
        {
            return unmeasured.Code;
        }

        if (!log.Replay((TpmAlgorithm)evidence.Bank).TryGet(out var replayed, out refusal))
        {
            return refusal.Code;
        }

        return evidence.Pcrs.All(p => replayed.Get(p.Key) is { } value && value.AsSpan().SequenceEqual(p.Value)) ? null : TpmRefusalCode.PcrDigestMismatch;
    }
}
