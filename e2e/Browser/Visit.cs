using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>A window size tests look at pages in.</summary>
internal sealed record Screen(int Width, int Height)
{
    public static readonly Screen Desk = new(1440, 900);
    public static readonly Screen Telephone = new(390, 844);
}

/// <summary>Somebody at a browser of their own: cookies, one tab, and a record of whatever the tab asked for and complained about.</summary>
internal sealed partial class Visit : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> foreign = new();
    private readonly ConcurrentQueue<string> complaints = new();
    private readonly IBrowserContext context;
    private readonly Uri portal;

    private Visit(IBrowserContext context, IPage page, Uri portal)
    {
        (this.context, Page, this.portal) = (context, page, portal);
        page.Request += (_, request) => See(request.Url);
        page.WebSocket += (_, socket) => See(socket.Url);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                complaints.Enqueue($"{message.Type} on {page.Url}: {message.Text}");
            }
        };
        page.PageError += (_, fault) => complaints.Enqueue($"exception on {page.Url}: {fault}");
        page.Response += (_, response) =>
        {
            if (response.Status >= 400)
            {
                complaints.Enqueue($"{response.Status} for {response.Url}");
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Requests that left for somewhere else than the portal.</summary>
    public IReadOnlyCollection<string> Foreign => foreign;

    /// <summary>What the browser's console says, and answers that are errors.</summary>
    public IReadOnlyCollection<string> Complaints => complaints;

    /// <summary>Where things stand on the page.</summary>
    public ILocator Main => Page.Locator("main#content");

    public static async Task<Visit> BeginAsync(IBrowser browser, Uri portal, Screen? screen = null, bool dark = false)
    {
        var size = screen ?? Screen.Desk;
        var opened = await browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = portal.ToString(),
            ViewportSize = new ViewportSize { Width = size.Width, Height = size.Height },
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            ReducedMotion = ReducedMotion.Reduce,
        });
        opened.SetDefaultTimeout(Chromium.Patience);
        opened.SetDefaultNavigationTimeout(Chromium.Patience);
        return new Visit(opened, await opened.NewPageAsync(), portal);
    }

    /// <summary>Signs in through the form, as people do, and stands on the page asked for.</summary>
    public async Task SignInAsync(string user, string path = "/")
    {
        await Page.GotoAsync(path);
        await Page.GetByLabel("User name").FillAsync(user);
        await Page.GetByLabel("Password").FillAsync("demo");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in", Exact = true }).ClickAsync();
        await SettledAsync();
    }

    /// <summary>Loads a page of the portal.</summary>
    public async Task GoAsync(string path)
    {
        await Page.GotoAsync(path);
        await SettledAsync();
    }

    /// <summary>The page is drawn and answers: pages are not drawn before they do.</summary>
    public Task SettledAsync() => Assertions.Expect(Page.Locator("main#content h1")).ToBeVisibleAsync();

    /// <summary>The row of a table that starts with this name.</summary>
    public ILocator Row(string name) => Page.GetByRole(AriaRole.Row).Filter(new() { Has = Page.GetByRole(AriaRole.Link, new() { Name = name, Exact = true }) });

    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    public ILocator Link(string name) => Page.GetByRole(AriaRole.Link, new() { Name = name, Exact = true });

    /// <summary>The address shows this path and query, and nothing else behind it.</summary>
    public Task ShowsAddressAsync(string pathAndQuery) =>
        Assertions.Expect(Page).ToHaveURLAsync(new Regex($"^{Regex.Escape(new Uri(portal, pathAndQuery).ToString())}$", RegexOptions.None, TimeSpan.FromSeconds(1)));

    public async ValueTask DisposeAsync() => await context.DisposeAsync();

    private void See(string url)
    {
        if (!url.StartsWith("data:", StringComparison.Ordinal) && !url.StartsWith("blob:", StringComparison.Ordinal)
            && !(Uri.TryCreate(url, UriKind.Absolute, out var asked) && asked.Authority == portal.Authority))
        {
            foreign.Enqueue(url);
        }
    }
}
