using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>The portal dies under somebody's eyes and comes back.</summary>
public sealed class ReconnectTests : OwnPortalTest
{
    private const string Path = "/hosts?q=cluster%3Dprod-b&sort=memory&desc=true";

    public ReconnectTests(Chromium chromium)
        : base(chromium) => MayComplain = true;

    [Fact]
    public async Task Hosts_WhenThePortalIsKilledAndStartedAgain_SaySoAndShowWhatIsSoNowInTheSamePlace()
    {
        var visit = await SignInAsync(Portal.Address, "admin@internal", Path);
        await Expect(visit.Row("kvm-b01")).ToContainTextAsync("Up");
        var banner = visit.Page.GetByRole(AriaRole.Alertdialog);

        await KillPortalAsync();
        await Expect(banner).ToContainTextAsync("Connection lost");
        // What was shown last stays to be read.
        await Expect(visit.Row("kvm-b01")).ToBeVisibleAsync();

        await StartPortalAgainAsync();
        using var rest = new RestClient(Portal.Address, "admin@internal");
        var host = await rest.HostAsync("kvm-b01", _ => true, "there");
        Assert.True((await rest.PostAsync($"hosts/{host.Id}/deactivate", new { })).Succeeded);
        await Expect(banner.GetByText("The portal was restarted.")).ToBeVisibleAsync();
        Assert.Empty(await Accessibility.ViolationsAsync(visit, "the portal was restarted"));
        await visit.Button("Load the page again").ClickAsync();

        await Expect(visit.Row("kvm-b01")).ToContainTextAsync("Maintenance");
        await Expect(banner).ToBeHiddenAsync();
        await visit.ShowsAddressAsync(Path);
        await Expect(visit.Row("kvm-a01")).ToHaveCountAsync(0);
        await Expect(visit.Page.GetByRole(AriaRole.Searchbox, new() { Name = "Search hosts" })).ToHaveValueAsync("cluster=prod-b");

        // And it is live again.
        Assert.True((await rest.PostAsync($"hosts/{host.Id}/activate", new { })).Succeeded);
        await Expect(visit.Row("kvm-b01")).ToContainTextAsync("Up");
    }
}
