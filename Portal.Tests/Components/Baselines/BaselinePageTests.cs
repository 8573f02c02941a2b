using Bunit;
using MudBlazor;
using Portal.Components.Baselines;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Components.Baselines;

public sealed class BaselinePageTests : PoolPageTest
{
    private static readonly string Good = new('a', 64);
    private static readonly string Other = new('b', 64);

    [Fact]
    public async Task Draft_IsSubmitted_AndThenWaitsForSomebodyElse()
    {
        var draft = await DraftAsync();
        As(TrustedPool.Author);
        var page = Page(draft);

        await Button(page, "Submit for review").ClickAsync();

        page.WaitForAssertion(() => Assert.Equal("In review", Plain(page.Find(".page-head .tag"))));
        Assert.Equal(RevisionState.InReview, (await ReadAsync(draft)).Revision.State);
        Assert.StartsWith("sam wrote or edited lab hosts rev. 1 and cannot approve it", Plain(page.Find("[data-code='baseline.approve.own']")), StringComparison.Ordinal);
        Assert.DoesNotContain("Approve…", Texts(page, ".standing-actions button"));
    }

    [Fact]
    public async Task Approval_ShowsTheHashOfTheContent_AndApprovesExactlyThat()
    {
        var review = await InReviewAsync();
        As(TrustedPool.Approver);
        var dialogs = Render<MudDialogProvider>();
        var page = Page(review);

        var clicked = Button(page, "Approve…").ClickAsync();
        dialogs.WaitForElement(".hash");
        Assert.Contains(review.ContentHash, Plain(dialogs.Find(".hash")).Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        dialogs.WaitForAssertion(() => Assert.Contains("2 unchanged", Texts(dialogs, ".impact-count")));
        await dialogs.Find("textarea").InputAsync("looked at it");
        await Button(dialogs, "Approve").ClickAsync();
        await clicked;

        page.WaitForAssertion(() => Assert.Contains("approved by eve: “looked at it”", Plain(page.Find(".standing-what")), StringComparison.Ordinal));
        Assert.Equal(RevisionState.Approved, (await ReadAsync(review)).Revision.State);
    }

    [Fact]
    public async Task Approval_OfContentThatChangedBehindTheDialog_IsRefused_AndNothingIsInForce()
    {
        var review = await InReviewAsync();
        As(TrustedPool.Approver);
        var dialogs = Render<MudDialogProvider>();
        var page = Page(review);
        var clicked = Button(page, "Approve…").ClickAsync();
        dialogs.WaitForElement(".hash");
        var edited = TrustedPool.Expect(await Pool.Get<EditRevision>().ExecuteAsync(TrustedPool.Author, new(review.RevisionId, review.Version, Content(Other)), Pool.Ct));
        TrustedPool.Expect(await Pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new(edited.RevisionId), Pool.Ct));

        await Button(dialogs, "Approve").ClickAsync();

        dialogs.WaitForElement("[data-code='baseline.approve.changed']");
        Assert.True(Button(dialogs, "Approve").HasAttribute("disabled"));
        Assert.Equal(RevisionState.InReview, (await ReadAsync(review)).Revision.State);
        await Button(dialogs, "Close").ClickAsync();
        await clicked;
    }

    [Fact]
    public async Task SendingBack_WantsAReason_AndShowsItToTheAuthors()
    {
        var review = await InReviewAsync();
        As(TrustedPool.Approver);
        var dialogs = Render<MudDialogProvider>();
        var page = Page(review);
        var clicked = Button(page, "Send back…").ClickAsync();
        dialogs.WaitForElement("textarea");

        await Button(dialogs, "Send back").ClickAsync();
        dialogs.WaitForElement("[data-code='baseline.comment.empty']");
        await dialogs.Find("textarea").InputAsync("which shim is that?");
        await Button(dialogs, "Send back").ClickAsync();
        await clicked;

        page.WaitForAssertion(() => Assert.Equal("Sent back: “which shim is that?”", Plain(page.Find(".standing-what"))));
    }

    [Fact]
    public async Task Retiring_NamesWhatItCosts_AndIsFinal()
    {
        var baseline = await SoftwareAsync();
        As(TrustedPool.Approver);
        var dialogs = Render<MudDialogProvider>();
        var page = Open<BaselinePage>($"/baselines/{baseline}", p => p.Add(b => b.Id, baseline));
        var clicked = Button(page, "Retire…").ClickAsync();
        dialogs.WaitForAssertion(() => Assert.Contains("2 would lose trust", Texts(dialogs, ".impact-count")));

        await Button(dialogs, "Retire").ClickAsync();
        await clicked;

        page.WaitForAssertion(() => Assert.StartsWith("Not in force since", Plain(page.Find(".standing-what")), StringComparison.Ordinal));
        Assert.DoesNotContain("Retire…", Texts(page, ".standing-actions button"));
        Assert.Equal("Untrusted", (await Pool.RowAsync("kvm-a01")).Verdict.ToString());
    }

    [Fact]
    public async Task NewRevision_SaysInWordsAndLineByLineWhatItChanges()
    {
        var first = await InReviewAsync();
        TrustedPool.Expect(await Pool.Get<ApproveRevision>().ExecuteAsync(TrustedPool.Approver, new(first.RevisionId, first.ContentHash), Pool.Ct));
        var second = TrustedPool.Expect(await Pool.Get<NewRevision>().ExecuteAsync(TrustedPool.Author, new(first.BaselineId, Content(Good, Other)), Pool.Ct));
        As(TrustedPool.Auditor);

        var page = Open<BaselinePage>($"/baselines/{first.BaselineId}/2?tab=changes", p => p.Add(b => b.Id, second.BaselineId).Add(b => b.Number, 2));

        var line = Assert.Single(page.FindAll(".diff tbody tr"), r => Plain(r).Contains("bbbb", StringComparison.Ordinal));
        Assert.StartsWith("+ Added Whole value", Plain(line), StringComparison.Ordinal);
        Assert.NotEmpty(Texts(page, ".sentences li"));
        Assert.Empty(page.FindAll(".standing-actions button"));
    }

    [Fact]
    public void BaselineThatIsNot_SaysSo_AndLeadsBack()
    {
        As(TrustedPool.Auditor);

        var page = Open<BaselinePage>("/baselines/none", p => p.Add(b => b.Id, Guid.NewGuid()));

        Assert.NotEmpty(page.FindAll("[data-code='baseline.not_found']"));
        Assert.Equal("baselines", Button(page, "All baselines").GetAttribute("href"));
    }

    private static BaselineContent Content(params string[] digests) => new(PcrBanks.Sha256, [new PcrReference(4, [.. digests], [], "boot loader")], [], "");

    private IRenderedComponent<BaselinePage> Page(RevisionStanding standing) =>
        Open<BaselinePage>($"/baselines/{standing.BaselineId}/{standing.Number}", p => p.Add(b => b.Id, standing.BaselineId).Add(b => b.Number, standing.Number));

    private async Task<RevisionStanding> DraftAsync() =>
        TrustedPool.Expect(await Pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new("lab hosts", BaselineKinds.Hypervisor, "", Content(Good)), Pool.Ct));

    private async Task<RevisionStanding> InReviewAsync() =>
        TrustedPool.Expect(await Pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new((await DraftAsync()).RevisionId), Pool.Ct));

    private async Task<RevisionView> ReadAsync(RevisionStanding standing) =>
        TrustedPool.Expect(await Pool.Get<BaselineDirectory>().ReadRevisionAsync(TrustedPool.Auditor, standing.RevisionId, Pool.Ct));

    private async Task<Guid> SoftwareAsync() =>
        TrustedPool.Expect(await Pool.Get<BaselineDirectory>().ListAsync(TrustedPool.Auditor, new BaselineQuery(Kind: BaselineKinds.Hypervisor), Pool.Ct)).Items[0].Id;
}
