using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>Every dialog and menu, each left by Escape, and the pages only writers of baselines see: WCAG 2.2 A and AA by axe, light and dark, at a desk and on a telephone.</summary>
public sealed class DialogAccessibilityTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    private readonly Sweep sweep = new();

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task HostsAndMachines_TheirMenusAndDialogs_KeepToWcag(string theme)
    {
        var visit = await SignInAsync(demo.Address, "admin@internal", "/hosts", dark: theme == "dark");
        await Expect(visit.Row("kvm-a01")).ToBeVisibleAsync();
        await sweep.MenuAsync(visit, visit.Button("Columns"));
        await sweep.MenuAsync(visit, visit.Button("Actions on kvm-a01"));
        await sweep.MenuAsync(visit, visit.Page.Locator(".user-button"));
        foreach (var action in new[] { "Maintenance…", "Update kernel and reboot" })
        {
            await visit.ChooseAsync("Actions on kvm-a01", action);
            await sweep.DialogAsync(visit, action);
        }

        await visit.GoAsync("/vms/staging-db-01");
        await sweep.MenuAsync(visit, visit.Button("More"));
        await visit.ChooseAsync("More", "Delete…");
        await sweep.DialogAsync(visit, "Delete");
        await visit.GoAsync("/vms/billing-db-01");
        await Expect(visit.Button("Migrate…")).ToBeVisibleAsync();
        await sweep.DialogAsync(visit, visit.Button("Migrate…"), "Migrate");
        await sweep.DialogAsync(visit, visit.Button("Shut down"), "Shut down");
        await visit.Page.Locator(".drawer-bar").ClickAsync();
        await Expect(visit.Page.Locator("#tasks-panel .task").First).ToBeVisibleAsync();
        await sweep.LookAsync(visit, "tasks");

        sweep.AssertNoFaults();
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task Clusters_TheirDialogsAndAPolicyThatWaits_KeepToWcag(string theme)
    {
        var visit = await SignInAsync(demo.Address, "admin@internal", "/clusters", dark: theme == "dark");
        await sweep.DialogAsync(visit, visit.Button("New cluster"), "New cluster");
        await visit.GoAsync("/clusters/prod-a");
        await sweep.MenuAsync(visit, visit.Button("Actions"));
        await visit.ChooseAsync("Actions", "Edit…");
        await sweep.DialogAsync(visit, "Edit a cluster");
        await visit.ChooseAsync("Actions", "Move a host here…");
        await sweep.DialogAsync(visit, "Move a host");

        var cluster = $"sweep-{theme}";
        await visit.CreateClusterAsync(cluster);
        await visit.ChooseAsync("Actions", "Delete…");
        await sweep.DialogAsync(visit, "Delete a cluster");
        await visit.GoAsync($"/clusters/{cluster}/policy");
        await visit.Page.GetByLabel("A verdict counts for", new() { Exact = true }).FillAsync("20");
        await Expect(visit.Main).ToContainTextAsync("Waits for a second person");
        await sweep.LookAsync(visit, "a looser policy, typed");
        await visit.Button("Propose it to a second person").ClickAsync();
        await visit.ShowsAddressAsync($"/clusters/{cluster}");
        await Expect(visit.Main).ToContainTextAsync("A looser policy waits for a second person");
        await sweep.LookAsync(visit, "a looser policy, proposed");
        await visit.GoAsync("/clusters");
        await sweep.LookAsync(visit, "clusters, one with a proposal");

        var second = await SignInAsync(demo.Address, "security2@internal", $"/clusters/{cluster}", dark: theme == "dark");
        await sweep.DialogAsync(second, second.Button("Confirm"), "Confirm a looser policy");

        sweep.AssertNoFaults();
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task Baselines_FromCaptureToReview_KeepToWcag(string theme)
    {
        var author = await SignInAsync(demo.Address, "security@internal", "/baselines/new", dark: theme == "dark");
        await sweep.LookAsync(author, "a new baseline");
        await sweep.DialogAsync(author, author.Button("Paste JSON…"), "Paste JSON");
        await author.GoAsync("/baselines/capture");
        await sweep.LookAsync(author, "capture, no host chosen");
        await author.GoAsync($"/baselines/capture?host={DemoPortal.BootLoaderChanged}");
        await sweep.LookAsync(author, "capture");
        await author.CaptureAsync($"sweep-{theme}");
        await sweep.LookAsync(author, "a draft");
        await author.Button("Edit").ClickAsync();
        await Expect(author.Button("Save draft")).ToBeVisibleAsync();
        await author.Page.Locator(".pcr-edit > summary").First.ClickAsync();
        await author.Button("Edit event 1; Alt and an arrow moves it").First.ClickAsync();
        await sweep.LookAsync(author, "the editor");
        await author.Page.GoBackAsync();
        await author.Button("Submit for review").ClickAsync();
        await Expect(author.Main).ToContainTextAsync("Waits for review since");
        await sweep.LookAsync(author, "in review, by its author");

        var approver = await SignInAsync(demo.Address, "security2@internal", new Uri(author.Page.Url).AbsolutePath, dark: theme == "dark");
        await sweep.DialogAsync(approver, approver.Button("Approve…"), "Approve");
        await sweep.DialogAsync(approver, approver.Button("Send back…"), "Send back");
        await approver.GoAsync("/baselines");
        await approver.Main.GetByRole(AriaRole.Table).GetByRole(AriaRole.Link).Filter(new() { HasText = "RHEL 9.6" }).First.ClickAsync();
        await approver.SettledAsync();
        await sweep.DialogAsync(approver, approver.Button("Rename"), "Rename");
        await sweep.DialogAsync(approver, approver.Button("Retire…"), "Retire");

        sweep.AssertNoFaults();
    }
}
