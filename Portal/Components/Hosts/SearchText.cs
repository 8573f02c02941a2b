using Portal.Core.Inventory;

namespace Portal.Components.Hosts;

/// <summary>Puts terms into a search, and takes them out.</summary>
public static class SearchText
{
    /// <summary>Whether the search asks for that value.</summary>
    public static bool Has(string search, string field, string value) => SearchTerm.Parse(search).Any(t => Is(t, field) && SameValue(t, value) && !t.Negated);

    /// <summary>The search with the term put in, in place of other terms of its field, or taken out if it is there.</summary>
    public static string Toggle(string search, string field, string value)
    {
        var others = SearchTerm.Parse(search).Where(t => !Is(t, field));
        return Write(Has(search, field, value) ? others : others.Append(new SearchTerm(field, false, value)));
    }

    /// <summary>Terms as one types them.</summary>
    public static string Write(params IEnumerable<SearchTerm> terms) => string.Join(' ', terms.Select(Word));

    /// <summary>The search <c>field=value</c>, as one types it.</summary>
    public static string Of(params IEnumerable<(string Field, string Value)> terms) => Write(terms.Select(t => new SearchTerm(t.Field, false, t.Value)));

    /// <summary>Address of the hosts that a search finds.</summary>
    public static string Href(string search) => search.Length == 0 ? "/hosts" : $"/hosts?q={Uri.EscapeDataString(search)}";

    /// <summary>Whether somebody is still typing the last term: <c>trust=</c>.</summary>
    public static bool IsUnfinished(string search) => search.EndsWith('=') || search.EndsWith('!') || search.Count(c => c == '"') % 2 == 1;

    private static string Word(SearchTerm term)
    {
        var word = term.Field.Length == 0 ? term.Value : $"{term.Field}{(term.Negated ? "!=" : "=")}{term.Value}";
        return word.Any(char.IsWhiteSpace) ? term.Field.Length == 0 ? $"\"{word}\"" : $"{term.Field}{(term.Negated ? "!=" : "=")}\"{term.Value}\"" : word;
    }

    private static bool Is(SearchTerm term, string field) => string.Equals(term.Field, field, StringComparison.Ordinal);

    private static bool SameValue(SearchTerm term, string value) => string.Equals(term.Value, value, StringComparison.OrdinalIgnoreCase);
}
