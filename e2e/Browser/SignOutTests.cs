using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>Somebody leaves their desk: signing out in one tab is signing out in all of them.</summary>
public sealed class SignOutTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    [Fact]
    public async Task SignOut_InOneTab_TakesThePageOutOfTheOther_AndLeavesOtherBrowsersAlone()
    {
        var visit = await SignInAsync(demo.Address, "operator@internal", "/hosts");
        var elsewhere = await SignInAsync(demo.Address, "operator@internal", "/hosts");
        var other = await visit.Page.Context.NewPageAsync();
        await other.GotoAsync("/vms/new");
        await Expect(other.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("New virtual machine");

        await visit.Page.Locator(".user-button").ClickAsync();
        await visit.Button("Sign out").ClickAsync();

        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("You are signed out");
        await Expect(other.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("You cannot see this page");
        await Expect(other.GetByRole(AriaRole.Link, new() { Name = "Sign in again" })).ToBeVisibleAsync();
        await elsewhere.Page.GotoAsync("/vms");
        await Expect(elsewhere.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("Virtual machines");
    }
}
