using Portal.Core.Inventory;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation;

/// <summary>How a PCR compares with what is approved for it.</summary>
public enum PcrComparison
{
    /// <summary>It is what a baseline approves.</summary>
    Matches,

    /// <summary>The first difference, in boot order, from the nearest baseline of its kind.</summary>
    FirstDifference,

    /// <summary>It differs, as everything measured after a difference may.</summary>
    Follows,

    /// <summary>No baseline in scope looks at it.</summary>
    NotCovered,

    /// <summary>A baseline looks at it, but the answer failed a check of its own, so its values prove nothing.</summary>
    NotAppraised,
}

/// <summary>A PCR, measured and expected.</summary>
/// <param name="Meaning">What it is for.</param>
/// <param name="Measured">The quoted value, hexadecimal; null when the quote lacks it.</param>
/// <param name="Comparison">How it compares.</param>
public sealed record PcrExplanation(PcrMeaning Meaning, string? Measured, PcrComparison Comparison)
{
    /// <summary>What the measured value says by itself.</summary>
    public PcrContent Content { get; init; }

    /// <summary>Title of the baseline it is compared with; null when not covered.</summary>
    public string? Baseline { get; init; }

    /// <summary>Kind of that baseline.</summary>
    public BaselineKinds Kind { get; init; }

    /// <summary>A value the baseline approves, hexadecimal: given, or computed from its events. Null where optional or alternative events leave several.</summary>
    public string? Expected { get; init; }

    /// <summary>Whether it is a register of a measured launch (Intel TXT) that never took place, and no baseline looks at it.</summary>
    public bool IsIdleLaunch => Comparison == PcrComparison.NotCovered && Meaning.Pcr is >= 17 and <= 22 && Content is PcrContent.AllOnes or PcrContent.AllZero;

    /// <summary>How many events, or whole values, the baseline lists for it.</summary>
    public int Approved { get; init; }

    /// <summary>Whether it is compared event by event.</summary>
    public bool IsByEvent { get; init; }

    /// <summary>What differs, if it does.</summary>
    public Finding? Finding { get; init; }
}

/// <summary>How an event stands against what is approved.</summary>
public enum EventStanding
{
    /// <summary>Its digest is approved there.</summary>
    Approved,

    /// <summary>The first event, in boot order, that is not as approved.</summary>
    FirstDifference,

    /// <summary>Not as approved, after a difference before it.</summary>
    Follows,

    /// <summary>No baseline looks at the events of its PCR.</summary>
    NotCovered,

    /// <summary>A note that extends no PCR and proves nothing.</summary>
    Note,
}

/// <summary>An event of the boot log, explained.</summary>
/// <param name="Index">Its place in the log, from 0.</param>
/// <param name="Pcr">The PCR it extended; -1 for a note that belongs to none.</param>
/// <param name="TypeName">Its type, as the specification names it.</param>
/// <param name="Digest">Its digest in the quoted bank, hexadecimal; null when the log has none.</param>
/// <param name="Description">What it says, and how much of that is proven.</param>
/// <param name="Standing">How it stands.</param>
public sealed record EventExplanation(int Index, int Pcr, string TypeName, string? Digest, EventDescription Description, EventStanding Standing)
{
    /// <summary>What the security team calls an approved event.</summary>
    public string Label { get; init; } = "";

    /// <summary>What was expected in its place, if it differs and something was.</summary>
    public string? Expected { get; init; }
}

/// <summary>A baseline the evidence was laid beside: what matched of its kind, or else the nearest.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="BaselineId">The baseline.</param>
/// <param name="Number">Its revision.</param>
/// <param name="Title">As findings write it: <c>rhel9-2026-10 rev. 3</c>.</param>
/// <param name="Matches">Whether it matches whole.</param>
public sealed record ComparedBaseline(BaselineKinds Kind, Guid BaselineId, int Number, string Title, bool Matches);

/// <summary>The latest evidence of a host beside what is approved: computed from what is stored, not remembered.</summary>
/// <param name="IssuedAt">When the nonce of the evidence was issued.</param>
/// <param name="Digest">SHA-256 of the evidence, hexadecimal.</param>
/// <param name="Bank">The quoted bank.</param>
/// <param name="Pcrs">PCRs that are quoted or covered, ascending.</param>
/// <param name="Events">The log, at most <see cref="MostEvents"/> events.</param>
public sealed record HostExplanation(DateTimeOffset IssuedAt, string Digest, TpmAlgorithm Bank, IReadOnlyList<PcrExplanation> Pcrs, IReadOnlyList<EventExplanation> Events)
{
    /// <summary>Where the list of events is cut; the evidence bundle has them all.</summary>
    public const int MostEvents = 2000;

    /// <summary>What it was laid beside, one per required kind that has any.</summary>
    public IReadOnlyList<ComparedBaseline> Baselines { get; init; } = [];

    /// <summary>What the running host used; null when nobody asked.</summary>
    public RuntimeExplanation? Runtime { get; init; }

    /// <summary>UEFI variables that differ from what is approved, with what differs in them, where a kept log shows it.</summary>
    public IReadOnlyList<ExplainedChange> Changes { get; init; } = [];

    /// <summary>How many events the log has.</summary>
    public int EventsInAll { get; init; }

    /// <summary>Why there are no events; null when there are.</summary>
    public string? NoEvents { get; init; }

    /// <summary>The check that the answer failed, if it failed one.</summary>
    public Finding? Failure { get; init; }

    /// <summary>Everything found, leading differences first; empty when all kinds match.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];

    /// <summary>Differences that only follow from the first.</summary>
    public int Following => Findings.Count(f => f.Follows && !f.IsNote);
}
