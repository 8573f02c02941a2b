using System.Diagnostics;
using Microsoft.Playwright;

namespace Portal.E2E.Load;

/// <summary>The Hosts page of the published portal over 10,000 simulated hosts that are attested every minute meanwhile, in Debian's Chromium.</summary>
internal static class HostPages
{
    private const int Hosts = 10_000;
    private const int Pages = 50;
    private const int Times = 9;
    private const string Chromium = "/usr/bin/chromium";
    private const string Row = "main#content table.host-grid tbody a.row-link";

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(CancellationToken ct)
    {
        if (!File.Exists(Chromium) || PortalProcess.File is null)
        {
            return [Figure.Only("Hosts page in a browser", $"not measured: it needs Debian's chromium and 'dotnet publish Portal -c Release -o artifacts/portal'")];
        }

        await using var portal = await PortalProcess.StartAsync(Hosts, ct);
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = Chromium,
            Args = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--renderer-process-limit=2"],
        });
        await using var context = await browser.NewContextAsync(new() { BaseURL = portal.Address.ToString(), ViewportSize = new() { Width = 1440, Height = 900 } });
        context.SetDefaultTimeout(60_000);
        var page = await SignInAsync(context);
        return [.. await TimesAsync(page), await HeapAsync(portal, context, ct)];
    }

    private static async Task<IPage> SignInAsync(IBrowserContext context)
    {
        var page = await context.NewPageAsync();
        await page.GotoAsync("/hosts");
        await page.GetByLabel("User name").FillAsync("admin@internal");
        await page.GetByLabel("Password").FillAsync("demo");
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in", Exact = true }).ClickAsync();
        await page.Locator(Row).First.WaitForAsync();
        return page;
    }

    private static async Task<IReadOnlyList<Figure>> TimesAsync(IPage page)
    {
        var search = page.GetByRole(AriaRole.Searchbox, new() { Name = "Search hosts" });
        var first = await MedianAsync(i => page.GotoAsync("/hosts"), i => FirstRowAsync(page, "kvm-"));
        var sort = await MedianAsync(
            i => page.Locator("th.col-trust a, th.col-memory a").Nth(i % 2).ClickAsync(),
            i => page.Locator($"th.{(i % 2 == 0 ? "col-trust" : "col-memory")}[aria-sort]").WaitForAsync());
        var filter = await MedianAsync(
            i => search.FillAsync(i % 2 == 0 ? $"name=kvm-b0{i}*" : ""),
            i => FirstRowAsync(page, i % 2 == 0 ? $"kvm-b0{i}" : "kvm-a"));
        var overview = await MedianAsync(i => page.GotoAsync("/"), i => page.Locator("main#content .attention li, main#content .all-well").First.WaitForAsync());
        return
        [
            Figure.AtMost($"Hosts page in a browser, {Hosts:N0} hosts: from its address to its first rows, warm, median of {Times}", first, 1000, "ms"),
            Figure.AtMost("… from a click to sorted rows", sort, 500, "ms"),
            Figure.AtMost("… from a typed search to its rows, the pause for typing included", filter, 500, "ms"),
            Figure.Only("Overview, from its address to what needs attention", $"{overview:0} ms"),
        ];
    }

    /// <summary>Looked for at each frame: waiting for a locator looks twice a second at most.</summary>
    private static Task FirstRowAsync(IPage page, string begins) =>
        page.WaitForFunctionAsync("([row, begins]) => document.querySelector(row)?.textContent.startsWith(begins)", new[] { Row, begins });

    /// <summary>What the portal keeps for each page that is open: the difference between one and many, each after a full collection.</summary>
    private static async Task<Figure> HeapAsync(PortalProcess portal, IBrowserContext context, CancellationToken ct)
    {
        var one = await portal.HeapMiBAsync(ct);
        for (var i = 0; i < Pages; i++)
        {
            var page = await context.NewPageAsync();
            await page.GotoAsync("/hosts");
            await page.Locator(Row).First.WaitForAsync();
        }

        var many = await portal.HeapMiBAsync(ct);
        return Figure.AtMost($"… managed heap for each of {Pages} open pages, collected", (many - one) / Pages, 1.5, "MiB");
    }

    private static async Task<double> MedianAsync(Func<int, Task> act, Func<int, Task> shown)
    {
        var samples = new double[Times];
        for (var i = 0; i < Times; i++)
        {
            var clock = Stopwatch.GetTimestamp();
            await act(i);
            await shown(i);
            samples[i] = Stopwatch.GetElapsedTime(clock).TotalMilliseconds;
        }

        return Machine.Percentile(samples, 0.5);
    }
}
