using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Components.VirtualMachines;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Extensions;
using Portal.Tests.World;

namespace Portal.Tests.Components.VirtualMachines;

public sealed class VmPageTests : PoolPageTest
{
    protected override int Hosts => 3;

    [Theory]
    [InlineData("nobody")]
    [InlineData("0198f1c5-0000-7000-8000-000000000000")]
    public void Page_OfNoMachine_SaysSo(string key)
    {
        As(TrustedPool.Operator);

        Assert.Equal("There is no such virtual machine", Page(key).Find(".empty-title").TextContent);
    }

    [Fact]
    public async Task Page_IsFoundByNameAndByIdentifier()
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);

        Assert.StartsWith("web-1", Plain(Page("web-1").Find("h1")), StringComparison.Ordinal);
        Assert.StartsWith("web-1", Plain(Page((await Pool.VmAsync("web-1"))!.Id.ToString()).Find("h1")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Placement_ShowsTheDecisionAndTheReceipt()
    {
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a02", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a02");
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Auditor);

        var page = Page("web-1", "placement");

        var host = (await Pool.VmAsync("web-1"))!;
        page.WaitForElement(".decision");
        Assert.Equal("2 of 3 hosts", Plain(page.Find(".decision-head .tag")));
        var refused = Assert.Single(page.FindAll(".decision tbody tr"));
        Assert.StartsWith("kvm-a02 Untrusted: ", Plain(refused), StringComparison.Ordinal);
        var receipt = Texts(page, ".kv > div").ToList();
        Assert.Contains("Asked for Trusted host", receipt);
        Assert.Contains("Verdict Trusted", receipt);
        await using var db = Pool.Database();
        var stored = await db.Receipts.SingleAsync(r => r.VirtualMachineId == host.Id, Pool.Ct);
        Assert.Equal(stored.EvidenceDigest, page.Find("[aria-label='Copy evidence digest']").GetAttribute("data-copy"));
        Assert.Equal(stored.Nonce, page.Find("[aria-label='Copy nonce']").GetAttribute("data-copy"));
        Assert.Contains($"Policy revision {stored.PolicyRevision}", receipt);
        Assert.Contains(receipt, r => r.StartsWith("Baselines ", StringComparison.Ordinal) && r.Contains("rev. 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task HostThatLosesTrust_IsSaidAtOnce_WithWhatToDo()
    {
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Operator);
        var page = Page("web-1");
        Assert.Empty(page.FindAll(".alert"));
        var host = Plain(page.Find(".sub a[href^='/hosts/']"));

        Pool.Get<SimulatedAttesterChannel>().Inject(host, Fault.SignatureBitFlip);
        await Pool.AttestAsync(host);

        await EventuallyAsync(page, () => Assert.StartsWith("It requires trust, and its host lost it.", Plain(page.Find(".alert-what")), StringComparison.Ordinal));
        Assert.Contains("Move it to a trusted host", page.Find(".alert-remedy").TextContent, StringComparison.Ordinal);
        Assert.Equal($"/hosts/{host}/attestation", page.Find(".alert-remedy a").GetAttribute("href"));
    }

    [Fact]
    public async Task Activity_ShowsOperationsWithSteps_AndWhatWasRecorded()
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Auditor);

        var page = Page("web-1", "activity");

        page.WaitForElement(".task");
        Assert.StartsWith("Create virtual machine web-1 Done otto", Plain(page.Find(".task-line")), StringComparison.Ordinal);
        await page.Find(".task-toggle").ClickAsync();
        Assert.Equal("Find a host and claim capacity", page.Find(".step-title").TextContent);
        Assert.Contains(Texts(page, ".records li"), r => r.Contains("was created on kvm-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ContributedSection_IsATabInItsPlace()
    {
        Services.Contribute(new VmSection("console", "Console", 200, typeof(Console)));
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);

        var page = Page("web-1", "console");

        Assert.Equal(["General", "Console", "Placement", "Activity"], Texts(page, ".page-tabs a"));
        Assert.Equal("console of web-1", page.Find("pre").TextContent);
    }

    [Fact]
    public async Task Migrate_OffersTheHostsThatCanTakeIt_AndMovesToTheChosenOne()
    {
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a03", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a03");
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Operator);
        var dialogs = Render<MudDialogProvider>();
        var page = Page("web-1");
        var here = Plain(page.Find(".sub a[href^='/hosts/']"));
        var there = here == "kvm-a01" ? "kvm-a02" : "kvm-a01";

        var clicked = Button(page, "Migrate…").ClickAsync();
        dialogs.WaitForElement(".choice");
        Assert.Equal([$"The best host then {there} as things stand", there], Texts(dialogs, ".choice"));
        Assert.Contains(Texts(dialogs, ".decision tbody tr"), r => r == $"{here} The VM is there already.");
        Assert.Contains(Texts(dialogs, ".decision tbody tr"), r => r.StartsWith("kvm-a03 Untrusted", StringComparison.Ordinal));
        await dialogs.FindAll(".choice input")[1].ChangeAsync("on");
        await Button(dialogs, "Move").ClickAsync();
        await clicked;
        await RunOperationsAsync();

        Assert.Equal((await Pool.HostAsync(there)).Id, (await Pool.VmAsync("web-1"))!.HostId);
    }

    [Fact]
    public async Task Edit_ChangesWords_AndSaysWhySizeIsLockedWhileItRuns()
    {
        await Pool.CreateAsync("web-1", TrustLevel.Any, start: true);
        As(TrustedPool.Operator);
        var page = Open<EditVm>("/vms/web-1/edit", p => p.Add(v => v.Key, "web-1"));
        Assert.True(page.Find("#vm-cpus").HasAttribute("disabled"));
        Assert.Contains("while it is down", page.Find("#vm-cpus-notes").TextContent, StringComparison.Ordinal);

        await page.Find("#vm-description").InputAsync("front");
        await page.Find("form").SubmitAsync();
        await RunOperationsAsync();

        await EventuallyAsync(page, () => Assert.Equal("It is changed", page.Find(".card-toned h2").TextContent));
        Assert.Equal("front", (await Pool.VmAsync("web-1"))!.Description);
    }

    private IRenderedComponent<VmPage> Page(string key, string? tab = null) => Open<VmPage>($"/vms/{key}/{tab}", p => p.Add(v => v.Key, key).Add(v => v.Tab, tab));

    private sealed class Console : Microsoft.AspNetCore.Components.ComponentBase
    {
        [Microsoft.AspNetCore.Components.Parameter]
        public required VirtualMachine VirtualMachine { get; set; }

        protected override void BuildRenderTree(Microsoft.AspNetCore.Components.Rendering.RenderTreeBuilder builder) =>
            builder.AddMarkupContent(0, $"<pre>console of {VirtualMachine.Name}</pre>");
    }
}
