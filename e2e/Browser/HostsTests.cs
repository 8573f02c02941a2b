using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>The administrator's question: which of my hosts booted what we approved, and why not the others?</summary>
public sealed partial class HostsTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    private const string Administrator = "admin@internal";

    [Fact]
    public async Task Hosts_AsAdministrator_ShowEveryStateWithItsReason()
    {
        var visit = await SignInAsync(demo.Address, Administrator, "/hosts");

        await Expect(visit.Row(DemoPortal.TrustedHosts[0])).ToContainTextAsync("Trusted");
        await Expect(visit.Row(DemoPortal.BootLoaderChanged)).ToContainTextAsync("Untrusted");
        await Expect(visit.Row(DemoPortal.BootLoaderChanged)).ToContainTextAsync("boot loader not approved (PCR 4)");
        await Expect(visit.Row(DemoPortal.FirmwareChanged)).ToContainTextAsync("Untrusted");
        await Expect(visit.Row(DemoPortal.FirmwareChanged)).ToContainTextAsync("firmware not approved (PCR 0)");
        // First still trusted by what it said last, later stale, in the end unknown.
        await Expect(visit.Row(DemoPortal.Silent)).ToContainTextAsync(TrustThatRunsOut());
        await Expect(visit.Row(DemoPortal.NotEnrolled)).ToContainTextAsync("Unknown");
        await Expect(visit.Row(DemoPortal.NotEnrolled)).ToContainTextAsync("not enrolled");
        await Expect(visit.Main).ToContainTextAsync("12 hosts");
    }

    [Theory]
    [InlineData(DemoPortal.BootLoaderChanged, "boot loader", "PCR 4")]
    [InlineData(DemoPortal.FirmwareChanged, "firmware", "PCR 0")]
    public async Task Host_Untrusted_ItsAttestationTabSaysWhatAndWhy(string host, string what, string pcr)
    {
        var visit = await SignInAsync(demo.Address, Administrator, "/hosts");

        await visit.Row(host).GetByRole(AriaRole.Link, new() { Name = host, Exact = true }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync(host);
        await visit.Page.GetByRole(AriaRole.Navigation, new() { Name = $"Views of {host}" }).GetByRole(AriaRole.Link, new() { Name = "Attestation" }).ClickAsync();

        await visit.ShowsAddressAsync($"/hosts/{host}/attestation");
        await Expect(visit.Main).ToContainTextAsync($"The {what} is not one you approved.");
        await Expect(visit.Main).ToContainTextAsync($"({pcr}, event ");
        await Expect(visit.Main).ToContainTextAsync("Nearest baseline: ");
        await Expect(visit.Main).ToContainTextAsync("What to do: ");
    }

    [Fact]
    public async Task Hosts_SearchedSortedAndWithOtherColumns_AreTheSameAfterAReload()
    {
        var visit = await SignInAsync(demo.Address, Administrator, "/hosts");
        var table = visit.Page.GetByRole(AriaRole.Table, new() { Name = "Hosts" });
        await Expect(visit.Row("kvm-a01")).ToBeVisibleAsync();

        await visit.Page.GetByRole(AriaRole.Searchbox, new() { Name = "Search hosts" }).FillAsync("cluster=prod-b");
        await Expect(visit.Row("kvm-a01")).ToHaveCountAsync(0);
        await visit.Page.GetByRole(AriaRole.Group, new() { Name = "Filters" }).GetByRole(AriaRole.Link, new() { NameRegex = UntrustedChip() }).ClickAsync();
        await Expect(visit.Row("kvm-b01")).ToHaveCountAsync(0);
        await table.GetByRole(AriaRole.Link, new() { Name = "Memory" }).ClickAsync();
        await visit.Button("Columns").ClickAsync();
        await visit.Page.GetByRole(AriaRole.Checkbox, new() { Name = "Model" }).CheckAsync();
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(table.GetByRole(AriaRole.Columnheader, new() { Name = "Model" })).ToBeVisibleAsync();
        var address = new Uri(visit.Page.Url);
        await AssertShownAsync();

        await visit.Page.ReloadAsync();
        await visit.SettledAsync();

        Assert.Equal(address, new Uri(visit.Page.Url));
        Assert.Contains("q=cluster%3Dprod-b%20trust%3Duntrusted", address.Query, StringComparison.Ordinal);
        await AssertShownAsync();

        async Task AssertShownAsync()
        {
            await Expect(visit.Row(DemoPortal.FirmwareChanged)).ToBeVisibleAsync();
            await Expect(visit.Row("kvm-b01")).ToHaveCountAsync(0);
            await Expect(table.GetByRole(AriaRole.Columnheader, new() { Name = "Model" })).ToBeVisibleAsync();
            await Expect(table.GetByRole(AriaRole.Columnheader, new() { Name = "Memory" })).ToHaveAttributeAsync("aria-sort", "descending");
            await Expect(visit.Page.GetByRole(AriaRole.Searchbox, new() { Name = "Search hosts" })).ToHaveValueAsync("cluster=prod-b trust=untrusted");
        }
    }

    [Fact]
    public async Task Hosts_ByKeyboardAlone_AreReachedAndOpenedWithFocusToBeSeen()
    {
        var visit = await SignInAsync(demo.Address, Administrator);
        var keys = visit.Page.Keyboard;

        await TabToAsync(visit, "Skip to content");
        await TabToAsync(visit, "Hosts");
        await AssertFocusIsSeenAsync(visit);
        await keys.PressAsync("Enter");
        await visit.ShowsAddressAsync("/hosts");
        await Expect(visit.Row("kvm-a01")).ToBeVisibleAsync();
        await TabToAsync(visit, "kvm-a01");
        await keys.PressAsync("ArrowDown");
        await AssertFocusIsSeenAsync(visit);
        await keys.PressAsync("Enter");

        await visit.ShowsAddressAsync("/hosts/kvm-a02");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("kvm-a02");
    }

    /// <summary>Presses Tab until what has the focus says this.</summary>
    private static async Task TabToAsync(Visit visit, string name)
    {
        const int Most = 80;
        var passed = new List<string>();
        for (var i = 0; i < Most; i++)
        {
            await visit.Page.Keyboard.PressAsync("Tab");
            var focused = await visit.Page.EvaluateAsync<string>("(document.activeElement?.innerText || document.activeElement?.getAttribute('aria-label') || '').trim()");
            if (focused == name || focused.StartsWith($"{name}\n", StringComparison.Ordinal))
            {
                return;
            }

            passed.Add(focused);
        }

        Assert.Fail($"Tab does not lead to '{name}' but to: {string.Join(" | ", passed)}");
    }

    private static async Task AssertFocusIsSeenAsync(Visit visit)
    {
        var unseen = await visit.Page.EvaluateAsync<string?>(
            """
            () => {
              const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
              return e !== document.body && r.top >= 0 && r.bottom <= innerHeight
                && ((s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none')
                ? null : `${e.outerHTML.slice(0, 200)} at ${r.top} to ${r.bottom}, outline ${s.outline}`;
            }
            """);
        Assert.True(unseen is null, $"What has the focus does not show it: {unseen}");
    }

    [GeneratedRegex("Trusted|Stale|Unknown", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TrustThatRunsOut();

    [GeneratedRegex("^Untrusted", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex UntrustedChip();
}
