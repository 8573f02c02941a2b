using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>Lays evidence beside approved revisions, PCR by PCR and event by event. Pure. It concludes nothing of its own: what differs is what the appraisal found.</summary>
internal sealed class EvidenceExplainer
{
    private readonly Evidence evidence;
    private readonly TpmAlgorithm bank;
    private readonly EventLog? log;
    private readonly AttestationReport report;
    private readonly Finding? failure;
    private readonly Dictionary<int, Compared> compared = [];
    private readonly ApprovedSet policy;
    private readonly List<ComparedBaseline> baselines = [];

    /// <summary>Prepares an explanation.</summary>
    /// <param name="evidence">The stored evidence.</param>
    /// <param name="report">Its appraisal under the policy.</param>
    /// <param name="failure">The check it failed when it came, if it did.</param>
    /// <param name="policy">The policy.</param>
    public EvidenceExplainer(Evidence evidence, AttestationReport report, Finding? failure, ApprovedSet policy)
    {
        (this.evidence, this.report, this.failure, this.policy) = (evidence, report, failure ?? report.Failure, policy);
        bank = (TpmAlgorithm)evidence.Bank;
        log = evidence.EventLog is { Length: > 0 } bytes && EventLog.Parse(bytes).TryGet(out var parsed, out _) ? parsed : null;
        foreach (var revision in PolicyWords.KindsIn(policy.RequiredKinds).Select(kind => Nearest(policy, kind)).OfType<ApprovedRevision>())
        {
            var matches = failure is null && report.Appraisal?.Matched.Any(m => m.RevisionId == revision.RevisionId) == true;
            baselines.Add(new ComparedBaseline(revision.Kind, revision.BaselineId, revision.Number, revision.Title, matches));
            foreach (var pcr in revision.Content.Pcrs)
            {
                var finding = FindingOf(revision.Kind, pcr.Pcr);
                if (finding is not null || !compared.ContainsKey(pcr.Pcr))
                {
                    compared[pcr.Pcr] = new Compared(revision, pcr, finding);
                }
            }
        }
    }

    private IReadOnlyList<Finding> Findings => report.Appraisal?.Findings ?? [];

    /// <summary>The explanation.</summary>
    public HostExplanation Explain(EvidenceRecord record)
    {
        var events = log is null ? [] : log.Entries.Take(HostExplanation.MostEvents).Select(Explain).ToList();
        var runtime = RuntimeExplanation.Of(record, report, policy);
        var pcrs = evidence.Pcrs.Keys.Union(compared.Keys).Order().Select(pcr => pcr == ImaList.Pcr && runtime is not null ? Explain(Explain(pcr), runtime) : Explain(pcr));
        return new HostExplanation(record.IssuedAt, record.Digest, bank, [.. pcrs], events)
        {
            Runtime = runtime,
            Baselines = baselines,
            EventsInAll = log?.Entries.Length ?? 0,
            NoEvents = log is not null ? null : evidence.EventLog is { Length: > 0 } ? "The host sent a boot log that cannot be read." : "The host sent no boot log.",
            Failure = failure,
            Findings = failure is null ? Findings : [failure],
        };
    }

    /// <summary>What matched, or else what the appraisal compared with.</summary>
    private ApprovedRevision? Nearest(ApprovedSet policy, BaselineKinds kind)
    {
        var revision = report.Appraisal?.Matched.FirstOrDefault(m => m.Kind == kind);
        if (revision is null)
        {
            var title = Findings.FirstOrDefault(f => f.Kind == kind && f.Baseline is not null)?.Baseline;
            var inScope = policy.Revisions.Where(r => r.Kind == kind).ToList();
            revision = inScope.Find(r => r.Title == title) ?? (report.Appraisal is null ? inScope.LastOrDefault() : null);
        }

        return revision;
    }

    private Finding? FindingOf(BaselineKinds kind, int pcr) => Findings.FirstOrDefault(f => !f.IsNote && f.Kind == kind && f.Pcr == pcr);

    private PcrExplanation Explain(int pcr)
    {
        var value = evidence.Pcrs.GetValueOrDefault(pcr);
        var with = compared.GetValueOrDefault(pcr);
        var explanation = new PcrExplanation(PcrMeaning.Of(pcr), value is null ? null : Convert.ToHexStringLower(value), Compare(with))
        {
            Content = value is null ? PcrContent.Measured : PcrMeaning.Classify(bank, value),
        };
        return with is null
            ? explanation
            : explanation with
            {
                Baseline = with.Revision.Title,
                Kind = with.Revision.Kind,
                Expected = Expected(with.Reference),
                Approved = with.Reference.IsByEvent ? with.Reference.Events.Length : with.Reference.Digests.Length,
                IsByEvent = with.Reference.IsByEvent,
                Finding = with.Finding,
            };
    }

    /// <summary>PCR 10 has no value to compare: the list that leads to it has.</summary>
    private PcrExplanation Explain(PcrExplanation pcr, RuntimeExplanation runtime) => runtime.Nearest is not { } nearest || !runtime.IsRequired
        ? pcr
        : pcr with
        {
            Comparison = report.Appraisal is null || failure is not null ? PcrComparison.NotAppraised : nearest.Matches ? PcrComparison.Matches : PcrComparison.FirstDifference,
            Baseline = nearest.Title,
            Kind = BaselineKinds.Runtime,
            Finding = FindingOf(BaselineKinds.Runtime, pcr.Meaning.Pcr),
        };

    private PcrComparison Compare(Compared? with) => with switch
    {
        null => PcrComparison.NotCovered,
        _ when report.Appraisal is null || failure is not null => PcrComparison.NotAppraised,
        { Finding: null } => PcrComparison.Matches,
        { Finding.Follows: true } => PcrComparison.Follows,
        _ => PcrComparison.FirstDifference,
    };

    /// <summary>The one value a PCR must have, if there is one.</summary>
    private string? Expected(PcrReference reference)
    {
        if (!reference.IsByEvent)
        {
            return reference.Digests.Length == 1 ? reference.Digests[0] : null;
        }

        if (reference.Events.Any(e => e.Optional || e.Digests.Length != 1))
        {
            return null;
        }

        var value = new byte[bank.DigestSize()];
        if (reference.Pcr == 0 && value.Length > 0)
        {
            value[^1] = log?.StartupLocality ?? 0;
        }

        return reference.Events.All(e => TpmHash.TryExtend(bank, value, Convert.FromHexString(e.Digests[0]))) ? Convert.ToHexStringLower(value) : null;
    }

    private EventExplanation Explain(EventLogEntry entry)
    {
        var digest = entry.TryGetDigest(bank, out var measured) ? Convert.ToHexStringLower(measured.Span) : null;
        var explanation = new EventExplanation(entry.Index, entry.Pcr, entry.Type.SpecificationName(), digest, EventDescription.Of(entry, bank), EventStanding.NotCovered);
        if (!entry.IsExtended)
        {
            return explanation with { Standing = EventStanding.Note };
        }

        if (report.Appraisal is null || failure is not null || digest is null || compared.GetValueOrDefault(entry.Pcr) is not { Reference.IsByEvent: true } with)
        {
            return explanation;
        }

        var approved = with.Reference.Events.FirstOrDefault(e => e.Digests.Contains(digest, StringComparer.Ordinal));
        var differs = with.Finding is { } finding && (finding.Event is not { } at ? approved is null : entry.Index == at || (entry.Index > at && approved is null));
        return explanation with
        {
            Label = approved?.Label ?? "",
            Standing = !differs ? EventStanding.Approved
                : with.Finding is { Follows: false, Event: { } first } && entry.Index == first ? EventStanding.FirstDifference
                : EventStanding.Follows,
            Expected = differs && with.Finding!.Event == entry.Index ? with.Finding.Expected : null,
        };
    }

    /// <summary>A PCR of evidence and the baseline it is laid beside.</summary>
    private sealed record Compared(ApprovedRevision Revision, PcrReference Reference, Finding? Finding);
}
