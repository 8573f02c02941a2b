using AngleSharp.Dom;
using Bunit;
using MudBlazor;
using Portal.Components.VirtualMachines;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Components.VirtualMachines;

/// <summary>Suspend, resume, reboot, delete, and the rarer fields of a VM.</summary>
public sealed class VmActionsTests : PoolPageTest
{
    [Fact]
    public async Task Suspend_ThenResume_AreOfferedByState()
    {
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Operator);
        var page = Page("web-1");

        await Item(page, "Suspend").ClickAsync();
        await RunOperationsAsync();

        await EventuallyAsync(page, () => Assert.Equal("Paused", Plain(page.Find("h1 .tag"))));
        Assert.Contains("tone-old", page.Find("h1 .tag").ClassName, StringComparison.Ordinal);
        Assert.StartsWith("It is paused", Plain(page.Find(".alert-what")), StringComparison.Ordinal);
        Assert.Contains("if that host is trusted then", Plain(page.Find(".alert-remedy")), StringComparison.Ordinal);
        Assert.DoesNotContain(page.FindAll("button, [role=menuitem]"), b => Plain(b).StartsWith("Start ", StringComparison.Ordinal));
        await Button(page, "Resume").ClickAsync();
        await RunOperationsAsync();
        await EventuallyAsync(page, () => Assert.Equal("Up", Plain(page.Find("h1 .tag"))));
        Assert.Empty(page.FindAll(".alert"));
    }

    [Fact]
    public async Task Resume_OnAHostThatLostTrust_StaysPaused()
    {
        await Pool.CreateAsync("web-1", start: true);
        var vm = (await Pool.VmAsync("web-1"))!;
        await Pool.RunAsync(TrustedPool.Expect(await Pool.Get<ChangeVirtualMachine>().SuspendAsync(TrustedPool.Operator, vm.Id, Pool.Ct)));
        As(TrustedPool.Operator);
        var page = Page("web-1");
        Pool.Get<SimulatedAttesterChannel>().Inject(Plain(page.Find(".sub a[href^='/hosts/']")), Fault.SignatureBitFlip);
        Pool.Time.Advance(TimeSpan.FromMinutes(2));

        await Button(page, "Resume").ClickAsync();
        await RunOperationsAsync();

        await EventuallyAsync(page, () => Assert.Contains(page.FindAll("button"), b => Plain(b) == "Resume"));
        Assert.Equal(VirtualMachineStatus.Paused, (await Pool.VmAsync("web-1"))!.Status);
    }

    [Fact]
    public async Task Reboot_AsksFirst()
    {
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Operator);
        var dialogs = Render<MudDialogProvider>();
        var page = Page("web-1");

        var clicked = Item(page, "Reboot").ClickAsync();
        dialogs.WaitForElement("#confirm-text");
        Assert.StartsWith("The guest is asked to reboot", dialogs.Find("#confirm-text").TextContent, StringComparison.Ordinal);
        await dialogs.FindAll("button").Single(b => Plain(b) == "Reboot").ClickAsync();
        await clicked;
        await RunOperationsAsync();

        Assert.Contains("vm.rebooted: ", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Delete_NamesWhatIsDestroyed_AndDoesWhatWasChosen(bool withDisk)
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);
        var dialogs = Render<MudDialogProvider>();
        var page = Page("web-1");

        var clicked = Item(page, "Delete…").ClickAsync();
        dialogs.WaitForElement(".confirm-hits");
        var hits = Texts(dialogs, ".confirm-hits li").ToList();
        Assert.StartsWith("web-1, down on kvm-a0", hits[0], StringComparison.Ordinal);
        Assert.Equal(["its disk of 10 GiB in storage pool default"], hits.Skip(1));
        if (!withDisk)
        {
            await dialogs.FindAll("input[type=radio]")[1].ChangeAsync("on");
            Assert.Single(dialogs.FindAll(".confirm-hits li"));
            Assert.Equal("It is gone for good; its disk stays.", dialogs.Find("#delete-text").TextContent);
        }

        await dialogs.FindAll("button").Single(b => Plain(b) == "Delete").ClickAsync();
        await clicked;
        await RunOperationsAsync();

        Assert.Null(await Pool.VmAsync("web-1"));
        Assert.Contains(withDisk ? "was deleted with its disk." : "was deleted; its disk stays in storage pool default.", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AdvancedFields_AreFoldedAway_AreTheTemplatesUntilChanged_AndOpenWhenOneIsWrong()
    {
        var template = TrustedPool.Expect(await Pool.Get<CreateTemplate>().ExecuteAsync(
            TrustedPool.Administrator,
            new TemplateWords("Debian", "", 1, 1L << 30, 1L << 30, "fast", "debian.qcow2", "q35", GuestFirmware.Uefi, true, "lab"),
            Pool.Ct)).Id;
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new?template=Debian");
        Assert.False(page.Find(".form-more").HasAttribute("open"));
        Assert.Equal(("lab", "fast", "debian.qcow2", "q35", "Uefi"), (Value(page, "#vm-network"), Value(page, "#vm-pool"), Value(page, "#vm-image"), Value(page, "#vm-machine"), Value(page, "#vm-firmware")));
        Assert.True(page.Find("#vm-tpm").HasAttribute("checked"));
        await page.Find("#vm-name").InputAsync("web-1");
        await page.Find("#vm-priority").InputAsync("900");

        await page.Find("form").SubmitAsync();

        page.WaitForAssertion(() => Assert.Equal("A priority is between 0 and 100.", Plain(page.Find("#vm-priority-notes .form-error"))));
        Assert.True(page.Find(".form-more").HasAttribute("open"));
        await page.Find("#vm-priority").InputAsync("90");
        await page.Find("#vm-restarts").ChangeAsync(true);
        await page.Find("#vm-firmware").ChangeAsync("Bios");
        await page.Find("form").SubmitAsync();
        await RunOperationsAsync();

        var vm = (await Pool.VmAsync("web-1"))!;
        Assert.Equal((template, 90, true, GuestFirmware.Bios, "q35", true, "lab"), (vm.TemplateId, vm.Priority, vm.RestartsAutomatically, vm.Firmware, vm.MachineType, vm.HasTpm, vm.Network));
        var shown = Texts(Page("web-1"), ".kv > div").ToList();
        Assert.Contains("Disk 1 GiB clone of debian.qcow2 in storage pool fast", shown);
        Assert.Contains("Machine Q35 (PCI Express)", shown);
        Assert.Contains("Priority 90 of 100", shown);
        Assert.Contains("Starts again by itself yes", shown);
    }

    [Fact]
    public async Task Edit_OfARunningOne_LocksHardware_ButNotPriority()
    {
        await Pool.CreateAsync("web-1", start: true);
        As(TrustedPool.Operator);
        var page = Open<EditVm>("/vms/web-1/edit", p => p.Add(e => e.Key, "web-1"));
        page.WaitForElement("#vm-priority");
        Assert.All(new[] { "#vm-network", "#vm-machine", "#vm-firmware", "#vm-tpm" }, id => Assert.True(page.Find(id).HasAttribute("disabled")));

        await page.Find("#vm-priority").InputAsync("70");
        await page.Find("form").SubmitAsync();
        await RunOperationsAsync();

        Assert.Equal(70, (await Pool.VmAsync("web-1"))!.Priority);
    }

    private IRenderedComponent<VmPage> Page(string key) => Open<VmPage>($"/vms/{key}", p => p.Add(v => v.Key, key));

    private static IElement Item(IRenderedComponent<VmPage> page, string title) => page.FindAll("[role=menuitem], button").First(i => Plain(i) == title);

    private static string? Value(IRenderedComponent<NewVm> page, string selector) => page.Find(selector).GetAttribute("value") ?? page.Find($"{selector} option[selected]").GetAttribute("value");
}
