namespace Portal.Core.Attestation.Outside.Publishing;

/// <summary>One policy on a server as it is to be, and as it was: what undoing puts back.</summary>
/// <param name="Key">See <see cref="ServerPolicy.Key"/>.</param>
/// <param name="Title">For a person.</param>
/// <param name="Before">What the server kept; null when nothing.</param>
/// <param name="After">What it is to keep; null when nothing.</param>
public sealed record PolicyWrite(string Key, string Title, string? Before, string? After);

/// <summary>What the operation that publishes a cluster's baselines works with.</summary>
public sealed class PublicationWork
{
    /// <summary>Kind of the operation.</summary>
    public const string Kind = "service.publish";

    /// <summary>The cluster.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>The server.</summary>
    public required Guid ServerId { get; init; }

    /// <summary>The policy revision that is published; known once it is planned.</summary>
    public long PolicyRevision { get; set; }

    /// <summary>Everything the server is to keep.</summary>
    public List<ServerPolicy> Wanted { get; set; } = [];

    /// <summary>What differs from that, with what was there before.</summary>
    public List<PolicyWrite> Writes { get; set; } = [];

    /// <summary>By key: all that it takes to enrol anew an attester that writing there removes for a moment. Kept before the first is removed.</summary>
    public Dictionary<string, string> Enrolments { get; set; } = [];
}
