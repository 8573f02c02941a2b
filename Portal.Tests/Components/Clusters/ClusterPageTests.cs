using AngleSharp.Dom;
using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Components.Clusters;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Extensions;
using Portal.Tests.World;

namespace Portal.Tests.Components.Clusters;

public sealed class ClusterPageTests : PoolPageTest
{
    private static readonly TrustPolicy Looser = TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(2) };

    [Fact]
    public async Task List_ShowsWhatEachClusterHolds_AndEveryNumberLeadsToIt()
    {
        Services.Contribute(new HostFacetLook(TrustFacet.FacetName, _ => Tone.Ok));
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Auditor);

        var list = Open<ClusterList>("/clusters");

        list.WaitForElement(".cluster");
        Assert.Equal("Trusted 2", Plain(list.Find(".cluster .chip")));
        Assert.Equal("/hosts?q=cluster%3Dprod-a%20trust%3Dtrusted", list.Find(".cluster .chip").GetAttribute("href"));
        Assert.Equal(["Hosts 2", "Virtual machines 1"], Texts(list, ".cluster-facts > div").Take(2));
        Assert.Equal("/vms?q=cluster%3Dprod-a", list.Find(".cluster-facts a[href^='/vms']").GetAttribute("href"));
        Assert.DoesNotContain("New cluster", list.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_OfNoCluster_SaysSo()
    {
        As(TrustedPool.Operator);

        Assert.Equal("'nope' is not among the clusters", Page("nope").Find(".empty-title").TextContent);
    }

    [Fact]
    public async Task Policy_IsSaidInWords()
    {
        await ApplyAsync(TrustPolicy.Default with { MaxAgeAtStart = TimeSpan.Zero });
        As(TrustedPool.Auditor);

        var words = Texts(Page("prod-a"), ".policy li").ToList();

        Assert.Equal("A host is trusted when what it booted matches an approved firmware baseline and an approved hypervisor baseline.", words[0]);
        Assert.Equal("Every host is asked each 1 min. A verdict counts for 10 min from the moment the host was asked; then the host is stale.", words[1]);
        Assert.Contains("asked anew each time", words[2], StringComparison.Ordinal);
    }

    [Fact]
    public void BaselinesInScope_AreListedByKind_WithTheirPages()
    {
        Services.AddClustersPages();
        As(TrustedPool.Auditor);

        var page = Page("prod-a");

        page.WaitForElement(".scope a");
        Assert.Equal(["Firmware", "Hypervisor"], Texts(page, ".mini"));
        Assert.All(page.FindAll(".scope a"), a => Assert.Matches("^/baselines/[0-9a-f-]{36}/1$", a.GetAttribute("href")!));
    }

    [Fact]
    public async Task OwnProposal_CanBeWithdrawn_AndSaysWhoConfirmsIt()
    {
        await ProposeAsync();
        As(TrustedPool.Administrator);
        var page = Page("prod-a");

        Assert.Contains("You proposed it, so somebody else confirms it: anybody with the role administrator or security.", Plain(page.Find(".card-toned")), StringComparison.Ordinal);
        Assert.DoesNotContain(page.FindAll(".card-toned button"), b => Plain(b) == "Confirm");
        await Button(page, "Withdraw").ClickAsync();

        page.WaitForAssertion(() => Assert.Empty(page.FindAll(".card-toned")));
        Assert.Contains("cluster.proposal.withdrawn", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SomebodyElsesProposal_IsConfirmedAfterAQuestion()
    {
        await ProposeAsync();
        As(TrustedPool.Approver);
        var dialogs = Render<MudDialogProvider>();
        var page = Page("prod-a");
        Assert.Contains("A verdict counts for 10 min 2 h looser", Texts(page, ".policy-changes tbody tr"));

        var clicked = Button(page, "Confirm").ClickAsync();
        dialogs.WaitForElement(".confirm-text");
        Assert.Contains("2 hosts are appraised again", dialogs.Find(".confirm-text").TextContent, StringComparison.Ordinal);
        await dialogs.FindAll("button").Single(b => Plain(b) == "Confirm").ClickAsync();
        await clicked;

        Assert.Equal(Looser, (await ReadAsync()).Cluster.Policy);
        page.WaitForAssertion(() => Assert.Empty(page.FindAll(".card-toned")));
    }

    [Fact]
    public async Task VoidProposal_IsSaidToBeVoid_AndCanOnlyBeRemoved()
    {
        await ProposeAsync();
        await using (var db = Pool.Database())
        {
            await db.Clusters.ExecuteUpdateAsync(set => set.SetProperty(c => c.PolicyRevision, c => c.PolicyRevision + 1), Pool.Ct);
        }

        As(TrustedPool.Approver);

        var card = Page("prod-a").Find(".card-toned");

        Assert.Equal("A proposed looser policy is void", card.QuerySelector("h2")!.TextContent);
        Assert.Equal(["Remove it"], card.QuerySelectorAll("button").Select(Plain));
    }

    [Fact]
    public async Task Proposal_ForAnOperator_IsToRead()
    {
        await ProposeAsync();
        As(TrustedPool.Operator);

        Assert.Empty(Page("prod-a").FindAll(".card-toned button"));
    }

    [Fact]
    public void Delete_OfAClusterWithHosts_IsNotOffered_AndSaysWhy()
    {
        As(TrustedPool.Administrator);

        Assert.Contains("Delete… It still has hosts or virtual machines.", Texts(Page("prod-a"), "[role=menuitem][aria-disabled]"));
    }

    [Fact]
    public async Task Create_WithATakenName_IsRefusedAtTheField_AndThenMade()
    {
        As(TrustedPool.Administrator);
        var dialogs = Render<MudDialogProvider>();
        var list = Open<ClusterList>("/clusters");
        var clicked = Button(list, "New cluster").ClickAsync();
        dialogs.WaitForElement("#cluster-name");

        await dialogs.Find("#cluster-name").InputAsync("prod-a");
        await Button(dialogs, "Create").ClickAsync();
        Assert.Contains("There is a cluster 'prod-a' already.", dialogs.Find("#cluster-name-notes").TextContent, StringComparison.Ordinal);
        await dialogs.Find("#cluster-name").InputAsync("lab");
        await Button(dialogs, "Create").ClickAsync();
        await clicked;

        Assert.EndsWith("/clusters/lab", Navigation.Uri, StringComparison.Ordinal);
        Assert.NotNull(await Pool.Get<ClusterDirectory>().FindByNameAsync("lab", Pool.Ct));
    }

    [Fact]
    public async Task MoveHost_OffersHostsWithoutMachines_AndMovesTheChosenOne()
    {
        var lab = TrustedPool.Expect(await Pool.Get<CreateCluster>().ExecuteAsync(TrustedPool.Administrator, new("lab", "", TrustLevels.Any | TrustLevels.Trusted, TrustPolicy.Default), Pool.Ct));
        await Pool.CreateAsync("web-1");
        var busy = (await Pool.VmAsync("web-1"))!.HostId;
        As(TrustedPool.Administrator);
        var dialogs = Render<MudDialogProvider>();
        var page = Page("lab");

        var clicked = page.FindAll("[role=menuitem]").Single(i => Plain(i) == "Move a host here…").ClickAsync();
        dialogs.WaitForElement("#move-host");
        var offered = Assert.Single(dialogs.FindAll("#move-host option"));
        await Button(dialogs, "Move").ClickAsync();
        await clicked;

        var moved = await Pool.HostAsync(Plain(offered).Split(' ')[0]);
        Assert.Equal(lab, moved.ClusterId);
        Assert.NotEqual(busy, moved.Id);
    }

    private IRenderedComponent<ClusterPage> Page(string key) => Open<ClusterPage>($"/clusters/{key}", p => p.Add(c => c.Key, key));

    private async Task<ClusterRow> ReadAsync() => (await Pool.Get<ClusterDirectory>().FindByNameAsync("prod-a", Pool.Ct))!;

    /// <summary>Brings the seeded cluster to a policy the test knows.</summary>
    private async Task ApplyAsync(TrustPolicy policy)
    {
        await using var db = Pool.Database();
        (await db.Clusters.SingleAsync(c => c.Name == "prod-a", Pool.Ct)).Apply(policy);
        await db.SaveChangesAsync(Pool.Ct);
    }

    private async Task ProposeAsync()
    {
        await ApplyAsync(TrustPolicy.Default);
        var row = await ReadAsync();
        var standing = TrustedPool.Expect(await Pool.Get<ChangeTrustPolicy>().ExecuteAsync(TrustedPool.Administrator, new(row.Cluster.Id, Looser, row.Cluster.PolicyRevision), Pool.Ct));
        Assert.Equal(PolicyEffect.WaitsForSecondPerson, standing.Effect);
    }
}
