using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>A runtime baseline and how the host stands against it.</summary>
/// <param name="BaselineId">The baseline.</param>
/// <param name="Number">Its revision.</param>
/// <param name="Title">As findings write it.</param>
/// <param name="Standing">How the host stands; null when that cannot be told.</param>
public sealed record RuntimeComparison(Guid BaselineId, int Number, string Title, RuntimeStanding? Standing)
{
    /// <summary>Whether all the host used is approved.</summary>
    public bool Matches => Standing is { Matches: true };
}

/// <summary>What the running host used, beside what is approved.</summary>
/// <param name="Entries">Entries of its measurement list that the quote vouches for; null when there are none.</param>
/// <param name="IsRequired">Whether the cluster requires the kind.</param>
/// <param name="Fault">Why the list says nothing; null when it does.</param>
/// <param name="Comparisons">Runtime baselines in scope: those that match, then by what they object to.</param>
public sealed record RuntimeExplanation(int? Entries, bool IsRequired, string? Fault, IReadOnlyList<RuntimeComparison> Comparisons)
{
    /// <summary>What decides: a baseline that matches, or the one that objects to least; null when none is in scope.</summary>
    public RuntimeComparison? Nearest => Comparisons.Count > 0 ? Comparisons[0] : null;

    /// <summary>The explanation; null when neither the host nor its cluster has anything to do with measurement lists.</summary>
    internal static RuntimeExplanation? Of(EvidenceRecord record, AttestationReport report, ApprovedSet policy)
    {
        var isRequired = policy.RequiredKinds.HasFlag(BaselineKinds.Runtime);
        var standings = (report.Appraisal?.Standings ?? []).ToDictionary(s => s.RevisionId);
        var comparisons = policy.Revisions
            .Where(r => r.Kind == BaselineKinds.Runtime)
            .Select(r => new RuntimeComparison(r.BaselineId, r.Number, r.Title, standings.GetValueOrDefault(r.RevisionId)))
            .OrderByDescending(c => c.Matches)
            .ThenBy(c => c.Standing?.Deviations ?? int.MaxValue)
            .ThenByDescending(c => c.Number)
            .ToList();
        return isRequired || comparisons.Count > 0 || record.Measurements is not null || record.MeasurementFault is not null
            ? new RuntimeExplanation(record.Measurements, isRequired, record.MeasurementFault, comparisons)
            : null;
    }
}
