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

    /// <summary>Words that something else lies on, in what is uppermost: the dialog, the menu or the page.</summary>
    public static async Task<IReadOnlyList<string>> CoveredAsync(Visit visit, string where)
    {
        var covered = await visit.Page.EvaluateAsync<string[]>(
            """
            async () => {
              await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
              await Promise.allSettled(document.getAnimations().filter(a => a.effect.getComputedTiming().endTime !== Infinity).map(a => a.finished));
              const root = [...document.querySelectorAll('[role=dialog], :popover-open')].at(-1) ?? document.getElementById('content') ?? document.body;
              const bars = document.querySelector('.bottom');
              const kin = (a, b) => a.contains(b) || b.contains(a);
              const shown = (e, x, y) => {
                for (let p = e; p && p !== document.body; p = p.parentElement) {
                  const r = p.getBoundingClientRect();
                  if (getComputedStyle(p).overflow !== 'visible' && (x < r.left || x > r.right || y < r.top || y > r.bottom)) return false;
                }
                return true;
              };
              const found = [];
              for (const e of root.querySelectorAll('*')) {
                const text = [...e.childNodes].find(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
                if (!text || e.closest('.sr-only') || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
                const range = document.createRange();
                range.selectNodeContents(text);
                const r = range.getClientRects()[0];
                if (!r || r.width < 4 || r.height < 4) continue;
                const x = r.left + r.width / 2, y = r.top + r.height / 2;
                if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight || !shown(e, x, y)) continue;
                const top = document.elementFromPoint(x, y);
                if (top && !kin(top, e) && !bars?.contains(top)) found.push(`"${text.data.trim().slice(0, 60)}" under ${top.outerHTML.slice(0, 120)}`);
              }
              return found.slice(0, 5);
            }
            """);
        return [.. covered.Select(c => $"{where}: {c}")];
    }
}
