using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Portal.Core;
using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>
/// What a list call asks for: <c>?search=name=web* and status=up sortby name desc page 2&amp;max=50&amp;case_sensitive=true</c>.
/// Which terms there are is the core's to say; order, pages and letter case are read here.
/// </summary>
internal sealed record ApiSearch
{
    private const int PageSize = 100;
    private const int Batch = 1000;
    private const string Syntax = "search.syntax";

    private IReadOnlyList<SearchTerm> exact = [];

    private ApiSearch()
    {
    }

    /// <summary>The terms, for the core.</summary>
    public string Terms { get; private init; } = "";

    /// <summary>What to sort by; null for the usual order.</summary>
    public string? SortBy { get; private init; }

    public bool Descending { get; private init; }

    /// <summary>How many at most; null for all.</summary>
    public int? Max { get; private init; }

    /// <summary>Which page, from 1; null for no pages.</summary>
    public int? Page { get; private init; }

    public bool CaseSensitive { get; private init; }

    /// <summary>Reads the parameters of a list call.</summary>
    /// <param name="call">The call.</param>
    /// <param name="sortable">What may be sorted by.</param>
    public static Outcome<ApiSearch> Read(ApiCall call, IReadOnlyCollection<string> sortable)
    {
        var max = call.Max();
        if (!max.Succeeded)
        {
            return max.Refusal;
        }

        var sensitive = string.Equals(call.Parameter("case_sensitive"), "true", StringComparison.OrdinalIgnoreCase);
        var read = new ApiSearch { Max = max.Value, CaseSensitive = sensitive };
        var (kept, words) = (new List<string>(), new Queue<string>(Words(call.Parameter("search") ?? "")));
        while (words.TryDequeue(out var word))
        {
            var outcome = word.ToLowerInvariant() switch
            {
                "or" => Refusal.Invalid(Syntax, "search", "Terms joined by 'or' are not served.", "Ask once for each."),
                "sortby" => read.Sorted(words, sortable),
                "page" when words.TryPeek(out var number) && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var page) && page > 0 => read.Paged(words, page),
                "status=wait_for_launch" => read.Keep(kept, "status=starting"),
                "status!=wait_for_launch" => read.Keep(kept, "status!=starting"),
                _ => read.Keep(kept, word),
            };
            if (!outcome.Succeeded)
            {
                return outcome.Refusal;
            }

            read = outcome.Value;
        }

        return read.WithTerms(kept);
    }

    /// <summary>Gathers what was asked for from a directory that answers in pages.</summary>
    public async Task<Outcome<IReadOnlyList<T>>> GatherAsync<T>(Func<int, int, Task<Outcome<Page<T>>>> directory, Func<T, string> nameOf)
    {
        var (found, wanted, leave) = (new List<T>(), Wanted, Leave);
        for (var skip = exact.Count == 0 ? leave : 0; found.Count < wanted + (exact.Count == 0 ? 0 : leave);)
        {
            var take = exact.Count == 0 ? Math.Min(Batch, wanted - found.Count) : Batch;
            var page = await directory(skip, take);
            if (!page.Succeeded)
            {
                return page.Refusal;
            }

            found.AddRange(page.Value.Items.Where(i => exact.All(t => Matches(t, nameOf(i)))));
            skip += take;
            if (page.Value.Items.Count < take)
            {
                break;
            }
        }

        return Outcome.Of<IReadOnlyList<T>>(exact.Count == 0 ? found : [.. found.Skip(leave).Take(wanted)]);
    }

    /// <summary>Narrows a short list by name; other terms are refused.</summary>
    public Outcome<IReadOnlyList<T>> Narrow<T>(IReadOnlyList<T> all, Func<T, string> nameOf)
    {
        var terms = SearchTerm.Parse(Terms);
        if (terms.FirstOrDefault(t => !IsName(t)) is { } other)
        {
            return SearchTerm.Unknown(other, ["name"]);
        }

        var found = all.Where(i => terms.Concat(exact).All(t => Matches(t, nameOf(i))));
        var ordered = Descending ? found.Reverse() : found;
        return Outcome.Of<IReadOnlyList<T>>([.. ordered.Skip(Leave).Take(Wanted)]);
    }

    private int Wanted => Max ?? (Page is null ? int.MaxValue / 2 : PageSize);

    private int Leave => Page is { } page ? (int)Math.Min(int.MaxValue / 2, (page - 1L) * (Max ?? PageSize)) : 0;

    private static bool IsName(SearchTerm term) => term.Field is "" or "name";

    private Outcome<ApiSearch> Keep(List<string> kept, string word)
    {
        kept.Add(word);
        return this;
    }

    private Outcome<ApiSearch> Paged(Queue<string> words, int page)
    {
        words.Dequeue();
        return this with { Page = page };
    }

    private Outcome<ApiSearch> Sorted(Queue<string> words, IReadOnlyCollection<string> sortable)
    {
        if (!words.TryDequeue(out var field) || !sortable.Contains(field, StringComparer.OrdinalIgnoreCase))
        {
            return Refusal.Invalid(Syntax, "search", $"'sortby {FieldReader.Short(field ?? "")}' is not something to sort by.", $"Sort by {string.Join(", ", sortable)}.");
        }

        var down = false;
        if (words.TryPeek(out var direction) && direction.ToLowerInvariant() is "asc" or "desc")
        {
            down = words.Dequeue().Equals("desc", StringComparison.OrdinalIgnoreCase);
        }

        return this with { SortBy = field.ToLowerInvariant(), Descending = down };
    }

    /// <summary>The database compares names without regard to case; where case counts, names are compared here.</summary>
    private ApiSearch WithTerms(List<string> kept)
    {
        var ours = CaseSensitive ? kept.Where(w => SearchTerm.Parse(w).All(IsName)).ToList() : [];
        return this with
        {
            Terms = string.Join(' ', kept.Except(ours, StringComparer.Ordinal)),
            exact = [.. ours.SelectMany(SearchTerm.Parse)],
        };
    }

    private static readonly TimeSpan LongestMatch = TimeSpan.FromSeconds(1);

    private bool Matches(SearchTerm term, string name)
    {
        var pattern = Regex.Escape(term.Value).Replace("\\*", ".*", StringComparison.Ordinal);
        var whole = term.Field.Length == 0 ? pattern : $"^(?:{pattern})$";
        var options = RegexOptions.NonBacktracking | RegexOptions.Singleline | RegexOptions.CultureInvariant | (CaseSensitive ? RegexOptions.None : RegexOptions.IgnoreCase);
        return Regex.IsMatch(name, whole, options, LongestMatch) != term.Negated;
    }

    /// <summary>Words outside quotes, with the white space around = and != taken away.</summary>
    private static IEnumerable<string> Words(string search)
    {
        var (word, quoted) = (new StringBuilder(), false);
        for (var i = 0; i < search.Length; i++)
        {
            var c = search[i];
            quoted ^= c == '"';
            if (quoted || !char.IsWhiteSpace(c))
            {
                word.Append(c);
            }
            else if (word.Length > 0 && word[^1] != '=' && !OperatorFollows(search, i))
            {
                yield return word.ToString();
                word.Clear();
            }
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }

    private static bool OperatorFollows(string search, int at)
    {
        var rest = search.AsSpan(at).TrimStart();
        return rest.StartsWith("=", StringComparison.Ordinal) || rest.StartsWith("!=", StringComparison.Ordinal);
    }
}
