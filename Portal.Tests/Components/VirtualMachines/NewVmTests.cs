using AngleSharp.Dom;
using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Attestation;
using Portal.Components.VirtualMachines;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Extensions;
using Portal.Tests.World;

namespace Portal.Tests.Components.VirtualMachines;

public sealed class NewVmTests : PoolPageTest
{
    [Fact]
    public void Form_WithoutTheAttestationFeature_KnowsNoTrustLevel()
    {
        As(TrustedPool.Operator);

        Assert.DoesNotContain("Trust", Open<NewVm>("/vms/new").Find("form").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void ContributedFields_StandByTheirOrder()
    {
        Services.AddTrustLevelField();
        As(TrustedPool.Operator);

        Assert.Equal(
            ["Name", "Description", "Cluster", "Template", "CPUs", "Memory in GiB", "Trust level", "Disk in GiB", "Network", "Storage pool", "Image", "Machine", "Firmware", "Priority, 0 to 100"],
            Texts(Open<NewVm>("/vms/new"), "form .form-field > label, form legend"));
    }

    [Fact]
    public async Task Form_BeginsWithAClusterThatHasHosts()
    {
        await using (var db = Pool.Database())
        {
            db.Clusters.Add(Cluster.Create("0-empty", TrustPolicy.Default));
            await db.SaveChangesAsync(Pool.Ct);
        }

        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");

        await EventuallyAsync(page, () => Assert.Equal("2 of 2 hosts", Plain(page.Find(".decision-head .tag"))));
        Assert.Equal(["0-empty (0 hosts)", "prod-a (2 hosts)"], Texts(page, "#vm-cluster option"));
    }

    [Fact]
    public async Task Answer_FollowsTheTyping_AndNamesBestFirst()
    {
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await EventuallyAsync(page, () => Assert.Equal("2 of 2 hosts", Plain(page.Find(".decision-head .tag"))));
        Assert.StartsWith("best: kvm-a0", Plain(page.Find(".decision-head .why")), StringComparison.Ordinal);

        await page.Find("#vm-memory").InputAsync("9000");

        await EventuallyAsync(page, () => Assert.Equal("0 of 2 hosts", Plain(page.Find(".decision-head .tag"))));
        Assert.All(Texts(page, ".decision tbody tr"), r => Assert.Contains("Memory: 8.7 TiB asked,", r, StringComparison.Ordinal));
    }

    [Fact]
    public async Task TrustLevel_LeavesOutHostsThatAreNotTrusted_AndSaysWhy()
    {
        Services.AddTrustLevelField();
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a02", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a02");
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");

        await page.FindAll(".choice input")[1].ChangeAsync("on");

        await EventuallyAsync(page, () => Assert.Equal("1 of 2 hosts", Plain(page.Find(".decision-head .tag"))));
        Assert.StartsWith("kvm-a02 Untrusted: ", Plain(page.Find(".decision tbody tr")), StringComparison.Ordinal);
        Assert.Contains("attested within 1 min of the start", page.Find(".choice-on").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_IsLive_WhenAHostLosesTrustMeanwhile()
    {
        Services.AddTrustLevelField();
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await page.FindAll(".choice input")[1].ChangeAsync("on");
        await EventuallyAsync(page, () => Assert.Equal("2 of 2 hosts", Plain(page.Find(".decision-head .tag"))));

        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a01");

        await EventuallyAsync(page, () => Assert.Equal("1 of 2 hosts", Plain(page.Find(".decision-head .tag"))));
    }

    [Fact]
    public async Task TrustLevel_ThatTheClusterDoesNotAllow_CannotBeChosen()
    {
        Services.AddTrustLevelField();
        await using (var db = Pool.Database())
        {
            await db.Clusters.ExecuteUpdateAsync(set => set.SetProperty(c => c.AllowedLevels, TrustLevels.Trusted), Pool.Ct);
        }

        As(TrustedPool.Operator);

        var page = Open<NewVm>("/vms/new");

        page.WaitForAssertion(() => Assert.EndsWith("does not allow it", Plain(page.Find(".choice-off")), StringComparison.Ordinal));
        Assert.Contains("Trusted host", page.Find(".choice-on").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusal_StandsAtItsField_AndTheRestStays()
    {
        await Pool.CreateAsync("taken");
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await page.Find("#vm-name").InputAsync("taken");
        await page.Find("#vm-cpus").InputAsync("3");

        await page.Find("form").SubmitAsync();

        page.WaitForElement("#vm-name-notes .form-error");
        Assert.Contains("There is a virtual machine named 'taken' already.", page.Find("#vm-name-notes").TextContent, StringComparison.Ordinal);
        Assert.Equal("true", page.Find("#vm-name").GetAttribute("aria-invalid"));
        Assert.Equal("vm-name-notes", page.Find("#vm-name").GetAttribute("aria-describedby"));
        Assert.Equal("3", page.Find("#vm-cpus").GetAttribute("value"));
        Assert.Contains(JSInterop.Invocations, i => i.Identifier == "portal.focus" && Equals(i.Arguments[0], "vm-name"));
    }

    [Fact]
    public async Task Create_ShowsItsSteps_AndEndsWithWhereItRunsAndTheReceipt()
    {
        Services.AddTrustLevelField();
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await page.Find("#vm-name").InputAsync("billing-1");
        await page.FindAll(".choice input")[1].ChangeAsync("on");

        await page.Find("form").SubmitAsync();
        page.WaitForElement(".steps");
        Assert.Equal(["Find a host and claim capacity", "Define it on the host", "Start it", "Record the result"], Texts(page, ".step-title"));
        await RunOperationsAsync();

        await EventuallyAsync(page, () => Assert.StartsWith("billing-1 runs on kvm-a0", page.Find(".card-toned h2").TextContent, StringComparison.Ordinal));
        Assert.Contains("Verdict Trusted", Texts(page, ".kv > div"));
        Assert.Equal("/vms/billing-1", Button(page, "Open billing-1").GetAttribute("href"));
    }

    [Fact]
    public async Task Create_WithoutStarting_SaysItIsNotStarted()
    {
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await page.Find("#vm-name").InputAsync("cold-1");

        await Button(page, "Create").ClickAsync();
        await RunOperationsAsync();

        await EventuallyAsync(page, () => Assert.StartsWith("cold-1 was created on kvm-a0", page.Find(".card-toned h2").TextContent, StringComparison.Ordinal));
        Assert.Contains("It is not started yet.", page.Find(".card-toned").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_ThatFindsNoHost_SaysWhyByReasonAndWhatToDo_AndLeadsBackToTheFormAsItWas()
    {
        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await page.Find("#vm-name").InputAsync("huge-1");
        await page.Find("#vm-memory").InputAsync("9000");

        await page.Find("form").SubmitAsync();
        await RunOperationsAsync();

        await EventuallyAsync(page, () => Assert.Equal("huge-1 was not created", page.Find(".card-toned h2").TextContent));
        Assert.Equal(["2 not enough memory"], Texts(page, ".count-mark"));
        Assert.Contains("What to do: Free or add capacity", Plain(page.Find(".card-toned")), StringComparison.Ordinal);
        await Button(page, "Change the request").ClickAsync();
        page.WaitForAssertion(() => Assert.Equal("huge-1", page.Find("#vm-name").GetAttribute("value")));
        Assert.Equal("9000", page.Find("#vm-memory").GetAttribute("value"));
        Assert.Null(await Pool.VmAsync("huge-1"));
    }

    [Fact]
    public async Task Template_GivesItsDefaults_UntilSomebodyTypes_AndTheAddressKeepsIt()
    {
        await using (var db = Pool.Database())
        {
            db.Templates.Add(new Template { Name = "Large", Cpus = 8, Memory = 32L << 30, Disk = 100L << 30 });
            await db.SaveChangesAsync(Pool.Ct);
        }

        As(TrustedPool.Operator);
        var page = Open<NewVm>("/vms/new");
        await page.Find("#vm-cpus").InputAsync("2");

        await page.Find("#vm-template").ChangeAsync(page.FindAll("#vm-template option").Single(o => o.TextContent == "Large").GetAttribute("value"));

        Assert.Equal(("2", "32", "100"), (Value(page, "#vm-cpus"), Value(page, "#vm-memory"), Value(page, "#vm-disk")));
        await EventuallyAsync(page, () => Assert.Contains("template=Large", Navigation.Uri, StringComparison.Ordinal));
        Assert.Equal("32", Value(Open<NewVm>(Navigation.Uri), "#vm-memory"));
    }

    [Fact]
    public void Page_ForAnAuditor_SaysWhoMay()
    {
        As(TrustedPool.Auditor);

        Assert.Contains("administrator or operator", Open<NewVm>("/vms/new").Find("[data-code='access.denied']").TextContent, StringComparison.Ordinal);
    }

    private static string? Value(IRenderedComponent<NewVm> page, string input) => page.Find(input).GetAttribute("value");
}
