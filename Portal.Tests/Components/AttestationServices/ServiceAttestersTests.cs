using Bunit;
using Microsoft.EntityFrameworkCore;
using MudBlazor;
using Portal.Components.AttestationServices;
using Portal.Core.Attestation.Outside;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

public sealed class ServiceAttestersTests : ServicePageTest
{
    [Fact]
    public async Task Proposal_IsConfirmedWithOneClick_AndABindingTakenAwayAfterAQuestion()
    {
        var (id, page) = await PageAsync("kvm-a01", "somebody");
        var dialogs = Render<MudDialogProvider>();
        Assert.Equal(["kvm-a01", "somebody"], Texts(page, ".attesters tbody th code"));
        Assert.Contains("likely kvm-a01", Plain(page.Find(".attesters tbody tr")), StringComparison.Ordinal);
        Assert.Empty(await NamesAsync(id));

        await Button(page, "Confirm").ClickAsync();

        page.WaitForAssertion(() => Assert.Contains("Unbind…", Texts(page, ".attesters button")));
        Assert.Equal(["kvm-a01"], await NamesAsync(id));
        await ConfirmAsync(dialogs, page, "Unbind…", "Unbind");
        page.WaitForAssertion(() => Assert.Contains("Confirm", Texts(page, ".attesters button")));
        Assert.Empty(await NamesAsync(id));
    }

    [Fact]
    public async Task AllProposals_AreConfirmedTogether_AfterNamingThem()
    {
        var (id, page) = await PageAsync("kvm-a01", "kvm-a02");

        await ConfirmAsync(Render<MudDialogProvider>(), page, "Confirm all 2…", "Confirm");

        page.WaitForAssertion(() => Assert.Equal(2, Texts(page, ".attesters button").Count(t => t == "Unbind…")));
        Assert.Equal(["kvm-a01", "kvm-a02"], await NamesAsync(id));
    }

    [Fact]
    public async Task AName_NobodyProposes_IsBoundByNamingTheHost_AndAWrongOneIsRefusedAtItsField()
    {
        var (id, page) = await PageAsync("4f2c");
        var dialogs = Render<MudDialogProvider>();

        var choosing = Button(page, "Choose…").ClickAsync();
        await dialogs.WaitForElement("#bind-host").InputAsync("nobody");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Bind").ClickAsync();
        dialogs.WaitForAssertion(() => Assert.StartsWith("There is no host 'nobody'.", Plain(dialogs.Find(".form-error")), StringComparison.Ordinal));
        await dialogs.Find("#bind-host").InputAsync("kvm-a02");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Bind").ClickAsync();
        await choosing;

        page.WaitForAssertion(() => Assert.Contains("kvm-a02", Texts(page, ".attesters td a")));
        Assert.Equal(["4f2c"], await NamesAsync(id));
    }

    [Fact]
    public async Task AnAttester_IsVerifiedAgain_AndRemovedAfterAQuestion_AsOperations()
    {
        var (id, page) = await PageAsync("somebody");
        Script.GaveUp.Add("somebody");

        await Button(page, "Verify again").ClickAsync();
        Assert.Contains("?operation=", Navigation.Uri, StringComparison.Ordinal);
        var reactivating = new Uri(Navigation.Uri).Query;
        var dialogs = Render<MudDialogProvider>();
        await ConfirmAsync(dialogs, page, "Remove there…", "Remove");
        page.WaitForElement("[data-code='service.attester.busy']");
        await using var db = Pool.Database();
        await db.Operations.Where(o => o.TargetId == id).ExecuteUpdateAsync(set => set.SetProperty(o => o.State, OperationState.Succeeded), Pool.Ct);

        await ConfirmAsync(dialogs, page, "Remove there…", "Remove");

        Assert.NotEqual(reactivating, new Uri(Navigation.Uri).Query);
        Assert.Equal([AttesterWork.Reactivate, AttesterWork.Remove], await db.Operations.Where(o => o.TargetId == id).OrderBy(o => o.CreatedAt).ThenBy(o => o.Id).Select(o => o.Kind).ToListAsync(Pool.Ct));
    }

    [Fact]
    public async Task OneThatWaits_IsEnrolledAfterAQuestion_OnceItsHostIsKnown()
    {
        Script.Waiting.Add("kvm-a01");
        var (id, page) = await PageAsync("kvm-a01");
        var dialogs = Render<MudDialogProvider>();
        Assert.DoesNotContain("Enrol…", Texts(page, ".attesters button"));

        await Button(page, "Confirm").ClickAsync();
        page.WaitForAssertion(() => Assert.Contains("Enrol…", Texts(page, ".attesters button")));
        await ConfirmAsync(dialogs, page, "Enrol…", "Enrol");

        Assert.Contains("?operation=", Navigation.Uri, StringComparison.Ordinal);
        await using var db = Pool.Database();
        Assert.Equal(AttesterWork.Enrol, await db.Operations.Where(o => o.TargetId == id).Select(o => o.Kind).SingleAsync(Pool.Ct));
    }

    [Fact]
    public async Task WhatIsShown_IsInTheAddress()
    {
        var (_, page) = await PageAsync("kvm-a01", "somebody");

        await page.Find("select").ChangeAsync("proposed");

        Assert.EndsWith("?which=proposed", Navigation.Uri, StringComparison.Ordinal);
        page.WaitForAssertion(() => Assert.Equal(["kvm-a01"], Texts(page, ".attesters tbody th code")));
    }

    [Fact]
    public async Task AServerThatDoesNotAnswer_IsSaid_AndAskedAgain()
    {
        Script.IsDown = true;
        var (_, page) = await PageAsync("kvm-a01");
        page.WaitForElement("[data-code='service.failed']");

        Script.IsDown = false;
        await Button(page, "Ask again").ClickAsync();

        page.WaitForAssertion(() => Assert.Equal(["kvm-a01"], Texts(page, ".attesters tbody th code")));
        Assert.Empty(page.FindAll("[data-code]"));
    }

    private async Task<(Guid Id, IRenderedComponent<ServiceAttesters> Page)> PageAsync(params string[] names)
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id);
        foreach (var name in names)
        {
            Script[name] = Doing.Well;
        }

        As(TrustedPool.Administrator);
        var row = await Pool.Get<ServiceDirectory>().FindAsync(id, Pool.Ct);
        var page = Open<ServiceAttesters>($"/settings/services/{id}", ("Row", row!));
        page.WaitForElement(".attesters, [data-code]");
        return (id, page);
    }

    private async Task<List<string>> NamesAsync(Guid id)
    {
        await using var db = Pool.Database();
        return await db.HostsOnServers.Where(b => b.ServerId == id).Select(b => b.Name).OrderBy(n => n).ToListAsync(Pool.Ct);
    }
}
