namespace Portal.Core.Baselines;

/// <summary>Questions about what a revision says.</summary>
public static class BaselineContents
{
    /// <summary>
    /// Whether a host has to have measured anything to match: one whole PCR value, one event that must be there, or files that are approved by
    /// digest. A baseline for which this is false would trust by absence.
    /// </summary>
    public static bool DemandsSomething(this BaselineContent content) =>
        content.Pcrs.Any(p => p.Digests.Length > 0 || p.Events.Any(e => !e.Optional)) || content.Runtime is { DigestCount: > 0 };
}
