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

    /// <summary>Has the server verify it no more; returns when it is gone. One that is not there is gone.</summary>
    Task RemoveAsync(string name, CancellationToken ct);
}
