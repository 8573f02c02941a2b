using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>Every page, tab, menu and dialog: WCAG 2.2 A and AA by axe, light and dark, at a desk and on a telephone, where no page scrolls sideways.</summary>
public sealed class AccessibilityTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    private readonly List<string> faults = [];

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task Pages_Everywhere_KeepToWcag(string theme)
    {
        var visit = await VisitAsync(demo.Address, dark: theme == "dark");
        await visit.Page.GotoAsync("/");
        await Expect(visit.Page.GetByLabel("User name")).ToBeVisibleAsync();
        await LookAsync(visit, "sign-in");
        await visit.SignInAsync("admin@internal");
        Assert.Equal(theme, await visit.Page.Locator("html").GetAttributeAsync("data-theme"));

        foreach (var path in await PathsAsync(visit))
        {
            await visit.GoAsync(path);
            await visit.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);
            await LookAsync(visit, path);
            Assert.Equal(1, await visit.Page.Locator("h1").CountAsync());
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task DialogsAndMenus_Everywhere_KeepToWcag(string theme)
    {
        var security = await SignInAsync(demo.Address, "security2@internal", "/baselines", dark: theme == "dark");
        await security.Main.GetByRole(AriaRole.Table).GetByRole(AriaRole.Link).Filter(new() { HasText = "RHEL 9.6" }).First.ClickAsync();
        await security.SettledAsync();
        await DialogAsync(security, "Rename");
        await DialogAsync(security, "Retire…");

        var visit = await SignInAsync(demo.Address, "admin@internal", "/hosts", dark: theme == "dark");
        await Expect(visit.Row("kvm-a01")).ToBeVisibleAsync();
        await MenuAsync(visit, visit.Button("Columns"));
        await MenuAsync(visit, visit.Button("Actions on kvm-a01"));
        await MenuAsync(visit, visit.Page.Locator(".user-button"));
        await visit.Button("Actions on kvm-a01").ClickAsync();
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "To maintenance" }).ClickAsync();
        await LookAtDialogAsync(visit, "To maintenance");
        await visit.GoAsync("/vms/staging-db-01");
        await visit.Button("More").ClickAsync();
        await LookAsync(visit, "menu of a VM");
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "Delete" }).ClickAsync();
        await LookAtDialogAsync(visit, "Delete");
        await visit.GoAsync("/clusters");
        await DialogAsync(visit, "New cluster");
        await visit.Page.Locator(".drawer-bar").ClickAsync();
        await Expect(visit.Page.Locator("#tasks-panel .task").First).ToBeVisibleAsync();
        await LookAsync(visit, "tasks");

        Assert.True(faults.Count == 0, string.Join('\n', faults));
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
            "/vms",
            "/vms?q=name%3Dnobody",
            "/vms/new",
            "/vms/billing-db-01",
            "/vms/billing-db-01/placement",
            "/vms/billing-db-01/activity",
            "/vms/billing-db-01/edit",
            "/vms/nowhere",
            "/clusters/prod-a/policy",
            "/clusters/nowhere",
            "/baselines",
            baseline,
            $"{baseline}?tab=changes",
            $"{baseline}?tab=impact",
            $"{baseline}?tab=history",
            "/activity",
            "/settings",
        ];
    }

    private async Task DialogAsync(Visit visit, string button)
    {
        await visit.Button(button).ClickAsync();
        await LookAtDialogAsync(visit, button);
    }

    private async Task LookAtDialogAsync(Visit visit, string name)
    {
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToBeVisibleAsync();
        await Expect(dialog.GetByRole(AriaRole.Heading).First).ToBeVisibleAsync();
        await LookAsync(visit, $"dialog {name}");
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(dialog).ToHaveCountAsync(0);
    }

    private async Task MenuAsync(Visit visit, ILocator opens)
    {
        await opens.ClickAsync();
        await Expect(visit.Page.Locator(":popover-open")).ToBeVisibleAsync();
        await LookAsync(visit, $"menu {opens}");
        await visit.Page.Keyboard.PressAsync("Escape");
    }

    /// <summary>At a desk, then on a telephone.</summary>
    private async Task LookAsync(Visit visit, string where)
    {
        foreach (var (screen, name) in new[] { (Screen.Telephone, "telephone"), (Screen.Desk, "desk") })
        {
            await visit.Page.SetViewportSizeAsync(screen.Width, screen.Height);
            faults.AddRange(await Accessibility.OverflowAsync(visit, $"{where}, {name}"));

            // As tall as its content: what lies under the bar at the bottom can be scrolled from under it, which axe does not know.
            var height = await visit.Page.EvaluateAsync<int>("Math.max(document.documentElement.scrollHeight, document.getElementById('content')?.scrollHeight ?? 0) + 120");
            await visit.Page.SetViewportSizeAsync(screen.Width, Math.Max(screen.Height, height));
            faults.AddRange(await Accessibility.ViolationsAsync(visit, $"{where}, {name}"));
        }
    }
}
