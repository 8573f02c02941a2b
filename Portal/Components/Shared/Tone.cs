namespace Portal.Components.Shared;

/// <summary>What a mark says besides its word: a colour and a sign, never the colour alone.</summary>
public enum Tone
{
    /// <summary>Nothing to say.</summary>
    Neutral,

    /// <summary>As it should be: trusted, approved, done.</summary>
    Ok,

    /// <summary>Wrong and proven so: untrusted, failed, refused.</summary>
    Bad,

    /// <summary>Was right, or soon not: stale, waiting, held back.</summary>
    Old,

    /// <summary>Nobody can say.</summary>
    Unknown,

    /// <summary>Worth knowing.</summary>
    Info,
}

/// <summary>The css class and the sign of a tone.</summary>
public static class Tones
{
    public static string Css(this Tone tone) => tone switch
    {
        Tone.Neutral => "tone-neutral",
        Tone.Ok => "tone-ok",
        Tone.Bad => "tone-bad",
        Tone.Old => "tone-old",
        Tone.Unknown => "tone-unknown",
        Tone.Info => "tone-info",
    };

    /// <summary>Path of a 16×16 icon; empty for <see cref="Tone.Neutral"/>.</summary>
    public static string Sign(this Tone tone) => tone switch
    {
        Tone.Neutral => "",
        Tone.Ok => "M3.2 8.4l3.1 3.1 6.5-7",
        Tone.Bad => "M4 4l8 8M12 4l-8 8",
        Tone.Old => "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 4.9V8l2.2 1.6",
        Tone.Unknown => "M5.6 5.9a2.4 2.4 0 1 1 3.5 2.1c-.8.4-1.1.9-1.1 1.7M8 12.4v.2",
        Tone.Info => "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 7.4v3.4M8 5.1v.2",
    };
}
