namespace Portal.Core.Audit;

/// <summary>Closed list of what can be said of the chain.</summary>
public enum ChainState
{
    /// <summary>Every sealed row is what was written, in its place, and none is missing.</summary>
    Intact,

    /// <summary>A row is not what was sealed.</summary>
    Edited,

    /// <summary>A row is gone from the middle.</summary>
    Removed,

    /// <summary>A row stands where another was sealed.</summary>
    Reordered,

    /// <summary>Rows are gone from the end.</summary>
    Truncated,

    /// <summary>A row claims a place nothing was sealed for.</summary>
    Foreign,

    /// <summary>The record of the newest seal is gone or not ours.</summary>
    HeadLost,

    /// <summary>The key is gone or cannot be unprotected: nothing can be verified.</summary>
    KeyLost,
}

/// <summary>The outcome of verifying the chain.</summary>
/// <param name="State">What was found.</param>
/// <param name="At">When.</param>
/// <param name="Rows">Rows verified before anything was wrong.</param>
/// <param name="BrokenAt">The first place that is wrong, from 1; null when nothing is, or no place is at fault.</param>
/// <param name="BrokenEntryId">Id of the row there, if there is one.</param>
/// <param name="Sentence">The same for a person.</param>
public sealed record ChainVerification(ChainState State, DateTimeOffset At, long Rows, long? BrokenAt, long? BrokenEntryId, string Sentence)
{
    /// <summary>Whether all is well.</summary>
    public bool IsIntact => State is ChainState.Intact;

    internal static ChainVerification Of(ChainState state, DateTimeOffset at, long rows, long? brokenAt = null, long? entryId = null) =>
        new(state, at, rows, brokenAt, entryId, state switch
        {
            ChainState.Intact => $"All {rows} sealed rows are as they were written.",
            ChainState.Edited => $"Row {entryId} (place {brokenAt}) is not what was sealed.",
            ChainState.Removed => $"The row at place {brokenAt} was removed.",
            ChainState.Reordered => $"Row {entryId} stands at place {brokenAt}, where another was sealed.",
            ChainState.Truncated => $"Rows from place {brokenAt} on were removed from the end.",
            ChainState.Foreign => $"Row {entryId} claims place {brokenAt}, for which nothing was sealed.",
            ChainState.HeadLost => "The record of the newest seal is gone or was altered, so rows may be missing at the end.",
            ChainState.KeyLost => "The chain's key is gone or cannot be unprotected, so nothing can be verified.",
        });
}
