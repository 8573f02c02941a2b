using Bunit;
using Microsoft.EntityFrameworkCore;
using Portal.Components.Clusters;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Components.Clusters;

public sealed class PolicyPageTests : PoolPageTest
{
    [Fact]
    public async Task Tightening_SaysItIsInForceAtOnce_AndIs()
    {
        var page = await PageAsync();

        await page.Find("#policy-lifetime").InputAsync("5");
        Assert.Equal("Takes effect at once", Plain(page.Find(".where .tag")));
        Assert.Contains("2 hosts are appraised again", page.Find(".where").TextContent, StringComparison.Ordinal);
        Assert.Equal("Put it in force", Plain(page.Find("button[type=submit]")));
        await page.Find("form").SubmitAsync();

        Assert.Equal(TimeSpan.FromMinutes(5), (await ReadAsync()).Cluster.Policy.Lifetime);
        Assert.EndsWith("/clusters/prod-a", Navigation.Uri, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MixedChange_SaysWhyItWaitsAsAWhole_AndDoes()
    {
        var page = await PageAsync();

        await page.Find("#policy-interval").InputAsync("30");
        await page.FindAll(".duration select")[2].ChangeAsync("1");
        await page.Find("#policy-lifetime").InputAsync("1");
        await page.FindAll(".duration select")[0].ChangeAsync("3600");

        Assert.Equal("Waits for a second person", Plain(page.Find(".where .tag")));
        Assert.Contains("Because a verdict would count for 1 h instead of 10 min. The change waits as a whole", Plain(page.Find(".where")), StringComparison.Ordinal);
        Assert.Equal("Propose it to a second person", Plain(page.Find("button[type=submit]")));
        await page.Find("form").SubmitAsync();

        var row = await ReadAsync();
        Assert.Equal(TrustPolicy.Default, row.Cluster.Policy);
        Assert.Equal(TrustPolicy.Default with { Interval = TimeSpan.FromSeconds(30), Lifetime = TimeSpan.FromHours(1) }, row.Proposal!.ReadPolicy());
    }

    [Fact]
    public async Task FewerKinds_AreLooser_AndNoneIsRefusedBeforehand()
    {
        var page = await PageAsync();

        await page.FindAll(".choice input")[0].ChangeAsync(false);
        Assert.Contains("match only hypervisor instead of firmware and hypervisor", page.Find(".where").TextContent, StringComparison.Ordinal);

        await page.FindAll(".choice input")[1].ChangeAsync(false);
        Assert.Equal("Refused", Plain(page.Find(".where .tag")));
    }

    [Theory]
    [InlineData("#policy-lifetime", "2000")]
    [InlineData("#policy-lifetime", "")]
    [InlineData("#policy-interval", "60")]
    [InlineData("#policy-age", "11")]
    public async Task OutOfLimits_IsRefusedAtItsField_AndStaysAsTyped(string field, string minutes)
    {
        var page = await PageAsync();
        await page.Find(field).InputAsync(minutes);

        await page.Find("form").SubmitAsync();

        page.WaitForElement($"{field}-notes .form-error");
        Assert.Equal(minutes, page.Find(field).GetAttribute("value"));
        Assert.Equal(TrustPolicy.Default, (await ReadAsync()).Cluster.Policy);
    }

    [Fact]
    public async Task Unchanged_HasNothingToSubmit()
    {
        var page = await PageAsync();

        Assert.True(page.Find("button[type=submit]").HasAttribute("disabled"));
        Assert.Contains("Nothing: this is the policy in force.", page.Find(".where").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ChangedMeanwhile_SaysSo_AndKeepsWhatWasTyped()
    {
        var page = await PageAsync();
        await page.Find("#policy-lifetime").InputAsync("5");
        var row = await ReadAsync();
        TrustedPool.Expect(await Pool.Get<ChangeTrustPolicy>().ExecuteAsync(
            TrustedPool.Approver, new(row.Cluster.Id, row.Cluster.Policy with { MaxAgeAtStart = TimeSpan.Zero }, row.Cluster.PolicyRevision), Pool.Ct));

        await page.Find("form").SubmitAsync();

        page.WaitForElement("[data-code='cluster.policy.meanwhile']");
        Assert.Equal("5", page.Find("#policy-lifetime").GetAttribute("value"));
        Assert.Contains("Oldest evidence at a start 0 s 1 min looser", Texts(page, ".policy-changes tbody tr"));
    }

    [Fact]
    public async Task Preview_WhenAskedFor_SaysWhatHostsWouldBecome_AndIsGoneWithTheNextKey()
    {
        var page = await PageAsync();
        Pool.Time.Advance(TimeSpan.FromMinutes(2));
        await page.Find("#policy-lifetime").InputAsync("1");
        Assert.Empty(page.FindAll(".impact-counts"));

        await Button(page, "Show what it would do to hosts").ClickAsync();

        page.WaitForAssertion(() => Assert.Contains("2 cannot tell", Texts(page, ".impact-count")));
        await page.Find("#policy-lifetime").InputAsync("11");
        Assert.Empty(page.FindAll(".impact-counts"));
    }

    [Fact]
    public async Task Form_ForAnOperator_SaysWhoMay_AndCannotBeSubmitted()
    {
        var page = await PageAsync(TrustedPool.Operator);

        Assert.Contains("administrator or security", page.Find("[data-code='access.denied']").TextContent, StringComparison.Ordinal);
        await page.Find("#policy-lifetime").InputAsync("5");
        Assert.True(page.Find("button[type=submit]").HasAttribute("disabled"));
    }

    private async Task<IRenderedComponent<PolicyPage>> PageAsync(Core.Access.Caller? caller = null)
    {
        await using var db = Pool.Database();
        (await db.Clusters.SingleAsync(c => c.Name == "prod-a", Pool.Ct)).Apply(TrustPolicy.Default);
        await db.SaveChangesAsync(Pool.Ct);
        As(caller ?? TrustedPool.Administrator);
        return Open<PolicyPage>("/clusters/prod-a/policy", p => p.Add(c => c.Key, "prod-a"));
    }

    private async Task<ClusterRow> ReadAsync() => (await Pool.Get<ClusterDirectory>().FindByNameAsync("prod-a", Pool.Ct))!;
}
