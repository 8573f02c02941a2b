namespace Portal.Core.Attestation;

/// <summary>The worst a host was within a span of time.</summary>
/// <param name="From">Begin, inclusive.</param>
/// <param name="To">End, exclusive.</param>
/// <param name="Status">The worst word: untrusted, then stale (no new evidence came), then unknown, then trusted.</param>
public sealed record TimelineCell(DateTimeOffset From, DateTimeOffset To, TrustStatus Status);

/// <summary>A host's past as equal cells. Pure.</summary>
public static class TrustTimeline
{
    /// <summary>The cells from an instant to another, oldest first.</summary>
    /// <param name="before">The last transition before <paramref name="from"/>; null when there is none.</param>
    /// <param name="transitions">Transitions since, in any order.</param>
    /// <param name="from">Begin.</param>
    /// <param name="to">End; now.</param>
    /// <param name="cells">How many.</param>
    public static IReadOnlyList<TimelineCell> Of(AttestationTransition? before, IReadOnlyList<AttestationTransition> transitions, DateTimeOffset from, DateTimeOffset to, int cells)
    {
        var (ordered, width) = (transitions.OrderBy(t => t.Id).ToList(), (to - from) / cells);
        var (result, next, standing) = (new List<TimelineCell>(cells), 0, StatusOf(before));
        for (var i = 0; i < cells; i++)
        {
            var (begin, end) = (from + (i * width), i == cells - 1 ? to : from + ((i + 1) * width));
            var worst = standing;
            for (; next < ordered.Count && (ordered[next].At < end || i == cells - 1); next++)
            {
                standing = StatusOf(ordered[next]);

                // What stood when the cell began is part of it only if it lasted into it.
                worst = ordered[next].At <= begin ? standing : Worse(worst, standing);
            }

            result.Add(new TimelineCell(begin, end, worst));
        }

        return result;
    }

    /// <summary>What a transition left the host as. A trusted host that stopped answering is shown stale from then on: no new evidence came.</summary>
    public static TrustStatus StatusOf(AttestationTransition? transition) => transition switch
    {
        null => TrustStatus.Unknown,
        { Verdict: Verdict.None } => TrustStatus.Unknown,
        { Verdict: Verdict.Untrusted } => TrustStatus.Untrusted,
        { Verdict: Verdict.Trusted, Outcome: CheckOutcome.Ok } => TrustStatus.Trusted,
        { Verdict: Verdict.Trusted } => TrustStatus.Stale,
    };

    private static TrustStatus Worse(TrustStatus a, TrustStatus b) => Rank(a) >= Rank(b) ? a : b;

    private static int Rank(TrustStatus status) => status switch
    {
        TrustStatus.Untrusted => 3,
        TrustStatus.Stale => 2,
        TrustStatus.Unknown => 1,
        TrustStatus.Trusted => 0,
    };
}
