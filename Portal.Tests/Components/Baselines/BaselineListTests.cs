using Bunit;
using Portal.Components.Baselines;
using Portal.Components.Baselines.Editing;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Components.Baselines;

public sealed class BaselineListTests : PoolPageTest
{
    [Fact]
    public void List_SaysOfEachBaselineWhatIsInForce_AndHowManyHostsMatch()
    {
        As(TrustedPool.Auditor);

        var list = Open<BaselineList>("/baselines");

        list.WaitForElement("tbody tr");
        Assert.Equal(["Firmware", "Hypervisor"], Texts(list, "tbody td[data-label=Kind]").Order());
        Assert.All(Texts(list, "tbody td[data-label='In force']"), text => Assert.Equal("rev. 1", text));
        Assert.All(Texts(list, "tbody td[data-label='Match now']"), text => Assert.Equal("2 hosts", text));
        Assert.DoesNotContain("New baseline", Texts(list, "a, button"));
    }

    [Fact]
    public async Task List_TellsWhatWaitsForMyReview_ButNotToItsAuthor()
    {
        var draft = TrustedPool.Expect(await Pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new("lab hosts", BaselineKinds.Hypervisor, "", Content), Pool.Ct));
        TrustedPool.Expect(await Pool.Get<SubmitRevision>().ExecuteAsync(TrustedPool.Author, new(draft.RevisionId), Pool.Ct));
        As(TrustedPool.Approver);

        var list = Open<BaselineList>("/baselines?state=review");

        list.WaitForElement("tbody tr");
        Assert.Equal("lab hosts", Plain(Assert.Single(list.FindAll("tbody th a"))));
        Assert.Contains("1 waits for review, for yours too.", Plain(list.Find(".page-head")), StringComparison.Ordinal);
    }

    [Fact]
    public void List_WithAFilterNothingHas_SaysSo_AndLeadsBackToAll()
    {
        As(TrustedPool.Author);

        var list = Open<BaselineList>("/baselines?q=nothing-has-this-name");

        Assert.Equal("No baseline matches", list.WaitForElement(".empty-title").TextContent);
        Assert.Equal("baselines", Button(list, "Show all 2").GetAttribute("href"));
    }

    [Fact]
    public async Task Search_GoesIntoTheAddress_OnceTypingStops()
    {
        As(TrustedPool.Author);
        var list = Open<BaselineList>("/baselines");
        list.WaitForElement("input[type=search]");

        var typed = list.Find("input[type=search]").InputAsync("rhel");
        Pool.Time.Advance(TimeSpan.FromMilliseconds(300));
        await typed;

        Assert.EndsWith("/baselines?q=rhel", Navigation.Uri, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Editor_WithoutAName_IsRefusedAtTheField_ThenCreatesTheDraft()
    {
        As(TrustedPool.Author);
        var editor = Open<BaselineEditor>("/baselines/new");

        await Button(editor, "Create draft").ClickAsync();
        Assert.Contains("A baseline needs a name.", Plain(editor.Find(".field-problem")), StringComparison.Ordinal);
        await editor.Find("input[type=text]").InputAsync("lab hosts");
        await Button(editor, "Create draft").ClickAsync();

        editor.WaitForAssertion(() => Assert.Matches("/baselines/[0-9a-f-]{36}/1$", Navigation.Uri));
        Assert.Contains("sam", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Editor_OfADraftSomebodyElseSavedMeanwhile_LosesNothing_AndSaysWhatDiffers()
    {
        var draft = TrustedPool.Expect(await Pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new("lab hosts", BaselineKinds.Hypervisor, "", Content), Pool.Ct));
        As(TrustedPool.Author);
        var editor = Open<BaselineEditor>($"/baselines/{draft.BaselineId}/1/edit", p => p.Add(e => e.Id, draft.BaselineId).Add(e => e.Number, 1));
        await editor.Find(".digest-field textarea").InputAsync(new string('c', 64));
        TrustedPool.Expect(await Pool.Get<EditRevision>().ExecuteAsync(TrustedPool.Approver, new(draft.RevisionId, draft.Version, Content with { Notes = "theirs" }), Pool.Ct));

        await Button(editor, "Save draft").ClickAsync();

        editor.WaitForElement("[data-code='baseline.edit.meanwhile']");
        Assert.Equal(new string('c', 64), editor.Find(".digest-field textarea").GetAttribute("value"));
        await Button(editor, "Save mine instead").ClickAsync();
        editor.WaitForAssertion(() => Assert.EndsWith($"/baselines/{draft.BaselineId}/1", Navigation.Uri, StringComparison.Ordinal));
        Assert.Equal([new string('c', 64)], TrustedPool.Expect(await Pool.Get<BaselineDirectory>().ReadRevisionAsync(TrustedPool.Author, draft.RevisionId, Pool.Ct)).Content.Pcrs[0].Digests);
    }

    [Fact]
    public async Task Editor_OfWhatIsInForce_SaysThatItNeverChangesAgain()
    {
        var approved = await Pool.ApproveAsync("lab hosts", BaselineKinds.Hypervisor, Content);
        As(TrustedPool.Author);

        var editor = Open<BaselineEditor>($"/baselines/{approved.BaselineId}/1/edit", p => p.Add(e => e.Id, approved.BaselineId).Add(e => e.Number, 1));

        editor.WaitForElement("[data-code='baseline.edit.state']");
        Assert.Empty(editor.FindAll(".editor-actions"));
    }

    private static BaselineContent Content { get; } = new(PcrBanks.Sha256, [new PcrReference(4, [new string('a', 64)], [], "boot loader")], [], "");
}
