using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Components.Attestation;

/// <summary>The one sentence of a verdict card: what is.</summary>
internal static class VerdictWords
{
    /// <summary>The headline for a host's present state.</summary>
    /// <param name="view">What is known of it.</param>
    /// <param name="services">The services its cluster names.</param>
    public static string Headline(HostAttestationView view, ServiceSet services) => view.Trust.Status switch
    {
        TrustStatus.Trusted when services.All(s => s.Keeper is PolicyKeeper.Server) => services.Count == 1
            ? "Its attestation service trusts this host, by policies of its own."
            : "Its attestation services trust this host, by policies of their own.",
        TrustStatus.Trusted => "This host booted what you approved.",
        TrustStatus.Untrusted => Untrusted(view),
        TrustStatus.Stale => "This host was trusted; no new evidence has come since.",
        TrustStatus.Unknown when !services.HasBuiltIn => Unsaid(view, services),
        TrustStatus.Unknown => Unknown(view),
    };

    /// <summary>The finding that leads: why the verdict is what it is.</summary>
    public static Finding? Leading(HostAttestationView view) => view.Findings.FirstOrDefault(f => !f.IsNote && !f.Follows) ?? (view.Findings.Count > 0 ? view.Findings[0] : null);

    private static string Untrusted(HostAttestationView view)
    {
        if (Leading(view) is not { } finding)
        {
            return "This host is not trusted.";
        }

        if (view.Trust.Row?.FailedCheck is not null)
        {
            return finding.Short.Length > 0 ? $"{Capital(finding.Short)}." : "Its answer failed a check.";
        }

        return finding.Code switch
        {
            FindingCode.NothingRequired => "Its cluster requires no baseline, so no host of it can be trusted.",
            FindingCode.NoBaseline => $"{Capital(finding.Short)} for its cluster, so there is nothing to compare it with.",
            FindingCode.AwaitingNewEvidence => "It would match now, but only new evidence clears an untrusted verdict.",
            FindingCode.FileNotApproved => "It used a file that is not one you approved.",
            FindingCode.FileNotMeasured => "It used something whose content nobody knows.",
            FindingCode.MeasurementsAbsent => "Nobody knows which files it uses, and its cluster wants to know.",
            FindingCode.MeasurementsRefused => "Its list of files it used is not the one its TPM vouches for.",
            FindingCode.LogAbsent => "It sent no boot log, which its baseline looks into.",
            FindingCode.PcrMissing => "Its quote lacks what its baseline looks at.",
            FindingCode.ComponentMissing when finding.Pcr is { } pcr => $"Something you require of the {MeasuredComponent.NameOf(pcr)} was not measured.",
            FindingCode.ComponentOutOfOrder when finding.Pcr is { } pcr => $"The {MeasuredComponent.NameOf(pcr)} came in another order than you approved.",
            _ when finding.Pcr is { } pcr => IsPlural(pcr) ? $"The {MeasuredComponent.NameOf(pcr)} are not what you approved." : $"The {MeasuredComponent.NameOf(pcr)} is not one you approved.",
            _ => finding.Short.Length > 0 ? $"{Capital(finding.Short)}." : "This host is not trusted.",
        };
    }

    private static string Unknown(HostAttestationView view) => (view.Attester, view.Trust.Row) switch
    {
        (null, _) => "Nobody can say what this host booted: it is not enrolled.",
        (_, null) => "This host was not attested yet.",
        (_, { Verdict: Verdict.Trusted }) => "Nobody can say any more: its last evidence is too old.",
        (_, { Outcome: CheckOutcome.TpmError }) => "Nobody can say: its TPM reports an error.",
        (_, { Outcome: CheckOutcome.AgentUnreachable or CheckOutcome.ServiceUnreachable }) => "Nobody can say: it has not answered yet.",
        _ => "Nobody can say what this host booted.",
    };

    private static string Unsaid(HostAttestationView view, ServiceSet services) => view.Trust.Row switch
    {
        { Verdict: Verdict.Trusted } => "Nobody can say any more: it was verified too long ago.",
        { Outcome: CheckOutcome.ServiceUnreachable } => "Nobody can say: its attestation service does not answer.",
        { Outcome: CheckOutcome.NotConfigured } => "Nobody can say: its attestation service does not verify this host yet.",
        _ => services.Count == 1 ? "Its attestation service has not vouched for this host yet." : "Not all of its attestation services have vouched for this host yet.",
    };

    /// <summary>How an attempt went.</summary>
    public static string Word(CheckOutcome outcome) => outcome switch
    {
        CheckOutcome.Ok => "answered",
        CheckOutcome.ServiceUnreachable => "the attestation service did not answer",
        CheckOutcome.AgentUnreachable => "the host's agent did not answer",
        CheckOutcome.TpmError => "the host's TPM reported an error",
        CheckOutcome.ProtocolError => "an answer came that failed a check",
        CheckOutcome.NotConfigured => "not enrolled",
        CheckOutcome.Queued => "waits for its turn",
    };

    private static bool IsPlural(int pcr) => pcr is 8 or 14;

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
