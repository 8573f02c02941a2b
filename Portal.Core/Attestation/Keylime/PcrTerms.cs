using Portal.Core.Baselines;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.Keylime;

/// <summary>
/// Approved baselines as "any of these digests in each of these PCRs", which is all that an agent's policy can say. Where that would let through what no
/// single revision approves, it is refused: a revision has to match whole. Pure.
/// </summary>
internal static class PcrTerms
{
    /// <summary>Most digests one PCR may have, and most combinations that are compared.</summary>
    private const int MostDigests = 64;
    private const int MostCombinations = 4096;

    /// <summary>PCRs that belong to the kernel's measurement list and to the agent's own key; Keylime checks them by itself.</summary>
    private static readonly int[] NotListed = [10, 16];

    /// <summary>How a startup locality leaves PCR 0 before the first event: 0, or 3 or 4 in the last byte. Source: TCG PC Client Platform Firmware Profile, "PCR[0]".</summary>
    private static readonly byte[] Localities = [0, 3, 4];

    /// <summary>Digests by PCR, or why that cannot be said.</summary>
    /// <param name="revisions">Of one or more kinds; of each kind at least one.</param>
    public static Outcome<IReadOnlyDictionary<int, IReadOnlyCollection<string>>> Of(IReadOnlyList<ApprovedRevision> revisions)
    {
        if (revisions.FirstOrDefault(r => r.Content.Bank != revisions[0].Content.Bank) is { } other)
        {
            return CannotSay(other, $"it speaks of {PcrBanks.Name(other.Content.Bank)}, {revisions[0].Title} of {PcrBanks.Name(revisions[0].Content.Bank)}, and an agent quotes one bank");
        }

        var all = new SortedDictionary<int, IReadOnlyCollection<string>>();
        foreach (var kind in revisions.GroupBy(r => r.Kind))
        {
            var said = OfKind([.. kind]);
            if (!said.Succeeded)
            {
                return said.Refusal;
            }

            foreach (var (pcr, digests) in said.Value)
            {
                // Every kind has to match: in a PCR of two kinds only what both approve.
                var both = all.TryGetValue(pcr, out var before) ? digests.Intersect(before, StringComparer.Ordinal).ToList() : digests;
                if (both.Count == 0)
                {
                    return CannotSay(kind.First(), $"in PCR {pcr} it approves nothing that the other kinds approve");
                }

                all[pcr] = both;
            }
        }

        return Outcome.Of<IReadOnlyDictionary<int, IReadOnlyCollection<string>>>(all);
    }

    private static Outcome<IReadOnlyDictionary<int, IReadOnlyCollection<string>>> OfKind(IReadOnlyList<ApprovedRevision> revisions)
    {
        var each = new List<SortedDictionary<int, IReadOnlyCollection<string>>>();
        foreach (var revision in revisions)
        {
            var said = OfRevision(revision);
            if (!said.Succeeded)
            {
                return said.Refusal;
            }

            if (each.Count > 0 && !each[0].Keys.SequenceEqual(said.Value.Keys))
            {
                return CannotSay(revision, $"it covers other PCRs than {revisions[0].Title}, and an agent's policy covers one set");
            }

            each.Add(said.Value);
        }

        var together = each[0].Keys.ToDictionary(pcr => pcr, pcr => (IReadOnlyCollection<string>)[.. each.SelectMany(r => r[pcr]).Distinct(StringComparer.Ordinal)]);
        return Mixes(each, together) is { } mixed
            ? CannotSay(revisions[^1], $"together with {string.Join(", ", revisions.SkipLast(1).Select(r => r.Title))} it would let a host mix both in {mixed}")
            : Outcome.Of<IReadOnlyDictionary<int, IReadOnlyCollection<string>>>(together);
    }

    private static Outcome<SortedDictionary<int, IReadOnlyCollection<string>>> OfRevision(ApprovedRevision revision)
    {
        var said = new SortedDictionary<int, IReadOnlyCollection<string>>();
        foreach (var pcr in revision.Content.Pcrs)
        {
            if (NotListed.Contains(pcr.Pcr))
            {
                return CannotSay(revision, $"it covers PCR {pcr.Pcr}, which Keylime keeps for itself");
            }

            if (!pcr.IsByEvent)
            {
                said[pcr.Pcr] = [.. pcr.Digests.Distinct(StringComparer.Ordinal)];
                continue;
            }

            if (pcr.Events.Any(e => e.Optional))
            {
                return CannotSay(revision, $"PCR {pcr.Pcr} has events that may be absent, and Keylime compares whole values");
            }

            if (Replayed((TpmAlgorithm)revision.Content.Bank, pcr) is not { } digests)
            {
                return CannotSay(revision, $"the events of PCR {pcr.Pcr} lead to more than {MostDigests} values");
            }

            said[pcr.Pcr] = digests;
        }

        return said.Count == 0 ? CannotSay(revision, "it covers no PCR") : said;
    }

    /// <summary>The values that events lead to, one per choice among their digests and per start; null when there are too many.</summary>
    private static List<string>? Replayed(TpmAlgorithm bank, PcrReference pcr)
    {
        var values = Starts(bank, pcr.Pcr);
        foreach (var step in pcr.Events)
        {
            if (values.Count * step.Digests.Length > MostDigests)
            {
                return null;
            }

            values = [.. values.SelectMany(value => step.Digests.Select(digest => Extended(bank, value, Convert.FromHexString(digest))))];
        }

        return [.. values.Select(Convert.ToHexStringLower).Distinct(StringComparer.Ordinal)];
    }

    private static List<byte[]> Starts(TpmAlgorithm bank, int pcr)
    {
        var zeros = new byte[bank.DigestSize()];
        return pcr != 0 ? [zeros] : [.. Localities.Select(locality =>
        {
            var start = (byte[])zeros.Clone();
            start[^1] = locality;
            return start;
        })];
    }

    private static byte[] Extended(TpmAlgorithm bank, byte[] value, byte[] digest)
    {
        var next = (byte[])value.Clone();
        return TpmHash.TryExtend(bank, next, digest) ? next : throw new InvalidOperationException("An approved digest does not fit its bank.");
    }

    /// <summary>Where a host could mix revisions, in words; null when every combination is one that some revision approves.</summary>
    private static string? Mixes(List<SortedDictionary<int, IReadOnlyCollection<string>>> each, Dictionary<int, IReadOnlyCollection<string>> together)
    {
        var varied = together.Keys.Where(pcr => each.Exists(r => r[pcr].Count != together[pcr].Count)).Order().ToList();
        if (varied.Count < 2)
        {
            return null;
        }

        var words = $"PCR {string.Join(", ", varied)}";
        List<List<string>> combinations = [[]];
        foreach (var pcr in varied)
        {
            if ((long)combinations.Count * together[pcr].Count > MostCombinations)
            {
                return words;
            }

            combinations = [.. combinations.SelectMany(c => together[pcr].Select(digest => (List<string>)[.. c, digest]))];
        }

        return combinations.TrueForAll(c => each.Exists(r => varied.Select((pcr, i) => r[pcr].Contains(c[i], StringComparer.Ordinal)).All(fits => fits))) ? null : words;
    }

    private static Refusal CannotSay(ApprovedRevision revision, string why) => Refusal.Conflict(
        "keylime.policy.cannot_say",
        $"{revision.Title} cannot be said in Keylime's terms: {why}.",
        "Retire the revision it clashes with, or approve one that names whole values, for the clusters that Keylime serves.");
}
