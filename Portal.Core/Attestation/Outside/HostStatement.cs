namespace Portal.Core.Attestation.Outside;

/// <summary>A host as a server knows it.</summary>
/// <param name="HostId">Ours.</param>
/// <param name="Name">The server's name for it: Keylime's agent id, OpenAttestation's HostName.</param>
public sealed record BoundHost(Guid HostId, string Name);

/// <summary>What a server's answer means for one host. No label of the server's is repeated unread.</summary>
/// <param name="HostId">The host.</param>
public abstract record HostStatement(Guid HostId)
{
    /// <summary>It was verified anew and matched.</summary>
    /// <param name="HostId">The host.</param>
    /// <param name="VerifiedAt">The start of our last request before the new evidence appeared, by our clock, and never later than the server's own stamp.</param>
    /// <param name="Notes">What else the server says; takes no trust.</param>
    public sealed record Trusted(Guid HostId, DateTimeOffset VerifiedAt, IReadOnlyList<Finding> Notes) : HostStatement(HostId)
    {
        /// <summary>When the new evidence had not appeared yet, by our clock alone: a server whose clock is behind makes its evidence old, not older than what came before it.</summary>
        public DateTimeOffset AppearedAfter { get; init; } = VerifiedAt;
    }

    /// <summary>It was verified and did not match.</summary>
    /// <param name="HostId">The host.</param>
    /// <param name="Findings">Why; at least one that is no note.</param>
    public sealed record Untrusted(Guid HostId, IReadOnlyList<Finding> Findings) : HostStatement(HostId)
    {
        /// <summary>Whether it was found since the server was asked last; false where it may be the failure it told of before, and nothing was verified since.</summary>
        public bool IsNew { get; init; } = true;
    }

    /// <summary>The server goes on verifying it, but has seen nothing new since we asked last: says nothing, changes nothing.</summary>
    /// <param name="HostId">The host.</param>
    public sealed record NothingNew(Guid HostId) : HostStatement(HostId);

    /// <summary>The server cannot say: the agent is silent, not enrolled, not polled, or the word is unknown. Lets a verdict run out.</summary>
    /// <param name="HostId">The host.</param>
    /// <param name="Outcome">Which; never <see cref="CheckOutcome.Ok"/>.</param>
    /// <param name="Why">Finding with sentence, remedy and a few words for the trust column.</param>
    public sealed record Trouble(Guid HostId, CheckOutcome Outcome, Finding Why) : HostStatement(HostId);
}

/// <summary>What one poll brought.</summary>
/// <param name="Statements">At most one per host that was asked about.</param>
/// <param name="ClockSkew">How far the server's clock is ahead of ours, as its answer's Date header says; null without one.</param>
public sealed record ServerNews(IReadOnlyList<HostStatement> Statements, TimeSpan? ClockSkew);

/// <summary>An attester as a server lists it: what enrolment and the choice of names work with.</summary>
/// <param name="Name">The server's name for it.</param>
/// <param name="Address">Where the server says it is; empty when it does not say.</param>
/// <param name="IsEnrolled">Whether the server verifies it. False: registered there and waiting.</param>
/// <param name="Detail">A few words for a person, for example its state or its white lists.</param>
public sealed record ServerAttester(string Name, string Address, bool IsEnrolled, string Detail);
