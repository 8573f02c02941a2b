using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>The words of the wire for trust, and the documents that carry them.</summary>
internal static class TrustWords
{
    public static string Of(TrustLevel level) => level switch
    {
        TrustLevel.Any => "any",
        TrustLevel.Trusted => "trusted",
    };

    /// <summary>The level of a word, whatever its letter case; null for a word that is none.</summary>
    public static TrustLevel? LevelOf(string word) => word.ToLowerInvariant() switch
    {
        "any" => TrustLevel.Any,
        "trusted" => TrustLevel.Trusted,
        _ => null,
    };

    public static string Of(TrustStatus status) => status switch
    {
        TrustStatus.Trusted => "trusted",
        TrustStatus.Untrusted => "untrusted",
        TrustStatus.Stale => "stale",
        TrustStatus.Unknown => "unknown",
    };

    /// <summary>A host's trust at this moment.</summary>
    public static Element Document(HostTrust trust) => Element.Of(
        "trust",
        Element.Leaf("status", Of(trust.Status)),
        trust.Row?.VerifiedAt is { } verified ? Element.At("verified_at", verified) : null,
        trust.Row?.ValidUntil is { } valid ? Element.At("valid_until", valid) : null,
        Element.Leaf("reason", trust.Reason));
}
