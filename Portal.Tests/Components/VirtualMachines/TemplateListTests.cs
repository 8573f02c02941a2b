using System.Text.Json;
using Bunit;
using MudBlazor;
using Portal.Components.VirtualMachines;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Components.VirtualMachines;

public sealed class TemplateListTests : PoolPageTest
{
    private static readonly TemplateWords Words = new("Debian 12", "minimal", 2, 2L << 30, 20L << 30, "default", "debian-12.qcow2", "q35", GuestFirmware.Uefi, true, "lab");

    [Fact]
    public async Task List_ShowsWhatTheyGive_AndHowManyCameFromThem()
    {
        TrustedPool.Expect(await Pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, Pool.Ct));
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Administrator);

        var list = Open<TemplateList>("/templates");

        var blank = Plain(list.FindAll("tbody tr")[0]);
        Assert.StartsWith("Blank ", blank, StringComparison.Ordinal);
        Assert.Equal("/vms?q=template%3D%22Blank%22", list.FindAll("tbody tr")[0].QuerySelector("td[data-label='Virtual machines'] a")!.GetAttribute("href"));
        var debian = Plain(list.FindAll("tbody tr").Single(r => Plain(r).StartsWith("Debian 12", StringComparison.Ordinal)));
        Assert.Contains("clone of debian-12.qcow2 in storage pool default", debian, StringComparison.Ordinal);
        Assert.Contains("UEFI, TPM", debian, StringComparison.Ordinal);
    }

    [Fact]
    public async Task New_NamesTheFieldAtFault_ThenMakesItAndTellsTheWarnings()
    {
        await DescribeAsync("kvm-a01", "debian-12.qcow2");
        await DescribeAsync("kvm-a02");
        As(TrustedPool.Administrator);
        var dialogs = Render<MudDialogProvider>();
        var list = Open<TemplateList>("/templates");
        var clicked = Button(list, "New template").ClickAsync();
        dialogs.WaitForElement("#template-name");
        dialogs.WaitForAssertion(() => Assert.Equal(["default"], dialogs.FindAll("#template-pools option").Select(o => o.GetAttribute("value"))));
        Assert.Equal(["debian-12.qcow2"], dialogs.FindAll("#template-images option").Select(o => o.GetAttribute("value")));

        await Button(dialogs, "Create").ClickAsync();
        dialogs.WaitForAssertion(() => Assert.Equal("A template needs a name.", Plain(dialogs.Find("#template-name-notes .form-error"))));
        await dialogs.Find("#template-name").InputAsync("Debian 12");
        await dialogs.Find("#template-image").InputAsync("nowhere.qcow2");
        await Button(dialogs, "Create").ClickAsync();
        dialogs.WaitForAssertion(() => Assert.Contains("hold an image nowhere.qcow2", Plain(dialogs.Find("#template-image-notes")), StringComparison.Ordinal));
        await dialogs.Find("#template-image").InputAsync("debian-12.qcow2");
        Assert.StartsWith("1 of the 2 hosts with storage pool default", Plain(dialogs.Find(".form-warning")), StringComparison.Ordinal);
        await dialogs.Find("#template-firmware").ChangeAsync("SecureBoot");
        await dialogs.Find("#template-tpm").ChangeAsync(true);
        await Button(dialogs, "Create").ClickAsync();
        await clicked;

        list.WaitForAssertion(() => Assert.Contains("1 of the 2 hosts", Plain(list.Find(".alert")), StringComparison.Ordinal));
        var made = (await Pool.Get<TemplateDirectory>().ListAsync(Pool.Ct)).Single(r => r.Template.Name == "Debian 12").Template;
        Assert.Equal(("debian-12.qcow2", GuestFirmware.SecureBoot, true), (made.Image, made.Firmware, made.HasTpm));
    }

    [Fact]
    public async Task Delete_OfOneInUse_SaysWhyNot_AndOfAnotherAsksFirst()
    {
        TrustedPool.Expect(await Pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, Pool.Ct));
        As(TrustedPool.Administrator);
        var dialogs = Render<MudDialogProvider>();
        var list = Open<TemplateList>("/templates");
        Assert.Contains(list.FindAll("[role=menuitem][aria-disabled]"), i => Plain(i) == "Delete… The template Blank stays: every client knows it. Delete another one.");

        var row = list.FindAll("tbody tr").Single(r => Plain(r).StartsWith("Debian 12", StringComparison.Ordinal));
        var clicked = row.QuerySelectorAll("[role=menuitem]").Single(i => Plain(i) == "Delete…").ClickAsync();
        dialogs.WaitForElement(".confirm-hits");
        Assert.Equal("Debian 12, clone of debian-12.qcow2 in storage pool default", Plain(dialogs.Find(".confirm-hits li")));
        await Button(dialogs, "Delete").ClickAsync();
        await clicked;

        Assert.DoesNotContain(await Pool.Get<TemplateDirectory>().ListAsync(Pool.Ct), r => r.Template.Name == "Debian 12");
    }

    [Fact]
    public void Auditor_SeesThem_AndIsToldWhoMayChangeThem()
    {
        As(TrustedPool.Auditor);

        var list = Open<TemplateList>("/templates");

        Assert.NotEmpty(list.FindAll("tbody tr"));
        Assert.DoesNotContain("New template", list.Markup, StringComparison.Ordinal);
        Assert.Contains(list.FindAll("[role=menuitem][aria-disabled]"), i => Plain(i).Contains("Ask somebody with the role administrator.", StringComparison.Ordinal));
    }

    private async Task DescribeAsync(string host, params string[] images)
    {
        await using var db = Pool.Database();
        db.HostPools.Add(new HostPool { HostId = (await Pool.HostAsync(host)).Id, Name = "default", Kind = "dir", IsShared = false, Capacity = 1L << 40, Available = 1L << 40, Volumes = JsonSerializer.Serialize(images) });
        await db.SaveChangesAsync(Pool.Ct);
    }
}
