using System.Collections.Immutable;

namespace Portal.Core.Baselines;

/// <summary>
/// Compares two lists of events in order: the longest common subsequence stays, and inside each gap an event that went is paired with the
/// next one of its type that came.
/// </summary>
internal static class EventDiffs
{
    private const int ShortDigest = 12;

    public static ImmutableArray<EventDiff> Between(int pcr, ImmutableArray<EventReference> before, ImmutableArray<EventReference> after)
    {
        var found = ImmutableArray.CreateBuilder<EventDiff>(Math.Max(before.Length, after.Length));
        var (b, a) = (0, 0);
        foreach (var (nextBefore, nextAfter) in Common(before, after).Append((before.Length, after.Length)))
        {
            Gap(found, pcr, before[b..nextBefore], after[a..nextAfter]);
            if (nextBefore < before.Length)
            {
                found.Add(Kept(pcr, before[nextBefore], after[nextAfter]));
            }

            (b, a) = (nextBefore + 1, nextAfter + 1);
        }

        return found.ToImmutable();
    }

    // The usual table, after what both ends share is set aside: revisions differ in a few events.
    private static List<(int Before, int After)> Common(ImmutableArray<EventReference> before, ImmutableArray<EventReference> after)
    {
        var shorter = Math.Min(before.Length, after.Length);
        var head = 0;
        while (head < shorter && Measures(before[head], after[head]))
        {
            head++;
        }

        var tail = 0;
        while (tail < shorter - head && Measures(before[^(tail + 1)], after[^(tail + 1)]))
        {
            tail++;
        }

        var pairs = Enumerable.Range(0, head).Select(i => (i, i)).ToList();
        pairs.AddRange(Middle(before[head..^tail], after[head..^tail]).Select(p => (p.Before + head, p.After + head)));
        pairs.AddRange(Enumerable.Range(0, tail).Select(i => (before.Length - tail + i, after.Length - tail + i)));
        return pairs;
    }

    private static IEnumerable<(int Before, int After)> Middle(ImmutableArray<EventReference> before, ImmutableArray<EventReference> after)
    {
        var longest = new int[before.Length + 1, after.Length + 1];
        for (var i = before.Length - 1; i >= 0; i--)
        {
            for (var j = after.Length - 1; j >= 0; j--)
            {
                longest[i, j] = Measures(before[i], after[j]) ? longest[i + 1, j + 1] + 1 : Math.Max(longest[i + 1, j], longest[i, j + 1]);
            }
        }

        for (int i = 0, j = 0; i < before.Length && j < after.Length;)
        {
            if (Measures(before[i], after[j]))
            {
                yield return (i++, j++);
            }
            else if (longest[i + 1, j] >= longest[i, j + 1])
            {
                i++;
            }
            else
            {
                j++;
            }
        }
    }

    private static void Gap(ImmutableArray<EventDiff>.Builder found, int pcr, ImmutableArray<EventReference> gone, ImmutableArray<EventReference> come)
    {
        var next = 0;
        foreach (var old in gone)
        {
            var partner = next;
            while (partner < come.Length && come[partner].Type != old.Type)
            {
                partner++;
            }

            if (partner == come.Length)
            {
                found.Add(new EventDiff(DiffChange.Removed, old, null, $"{Name(old)} is no longer approved in PCR {pcr}."));
                continue;
            }

            foreach (var added in come[next..partner])
            {
                found.Add(Added(pcr, added));
            }

            found.Add(new EventDiff(DiffChange.Changed, old, come[partner], $"{Name(come[partner])} takes the place of {Name(old)} in PCR {pcr}."));
            next = partner + 1;
        }

        foreach (var added in come[next..])
        {
            found.Add(Added(pcr, added));
        }
    }

    private static EventDiff Added(int pcr, EventReference added) =>
        new(DiffChange.Added, null, added, $"{Name(added)} is newly approved in PCR {pcr}{(added.Optional ? " and may be absent" : "")}.");

    private static EventDiff Kept(int pcr, EventReference before, EventReference after)
    {
        if (before.Optional != after.Optional)
        {
            return new(DiffChange.Changed, before, after, after.Optional
                ? $"{Name(after)} may be absent from PCR {pcr} now."
                : $"{Name(after)} must be in PCR {pcr} now.");
        }

        return string.Equals(before.Label, after.Label, StringComparison.Ordinal)
            ? new(DiffChange.Same, before, after, $"{Name(after)} is approved as before.")
            : new(DiffChange.Changed, before, after, $"{Name(before)} is called {Name(after)} now; the digests are the same.");
    }

    private static bool Measures(EventReference before, EventReference after) =>
        before.Type == after.Type && before.Digests.Length == after.Digests.Length && before.Digests.All(after.Digests.Contains);

    private static string Name(EventReference reference)
    {
        if (reference.Label.Length > 0)
        {
            return $"“{reference.Label}”";
        }

        var digest = reference.Digests.IsEmpty ? "" : reference.Digests[0];
        return $"the unlabelled event {(digest.Length > ShortDigest ? digest[..ShortDigest] + "…" : digest)}";
    }
}
