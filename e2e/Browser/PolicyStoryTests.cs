using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>One person makes a cluster's policy stricter; looser only together with a second.</summary>
public sealed class PolicyStoryTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    private const string Cluster = "policy-story";

    [Fact]
    public async Task LooserPolicy_WaitsForASecondPerson_WhileATighterOneIsInForceAtOnce()
    {
        var proposer = await SignInAsync(demo.Address, "admin@internal");
        await proposer.CreateClusterAsync(Cluster);
        await Expect(Policy(proposer)).ToContainTextAsync("A verdict counts for 10 min");

        await WantAsync(proposer, "20", "Waits for a second person", "Propose it to a second person");
        await Expect(proposer.Main).ToContainTextAsync("A looser policy waits for a second person");
        await Expect(proposer.Main).ToContainTextAsync("You proposed it, so somebody else confirms it: anybody with the role administrator or security.");
        await Expect(proposer.Button("Confirm")).ToHaveCountAsync(0);
        await Expect(Policy(proposer)).ToContainTextAsync("A verdict counts for 10 min");

        var second = await SignInAsync(demo.Address, "security2@internal", $"/clusters/{Cluster}");
        await Expect(second.Page.GetByRole(AriaRole.Table, new() { Name = "What changes" })).ToContainTextAsync("20 min");
        await second.Button("Confirm").ClickAsync();
        await second.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Confirm", Exact = true }).ClickAsync();
        await Expect(Policy(second)).ToContainTextAsync("A verdict counts for 20 min");
        // The first person's page, still open, shows it too.
        await Expect(Policy(proposer)).ToContainTextAsync("A verdict counts for 20 min");
        await Expect(proposer.Main).Not.ToContainTextAsync("waits for a second person");

        await WantAsync(proposer, "5", "Takes effect at once", "Put it in force");
        await Expect(Policy(proposer)).ToContainTextAsync("A verdict counts for 5 min");
        await Expect(proposer.Main).Not.ToContainTextAsync("waits for a second person");
    }

    [Fact]
    public async Task PolicyPage_OfOneWhoMayNotChangeIt_SaysWhoMayAndChangesNothing()
    {
        var visit = await SignInAsync(demo.Address, "operator@internal", "/clusters/prod-b/policy");

        await Expect(visit.Main).ToContainTextAsync("administrator or security");
        await Expect(visit.Button("Put it in force")).ToBeDisabledAsync();
    }

    private static ILocator Policy(Visit visit) => visit.Main.GetByRole(AriaRole.Region, new() { Name = "Trust policy", Exact = true });

    private async Task WantAsync(Visit visit, string minutes, string effect, string does)
    {
        await visit.Link("Change policy").ClickAsync();
        await visit.ShowsAddressAsync($"/clusters/{Cluster}/policy");
        await visit.Page.GetByLabel("A verdict counts for", new() { Exact = true }).FillAsync(minutes);
        await Expect(visit.Page.GetByRole(AriaRole.Status).Filter(new() { HasText = effect })).ToBeVisibleAsync();
        await visit.Button(does).ClickAsync();
        await visit.ShowsAddressAsync($"/clusters/{Cluster}");
    }
}
