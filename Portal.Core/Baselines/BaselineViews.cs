using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>What a list of baselines is sorted by.</summary>
public enum BaselineOrder
{
    /// <summary>Name.</summary>
    Name,

    /// <summary>Kind, then name.</summary>
    Kind,

    /// <summary>Hosts that match now, then name.</summary>
    Coverage,

    /// <summary>When the latest revision was created.</summary>
    Latest,
}

/// <summary>Which baselines to list.</summary>
/// <param name="Search">Part of the name or description, any case.</param>
/// <param name="State">Only baselines with a revision in this state.</param>
/// <param name="Kind">Only baselines of this kind.</param>
/// <param name="Order">Sorted by.</param>
/// <param name="Descending">Largest first.</param>
/// <param name="Skip">Rows to leave out at the start.</param>
/// <param name="Take">Rows on the page; at most 200.</param>
public sealed record BaselineQuery(
    string? Search = null,
    RevisionState? State = null,
    BaselineKinds? Kind = null,
    BaselineOrder Order = BaselineOrder.Name,
    bool Descending = false,
    int Skip = 0,
    int Take = 50);

/// <summary>A baseline as the list shows it.</summary>
/// <param name="Id">The baseline.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Description">What it is for.</param>
/// <param name="LatestRevisionId">Its latest revision.</param>
/// <param name="LatestNumber">Number of the latest revision.</param>
/// <param name="LatestState">State of the latest revision.</param>
/// <param name="ApprovedNumbers">Numbers of the revisions in force, ascending.</param>
/// <param name="Scope">Where it applies, in words, by the newest revision in force or else the latest.</param>
/// <param name="HostsMatching">Hosts whose current evidence matches one of its approved revisions.</param>
public sealed record BaselineRow(
    Guid Id,
    string Name,
    BaselineKinds Kind,
    string Description,
    Guid LatestRevisionId,
    int LatestNumber,
    RevisionState LatestState,
    IReadOnlyList<int> ApprovedNumbers,
    string Scope,
    int HostsMatching);

/// <summary>A person on a revision.</summary>
/// <param name="Person">Who.</param>
/// <param name="At">When they first did it.</param>
public sealed record RevisionParticipant(Person Person, DateTimeOffset At);

/// <summary>A revision without what it says.</summary>
/// <param name="Id">The revision.</param>
/// <param name="Number">Its number.</param>
/// <param name="State">Where it is in its life.</param>
/// <param name="Version">What an edit has to name.</param>
/// <param name="ContentHash">What an approver approves.</param>
/// <param name="CreatedAt">When it was created.</param>
/// <param name="SubmittedAt">When it was submitted last.</param>
/// <param name="ApprovedAt">When it was approved.</param>
/// <param name="RetiredAt">When it was retired.</param>
/// <param name="ReviewComment">What the reviewer said.</param>
/// <param name="Authors">Everyone who wrote or edited it.</param>
/// <param name="Approvers">Who approved it.</param>
/// <param name="HostsMatching">Hosts whose current evidence matches it.</param>
public sealed record RevisionRow(
    Guid Id,
    int Number,
    RevisionState State,
    int Version,
    string ContentHash,
    DateTimeOffset CreatedAt,
    DateTimeOffset? SubmittedAt,
    DateTimeOffset? ApprovedAt,
    DateTimeOffset? RetiredAt,
    string ReviewComment,
    IReadOnlyList<RevisionParticipant> Authors,
    IReadOnlyList<RevisionParticipant> Approvers,
    int HostsMatching);

/// <summary>A baseline with its revisions, newest first, and what happened to it.</summary>
/// <param name="Id">The baseline.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Description">What it is for.</param>
/// <param name="CreatedAt">When it was created.</param>
/// <param name="Revisions">Its revisions, newest first.</param>
/// <param name="HostsMatching">Hosts whose current evidence matches one of them.</param>
/// <param name="History">The newest audit rows about it, newest first.</param>
public sealed record BaselineView(
    Guid Id,
    string Name,
    BaselineKinds Kind,
    string Description,
    DateTimeOffset CreatedAt,
    IReadOnlyList<RevisionRow> Revisions,
    int HostsMatching,
    IReadOnlyList<AuditRow> History);

/// <summary>A revision with what it says, as an editor and a reviewer need it.</summary>
/// <param name="BaselineId">Its baseline.</param>
/// <param name="Name">The baseline's name.</param>
/// <param name="Kind">The baseline's kind.</param>
/// <param name="Revision">The revision.</param>
/// <param name="Content">What it says.</param>
/// <param name="Scope">Where it applies, in words.</param>
/// <param name="Warnings">What a reviewer should see first.</param>
/// <param name="ComparedWith">Number of the revision the difference is against: the newest approved before it, retired or not; null when there is none.</param>
/// <param name="Difference">What it says differently.</param>
/// <param name="WhyNotApprovable">Why the caller cannot approve it now, as the command would say; null when they can.</param>
public sealed record RevisionView(
    Guid BaselineId,
    string Name,
    BaselineKinds Kind,
    RevisionRow Revision,
    BaselineContent Content,
    string Scope,
    IReadOnlyList<BaselineWarning> Warnings,
    int? ComparedWith,
    BaselineDiff Difference,
    Refusal? WhyNotApprovable)
{
    /// <summary>As people write it: <c>rhel9-2026-10 rev. 3</c>.</summary>
    public string Title => RevisionStanding.TitleOf(Name, Revision.Number);
}

/// <summary>Revisions that wait for a reviewer.</summary>
/// <param name="All">All of them.</param>
/// <param name="ForCaller">Those the caller may approve: they hold the permission and did not write them. The number on the menu.</param>
public sealed record PendingReviews(int All, int ForCaller);

/// <summary>How many baselines there are.</summary>
/// <param name="All">In all.</param>
/// <param name="ByKind">Of each kind that there is.</param>
/// <param name="ByState">With a revision in each state; a baseline counts once for every state it has a revision in.</param>
public sealed record BaselineCounts(int All, IReadOnlyDictionary<BaselineKinds, int> ByKind, IReadOnlyDictionary<RevisionState, int> ByState);
