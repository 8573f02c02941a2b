using AngleSharp.Dom;
using Bunit;
using Microsoft.EntityFrameworkCore;
using MudBlazor;
using Portal.Components.VirtualMachines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Components.VirtualMachines;

public sealed class VmListTests : PoolPageTest
{
    [Fact]
    public async Task List_ShowsWhatEachIsAndWhereItRuns()
    {
        await Pool.CreateAsync("web-1", start: true);
        await Pool.CreateAsync("web-2", TrustLevel.Any);
        As(TrustedPool.Operator);

        var list = Open<VmList>("/vms");

        Assert.Equal(["web-1", "web-2"], Texts(list, "tbody th a"));
        Assert.Equal(["Up", "Down"], Texts(list, "td[data-label=Status]"));
        Assert.Equal(["Trusted host", "Any host"], Texts(list, "td[data-label='Trust level']"));
        Assert.Equal("/vms/web-1", list.Find("tbody th a").GetAttribute("href"));
        Assert.StartsWith("/hosts/kvm-", list.Find("td[data-label=Host] a").GetAttribute("href"), StringComparison.Ordinal);
        Assert.Equal("2 virtual machines", Plain(list.Find(".sub [role=status]")));
    }

    [Fact]
    public async Task Chips_LeadToExactlyAsManyAsTheyCount()
    {
        await Pool.CreateAsync("web-1", start: true);
        await Pool.CreateAsync("web-2", TrustLevel.Any);
        await Pool.CreateAsync("db-1");
        await MarkAsync("web-1");
        As(TrustedPool.Operator);
        var list = Open<VmList>("/vms");
        var chips = list.FindAll(".chip").Select(c => (Text: Plain(c), Href: c.GetAttribute("href")!)).ToList();
        Assert.Equal(["On an untrusted host 1", "Up 1", "Down 2", "Require trust 2"], chips.Select(c => c.Text));

        foreach (var (text, href) in chips)
        {
            Navigation.NavigateTo(href);
            list.WaitForAssertion(() => Assert.EndsWith($" {list.FindAll("tbody tr").Count}", text, StringComparison.Ordinal));
            Assert.Equal(text, Plain(list.Find(".chip[aria-current=true]")));
        }
    }

    [Fact]
    public async Task Heading_SortsAndSaysSo_AndTheAddressKeepsIt()
    {
        await Pool.CreateAsync("small", memory: 1L << 30);
        await Pool.CreateAsync("large", memory: 4L << 30);
        As(TrustedPool.Operator);
        var list = Open<VmList>("/vms");

        Navigation.NavigateTo(list.FindAll("thead a").Single(a => Plain(a).StartsWith("Memory", StringComparison.Ordinal)).GetAttribute("href")!);

        list.WaitForAssertion(() => Assert.Equal("descending", list.FindAll("thead th").Single(h => Plain(h).StartsWith("Memory", StringComparison.Ordinal)).GetAttribute("aria-sort")));
        Assert.Equal(["large", "small"], Texts(list, "tbody th a"));
        Assert.EndsWith("?sort=-memory", Navigation.Uri, StringComparison.Ordinal);
    }

    [Fact]
    public void SearchForAnUnknownField_SaysWhatThereIs()
    {
        As(TrustedPool.Operator);

        var list = Open<VmList>("/vms?q=colour%3Dred");

        Assert.Contains("trust_level", list.Find("[data-code='search.unknown'] .alert-remedy").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void NoMachineYet_TeachesTheNextStep()
    {
        As(TrustedPool.Operator);

        Assert.Equal("No virtual machine yet", Open<VmList>("/vms").Find(".empty-title").TextContent);
    }

    [Fact]
    public async Task Action_ThatIsNotPossibleNow_SaysWhy()
    {
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Operator);
        var list = Open<VmList>("/vms");

        var disabled = list.FindAll("[role=menuitem][aria-disabled]").Select(Plain).ToList();

        Assert.Equal(["Start It must be down to be started.", "Delete… Stop it first."], disabled);
    }

    [Fact]
    public async Task Actions_ForAnAuditor_AreRefusedWithWhoMay_AndNothingNewIsOffered()
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Auditor);
        var list = Open<VmList>("/vms");

        Assert.Equal(8, list.FindAll("[role=menuitem][aria-disabled]").Count);
        Assert.Contains("Ask somebody with the role administrator or operator.", list.Find("[role=menuitem]").TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain("New virtual machine", list.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_IsRecordedAtOnce_AndTheRowFollows()
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);
        var list = Open<VmList>("/vms");

        await Item(list, "Start").ClickAsync();
        Assert.Contains(list.FindAll("[role=menuitem][aria-disabled]"), i => Plain(i).Contains("is being changed by another operation", StringComparison.Ordinal));
        await RunOperationsAsync();

        await EventuallyAsync(list, () => Assert.Equal("Up", Plain(list.Find("td[data-label=Status]"))));
    }

    [Theory]
    [InlineData("Cancel", true)]
    [InlineData("Delete", false)]
    public async Task Delete_AsksFirst_AndNamesWhatItHits(string answer, bool stays)
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);
        var dialogs = Render<MudDialogProvider>();
        var list = Open<VmList>("/vms");

        var clicked = Item(list, "Delete…").ClickAsync();
        dialogs.WaitForElement(".confirm-hits");
        Assert.Equal("Delete web-1?", dialogs.Find(".dialog-title").TextContent);
        Assert.StartsWith("web-1, down on kvm-", dialogs.Find(".confirm-hits li").TextContent, StringComparison.Ordinal);
        await dialogs.FindAll("button").Single(b => Plain(b) == answer).ClickAsync();
        await clicked;
        await RunOperationsAsync();

        Assert.Equal(stays, await Pool.VmAsync("web-1") is not null);
    }

    [Fact]
    public async Task RowsUnderThePointer_DoNotMove_UntilItLeaves()
    {
        await Pool.CreateAsync("m");
        As(TrustedPool.Operator);
        var list = Open<VmList>("/vms");
        await list.Find("tbody").TriggerEventAsync("onpointerenter", new Microsoft.AspNetCore.Components.Web.PointerEventArgs());

        await Pool.CreateAsync("a");
        await EventuallyAsync(list, () => Assert.Equal("2 virtual machines", Plain(list.Find(".sub [role=status]"))));
        Assert.Equal(["m"], Texts(list, "tbody th a"));

        await list.Find("tbody").TriggerEventAsync("onpointerleave", new Microsoft.AspNetCore.Components.Web.PointerEventArgs());
        list.WaitForAssertion(() => Assert.Equal(["a", "m"], Texts(list, "tbody th a")));
    }

    [Fact]
    public async Task ManyChanges_AreLookedAtOnceASecond()
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);
        var list = Open<VmList>("/vms");
        var drawn = list.RenderCount;

        for (var i = 0; i < 200; i++)
        {
            Pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.VirtualMachine));
        }

        await EventuallyAsync(list, () => Assert.True(list.RenderCount > drawn));
        Assert.InRange(list.RenderCount, drawn + 1, drawn + 20);
    }

    [Fact]
    public async Task Mark_SaysNowAndBefore_Apart()
    {
        await Pool.CreateAsync("now", start: true);
        await Pool.CreateAsync("before", start: true);
        await MarkAsync("now");
        await MarkAsync("before", Pool.Time.GetUtcNow());
        As(TrustedPool.Operator);

        var list = Open<VmList>("/vms");

        Assert.Equal(2, list.FindAll(".vm-mark").Count);
        Assert.StartsWith("was on an untrusted host", Plain(list.FindAll(".vm-mark")[0]), StringComparison.Ordinal);
        Assert.StartsWith("on an untrusted host since", Plain(list.FindAll(".vm-mark")[1]), StringComparison.Ordinal);
    }

    private static IElement Item(IRenderedComponent<VmList> list, string text) => list.FindAll("[role=menuitem]").Single(i => Plain(i) == text);

    private async Task MarkAsync(string name, DateTimeOffset? until = null)
    {
        await using var db = Pool.Database();
        var since = Pool.Time.GetUtcNow();
        await db.VirtualMachines.Where(v => v.Name == name).ExecuteUpdateAsync(set => set.SetProperty(v => v.UntrustedSince, since).SetProperty(v => v.UntrustedUntil, until), Pool.Ct);
    }
}
