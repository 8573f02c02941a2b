using AngleSharp.Dom;
using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Hosts;
using Portal.Core.Access;
using Portal.Core.Simulation.Attesters;

namespace Portal.Tests.Components.Hosts;

/// <summary>The grid: its address is its state, trust comes with the rows, and rows stay where they are while somebody points at them.</summary>
public sealed class HostListTests : HostPoolPageTest
{
    [Fact]
    public async Task Grid_ListsHosts_WithTrustAndReason()
    {
        await StartAsync();
        await BreakAsync("kvm-a02");

        var page = Open<HostList>("/hosts");

        page.WaitForAssertion(() => Assert.Equal(["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04"], Names(page)));
        Assert.Contains("Untrusted", Row(page, "kvm-a02").QuerySelector(".trust")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("its quote is not signed by the enrolled key", Row(page, "kvm-a02").TextContent, StringComparison.Ordinal);
        Assert.Contains("Trusted", Row(page, "kvm-a01").QuerySelector(".trust")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("3 trusted", page.Find(".sub").TextContent, StringComparison.Ordinal);
        Assert.Contains("last evidence", page.Find(".sub").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_NamesTheView()
    {
        await StartAsync();
        await BreakAsync("kvm-a02");

        var page = Open<HostList>("/hosts?q=trust%3Dtrusted&sort=name&desc=true&columns=name,os");

        page.WaitForAssertion(() => Assert.Equal(["kvm-a04", "kvm-a03", "kvm-a01"], Names(page)));
        Assert.Equal(["Name", "System"], page.FindAll("thead th").Select(h => h.TextContent.Trim()).SkipLast(1));
        Assert.Equal("descending", page.Find("th.col-name").GetAttribute("aria-sort"));
        Assert.Equal("trust=trusted", page.Find("input[type=search]").GetAttribute("value"));
        Assert.Equal("Trusted 3", Squeeze(page.Find(".chip[aria-current=true]").TextContent));
    }

    [Fact]
    public async Task Chip_CountsWhatItLeadsTo_WithinTheSearch()
    {
        await StartAsync();
        await BreakAsync("kvm-a02");

        var page = Open<HostList>("/hosts?q=name%3Dkvm-a01");

        page.WaitForAssertion(() => Assert.Contains("Trusted 1", page.FindAll(".chips .chip").Select(c => Squeeze(c.TextContent))));
        var chip = page.FindAll(".chips .chip").Single(c => c.TextContent.Contains("Untrusted", StringComparison.Ordinal));
        Assert.Equal("Untrusted 0", Squeeze(chip.TextContent));
        Assert.Equal("/hosts?q=name%3Dkvm-a01%20trust%3Duntrusted", chip.GetAttribute("href"));
    }

    [Fact]
    public async Task Search_UnknownTerm_SaysWhatIsKnown()
    {
        await StartAsync();

        var page = Open<HostList>("/hosts?q=colour%3Dred");

        page.WaitForAssertion(() => Assert.Contains("'colour=red' is not something to search by.", page.Find("[role=alert]").TextContent, StringComparison.Ordinal));
        Assert.Contains("trust", page.Find("[role=alert]").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Search_NothingFound_LeadsBack()
    {
        await StartAsync();

        var page = Open<HostList>("/hosts?q=nowhere");

        page.WaitForAssertion(() => Assert.Equal("/hosts", page.Find(".empty a").GetAttribute("href")));
    }

    [Fact]
    public async Task Change_UpdatesTheRow_WithoutMovingIt_WhileThePointerIsOverTheGrid()
    {
        await StartAsync();
        var page = Open<HostList>("/hosts?sort=trust");
        page.WaitForAssertion(() => Assert.Equal(4, Names(page).Count));
        await page.Find(".grid-frame").TriggerEventAsync("onpointerenter", new Microsoft.AspNetCore.Components.Web.PointerEventArgs());

        await BreakAsync("kvm-a03");
        Pool.Time.Advance(TimeSpan.FromSeconds(1.5));

        page.WaitForAssertion(() => Assert.Contains("Untrusted", Row(page, "kvm-a03").TextContent, StringComparison.Ordinal));
        Assert.Equal(["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04"], Names(page));

        await page.Find(".grid-frame").TriggerEventAsync("onpointerleave", new Microsoft.AspNetCore.Components.Web.PointerEventArgs());
        page.WaitForAssertion(() => Assert.Equal("kvm-a03", Names(page)[0]));
    }

    [Fact]
    public async Task Menu_OffersWhatTheRoleMay()
    {
        await StartAsync(Role.Administrator);
        var page = Open<HostList>("/hosts");
        page.WaitForAssertion(() => Assert.Equal(4, Names(page).Count));

        await Row(page, "kvm-a01").QuerySelector(".row-actions button")!.ClickAsync(new());

        var offered = page.FindAll("[role=menu] [role=menuitem]").Select(i => i.TextContent.Trim()).ToList();
        Assert.Contains("Attest now", offered);
        Assert.Contains("Maintenance…", offered);
        Assert.DoesNotContain("Activate", offered);
        Assert.Contains("Go silent", offered);
        Assert.DoesNotContain("Come back", offered);
    }

    [Fact]
    public async Task Menu_ForAnAuditor_OffersNothingToChange()
    {
        await StartAsync(Role.Auditor);
        var page = Open<HostList>("/hosts");
        page.WaitForAssertion(() => Assert.Equal(4, Names(page).Count));

        await Row(page, "kvm-a01").QuerySelector(".row-actions button")!.ClickAsync(new());

        Assert.Equal(["Open"], page.FindAll("[role=menu] [role=menuitem]").Select(i => i.TextContent.Trim()));
    }

    [Fact]
    public async Task Action_Activate_ChangesTheHost()
    {
        await StartAsync();
        await Pool.Get<Portal.Core.Virtualization.Evacuation.ChangeHostState>().ToMaintenanceAsync(World.TrustedPool.Administrator, (await Pool.HostAsync("kvm-a01")).Id, Pool.Ct);
        var page = Open<HostList>("/hosts");
        page.WaitForAssertion(() => Assert.Contains("Maintenance", Row(page, "kvm-a01").TextContent, StringComparison.Ordinal));

        await Row(page, "kvm-a01").QuerySelector(".row-actions button")!.ClickAsync(new());
        await page.FindAll("[role=menuitem]").Single(i => i.TextContent.Contains("Activate", StringComparison.Ordinal)).ClickAsync(new());

        Assert.Equal(Portal.Core.Inventory.HostState.Up, (await Pool.HostAsync("kvm-a01")).State);
    }

    private async Task BreakAsync(string host)
    {
        Pool.Get<SimulatedAttesterChannel>().Inject(host, Fault.SignatureBitFlip);
        await Pool.AttestAsync(host);
    }

    private static List<string> Names(IRenderedComponent<HostList> page) => [.. page.FindAll(".row-link").Select(l => l.TextContent)];

    private static IElement Row(IRenderedComponent<HostList> page, string name) => page.FindAll("tbody tr").Single(r => r.QuerySelector(".row-link")?.TextContent == name);

    private static string Squeeze(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
