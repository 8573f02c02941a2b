using System.Collections.Immutable;

namespace Portal.Core.Baselines;

/// <summary>What became of a thing between two revisions.</summary>
public enum DiffChange
{
    /// <summary>Nothing.</summary>
    Same,

    /// <summary>It is new.</summary>
    Added,

    /// <summary>It is gone.</summary>
    Removed,

    /// <summary>It says something else now.</summary>
    Changed,
}

/// <summary>A whole-PCR value, before and after.</summary>
/// <param name="Change">Same, added or removed.</param>
/// <param name="Digest">The value, lower-case hexadecimal.</param>
public sealed record DigestDiff(DiffChange Change, string Digest);

/// <summary>An event, before and after, in the order of the newer revision; removed ones where they were.</summary>
/// <param name="Change">What became of it.</param>
/// <param name="Before">What it was; null when added.</param>
/// <param name="After">What it is; null when removed.</param>
/// <param name="Sentence">The same for a person.</param>
public sealed record EventDiff(DiffChange Change, EventReference? Before, EventReference? After, string Sentence);

/// <summary>A PCR, before and after.</summary>
/// <param name="Pcr">Which.</param>
/// <param name="Change">What became of it.</param>
/// <param name="Digests">Its whole values: those that stayed and were added in the newer order, then those removed.</param>
/// <param name="Events">Its events.</param>
/// <param name="Sentence">The same for a person.</param>
public sealed record PcrDiff(int Pcr, DiffChange Change, ImmutableArray<DigestDiff> Digests, ImmutableArray<EventDiff> Events, string Sentence);

/// <summary>What a newer content says differently from an older one.</summary>
/// <param name="Pcrs">Every PCR that either covers, ascending.</param>
/// <param name="ClustersAdded">Clusters named now and not before.</param>
/// <param name="ClustersRemoved">Clusters named before and not now.</param>
/// <param name="Sentences">What changed, for a person; empty when nothing did. A change of scope or bank comes first.</param>
public sealed record BaselineDiff(
    ImmutableArray<PcrDiff> Pcrs, ImmutableArray<Guid> ClustersAdded, ImmutableArray<Guid> ClustersRemoved, ImmutableArray<string> Sentences)
{
    /// <summary>Files of runtime baselines; null when neither is one.</summary>
    public RuntimeDiff? Runtime { get; init; }

    /// <summary>Whether both say the same.</summary>
    public bool IsEmpty => Sentences.IsEmpty;

    /// <summary>Compares two contents.</summary>
    /// <param name="before">The older one, usually what was approved last; null when there is none, and then everything is new.</param>
    /// <param name="after">The newer one.</param>
    public static BaselineDiff Between(BaselineContent? before, BaselineContent after)
    {
        var older = (before ?? BaselineContent.Empty with { Bank = after.Bank }).Normalized();
        var newer = after.Normalized();
        var pcrs = PcrsOf(older, newer);
        var runtime = RuntimeDiff.Between(older.Runtime, newer.Runtime);
        return new BaselineDiff(
            pcrs,
            [.. newer.Clusters.Except(older.Clusters)],
            [.. older.Clusters.Except(newer.Clusters)],
            [.. General(before is null ? null : older, newer), .. pcrs.Where(p => p.Change is not DiffChange.Same).Select(p => p.Sentence), .. runtime?.Sentences ?? []])
        {
            Runtime = runtime,
        };
    }

    private static IEnumerable<string> General(BaselineContent? before, BaselineContent after)
    {
        if (before is null)
        {
            if (after.Clusters.Length > 0)
            {
                yield return $"Applies to {Scope(after)}.";
            }

            yield break;
        }

        if (before.Bank != after.Bank)
        {
            yield return $"The bank is {PcrBanks.Name(after.Bank)} now; it was {PcrBanks.Name(before.Bank)}.";
        }

        if (!before.Clusters.SequenceEqual(after.Clusters))
        {
            yield return $"Applies to {Scope(after)} now; before to {Scope(before)}.";
        }

        if (!string.Equals(before.Notes, after.Notes, StringComparison.Ordinal))
        {
            yield return "The notes were rewritten.";
        }
    }

    private static string Scope(BaselineContent content) => content.Clusters.Length switch
    {
        0 => "all clusters",
        1 => "1 cluster",
        var many => $"{many} clusters",
    };

    private static ImmutableArray<PcrDiff> PcrsOf(BaselineContent before, BaselineContent after)
    {
        // Drafts are not validated when they are compared with what is being typed: the last word on a PCR counts.
        var older = before.Pcrs.GroupBy(p => p.Pcr).ToDictionary(g => g.Key, g => g.Last());
        var newer = after.Pcrs.GroupBy(p => p.Pcr).ToDictionary(g => g.Key, g => g.Last());
        return [.. older.Keys.Union(newer.Keys).Order().Select(pcr => PcrOf(pcr, older.GetValueOrDefault(pcr), newer.GetValueOrDefault(pcr)))];
    }

    private static PcrDiff PcrOf(int pcr, PcrReference? before, PcrReference? after)
    {
        var digests = DigestsOf(before?.Digests ?? [], after?.Digests ?? []);
        var events = EventDiffs.Between(pcr, before?.Events ?? [], after?.Events ?? []);
        var relabelled = before is not null && after is not null && !string.Equals(before.Label, after.Label, StringComparison.Ordinal);
        var change = (before, after) switch
        {
            (null, _) => DiffChange.Added,
            (_, null) => DiffChange.Removed,
            _ => relabelled || digests.Any(d => d.Change is not DiffChange.Same) || events.Any(e => e.Change is not DiffChange.Same)
                ? DiffChange.Changed
                : DiffChange.Same,
        };
        return new PcrDiff(pcr, change, digests, events, Sentence(pcr, change, digests, events, relabelled));
    }

    private static ImmutableArray<DigestDiff> DigestsOf(ImmutableArray<string> before, ImmutableArray<string> after) =>
    [
        .. after.Select(d => new DigestDiff(before.Contains(d) ? DiffChange.Same : DiffChange.Added, d)),
        .. before.Except(after).Select(d => new DigestDiff(DiffChange.Removed, d)),
    ];

    private static string Sentence(int pcr, DiffChange change, ImmutableArray<DigestDiff> digests, ImmutableArray<EventDiff> events, bool relabelled)
    {
        var parts = new[]
        {
            Counted(digests.Count(d => d.Change is DiffChange.Added), "value", "added"),
            Counted(digests.Count(d => d.Change is DiffChange.Removed), "value", "removed"),
            Counted(events.Count(e => e.Change is DiffChange.Changed), "event", "changed"),
            Counted(events.Count(e => e.Change is DiffChange.Added), "event", "added"),
            Counted(events.Count(e => e.Change is DiffChange.Removed), "event", "removed"),
            relabelled ? "label changed" : null,
        };
        var what = string.Join(", ", parts.OfType<string>());
        return change switch
        {
            DiffChange.Same => $"PCR {pcr}: unchanged.",
            DiffChange.Added => $"PCR {pcr} is covered now: {what}.",
            DiffChange.Removed => $"PCR {pcr} is no longer covered, and anything may be measured there: {what}.",
            DiffChange.Changed => $"PCR {pcr}: {what}.",
        };
    }

    private static string? Counted(int count, string noun, string verb) => count switch
    {
        0 => null,
        1 => $"1 {noun} {verb}",
        _ => $"{count} {noun}s {verb}",
    };
}
