using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>Every page and tab: WCAG 2.2 A and AA by axe, light and dark, at a desk and on a telephone, where no page scrolls sideways.</summary>
public sealed class AccessibilityTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    private readonly Sweep sweep = new();

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task Pages_Everywhere_KeepToWcag(string theme)
    {
        var visit = await VisitAsync(demo.Address, dark: theme == "dark");
        await visit.Page.GotoAsync("/");
        await Expect(visit.Page.GetByLabel("User name")).ToBeVisibleAsync();
        await sweep.LookAsync(visit, "sign-in");
        await visit.SignInAsync("admin@internal");
        Assert.Equal(theme, await visit.Page.Locator("html").GetAttributeAsync("data-theme"));

        foreach (var path in await PathsAsync(visit))
        {
            await visit.GoAsync(path);
            await visit.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);
            await sweep.LookAsync(visit, path);
            Assert.Equal(1, await visit.Page.Locator("h1").CountAsync());
        }

        sweep.AssertNoFaults();
    }

    private static async Task<IReadOnlyList<string>> PathsAsync(Visit visit)
    {
        await visit.GoAsync("/baselines");
        var link = visit.Main.GetByRole(AriaRole.Table).GetByRole(AriaRole.Link).Filter(new() { HasText = "RHEL 9.6" }).First;
        var baseline = new Uri(new Uri(visit.Page.Url), (await link.GetAttributeAsync("href"))!).AbsolutePath;
        return
        [
            "/",
            "/hosts",
            "/hosts?q=trust%3Dnonsense",
            "/hosts?q=name%3Dnobody",
            $"/hosts/{DemoPortal.BootLoaderChanged}",
            $"/hosts/{DemoPortal.BootLoaderChanged}/hardware",
            $"/hosts/{DemoPortal.BootLoaderChanged}/vms",
            $"/hosts/{DemoPortal.BootLoaderChanged}/attestation",
            $"/hosts/{DemoPortal.BootLoaderChanged}/activity",
            $"/hosts/{DemoPortal.TrustedHosts[0]}/attestation",
            $"/hosts/{DemoPortal.Silent}/attestation",
            $"/hosts/{DemoPortal.NotEnrolled}/attestation",
            "/hosts/nowhere",
            "/hosts/enrolment",
            "/hosts/add",
            "/vms",
            "/vms?q=name%3Dnobody",
            "/vms/new",
            "/templates",
            "/vms/billing-db-01",
            "/vms/billing-db-01/placement",
            "/vms/billing-db-01/activity",
            "/vms/billing-db-01/edit",
            "/vms/nowhere",
            "/clusters",
            "/clusters/prod-a",
            "/clusters/prod-a/policy",
            "/clusters/nowhere",
            "/baselines",
            baseline,
            $"{baseline}?tab=changes",
            $"{baseline}?tab=impact",
            $"{baseline}?tab=history",
            "/activity",
            "/settings",
            "/settings/services/new",
            "/settings/services/b0117000-0000-7000-8000-000000000001",
        ];
    }
}
