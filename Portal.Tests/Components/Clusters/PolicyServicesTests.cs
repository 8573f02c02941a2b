using Bunit;
using Portal.Components.Clusters;
using Portal.Core.Inventory;
using Portal.Tests.Components.AttestationServices;
using Portal.Tests.World;

namespace Portal.Tests.Components.Clusters;

public sealed class PolicyServicesTests : ServicePageTest
{
    [Fact]
    public async Task OneMoreService_IsInForceAtOnce_KeptByThePortal()
    {
        var id = await AddAsync();
        var page = Page();

        await page.FindAll(".services-field .choice input")[1].ChangeAsync(true);

        Assert.Equal("Takes effect at once", Plain(page.Find(".where .tag")));
        Assert.Equal("Attestation services built-in verifier built-in verifier and keylime-a not looser", Plain(page.Find(".policy-changes tbody tr")));
        Assert.Contains("2 hosts are not trusted until each service named here has verified them anew", Plain(page.Find(".where")), StringComparison.Ordinal);
        await page.Find("form").SubmitAsync();
        Assert.Equal(new ServiceSet([.. ServiceSet.BuiltIn, new ServiceChoice(id)]), (await ReadAsync()).Cluster.Policy.Services);
    }

    [Fact]
    public async Task AServerThatKeepsItsOwnPolicies_InsteadOfOurs_WaitsForASecondPerson_WhoReadsItsName()
    {
        var id = await AddAsync();
        var page = Page();
        await page.FindAll(".services-field .choice input")[1].ChangeAsync(true);
        await page.FindAll(".keeper input")[1].ChangeAsync(true);

        await page.FindAll(".services-field .choice input")[0].ChangeAsync(false);

        Assert.Contains("Because a host would be trusted by the word of keylime-a (keeps its own policies) instead of built-in verifier", Plain(page.Find(".where")), StringComparison.Ordinal);
        await page.Find("form").SubmitAsync();
        var row = await ReadAsync();
        Assert.Equal(ServiceSet.BuiltIn, row.Cluster.Policy.Services);
        Assert.Equal(new ServiceSet(new ServiceChoice(id, PolicyKeeper.Server)), row.Proposal!.ReadPolicy().Services);
        As(TrustedPool.Approver);
        Assert.Contains("keylime-a (keeps its own policies)", Plain(Render<ProposalCard>(p => p.Add(c => c.Row, row)).Find(".policy-changes")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task NoService_IsRefusedBeforehand()
    {
        var page = Page();

        await page.FindAll(".services-field .choice input")[0].ChangeAsync(false);

        Assert.Equal("Refused", Plain(page.Find(".where .tag")));
    }

    [Fact]
    public async Task ClusterPage_NamesItsServices()
    {
        await NameBesideOursAsync(await AddAsync());
        As(TrustedPool.Auditor);

        var page = Open<ClusterPage>("/clusters/prod-a", ("Key", "prod-a"));

        Assert.Contains("It is trusted only if each of these trusts it: the built-in verifier, keylime-a (by policies of its own).", Texts(page, ".policy li"));
    }

    private IRenderedComponent<PolicyPage> Page()
    {
        As(TrustedPool.Administrator);
        return Open<PolicyPage>("/clusters/prod-a/policy", ("Key", "prod-a"));
    }

    private async Task<ClusterRow> ReadAsync() => (await Pool.Get<ClusterDirectory>().FindByNameAsync("prod-a", Pool.Ct))!;
}
