using System.Collections.Immutable;

namespace Portal.Core.Baselines;

/// <summary>What is approved at a path, before and after.</summary>
/// <param name="Change">Added, removed or changed.</param>
/// <param name="Path">The path; empty for digests approved anywhere.</param>
/// <param name="Before">Digests approved before.</param>
/// <param name="After">Digests approved now.</param>
public sealed record FileDiff(DiffChange Change, string Path, ImmutableArray<string> Before, ImmutableArray<string> After);

/// <summary>What a newer runtime baseline says differently.</summary>
/// <param name="Files">Paths that differ, by path; digests approved anywhere, if they differ, first.</param>
/// <param name="ExcludesAdded">Patterns nobody looks behind any more.</param>
/// <param name="ExcludesRemoved">Patterns that are looked behind again.</param>
/// <param name="Same">Paths that are as before.</param>
/// <param name="Sentences">What changed, for a person; what trusts more readily comes first.</param>
public sealed record RuntimeDiff(ImmutableArray<FileDiff> Files, ImmutableArray<string> ExcludesAdded, ImmutableArray<string> ExcludesRemoved, int Same, ImmutableArray<string> Sentences)
{
    /// <summary>Compares two; null when neither is there.</summary>
    public static RuntimeDiff? Between(RuntimeReference? before, RuntimeReference? after)
    {
        if (before is null && after is null)
        {
            return null;
        }

        var (older, newer) = (before ?? RuntimeReference.Empty, after ?? RuntimeReference.Empty);
        var (were, are) = (older.Files.ToDictionary(f => f.Path, f => f.Digests, StringComparer.Ordinal), newer.Files.ToDictionary(f => f.Path, f => f.Digests, StringComparer.Ordinal));
        FileDiff[] files =
        [
            .. Diff("", older.Anywhere, newer.Anywhere),
            .. were.Keys.Union(are.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal)
                .SelectMany(path => Diff(path, were.GetValueOrDefault(path, []), are.GetValueOrDefault(path, []))),
        ];
        ImmutableArray<string> added = [.. newer.Excludes.Except(older.Excludes, StringComparer.Ordinal)];
        ImmutableArray<string> removed = [.. older.Excludes.Except(newer.Excludes, StringComparer.Ordinal)];
        return new RuntimeDiff([.. files], added, removed, are.Keys.Count(path => were.TryGetValue(path, out var was) && was.SequenceEqual(are[path])), [.. Tell(older, newer, files, added, removed)]);
    }

    private static IEnumerable<FileDiff> Diff(string path, ImmutableArray<string> before, ImmutableArray<string> after)
    {
        if (!before.SequenceEqual(after))
        {
            yield return new FileDiff(before.IsEmpty ? DiffChange.Added : after.IsEmpty ? DiffChange.Removed : DiffChange.Changed, path, before, after);
        }
    }

    private static IEnumerable<string> Tell(RuntimeReference older, RuntimeReference newer, FileDiff[] files, ImmutableArray<string> added, ImmutableArray<string> removed)
    {
        if (older.ToleratesViolations != newer.ToleratesViolations)
        {
            yield return newer.ToleratesViolations
                ? "Files written while they are used are passed over now: whoever can write can hide a file that way."
                : "Files written while they are used are no longer passed over.";
        }

        foreach (var exclude in added)
        {
            yield return $"Paths like {exclude} are not looked at any more.";
        }

        foreach (var exclude in removed)
        {
            yield return $"Paths like {exclude} are looked at again.";
        }

        if (files is [{ Path.Length: 0 }, ..])
        {
            yield return $"Digests approved at any path: {files[0].After.Except(files[0].Before).Count():N0} added, {files[0].Before.Except(files[0].After).Count():N0} removed.";
        }

        foreach (var (change, verb) in new[] { (DiffChange.Added, "approved"), (DiffChange.Changed, "approved with other content"), (DiffChange.Removed, "no longer approved") })
        {
            var count = files.Count(f => f.Path.Length > 0 && f.Change == change);
            if (count > 0)
            {
                yield return $"{(count == 1 ? "1 file is" : $"{count:N0} files are")} {verb}.";
            }
        }
    }
}
