namespace Portal.Core.Inventory;

/// <summary>One page of a list.</summary>
/// <typeparam name="T">Of what.</typeparam>
/// <param name="Items">The page.</param>
/// <param name="Total">How many there are in all.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, int Total);

/// <summary>One term of an oVirt-style search: <c>field=value</c>, <c>field!=value</c>, or a bare word. <c>*</c> stands for any characters; quotes keep spaces; <c>and</c> between terms is allowed.</summary>
/// <param name="Field">Lower case; empty for a bare word.</param>
/// <param name="Negated">Whether it was <c>!=</c>.</param>
/// <param name="Value">As written, without quotes.</param>
public sealed record SearchTerm(string Field, bool Negated, string Value)
{
    /// <summary>The escape character of <see cref="Like"/>.</summary>
    public const string Escape = "\\";

    private const int MostTerms = 20;

    /// <summary>The value as a SQL LIKE pattern; a bare word matches anywhere.</summary>
    public string Like
    {
        get
        {
            var escaped = Value
                .Replace("\\", "\\\\", StringComparison.Ordinal)
                .Replace("%", "\\%", StringComparison.Ordinal)
                .Replace("_", "\\_", StringComparison.Ordinal)
                .Replace('*', '%');
            return Field.Length == 0 ? $"%{escaped}%" : escaped;
        }
    }

    /// <summary>Splits a search into terms; what is beyond twenty terms is left out.</summary>
    public static IReadOnlyList<SearchTerm> Parse(string search)
    {
        var terms = new List<SearchTerm>();
        foreach (var word in Words(search))
        {
            if (terms.Count == MostTerms)
            {
                break;
            }

            if (!string.Equals(word, "and", StringComparison.OrdinalIgnoreCase))
            {
                terms.Add(Term(word));
            }
        }

        return terms;
    }

    /// <summary>The refusal for a term nobody understands.</summary>
    public static Refusal Unknown(SearchTerm term, IEnumerable<string> known) => Refusal.Invalid(
        "search.unknown",
        "search",
        $"'{term.Field}{(term.Negated ? "!=" : "=")}{term.Value}' is not something to search by.",
        $"Use {string.Join(", ", known)} with = or !=, or a part of a name.");

    private static SearchTerm Term(string word)
    {
        var at = word.IndexOf('=', StringComparison.Ordinal);
        if (at <= 0)
        {
            return new SearchTerm("", false, word);
        }

        var negated = word[at - 1] == '!';
        var field = word[..(negated ? at - 1 : at)].Trim().ToLowerInvariant();
        return new SearchTerm(field, negated, word[(at + 1)..]);
    }

    private static IEnumerable<string> Words(string search)
    {
        var (word, quoted) = (new System.Text.StringBuilder(), false);
        foreach (var c in search)
        {
            if (c == '"')
            {
                quoted = !quoted;
            }
            else if (char.IsWhiteSpace(c) && !quoted)
            {
                if (word.Length > 0)
                {
                    yield return word.ToString();
                    word.Clear();
                }
            }
            else
            {
                word.Append(c);
            }
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }
}
