using System.Text.Json;

namespace Portal.Core.Attestation;

/// <summary>What applying a report did to a host's row.</summary>
/// <param name="IsIgnored">The report was older than what is known.</param>
/// <param name="IsTransition">Verdict, findings or measurements changed: history is written.</param>
/// <param name="Sentence">What changed, for the timeline.</param>
public sealed record VerdictChange(bool IsIgnored, bool IsTransition, string Sentence)
{
    private static readonly VerdictChange Ignored = new(true, false, "");

    /// <summary>
    /// The rules of the two axes. Silence and TPM errors leave the verdict to run out. An answer that fails a check is
    /// untrusted at once. Untrusted is sticky: new evidence that matches clears it, and a newly approved baseline does;
    /// another change of policy does not.
    /// </summary>
    /// <param name="row">The row; changed in place.</param>
    /// <param name="report">The report.</param>
    /// <param name="cause">For stored evidence appraised again: why.</param>
    /// <param name="now">Our clock.</param>
    public static VerdictChange Apply(AttestationState row, AttestationReport report, ReappraisalCause? cause, DateTimeOffset now)
    {
        var before = StateBefore.Of(row);
        return TryApply(row, report, cause, now) ? Since(before, row, cause) : Ignored;
    }

    /// <summary>What became of a row since a moment.</summary>
    internal static VerdictChange Since(StateBefore before, AttestationState row, ReappraisalCause? cause) =>
        new(false, before != StateBefore.Of(row), Tell(before, row, cause));

    /// <summary>Applies the rules; false when the report is older than what is known.</summary>
    internal static bool TryApply(AttestationState row, AttestationReport report, ReappraisalCause? cause, DateTimeOffset now)
    {
        if (cause is { } why)
        {
            if (report.OfEvidence != row.EvidenceDigest)
            {
                // Newer evidence came meanwhile; the row keeps its policy revision, so that it is looked at again.
                return false;
            }

            Reappraised(row, report, why, now);
        }
        else if (IsOlder(row, report, now) || IsOlderThanItsFailure(row, report, now))
        {
            return false;
        }
        else
        {
            Attested(row, report, now);
        }

        return true;
    }

    /// <summary>The newest evidence wins. A row dated in our future was written before our clock went back, and yields.</summary>
    private static bool IsOlder(AttestationState row, AttestationReport report, DateTimeOffset now) =>
        row.CheckedAt is { } last && last <= now && report.IssuedAt < last;

    /// <summary>A server tells of evidence later than it had it: what may be from before the failure that is known does not clear it.</summary>
    private static bool IsOlderThanItsFailure(AttestationState row, AttestationReport report, DateTimeOffset now) =>
        row.Verdict == Verdict.Untrusted && report.Appraisal?.Verdict == Verdict.Trusted && row.VerifiedAt is { } failed && failed <= now && report.AppearedAfter < failed;

    private static void Attested(AttestationState row, AttestationReport report, DateTimeOffset now)
    {
        row.CheckedAt = report.IssuedAt;
        row.Outcome = report.Outcome;
        row.FailingSince = report.Outcome == CheckOutcome.Ok ? null : row.FailingSince ?? report.IssuedAt;
        if (report.Evidence is { } evidence)
        {
            row.EvidenceDigest = evidence.Digest;
        }

        if (report.Appraisal is { } appraisal)
        {
            if (report.Checked is { Quote: var quote })
            {
                (row.ResetCount, row.RestartCount, row.TpmClock) = (quote.ResetCount, quote.RestartCount, (long)quote.Clock);
            }

            row.MeasurementDigest = report.MeasurementDigest;
            row.FailedCheck = null;
            var known = report.IsRepeated && row.Verdict == Verdict.Untrusted ? row.VerifiedAt : null;
            SetAppraisal(row, report, appraisal, known ?? report.VerifiedAt ?? report.IssuedAt, now);
        }
        else if (report.Failure is { } failure)
        {
            row.FailedCheck = failure.Code;
            row.PolicyRevision = report.PolicyRevision;
            SetVerdict(row, Verdict.Untrusted, failure.Short, [failure], now);
        }
        else if (report.Trouble is { } trouble)
        {
            // The verdict stays what it is and runs out by itself; only a host without one shows the trouble as its reason.
            if (row.Verdict == Verdict.None)
            {
                SetVerdict(row, Verdict.None, trouble.Short, [trouble], now);
            }
            else if (row.Verdict == Verdict.Trusted)
            {
                row.Reason = trouble.Short;
            }
        }
    }

    private static void Reappraised(AttestationState row, AttestationReport report, ReappraisalCause cause, DateTimeOffset now)
    {
        row.PolicyRevision = report.PolicyRevision;
        if (row.FailedCheck is not null)
        {
            return;
        }

        if (report.Failure is { } failure)
        {
            row.FailedCheck = failure.Code;
            SetVerdict(row, Verdict.Untrusted, failure.Short, [failure], now);
        }
        else if (report.Appraisal is { Verdict: Verdict.Trusted } && row.Verdict == Verdict.Untrusted && cause != ReappraisalCause.BaselineApproved)
        {
            var note = new Finding(
                FindingCode.AwaitingNewEvidence,
                "Under the changed policy the stored evidence would match, but only new evidence or a newly approved baseline clears an untrusted verdict.",
                "Attest the host now, or wait for the next round.")
            {
                Short = "waits for new evidence",
            };
            SetVerdict(row, Verdict.Untrusted, note.Short, [note], now);
        }
        else if (report.Appraisal is { } fresh && row.VerifiedAt is { } verified)
        {
            // The verdict is new, the evidence is not: its age stays what it is.
            SetAppraisal(row, report, fresh, verified, now);
        }
    }

    private static void SetAppraisal(AttestationState row, AttestationReport report, Appraisal appraisal, DateTimeOffset verifiedAt, DateTimeOffset now)
    {
        row.VerifiedAt = verifiedAt;
        row.ValidUntil = verifiedAt + report.Lifetime;
        row.ForgetAt = row.ValidUntil + report.ForgetAfter;
        row.PolicyRevision = report.PolicyRevision;
        row.StaleSince = now < row.ValidUntil ? null : row.StaleSince;
        row.Matched = JsonSerializer.Serialize(appraisal.Matched.Select(m => m.Title));
        SetVerdict(row, appraisal.Verdict, appraisal.Reason, appraisal.Findings, now);
    }

    private static void SetVerdict(AttestationState row, Verdict verdict, string reason, IReadOnlyList<Finding> findings, DateTimeOffset now)
    {
        if (row.Verdict != verdict || row.VerdictSince is null)
        {
            row.VerdictSince = now;
        }

        row.Verdict = verdict;
        row.Reason = reason;
        row.Findings = JsonSerializer.Serialize(findings);
    }

    private static string Tell(StateBefore known, AttestationState row, ReappraisalCause? cause)
    {
        var boot = known.ResetCount is { } old && row.ResetCount is { } now && old != now ? $"rebooted (resetCount {old} → {now}); " : "";
        var why = cause is not { } changed ? "" : changed switch
        {
            ReappraisalCause.BaselineApproved => "a baseline was approved; ",
            ReappraisalCause.BaselineRetired => "a baseline was retired; ",
            ReappraisalCause.PolicyChanged => "the cluster's policy changed; ",
            ReappraisalCause.HostMoved => "the host moved to another cluster; ",
        };
        var verdict = row.Verdict switch
        {
            Verdict.Untrusted => $"untrusted: {row.Reason}",
            Verdict.None => $"no verdict: {row.Reason}",
            Verdict.Trusted => TellTrusted(known, row),
        };
        return boot + why + verdict;
    }

    private static string TellTrusted(StateBefore known, AttestationState row) => (known.Verdict == Verdict.Trusted, row.Outcome == CheckOutcome.Ok) switch
    {
        (false, _) => "trusted",
        (true, false) => $"no new evidence: {row.Reason}",
        (true, true) when known.Measurement != row.MeasurementDigest => "still trusted, though it measured something else that is approved too",
        (true, true) => "still trusted",
    };

    /// <summary>What of a row, when it changes, is history.</summary>
    internal sealed record StateBefore(Verdict Verdict, string Findings, string? Measurement, long? ResetCount, CheckOutcome Outcome)
    {
        public static StateBefore Of(AttestationState row) => new(row.Verdict, row.Findings, row.MeasurementDigest, row.ResetCount, row.Outcome);
    }
}
