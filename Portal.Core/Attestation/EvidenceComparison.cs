using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>A PCR of two hosts.</summary>
/// <param name="Meaning">What it is for.</param>
/// <param name="Here">Value of the one; null when not quoted.</param>
/// <param name="There">Value of the other; null when not quoted.</param>
public sealed record PcrPair(PcrMeaning Meaning, string? Here, string? There)
{
    /// <summary>Whether both measured the same.</summary>
    public bool IsSame => string.Equals(Here, There, StringComparison.Ordinal);

    /// <summary>Events only the one measured, in order.</summary>
    public IReadOnlyList<EventExplanation> OnlyHere { get; init; } = [];

    /// <summary>Events only the other measured, in order.</summary>
    public IReadOnlyList<EventExplanation> OnlyThere { get; init; } = [];
}

/// <summary>What two hosts measured, side by side. Pure.</summary>
public static class EvidenceComparison
{
    /// <summary>PCRs of both, ascending; where they differ, with the events that only one of them measured.</summary>
    public static IReadOnlyList<PcrPair> Of(HostExplanation here, HostExplanation there)
    {
        var ours = here.Pcrs.ToDictionary(p => p.Meaning.Pcr);
        var theirs = there.Pcrs.ToDictionary(p => p.Meaning.Pcr);
        return [.. ours.Keys.Union(theirs.Keys).Order().Select(pcr =>
        {
            var pair = new PcrPair(PcrMeaning.Of(pcr), ours.GetValueOrDefault(pcr)?.Measured, theirs.GetValueOrDefault(pcr)?.Measured);
            return pair.IsSame ? pair : pair with { OnlyHere = Beyond(here, there, pcr), OnlyThere = Beyond(there, here, pcr) };
        })];
    }

    /// <summary>Events of the one in a PCR beyond those of the other.</summary>
    private static List<EventExplanation> Beyond(HostExplanation one, HostExplanation other, int pcr) => Multiset.Beyond(Extended(one, pcr), Extended(other, pcr), e => e.Digest!);

    private static IEnumerable<EventExplanation> Extended(HostExplanation of, int pcr) =>
        of.Events.Where(e => e.Pcr == pcr && e.Digest is not null && e.Standing != EventStanding.Note);
}
