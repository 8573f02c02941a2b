namespace Portal.Core.Attestation.Outside;

/// <summary>How an attester stands on a server that verifies it by itself.</summary>
/// <param name="Verified">How often it was verified and matched.</param>
/// <param name="Needs">Whether the server gave up on it, and verifies it again only when told to.</param>
/// <param name="Words">A few words for a person.</param>
public sealed record AttesterStanding(long Verified, bool Needs, string Words);

/// <summary>What can be done with single attesters of a server; a client of a kind of server where that can be done is this too. Calls may throw <see cref="ServerException"/>.</summary>
public interface IAttesterControl
{
    /// <summary>How an attester stands; null when the server does not verify it.</summary>
    Task<AttesterStanding?> StandingAsync(string name, CancellationToken ct);

    /// <summary>Has the server verify it again. To be called only where <see cref="AttesterStanding.Needs"/> says so: Keylime would begin to verify it twice at a time.</summary>
    Task ReactivateAsync(string name, CancellationToken ct);

    /// <summary>Which of these the server verified, found not to match, and verifies no more until it is told to.</summary>
    Task<IReadOnlyList<string>> MismatchedAsync(IReadOnlyList<string> names, CancellationToken ct);

    /// <summary>Has the server verify it no more; returns when it is gone. One that is not there is gone.</summary>
    Task RemoveAsync(string name, CancellationToken ct);
}

/// <summary>
/// A client of a kind of server where what is kept for one attester cannot be changed: it is removed and enrolled anew. Whoever has that done keeps
/// before what it takes, so that an attester is not lost when the portal dies in between. Calls may throw <see cref="ServerException"/>.
/// </summary>
public interface IEnrolsAnew
{
    /// <summary>All that it takes to enrol anew the attester that a change under this key removes for a moment; null where it removes none.</summary>
    Task<string?> EnrolmentAsync(string key, CancellationToken ct);

    /// <summary>Whether the attester is not there; a change under this key then enrols it from what is given.</summary>
    /// <param name="key">The key.</param>
    /// <param name="enrolment">What <see cref="EnrolmentAsync"/> gave.</param>
    /// <param name="ct">Cancels.</param>
    Task<bool> IsAwayAsync(string key, string enrolment, CancellationToken ct);
}

/// <summary>A client of a kind of server that says of whom it measures under a host's name, and lets others change that: it must not change unseen.</summary>
public interface IPinsHosts
{
    /// <summary>What is pinned of these hosts, to what it is when it is read first; without content.</summary>
    IReadOnlyList<ServerPolicy> Pinned(IReadOnlyList<BoundHost> hosts);
}
