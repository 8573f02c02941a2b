using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>What an appraisal concluded.</summary>
/// <param name="Verdict">Trusted or untrusted; an appraisal always concludes.</param>
/// <param name="Findings">Why not, and notes.</param>
/// <param name="Matched">Revisions that match whole.</param>
public sealed record Appraisal(Verdict Verdict, IReadOnlyList<Finding> Findings, IReadOnlyList<ApprovedRevision> Matched)
{
    /// <summary>How the host stands against each runtime baseline in scope, required or not; without those that cannot be told.</summary>
    public IReadOnlyList<RuntimeStanding> Standings { get; init; } = [];

    /// <summary>A few words why, for the trust column; empty when trusted.</summary>
    public string Reason => Findings.FirstOrDefault(f => !f.IsNote && !f.Follows)?.Short ?? "";
}

/// <summary>Measured events by PCR, in the order of the log: what by-event baselines are compared with.</summary>
public sealed class MeasuredEvents
{
    private readonly Dictionary<int, List<MeasuredEvent>> byPcr = [];

    /// <summary>The extended events of a log in a bank.</summary>
    public MeasuredEvents(EventLog log, TpmAlgorithm bank)
    {
        foreach (var entry in log.Entries)
        {
            if (entry.IsExtended && entry.TryGetDigest(bank, out var digest))
            {
                if (!byPcr.TryGetValue(entry.Pcr, out var list))
                {
                    byPcr[entry.Pcr] = list = [];
                }

                list.Add(new MeasuredEvent(entry, digest));
            }
        }
    }

    /// <summary>The events of a PCR.</summary>
    public IReadOnlyList<MeasuredEvent> Of(int pcr) => byPcr.TryGetValue(pcr, out var list) ? list : [];
}

/// <summary>
/// Compares checked evidence with the approved baselines in scope: any one inside a kind, all kinds the cluster requires. Pure.
/// Nothing is trusted by absence: no required kind, no baseline of a kind, a covered PCR that is missing are all mismatches.
/// </summary>
public static class Appraiser
{
    /// <summary>Appraises.</summary>
    public static Appraisal Appraise(CheckedEvidence evidence, ApprovedSet policy)
    {
        var standings = policy.Revisions.Where(r => r.Kind == BaselineKinds.Runtime).Select(r => evidence.Runtime?.Stand(r)).OfType<RuntimeStanding>().ToList();
        if (policy.RequiredKinds == BaselineKinds.None)
        {
            var nothing = new Finding(FindingCode.NothingRequired, "The cluster requires no kind of baseline, so no host of it can be trusted.", "Require at least one kind in the cluster's trust policy.")
            {
                Short = "the cluster requires no baseline",
            };
            return new Appraisal(Verdict.Untrusted, [nothing, .. evidence.Notes], []) { Standings = standings };
        }

        var events = evidence.Log is null ? null : new MeasuredEvents(evidence.Log, evidence.Bank.Algorithm);
        var (matched, findings) = (new List<ApprovedRevision>(), new List<Finding>());
        foreach (var kind in PolicyWords.KindsIn(policy.RequiredKinds))
        {
            var inScope = policy.Revisions.Where(r => r.Kind == kind).ToList();
            var fitting = inScope.Where(r => Matches(r, evidence, events)).ToList();
            matched.AddRange(fitting);
            if (fitting.Count == 0)
            {
                findings.AddRange(inScope.Count == 0 ? [NoBaseline(kind)]
                    : kind == BaselineKinds.Runtime ? RuntimeFindings.Nearest(inScope, evidence)
                    : Nearest(inScope, evidence, events, kind));
            }
        }

        var verdict = findings.Count == 0 ? Verdict.Trusted : Verdict.Untrusted;
        var notes = evidence.Notes.Where(note => !findings.Exists(f => f.Code == FindingCode.LogDoesNotReplay && f.Pcr == note.Pcr));
        return new Appraisal(verdict, [.. findings, .. notes], matched) { Standings = standings };
    }

    /// <summary>Whether one revision matches whole. A runtime baseline: every entry of a list that begins with the boot aggregate is approved, and there is one behind it.</summary>
    private static bool Matches(ApprovedRevision revision, CheckedEvidence evidence, MeasuredEvents? events) => revision.Kind == BaselineKinds.Runtime
        ? evidence.Runtime?.Stand(revision) is { Matches: true }
        : Matches(CompiledBaseline.Of(revision), evidence, events);

    /// <summary>Whether the PCRs are as one revision has them.</summary>
    public static bool Matches(CompiledBaseline baseline, CheckedEvidence evidence, MeasuredEvents? events)
    {
        if (baseline.Bank != evidence.Bank.Algorithm || baseline.Pcrs.Count == 0)
        {
            return false;
        }

        foreach (var pcr in baseline.Pcrs)
        {
            if (!evidence.Bank.TryGet(pcr.Reference.Pcr, out var value))
            {
                return false;
            }

            // Events count only where they lead to the quoted value: what a log leaves out of any other PCR is anybody's guess.
            var matches = pcr.Reference.IsByEvent
                ? events is not null && evidence.Explains(pcr.Reference.Pcr) && pcr.MatchesEvents(events.Of(pcr.Reference.Pcr))
                : pcr.MatchesValue(value);
            if (!matches)
            {
                return false;
            }
        }

        return true;
    }

    private static Finding NoBaseline(BaselineKinds kind) => new(
        FindingCode.NoBaseline,
        $"No {PolicyWords.Kinds(kind)} baseline is approved for this cluster.",
        $"Capture one from a host you trust, and have it approved by somebody who did not write it.")
    {
        Kind = kind,
        Short = $"no {PolicyWords.Kinds(kind)} baseline approved",
    };

    /// <summary>What differs from the baseline that differs least: one finding per PCR, the first in boot order leading, the rest following from it.</summary>
    private static IEnumerable<Finding> Nearest(List<ApprovedRevision> inScope, CheckedEvidence evidence, MeasuredEvents? events, BaselineKinds kind)
    {
        var best = inScope
            .Select(r => (Revision: r, Differences: Explain(r, evidence, events, kind)))
            .OrderBy(c => CompiledBaseline.Of(c.Revision).Bank != evidence.Bank.Algorithm)
            .ThenBy(c => c.Differences.Count)
            .ThenByDescending(c => c.Differences.Count == 0 ? 0 : c.Differences[0].Event ?? 0)
            .ThenByDescending(c => c.Revision.Number)
            .First();
        return best.Differences.Select((finding, i) => finding with { Follows = i > 0 });
    }

    private static List<Finding> Explain(ApprovedRevision revision, CheckedEvidence evidence, MeasuredEvents? events, BaselineKinds kind)
    {
        var (title, baseline) = (revision.Title, CompiledBaseline.Of(revision));
        if (baseline.Bank != evidence.Bank.Algorithm)
        {
            return [Difference.WrongBank(title, baseline.Bank, evidence.Bank.Algorithm) with { Kind = kind, Baseline = title }];
        }

        var findings = new List<Finding>();
        foreach (var pcr in baseline.Pcrs)
        {
            var finding = !evidence.Bank.TryGet(pcr.Reference.Pcr, out var value) ? Difference.PcrMissing(pcr, title)
                : pcr.Reference.IsByEvent && events is not null && !evidence.Explains(pcr.Reference.Pcr) ? Difference.NotExplained(pcr, value, title)
                : pcr.Reference.IsByEvent ? Difference.InEvents(pcr, events, evidence.Bank.Algorithm, title)
                : pcr.MatchesValue(value) ? null
                : Difference.InValue(pcr, value, title);
            if (finding is not null)
            {
                findings.Add(finding with { Kind = kind, Baseline = title, Pcr = pcr.Reference.Pcr });
            }
        }

        // Boot order: by place in the log; what has no place there, by PCR after it.
        return [.. findings.OrderBy(f => f.Event ?? int.MaxValue).ThenBy(f => f.Pcr)];
    }
}
