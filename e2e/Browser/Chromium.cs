using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Portal.E2E.Browser.Chromium))]
[assembly: AssemblyFixture(typeof(Portal.E2E.DemoPortal))]

// One browser, one portal, few cores: tests that wait for each other's pages would measure the machine.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Portal.E2E.Browser;

/// <summary>Debian's Chromium, one for all tests; each test gets contexts of its own.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private const string Executable = "/usr/bin/chromium";

    private IPlaywright? playwright;
    private IBrowser? browser;

    /// <summary>The browser; skips the test when it is not installed.</summary>
    internal IBrowser Browser
    {
        get
        {
            if (browser is null)
            {
                Assert.Skip($"There is no {Executable}; Debian's package is 'chromium'.");
            }

            return browser;
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Executable))
        {
            return;
        }

        Assertions.SetDefaultExpectTimeout(Patience);
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Executable,
            Args = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
        });
    }

    /// <summary>How long to wait for what a page is to show, in milliseconds.</summary>
    internal static float Patience => (float)Eventually.Patience.TotalMilliseconds / 2;

    public async ValueTask DisposeAsync()
    {
        if (browser is not null)
        {
            await browser.DisposeAsync();
        }

        playwright?.Dispose();
    }
}
