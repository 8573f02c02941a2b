using Portal.Components.Shared;
using Portal.Core.Attestation;

namespace Portal.Components.Attestation;

/// <summary>How trust looks: two axes, and never colour alone.</summary>
public static class TrustLook
{
    public static Tone Tone(this TrustStatus status) => status switch
    {
        TrustStatus.Trusted => Shared.Tone.Ok,
        TrustStatus.Untrusted => Shared.Tone.Bad,
        TrustStatus.Stale => Shared.Tone.Old,
        TrustStatus.Unknown => Shared.Tone.Unknown,
    };

    /// <summary>The tone of a value as searched for; an unknown word has none.</summary>
    public static Tone ToneOf(string value) => Enum.TryParse<TrustStatus>(value, ignoreCase: true, out var status) ? status.Tone() : Shared.Tone.Neutral;

    /// <summary>What the age beside the word is the age of.</summary>
    public static string AgeMeaning(this HostTrust trust) => trust.Status == TrustStatus.Untrusted ? "untrusted since" : "last verified";
}
