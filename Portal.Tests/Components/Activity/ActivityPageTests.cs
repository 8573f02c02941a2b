using Bunit;
using Microsoft.EntityFrameworkCore;
using Portal.Components.Activity;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Attestation;
using Portal.Tests.World;

namespace Portal.Tests.Components.Activity;

public sealed class ActivityPageTests : PoolPageTest
{
    [Fact]
    public async Task Stream_CountsWhatComes_AndMovesNothingUntilItIsAskedFor()
    {
        As(TrustedPool.Auditor);
        var page = Open<ActivityPage>("/activity");
        page.WaitForElement("tbody tr");
        var first = Plain(page.Find("tbody tr").Children[1]);

        await AttestAsync();
        await EventuallyAsync(page, () => Assert.Equal("↑ 1 new entry", Plain(page.Find(".newer-button"))));
        Assert.Equal(first, Plain(page.Find("tbody tr").Children[1]));
        await page.Find(".newer-button").ClickAsync();

        page.WaitForAssertion(() => Assert.Contains("Asked to attest kvm-a01 now.", Plain(page.Find("tbody tr")), StringComparison.Ordinal));
        Assert.Empty(page.FindAll(".newer-button"));
    }

    [Fact]
    public async Task Search_GoesIntoTheAddress_AndNarrowsThePageAndTheExport()
    {
        await AttestAsync();
        As(TrustedPool.Auditor);
        var page = Open<ActivityPage>("/activity");
        page.WaitForElement("input[type=search]");

        var typed = page.Find("input[type=search]").InputAsync("Asked to attest");
        Pool.Time.Advance(TimeSpan.FromMilliseconds(400));
        await typed;

        Assert.EndsWith("/activity?q=Asked%20to%20attest", Navigation.Uri, StringComparison.Ordinal);
        page = Open<ActivityPage>("/activity?q=Asked%20to%20attest");
        page.WaitForAssertion(() => Assert.Single(page.FindAll("tbody tr")));
        Assert.Equal("activity/export.csv?q=Asked%20to%20attest", Button(page, "Export CSV").GetAttribute("href"));
        Assert.Equal("activity/export.json?q=Asked%20to%20attest", Button(page, "Export JSON").GetAttribute("href"));
    }

    [Fact]
    public async Task Refusals_AreAFilter_ThatShowsWhoWasRefusedWhat()
    {
        await Pool.Get<AttestHost>().ExecuteAsync(TrustedPool.Operator, (await Pool.HostAsync("kvm-a01")).Id, Pool.Ct);
        As(TrustedPool.Auditor);

        var page = Open<ActivityPage>("/activity?severity=refusal");

        page.WaitForElement("tbody tr");
        Assert.StartsWith("Refused", Plain(Assert.Single(page.FindAll("tbody tr")).Children[1]), StringComparison.Ordinal);
        Assert.Equal("otto", Plain(page.Find("td[data-label=By]")));
        Assert.Equal("true", page.FindAll(".chip").Single(c => Plain(c) == "Refusals").GetAttribute("aria-current"));
    }

    [Fact]
    public void Search_ForWhatNeverHappened_SaysSo_AndLeadsBack()
    {
        As(TrustedPool.Auditor);

        var page = Open<ActivityPage>("/activity?q=never-happened");

        Assert.Equal("Nothing matches", page.WaitForElement(".empty-title").TextContent);
    }

    [Fact]
    public async Task Entry_OpensToWhatIsBehindIt()
    {
        await AttestAsync();
        As(TrustedPool.Auditor);
        var page = Open<ActivityPage>("/activity");
        page.WaitForElement("tbody tr");

        await page.Find("button[aria-expanded]").ClickAsync();

        Assert.Equal("true", page.Find("button[aria-expanded]").GetAttribute("aria-expanded"));
        Assert.Contains("ada subject ada at test", Texts(page, ".activity-more dd"));
        Assert.Contains("host.attest", Texts(page, ".activity-more code"));
    }

    [Fact]
    public async Task Chain_VerifiesWhole_AndOnceARowWasTouched_IsBroken()
    {
        await Pool.Get<AuditChain>().SealAsync(Pool.Ct);
        As(TrustedPool.Auditor);
        var page = Open<ActivityPage>("/activity");
        Assert.Equal("Not verified yet", Plain(page.Find(".chain .tag")));

        await Button(page, "Verify now").ClickAsync();
        page.WaitForAssertion(() => Assert.Equal("Chain verified", Plain(page.Find(".chain .tag"))));

        await using (var db = Pool.Database())
        {
            var touched = await db.AuditEntries.OrderBy(a => a.Id).Select(a => a.Id).FirstAsync(Pool.Ct);
            await db.AuditEntries.Where(a => a.Id == touched).ExecuteUpdateAsync(set => set.SetProperty(a => a.Sentence, "Nothing happened."), Pool.Ct);
        }

        await Button(page, "Verify now").ClickAsync();
        page.WaitForAssertion(() => Assert.Equal("Chain broken", Plain(page.Find(".chain .tag"))));
        Assert.Contains("audit.chain.broken", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void Stream_ForSomebodyWithoutARole_IsRefused()
    {
        As(Caller.With(new Person("test", "nobody", "nobody")));

        var page = Open<ActivityPage>("/activity");

        page.WaitForElement("[data-code='access.denied']");
        Assert.Empty(page.FindAll("tbody tr"));
    }

    private async Task AttestAsync()
    {
        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        TrustedPool.Expect(await Pool.Get<AttestHost>().ExecuteAsync(TrustedPool.Administrator, (await Pool.HostAsync("kvm-a01")).Id, Pool.Ct));
    }
}
