namespace Portal.Core.Attestation;

/// <summary>Comparison of lists in which the same thing may stand several times.</summary>
internal static class Multiset
{
    /// <summary>Items of the one that the other lacks, each counted as often as it is there; in the order of the one.</summary>
    /// <param name="one">The one.</param>
    /// <param name="other">The other.</param>
    /// <param name="keyOf">Equal for items that are the same.</param>
    public static List<T> Beyond<T>(IEnumerable<T> one, IEnumerable<T> other, Func<T, string> keyOf)
    {
        var known = other.GroupBy(keyOf, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count(), StringComparer.Ordinal);
        var beyond = new List<T>();
        foreach (var item in one)
        {
            var key = keyOf(item);
            if (known.GetValueOrDefault(key) > 0)
            {
                known[key]--;
            }
            else
            {
                beyond.Add(item);
            }
        }

        return beyond;
    }
}
