using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Layout;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal.Tests.Components.Layout;

public sealed class NavMenuTests : PageTest
{
    [Fact]
    public void Places_StandInTheirOrder_AndOnlyForThoseWhoMayGoThere()
    {
        Services.Contribute(new MenuPlace("Settings", "settings", "", MenuOrder.Settings) { Requires = Permission.ManageClusters });
        Services.Contribute(new MenuPlace("Hosts", "hosts", "", MenuOrder.Hosts));
        Services.Contribute(new MenuPlace("Site", "site", "", MenuOrder.Hosts + 50));
        Services.Contribute(new MenuPlace("Overview", "", "", MenuOrder.Overview));
        As(Role.Auditor);

        Assert.Equal(["Overview", "Hosts", "Site"], Render<NavMenu>().FindAll(".place-title").Select(p => p.TextContent));
    }

    [Fact]
    public void Badge_CountsAgainWhenItsTopicChanges_OnceASecond()
    {
        var untrusted = 2;
        var counted = 0;
        Services.Contribute(new MenuPlace("Hosts", "hosts", "", MenuOrder.Hosts)
        {
            Badge = (_, _) =>
            {
                counted++;
                return Task.FromResult<MenuBadge?>(new MenuBadge(untrusted, $"{untrusted} hosts are untrusted"));
            },
            BadgeTopics = [ChangeTopic.Attestation],
        });
        As(Role.Operator);
        var menu = Render<NavMenu>();
        menu.WaitForAssertion(() => Assert.Equal("2 hosts are untrusted", menu.Find(".badge").GetAttribute("title")));

        untrusted = 0;
        var feed = Services.GetRequiredService<IChangeFeed>();
        for (var i = 0; i < 100; i++)
        {
            feed.Publish(Change.Of(ChangeTopic.Attestation));
        }

        feed.Publish(Change.Of(ChangeTopic.Baseline));
        menu.WaitForAssertion(() =>
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Empty(menu.FindAll(".badge"));
        });
        Assert.Equal(2, counted);
    }

    [Fact]
    public void BadgeThatFails_ShowsNoNumber_AndTheMenuStays()
    {
        Services.Contribute(new MenuPlace("Hosts", "hosts", "", MenuOrder.Hosts) { Badge = (_, _) => throw new InvalidOperationException("no database") });
        As(Role.Operator);
        var menu = Render<NavMenu>();

        Assert.Single(menu.FindAll(".place"));
        Assert.Empty(menu.FindAll(".badge"));
    }
}
