using Microsoft.EntityFrameworkCore;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Tests.Baselines;

public sealed class DirectoryTests : IAsyncLifetime
{
    private Bench bench = null!;

    private BaselineDirectory Directory => bench.Get<BaselineDirectory>();

    public async ValueTask InitializeAsync() => bench = await Bench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task List_ShowsLatestApprovedScopeAndDistinctHosts()
    {
        var cluster = await bench.ClusterAsync("prod");
        var (one, two) = (await bench.HostAsync(cluster, "kvm1"), await bench.HostAsync(cluster, "kvm2"));
        var approved = await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "rhel9", Contents.Boot(cluster.Id));
        var next = (await bench.Get<NewRevision>().ExecuteAsync(Bench.Ann, new(approved.BaselineId), default)).Value;
        await MatchAsync(one, approved.RevisionId);
        await MatchAsync(one, next.RevisionId);
        await MatchAsync(two, approved.RevisionId);

        var page = (await Directory.ListAsync(Bench.Auditor, new BaselineQuery(), default)).Value;

        var row = Assert.Single(page.Items);
        Assert.Equal((2, RevisionState.Draft, "prod", 2), (row.LatestNumber, row.LatestState, row.Scope, row.HostsMatching));
        Assert.Equal([1], row.ApprovedNumbers);
    }

    [Fact]
    public async Task List_FiltersByTextStateAndKind()
    {
        await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "rhel9");
        await bench.DraftAsync(Bench.Ann, "bios-r650", kind: BaselineKinds.Firmware, content: BaselineContent.Empty);

        Assert.Equal(["bios-r650"], await NamesAsync(new(Search: "R650")));
        Assert.Equal(["rhel9"], await NamesAsync(new(State: RevisionState.Approved)));
        Assert.Equal(["bios-r650"], await NamesAsync(new(Kind: BaselineKinds.Firmware)));
        Assert.Empty(await NamesAsync(new(Search: "%")));
    }

    [Theory]
    [InlineData(BaselineOrder.Name)]
    [InlineData(BaselineOrder.Kind)]
    [InlineData(BaselineOrder.Coverage)]
    [InlineData(BaselineOrder.Latest)]
    public async Task List_InAnyOrder_PagesWithoutLossOrRepetition(BaselineOrder order)
    {
        for (var i = 0; i < 5; i++)
        {
            await bench.DraftAsync(Bench.Ann, $"b{i}");
        }

        foreach (var descending in new[] { false, true })
        {
            var first = await NamesAsync(new(Order: order, Descending: descending, Take: 3));
            var second = await NamesAsync(new(Order: order, Descending: descending, Skip: 3, Take: 3));
            Assert.Equal(["b0", "b1", "b2", "b3", "b4"], first.Concat(second).Order());
        }
    }

    [Fact]
    public async Task Read_GivesRevisionsPeopleAndHistory()
    {
        var approved = await bench.ApprovedAsync(Bench.Ann, Bench.Bob);

        var view = (await Directory.ReadAsync(Bench.Auditor, approved.BaselineId, default)).Value;

        var revision = Assert.Single(view.Revisions);
        Assert.Equal(("Ann", "Bob"), (Assert.Single(revision.Authors).Person.Name, Assert.Single(revision.Approvers).Person.Name));
        Assert.Equal(["baseline.approved", "baseline.submitted", "baseline.created"], view.History.Select(h => h.Event));
    }

    [Fact]
    public async Task ReadRevision_ComparesWithTheLastApprovedAndSaysWhyOneCannotApprove()
    {
        var approved = await bench.ApprovedAsync(Bench.Ann, Bench.Bob);
        var next = (await bench.Get<NewRevision>().ExecuteAsync(Bench.Cid, new(approved.BaselineId, Contents.Of([Contents.Whole(4, Contents.Digest(2))])), default)).Value;
        await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Cid, new(next.RevisionId), default);

        var toAuthor = (await Directory.ReadRevisionAsync(Bench.Cid, next.RevisionId, default)).Value;
        var toReviewer = (await Directory.ReadRevisionAsync(Bench.Ann, next.RevisionId, default)).Value;
        var toAuditor = (await Directory.ReadRevisionAsync(Bench.Auditor, next.RevisionId, default)).Value;

        Assert.Equal((1, false), (toReviewer.ComparedWith, toReviewer.Difference.IsEmpty));
        Assert.Equal(
            ("baseline.approve.own", null, "access.denied"),
            (toAuthor.WhyNotApprovable?.Code, toReviewer.WhyNotApprovable?.Code, toAuditor.WhyNotApprovable?.Code));
    }

    [Fact]
    public async Task PendingReviews_CountsForTheCallerOnlyWhatTheyMayApprove()
    {
        await bench.InReviewAsync(Bench.Ann, "one");
        await bench.InReviewAsync(Bench.Bob, "two");

        Assert.Equal(new PendingReviews(2, 1), (await Directory.PendingReviewsAsync(Bench.Ann, default)).Value);
        Assert.Equal(new PendingReviews(2, 2), (await Directory.PendingReviewsAsync(Bench.Cid, default)).Value);
        Assert.Equal(new PendingReviews(2, 0), (await Directory.PendingReviewsAsync(Bench.Auditor, default)).Value);
    }

    [Fact]
    public async Task AnyQuery_ByAPersonWithoutARole_IsRefused()
    {
        Assert.Equal("access.denied", (await Directory.ListAsync(Bench.Nobody, new(), default)).Refusal?.Code);
        Assert.Equal("access.denied", (await Directory.ReadAsync(Bench.Nobody, Guid.NewGuid(), default)).Refusal?.Code);
        Assert.Equal("access.denied", (await Directory.ReadRevisionAsync(Bench.Nobody, Guid.NewGuid(), default)).Refusal?.Code);
        Assert.Equal("access.denied", (await Directory.PendingReviewsAsync(Bench.Nobody, default)).Refusal?.Code);
    }

    [Fact]
    public async Task ApprovedRevisions_GivesWhatIsInForceAndInScope()
    {
        var (prod, test) = (await bench.ClusterAsync("prod"), await bench.ClusterAsync("test"));
        await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "everywhere");
        await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "prod-only", Contents.Boot(prod.Id));
        await bench.InReviewAsync(Bench.Ann, "waiting");

        var inProd = await ForAsync(prod);

        Assert.Equal(["everywhere rev. 1", "prod-only rev. 1"], inProd.Revisions.Select(r => r.Title));
        Assert.Equal(await bench.PolicyRevisionAsync(prod), inProd.PolicyRevision);
        Assert.Equal(["everywhere rev. 1"], (await ForAsync(test)).Revisions.Select(r => r.Title));
        Assert.Null(await bench.Get<ApprovedRevisions>().ForClusterAsync(Guid.NewGuid(), null, default));
    }

    [Fact]
    public async Task ApprovedRevisions_IfApproved_AddsTheRevisionAndTakesThePreviousAway()
    {
        var cluster = await bench.ClusterAsync("prod");
        var first = await bench.ApprovedAsync(Bench.Ann, Bench.Bob);
        var second = (await bench.Get<NewRevision>().ExecuteAsync(Bench.Ann, new(first.BaselineId), default)).Value;
        var approved = bench.Get<ApprovedRevisions>();

        var beside = await approved.ForClusterAsync(cluster.Id, await approved.IfApprovedAsync(second.RevisionId, false, default), default);
        var instead = await approved.ForClusterAsync(cluster.Id, await approved.IfApprovedAsync(second.RevisionId, true, default), default);

        Assert.Equal([1, 2], beside?.Revisions.Select(r => r.Number));
        Assert.Equal([2], instead?.Revisions.Select(r => r.Number));
        Assert.Equal([1], (await ForAsync(cluster)).Revisions.Select(r => r.Number));
    }

    [Fact]
    public async Task ApprovedRevisions_WhoseTextOrApprovalWasTamperedWith_AreNotInForce()
    {
        var cluster = await bench.ClusterAsync("prod");
        var text = await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "text");
        var both = await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "both");
        var state = await bench.InReviewAsync(Bench.Ann, "state");
        await bench.ApprovedAsync(Bench.Ann, Bench.Bob, "untouched");
        var evil = Contents.Of([Contents.Whole(4, Contents.Digest(66))]).ToCanonicalJson();
        await bench.QueryAsync(db => db.BaselineRevisions.Where(r => r.Id == text.RevisionId).ExecuteUpdateAsync(s => s.SetProperty(r => r.Content, evil)));
        await bench.QueryAsync(db => db.BaselineRevisions.Where(r => r.Id == both.RevisionId).ExecuteUpdateAsync(s => s
            .SetProperty(r => r.Content, evil)
            .SetProperty(r => r.ContentHash, BaselineContent.HashOf(evil))));
        await bench.QueryAsync(db => db.BaselineRevisions.Where(r => r.Id == state.RevisionId).ExecuteUpdateAsync(s => s.SetProperty(r => r.State, RevisionState.Approved)));

        Assert.Equal(["untouched"], (await ForAsync(cluster)).Revisions.Select(r => r.Name));
    }

    private async Task<ApprovedSet> ForAsync(Cluster cluster) =>
        await bench.Get<ApprovedRevisions>().ForClusterAsync(cluster.Id, null, default) ?? throw new InvalidOperationException("no cluster");

    private async Task<IEnumerable<string>> NamesAsync(BaselineQuery query) =>
        (await Directory.ListAsync(Bench.Auditor, query, default)).Value.Items.Select(r => r.Name);

    private Task MatchAsync(Host host, Guid revision) => bench.QueryAsync(async db =>
    {
        db.BaselineMatches.Add(new BaselineMatch { HostId = host.Id, RevisionId = revision });
        return await db.SaveChangesAsync();
    });
}
