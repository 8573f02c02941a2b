using AngleSharp.Dom;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Clusters;
using Portal.Components.Hosts;
using Portal.Components.Overview;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Virtualization.LostTrust;
using Portal.Tests.World;

namespace Portal.Tests.Components.LostTrust;

/// <summary>What pages show and offer when hosts lose trust.</summary>
public sealed class ReactionPagesTests : HostPoolPageTest
{
    private static readonly ReactionPolicy Guarded = ReactionPolicy.Default with { Kind = ReactionKind.Evacuate, GuardHosts = 2, GuardShare = 1 };

    [Fact]
    public async Task HostPage_ReactionHeld_SaysSoAndLetsItGoOn()
    {
        await StartAsync(hosts: 3);
        await HoldAsync();

        var page = Open<HostPage>("/hosts/kvm-a01", ("Key", "kvm-a01"));

        page.WaitForAssertion(() => Assert.Contains("its evacuation is held", page.Find("[role=alert]").TextContent, StringComparison.Ordinal));
        Assert.Contains("2 of 3 hosts of prod-a lost trust within 5 min", Words(page), StringComparison.Ordinal);
        Assert.Contains("In quarantine: it takes no virtual machine that requires trust.", Words(page), StringComparison.Ordinal);
        await Button(page, "Let it go on").ClickAsync();

        Assert.Equal(ReactionState.Acting, (await ReactionAsync("kvm-a01")).State);
        Assert.Equal(ReactionState.Held, (await ReactionAsync("kvm-a02")).State);
        await EventuallyAsync(page, () => Assert.Contains("ada@internal let it go on.", Words(page), StringComparison.Ordinal));
    }

    [Fact]
    public async Task HostPage_ReactionHeld_CanBeDismissed()
    {
        await StartAsync(hosts: 3);
        await HoldAsync();
        var page = Open<HostPage>("/hosts/kvm-a01", ("Key", "kvm-a01"));
        page.WaitForAssertion(() => Assert.Contains("held", page.Find("[role=alert]").TextContent, StringComparison.Ordinal));

        await Button(page, "Dismiss").ClickAsync();

        Assert.Equal(ReactionState.Done, (await ReactionAsync("kvm-a01")).State);
    }

    [Fact]
    public async Task HostPage_OfWhoMayNotManage_OffersNothing()
    {
        await StartAsync(Role.Auditor, hosts: 3);
        await HoldAsync();

        var page = Open<HostPage>("/hosts/kvm-a01", ("Key", "kvm-a01"));

        page.WaitForAssertion(() => Assert.Contains("its evacuation is held", page.Markup, StringComparison.Ordinal));
        Assert.DoesNotContain(page.FindAll("button"), b => Plain(b) is "Let it go on" or "Dismiss" or "Release");
    }

    [Fact]
    public async Task HostPage_InQuarantineAndTrusted_CanBeReleased()
    {
        await StartAsync(hosts: 1);
        await Pool.AttestAsync("kvm-a01");
        var host = await Pool.HostAsync("kvm-a01");
        TrustedPool.Expect(await Pool.Get<QuarantineHost>().ExecuteAsync(TrustedPool.Administrator, host.Id, Pool.Ct));
        var page = Open<HostPage>("/hosts/kvm-a01", ("Key", "kvm-a01"));
        page.WaitForAssertion(() => Assert.Contains("In quarantine", page.Find("h1").TextContent, StringComparison.Ordinal));

        await Button(page, "Release").ClickAsync();

        Assert.Null((await Pool.HostAsync("kvm-a01")).QuarantinedSince);
        await EventuallyAsync(page, () => Assert.DoesNotContain("In quarantine", page.Markup, StringComparison.Ordinal));
    }

    [Fact]
    public async Task HostPage_GoingToMaintenance_SaysWhatItWaitsFor()
    {
        await StartAsync(hosts: 1);
        await Pool.CreateAsync("stuck", start: true);
        var operation = TrustedPool.Expect(await Pool.Get<Portal.Core.Virtualization.Evacuation.ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, (await Pool.HostAsync("kvm-a01")).Id, Pool.Ct))!.Value;
        await Pool.RunAsync(operation);

        var page = Open<HostPage>("/hosts/kvm-a01", ("Key", "kvm-a01"));

        page.WaitForAssertion(() => Assert.Contains("It goes to maintenance once its virtual machines are away.", Words(page), StringComparison.Ordinal));
        Assert.Contains("stuck: No host of 1 can take 'stuck'", Words(page), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Maintenance_Question_NamesWhatMoves()
    {
        await StartAsync(hosts: 1);
        await Pool.CreateAsync("one", start: true);
        await Pool.CreateAsync("two");
        var action = Services.GetServices<Portal.Extensions.HostAction>().Single(a => a.Id == "maintenance");

        var question = await action.Ask!(Services, await Pool.HostAsync("kvm-a01"), Pool.Ct);

        Assert.Equal(["one", "two"], question.Hits);
        Assert.Equal("Move 2 and set to maintenance", question.Yes);
    }

    [Fact]
    public async Task Overview_GuardHolds_IsTheFirstLine()
    {
        await StartAsync(hosts: 3);
        Services.AddOverviewFeature();
        await HoldAsync();

        var card = Render<AttentionCard>();

        card.WaitForAssertion(() => Assert.Contains("Evacuation in prod-a is held: 2 hosts lost trust together", card.FindAll(".attention li")[0].TextContent, StringComparison.Ordinal));
        Assert.Contains("2 VMs that require trust stay", card.FindAll(".attention li")[0].TextContent, StringComparison.Ordinal);
        Assert.Equal("/clusters/prod-a", card.FindAll(".attention li")[0].QuerySelector("a")!.GetAttribute("href"));
    }

    [Fact]
    public async Task HostList_ShowsAndCountsQuarantineAndReactions()
    {
        await StartAsync(hosts: 3);
        await HoldAsync();

        var list = Open<HostList>("/hosts");

        list.WaitForAssertion(() => Assert.Contains(list.FindAll(".chip"), c => Plain(c) == "Held 2"));
        Assert.Contains(list.FindAll(".chip"), c => Plain(c) == "In quarantine 2");
        var found = (await Pool.Get<HostDirectory>().ListAsync(new HostQuery { Search = "reaction=held" }, Pool.Ct)).Value;
        Assert.Equal(["kvm-a01", "kvm-a02"], found.Items.Select(r => r.Host.Name));
        var quiet = (await Pool.Get<HostDirectory>().ListAsync(new HostQuery { Search = "reaction!=quarantine", SortBy = "reaction" }, Pool.Ct)).Value;
        Assert.Equal(["kvm-a03"], quiet.Items.Select(r => r.Host.Name));
    }

    [Fact]
    public async Task ClusterPage_SaysWhatWillHappen_AndLetsAllGoOn()
    {
        await StartAsync(hosts: 3);
        Services.AddClustersPages();
        await HoldAsync();

        var page = Open<ClusterPage>("/clusters/prod-a", ("Key", "prod-a"));

        page.WaitForAssertion(() => Assert.Contains("The evacuation of 2 hosts is held.", Words(page), StringComparison.Ordinal));
        Assert.Contains("the most important first, 2 at a time.", Words(page), StringComparison.Ordinal);
        Assert.Contains("The portal drives both hosts", Words(page), StringComparison.Ordinal);
        Assert.Contains("/clusters/prod-a/reaction", page.FindAll("a").Select(a => a.GetAttribute("href")));
    }

    [Fact]
    public async Task ReactionPage_ChoosingEvacuate_SaysWhatWillHappenAndPutsItInForce()
    {
        await StartAsync(hosts: 3);
        var page = Open<ReactionPage>("/clusters/prod-a/reaction", ("Key", "prod-a"));
        page.WaitForElement("input[name=reaction-kind]");
        Assert.True(Button(page, "Put it in force").HasAttribute("disabled"));

        await page.FindAll("input[name=reaction-kind]")[2].ChangeAsync("on");
        await page.Find("#reaction-at-once").InputAsync("5");
        await page.FindAll("input[name=reaction-fallback]")[1].ChangeAsync("on");

        Assert.Contains("the most important first, 5 at a time.", Words(page), StringComparison.Ordinal);
        Assert.Contains("is paused: its CPUs stop", Words(page), StringComparison.Ordinal);
        await page.Find("form").SubmitAsync();

        await using var db = Pool.Database();
        var reaction = (await db.Clusters.AsNoTracking().SingleAsync(c => c.Name == "prod-a", Pool.Ct)).Reaction;
        Assert.Equal((ReactionKind.Evacuate, 5, EvacuationFallback.Pause), (reaction.Kind, reaction.AtOnce, reaction.Fallback));
        Assert.EndsWith("/clusters/prod-a", Navigation.Uri, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReactionPage_BeyondALimit_SaysSoAtTheFieldAndKeepsWhatWasTyped()
    {
        await StartAsync(hosts: 3);
        var page = Open<ReactionPage>("/clusters/prod-a/reaction", ("Key", "prod-a"));
        page.WaitForElement("input[name=reaction-kind]");
        await page.FindAll("input[name=reaction-kind]")[2].ChangeAsync("on");
        await page.Find("#reaction-at-once").InputAsync("99");

        await page.Find("form").SubmitAsync();

        Assert.Contains("Between 1 and 32 virtual machines", Plain(page.Find("#reaction-at-once-notes")), StringComparison.Ordinal);
        Assert.Equal("99", page.Find("#reaction-at-once").GetAttribute("value"));
    }

    [Fact]
    public async Task ReactionPage_OfWhoMayNot_SaysSo()
    {
        await StartAsync(Role.Operator, hosts: 1);

        var page = Open<ReactionPage>("/clusters/prod-a/reaction", ("Key", "prod-a"));

        page.WaitForAssertion(() => Assert.Contains("may not change clusters", Words(page), StringComparison.Ordinal));
        Assert.True(Button(page, "Put it in force").HasAttribute("disabled"));
    }

    [Fact]
    public async Task MigrationPage_ChoosesAndPutsInForce()
    {
        await StartAsync(hosts: 1);
        var page = Open<MigrationPage>("/clusters/prod-a/migration", ("Key", "prod-a"));
        page.WaitForElement("input[name=migration-mode]");

        await page.FindAll("input[name=migration-mode]")[2].ChangeAsync("on");
        await page.Find("form").SubmitAsync();

        await using var db = Pool.Database();
        Assert.Equal(MigrationMode.Tunnelled, (await db.Clusters.AsNoTracking().SingleAsync(c => c.Name == "prod-a", Pool.Ct)).Migration.Mode);
    }

    /// <summary>Everything a page says, with one space between words.</summary>
    private static string Words(IRenderedComponent<IComponent> page) =>
        string.Join(' ', page.Nodes.SelectMany(n => n.TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));

    /// <summary>Two of three hosts lost trust together, each with a VM that requires it.</summary>
    private async Task HoldAsync()
    {
        TrustedPool.Expect(await Pool.Get<ChangeReaction>().ExecuteAsync(TrustedPool.Administrator, new(Pool.Cluster, Guarded), Pool.Ct));
        foreach (var (name, host) in new[] { ("first", "kvm-a01"), ("second", "kvm-a02") })
        {
            await Pool.CreateAsync(name);
            var vm = (await Pool.VmAsync(name))!;
            var change = Pool.Get<Portal.Core.Virtualization.ChangeVirtualMachine>();
            var to = (await Pool.HostAsync(host)).Id;
            if (vm.HostId != to)
            {
                await Pool.RunAsync(TrustedPool.Expect(await change.MigrateAsync(TrustedPool.Operator, vm.Id, to, Pool.Ct)));
            }

            Assert.Equal(OperationState.Succeeded, (await Pool.RunAsync(TrustedPool.Expect(await change.StartAsync(TrustedPool.Operator, vm.Id, Pool.Ct)))).Operation.State);
        }

        foreach (var host in new[] { "kvm-a01", "kvm-a02" })
        {
            Pool.Get<SimulatedAttesterChannel>().Inject(host, Fault.SignatureBitFlip);
            Pool.Time.Advance(TimeSpan.FromSeconds(1));
            await Pool.AttestAsync(host);
        }

        await Pool.Get<Reactions>().LookAsync(Pool.Ct);
        Assert.Equal(ReactionState.Held, (await ReactionAsync("kvm-a01")).State);
    }

    private async Task<HostReaction> ReactionAsync(string host)
    {
        var id = (await Pool.HostAsync(host)).Id;
        await using var db = Pool.Database();
        return await db.HostReactions.AsNoTracking().SingleAsync(r => r.HostId == id, Pool.Ct);
    }
}
