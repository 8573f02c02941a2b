using Portal.Core.Placement;

namespace Portal.Components.VirtualMachines;

/// <summary>Hosts refused for the same reasons.</summary>
/// <param name="Words">The reasons in words, without figures.</param>
/// <param name="Hosts">The hosts, by name.</param>
internal sealed record RefusedGroup(string Words, IReadOnlyList<RefusedHost> Hosts)
{
    private const int ToldApart = 3;

    /// <summary>The sentence when it is the same for every host of the group; otherwise each host has its own.</summary>
    public string? OneSentence => Hosts.Select(Sentence).Distinct(StringComparer.Ordinal).ToList() is [var only] ? only : null;

    /// <summary>All of a host's reasons.</summary>
    public static string Sentence(RefusedHost host) => string.Join(' ', host.Reasons.Select(r => r.Sentence));

    /// <summary>The refused hosts of a decision, those with the fewest reasons first, then the largest groups.</summary>
    public static IReadOnlyList<RefusedGroup> Of(PlacementDecision decision)
    {
        var words = decision.Counts.GroupBy(c => c.Code, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.First().Words, StringComparer.Ordinal);
        return
        [
            .. decision.Refused
                .DistinctBy(h => h.HostId)
                .GroupBy(h => string.Join(' ', h.Reasons.Select(r => r.Code)), StringComparer.Ordinal)
                .OrderBy(g => g.First().Reasons.Count)
                .ThenByDescending(g => g.Count())
                .Select(g => new RefusedGroup(Worded(g.First(), words), [.. g.OrderBy(h => h.HostName, StringComparer.Ordinal)]))
                .SelectMany(Apart),
        ];
    }

    /// <summary>A few hosts whose figures differ each get their own row; many share one that unfolds.</summary>
    private static IEnumerable<RefusedGroup> Apart(RefusedGroup group) =>
        group.OneSentence is null && group.Hosts.Count <= ToldApart ? group.Hosts.Select(h => group with { Hosts = [h] }) : [group];

    private static string Worded(RefusedHost host, Dictionary<string, string> words)
    {
        var text = string.Join(", ", host.Reasons.Select(r => words.GetValueOrDefault(r.Code, r.Sentence.TrimEnd('.'))));
        return text.Length == 0 ? "" : char.ToUpperInvariant(text[0]) + text[1..];
    }
}
