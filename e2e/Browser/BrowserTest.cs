using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>A test with people at browsers. Whatever the test is about, no page may ask another machine for anything or complain in its console; of a test that failed, pictures are kept.</summary>
/// <param name="chromium">The browser.</param>
public abstract class BrowserTest(Chromium chromium) : IAsyncDisposable
{
    private readonly List<Visit> visits = [];

    /// <summary>Whether complaints in the console belong to what is tested.</summary>
    private protected bool MayComplain { get; set; }

    private protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    private protected static ILocatorAssertions Expect(ILocator locator) => Assertions.Expect(locator);

    private protected static IPageAssertions Expect(IPage page) => Assertions.Expect(page);

    /// <summary>Somebody at a new browser, not signed in.</summary>
    private protected async Task<Visit> VisitAsync(Uri portal, Screen? screen = null, bool dark = false)
    {
        var visit = await Visit.BeginAsync(chromium.Browser, portal, screen, dark);
        visits.Add(visit);
        return visit;
    }

    /// <summary>Somebody at a new browser, signed in and standing on a page.</summary>
    private protected async Task<Visit> SignInAsync(Uri portal, string user, string path = "/", Screen? screen = null, bool dark = false)
    {
        var visit = await VisitAsync(portal, screen, dark);
        await visit.SignInAsync(user, path);
        return visit;
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        var failed = TestContext.Current.TestState?.Result is TestResult.Failed;
        if (failed)
        {
            await KeepPicturesAsync();
        }

        foreach (var visit in visits)
        {
            await visit.DisposeAsync();
        }

        if (!failed)
        {
            Assert.Empty(visits.SelectMany(v => v.Foreign));
            Assert.True(MayComplain || visits.All(v => v.Complaints.Count == 0), string.Join('\n', visits.SelectMany(v => v.Complaints)));
        }
    }

    private async Task KeepPicturesAsync()
    {
        var folder = Path.Combine(PublishedPortal.Repository ?? AppContext.BaseDirectory, "artifacts", "results", "pictures");
        Directory.CreateDirectory(folder);
        var name = Regex.Replace(TestContext.Current.Test?.TestDisplayName ?? "test", "[^A-Za-z0-9_.-]+", "-", RegexOptions.None, TimeSpan.FromSeconds(1));
        foreach (var (visit, number) in visits.Select((v, i) => (v, i + 1)))
        {
            var file = Path.Combine(folder, $"{name[..Math.Min(name.Length, 150)]}-{number.ToString(CultureInfo.InvariantCulture)}");
            await visit.Page.ScreenshotAsync(new() { Path = $"{file}.png" });
            await File.WriteAllTextAsync($"{file}.txt", $"{visit.Page.Url}\n{string.Join('\n', visit.Complaints)}\n\n{await visit.Page.Locator("body").InnerTextAsync()}", CancellationToken.None);
        }
    }
}
