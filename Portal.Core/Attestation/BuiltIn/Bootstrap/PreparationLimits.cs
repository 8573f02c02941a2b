namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>How long and how much a host may take while it is prepared.</summary>
public sealed record PreparationLimits
{
    /// <summary>Until it is reached and has signed us in.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Without a word while the script runs: packages are fetched in silence.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The whole script.</summary>
    public TimeSpan Whole { get; init; } = TimeSpan.FromMinutes(45);

    /// <summary>How long the script may take to undo what it did after it was told to stop.</summary>
    public TimeSpan Stopping { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Lines that are kept.</summary>
    public int Lines { get; init; } = 2_000;

    /// <summary>Bytes after which a host only floods.</summary>
    public long Flood { get; init; } = 4 << 20;
}
