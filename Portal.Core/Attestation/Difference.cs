using Portal.Core.Baselines;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>Turns the first difference between measured and approved into a sentence. Versions come from labels or proven text only.</summary>
internal static class Difference
{
    public static Finding WrongBank(string baseline, TpmAlgorithm wants, TpmAlgorithm has) => new(
        FindingCode.PcrMissing,
        $"The host quoted its {has.DisplayName()} bank; baseline {baseline} is written for {wants.DisplayName()}.",
        "Write the baseline for the bank the cluster's hosts measure.")
    {
        Short = "another PCR bank than the baseline's",
    };

    public static Finding PcrMissing(CompiledPcr pcr, string baseline) => new(
        FindingCode.PcrMissing,
        $"Baseline {baseline} covers PCR {pcr.Reference.Pcr}, which the quote lacks.",
        "Check the attestation agent on the host: it must quote every PCR it is asked for.")
    {
        Short = $"PCR {pcr.Reference.Pcr} missing",
    };

    public static Finding InValue(CompiledPcr pcr, ReadOnlySpan<byte> value, string baseline)
    {
        var number = pcr.Reference.Pcr;
        var what = Component(number);
        return new Finding(
            FindingCode.PcrMismatch,
            $"{Capital(what)}: PCR {number} is not a value you approved. Baseline {baseline} allows {Expected(pcr.Reference.Label, pcr.Reference.Digests)} there.",
            Remedy(what))
        {
            Measured = Convert.ToHexStringLower(value),
            Expected = pcr.Reference.Digests[0],
            Short = $"{what} not approved (PCR {number})",
        };
    }

    /// <summary>The log does not lead to the quoted value of a PCR whose events the baseline names.</summary>
    public static Finding NotExplained(CompiledPcr pcr, ReadOnlySpan<byte> value, string baseline) => new(
        FindingCode.LogDoesNotReplay,
        $"The event log does not add up to the quoted PCR {pcr.Reference.Pcr}, whose events baseline {baseline} looks at: it leaves something out, or the PCR was extended after the log ended.",
        "Find out what extends this PCR and does not log it; compare the host with one of the same kind.")
    {
        Measured = Convert.ToHexStringLower(value),
        Short = $"event log does not match PCR {pcr.Reference.Pcr}",
    };

    /// <summary>The first event of a PCR that is not as approved; null when all are.</summary>
    public static Finding? InEvents(CompiledPcr pcr, MeasuredEvents? events, TpmAlgorithm bank, string baseline)
    {
        if (events is null)
        {
            return new Finding(
                FindingCode.LogAbsent,
                $"Baseline {baseline} looks at the events of PCR {pcr.Reference.Pcr}, but the host sent no event log.",
                "Check the attestation agent on the host: it must be allowed to read the boot event log.")
            {
                Short = "no event log sent",
            };
        }

        var measured = events.Of(pcr.Reference.Pcr);
        if (pcr.MatchesEvents(measured))
        {
            return null;
        }

        var (approvedAt, measuredAt) = FirstDifference(pcr, measured);
        var approved = approvedAt < pcr.Reference.Events.Length ? pcr.Reference.Events[approvedAt] : null;
        return measuredAt >= measured.Count
            ? Missing(pcr, approved!, baseline)
            : Unapproved(pcr, measured, measuredAt, approvedAt, approved, bank, baseline);
    }

    private static (int Approved, int Measured) FirstDifference(CompiledPcr pcr, IReadOnlyList<MeasuredEvent> measured)
    {
        var approved = pcr.Reference.Events;
        var (a, m) = (0, 0);
        while (m < measured.Count)
        {
            var at = a;
            while (at < approved.Length && !pcr.Approves(at, measured[m].Digest.Span) && approved[at].Optional)
            {
                at++;
            }

            if (at >= approved.Length || !pcr.Approves(at, measured[m].Digest.Span))
            {
                // The first required one is what should have been here.
                return (at, m);
            }

            a = at + 1;
            m++;
        }

        while (a < approved.Length && approved[a].Optional)
        {
            a++;
        }

        return (a, m);
    }

    private static Finding Missing(CompiledPcr pcr, EventReference approved, string baseline)
    {
        var number = pcr.Reference.Pcr;
        return new Finding(
            FindingCode.ComponentMissing,
            $"{Label(approved)} was not measured into PCR {number}, though baseline {baseline} requires it.",
            Remedy(Component(number)))
        {
            Expected = approved.Digests[0],
            Short = $"{Component(number)} incomplete (PCR {number})",
        };
    }

    private static Finding Unapproved(CompiledPcr pcr, IReadOnlyList<MeasuredEvent> measured, int at, int approvedAt, EventReference? approved, TpmAlgorithm bank, string baseline)
    {
        var (item, number) = (measured[at], pcr.Reference.Pcr);
        var (name, what) = (Name(item, bank), Component(number));
        var place = $"PCR {number}, event {item.Entry.Index}, {ShortDigest(item.Digest)}";
        var laterApproved = Enumerable.Range(approvedAt, pcr.Reference.Events.Length - approvedAt).Any(i => pcr.Approves(i, item.Digest.Span));
        var laterMeasured = approved is not null && Enumerable.Range(at, measured.Count - at).Any(i => pcr.Approves(approvedAt, measured[i].Digest.Span));
        var (code, sentence) = (laterApproved, laterMeasured) switch
        {
            (true, true) => (FindingCode.ComponentOutOfOrder, $"{name} came before {Label(approved!)} ({place}); baseline {baseline} has them the other way round."),
            (true, false) => (FindingCode.ComponentMissing, $"{Label(approved!)} was not measured before {name} ({place}), though baseline {baseline} requires it."),
            (false, true) => (FindingCode.ComponentUnexpected, $"{name} was measured in addition ({place}); baseline {baseline} does not allow it."),
            (false, false) when approved is null => (FindingCode.ComponentUnexpected, $"{name} was measured after everything approved ({place}); baseline {baseline} does not allow it."),
            _ => (FindingCode.UnknownComponent, $"{name} is an unknown component ({place}). Nearest baseline: {baseline}, which allows {Label(approved!)} there."),
        };
        return new Finding(code, sentence, Remedy(what))
        {
            Event = item.Entry.Index,
            Measured = Convert.ToHexStringLower(item.Digest.Span),
            Expected = approved?.Digests[0],
            Component = name,
            Short = $"{what} not approved (PCR {number})",
        };
    }

    /// <summary>Path or text of the event. What does not hash to its digest is only claimed, and said to be.</summary>
    private static string Name(MeasuredEvent item, TpmAlgorithm bank)
    {
        var description = EventDescription.Of(item.Entry, bank);
        var text = description.Path ?? description.Text;
        return description.IsProven ? text : $"{text} (as the log claims)";
    }

    private static string Label(EventReference reference) =>
        reference.Label.Length > 0 ? reference.Label : $"the event {reference.Digests[0][..12]}…";

    private static string Expected(string label, IReadOnlyList<string> digests) =>
        label.Length > 0 ? label : digests.Count == 1 ? $"{digests[0][..12]}…" : $"{digests.Count} other values";

    private static string ShortDigest(ReadOnlyMemory<byte> digest) => $"digest {Convert.ToHexStringLower(digest.Span[..6])}…";

    private static string Component(int pcr) => MeasuredComponent.NameOf(pcr);

    private static string Remedy(string what) =>
        $"If this {what} was updated on purpose, review it and capture it as a draft baseline; if not, keep the host out and look at its timeline.";

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
