using Portal.Core.Inventory;

namespace Portal.Core.Baselines;

/// <summary>Where a revision is in its life.</summary>
public enum RevisionState
{
    /// <summary>Being written.</summary>
    Draft,

    /// <summary>Submitted; waits for somebody who did not write it.</summary>
    InReview,

    /// <summary>In force.</summary>
    Approved,

    /// <summary>Sent back by a reviewer; editing makes it a draft again.</summary>
    Rejected,

    /// <summary>No longer in force.</summary>
    Retired,
}

/// <summary>What follows from a state.</summary>
public static class RevisionStates
{
    /// <summary>
    /// Whether somebody may still edit it. A baseline has at most one such revision. One sent back counts: were it possible to copy it into
    /// a new revision, its author would be nobody's author there and could approve their own text.
    /// </summary>
    public static bool IsOpen(this RevisionState state) => state switch
    {
        RevisionState.Draft or RevisionState.InReview or RevisionState.Rejected => true,
        RevisionState.Approved or RevisionState.Retired => false,
    };

    /// <summary>The state in words a person reads after "is".</summary>
    public static string Words(this RevisionState state) => state switch
    {
        RevisionState.Draft => "a draft",
        RevisionState.InReview => "in review",
        RevisionState.Approved => "approved",
        RevisionState.Rejected => "sent back by a reviewer",
        RevisionState.Retired => "retired",
    };
}

/// <summary>A named, versioned set of reference values: what hosts may boot. Others call it a white list.</summary>
public sealed class Baseline
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Unique name.</summary>
    public required string Name { get; set; }

    /// <summary>One kind, never a combination.</summary>
    public required BaselineKinds Kind { get; init; }

    /// <summary>What it is for.</summary>
    public string Description { get; set; } = "";

    /// <summary>When it was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>One revision of a baseline. Its content is immutable once approved.</summary>
public sealed class BaselineRevision
{
    /// <summary>Identifier.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The baseline.</summary>
    public required Guid BaselineId { get; init; }

    /// <summary>1, 2, 3 within the baseline.</summary>
    public required int Number { get; init; }

    /// <summary>Where it is in its life.</summary>
    public RevisionState State { get; set; }

    /// <summary>Canonical JSON of <see cref="BaselineContent"/>.</summary>
    public required string Content { get; set; }

    /// <summary>SHA-256 of <see cref="Content"/>, hexadecimal: what an approver approves.</summary>
    public required string ContentHash { get; set; }

    /// <summary>Raised by every edit and every step; guards against two people acting on different texts.</summary>
    public int Version { get; set; }

    /// <summary>When it was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was submitted last.</summary>
    public DateTimeOffset? SubmittedAt { get; set; }

    /// <summary>When it was approved.</summary>
    public DateTimeOffset? ApprovedAt { get; set; }

    /// <summary>When it was retired.</summary>
    public DateTimeOffset? RetiredAt { get; set; }

    /// <summary>What the reviewer said.</summary>
    public string ReviewComment { get; set; } = "";
}

/// <summary>What a person did to a revision.</summary>
public enum RevisionPart
{
    /// <summary>Wrote or edited it.</summary>
    Author,

    /// <summary>Approved it.</summary>
    Approver,
}

/// <summary>One row per revision and person: the key itself makes it impossible to be both author and approver.</summary>
public sealed class RevisionPerson
{
    /// <summary>The revision.</summary>
    public required Guid RevisionId { get; init; }

    /// <summary>Issuer of the person.</summary>
    public required string Issuer { get; init; }

    /// <summary>Subject of the person.</summary>
    public required string Subject { get; init; }

    /// <summary>Name of the person at that time.</summary>
    public required string PersonName { get; init; }

    /// <summary>What they did.</summary>
    public required RevisionPart Part { get; set; }

    /// <summary>For an approver: the content hash they were shown and approved, hexadecimal. Null for an author.</summary>
    public string? ContentHash { get; set; }

    /// <summary>When they first did.</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>A host's current evidence matches an approved revision. Written with every appraisal, so that coverage is counted in the database.</summary>
public sealed class BaselineMatch
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The revision its latest evidence matches whole.</summary>
    public required Guid RevisionId { get; init; }
}
