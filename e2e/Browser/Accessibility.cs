using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;

namespace Portal.E2E.Browser;

/// <summary>What axe and a ruler find wrong with a page.</summary>
internal static class Accessibility
{
    private static readonly AxeRunOptions Wcag = new()
    {
        RunOnly = new RunOnlyOptions { Type = "tag", Values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"] },
        ResultTypes = [ResultType.Violations],
    };

    /// <summary>Violations of WCAG 2.2 A and AA, each with where it is.</summary>
    public static async Task<IReadOnlyList<string>> ViolationsAsync(Visit visit, string where)
    {
        var result = await visit.Page.RunAxe(Wcag);
        return
        [
            .. result.Violations.SelectMany(v => v.Nodes.Select(n =>
                $"{where}: {v.Id}: {v.Help}\n    {n.Html}\n    {string.Join("; ", n.Any.Concat(n.All).Concat(n.None).Select(c => c.Message).Distinct(StringComparer.Ordinal))}")),
        ];
    }

    /// <summary>Whether the page as a whole scrolls sideways, and what sticks out.</summary>
    public static async Task<IReadOnlyList<string>> OverflowAsync(Visit visit, string where)
    {
        var wide = await visit.Page.EvaluateAsync<string?>(
            """
            () => {
              const width = document.documentElement.clientWidth;
              if (document.documentElement.scrollWidth <= width) return null;
              const scrolls = e => e && e !== document.body && (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
              const out = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement));
              return `${document.documentElement.scrollWidth} wide: ${out.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(' | ')}`;
            }
            """);
        return wide is null ? [] : [$"{where}: the page scrolls sideways, {wide}"];
    }
}
