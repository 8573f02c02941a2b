using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;

namespace Portal.Tests.Baselines;

public sealed class ApprovalTests : IAsyncLifetime
{
    private Bench bench = null!;

    public async ValueTask InitializeAsync() => bench = await Bench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Approve_BySomebodyElse_PutsInForceAndKeepsTheHashThatWasShown()
    {
        var review = await bench.InReviewAsync(Bench.Ann);

        var approved = (await ApproveAsync(Bench.Bob, review)).Value;

        Assert.Equal(RevisionState.Approved, approved.State);
        var people = await bench.PeopleAsync(review.RevisionId);
        Assert.Equal(review.ContentHash, Assert.Single(people, p => p.Part is RevisionPart.Approver).ContentHash);
        Assert.Equal("ann", Assert.Single(people, p => p.Part is RevisionPart.Author).Subject);
    }

    [Fact]
    public async Task Approve_ByAuthor_IsRefusedAndAudited()
    {
        var review = await bench.InReviewAsync(Bench.Ann);

        var outcome = await ApproveAsync(Bench.Ann, review);

        Assert.Equal("baseline.approve.own", outcome.Refusal?.Code);
        var last = (await bench.AuditAsync())[^1];
        Assert.Equal(("baseline.approve.own", AuditSeverity.Refusal, "rhel9"), (last.Event, last.Severity, last.TargetName));
    }

    [Fact]
    public async Task Approve_BySameSubjectOfAnotherIssuer_IsAnotherPerson() =>
        Assert.True((await ApproveAsync(Bench.OtherAnn, await bench.InReviewAsync(Bench.Ann))).Succeeded);

    [Fact]
    public async Task Approve_ByOneWhoEditedOnce_IsRefusedEvenWhenOthersEditedAfter()
    {
        var draft = await bench.DraftAsync(Bench.Ann);
        var second = (await EditAsync(Bench.Bob, draft, 2)).Value;
        var third = (await EditAsync(Bench.Ann, second, 3)).Value;
        var review = (await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Cid, new(third.RevisionId), default)).Value;

        Assert.Equal("baseline.approve.own", (await ApproveAsync(Bench.Bob, review)).Refusal?.Code);
        Assert.True((await ApproveAsync(Bench.Cid, review)).Succeeded);
    }

    [Fact]
    public async Task Approve_OfContentNotShown_IsRefused()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        var edited = (await EditAsync(Bench.Ann, review, 9)).Value;
        var again = (await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(edited.RevisionId), default)).Value;

        var outcome = await ApproveAsync(Bench.Bob, again with { ContentHash = review.ContentHash });

        Assert.Equal("baseline.approve.changed", outcome.Refusal?.Code);
        Assert.Equal("contentHash", outcome.Refusal?.Field);
    }

    [Fact]
    public async Task Approve_WhenTheTextWasAlteredBehindOurBack_IsRefused()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        var other = Contents.Of([Contents.Whole(4, Contents.Digest(66))]).ToCanonicalJson();
        await bench.QueryAsync(db => db.BaselineRevisions.Where(r => r.Id == review.RevisionId).ExecuteUpdateAsync(s => s.SetProperty(r => r.Content, other)));

        Assert.Equal("baseline.approve.changed", (await ApproveAsync(Bench.Bob, review)).Refusal?.Code);
    }

    [Fact]
    public async Task Approve_OfADraft_IsRefused() =>
        Assert.Equal("baseline.approve.state", (await ApproveAsync(Bench.Bob, await bench.DraftAsync(Bench.Ann))).Refusal?.Code);

    [Fact]
    public async Task Approve_WithoutThePermission_IsRefusedNamesTheBaselineAndChangesNothing()
    {
        var review = await bench.InReviewAsync(Bench.Ann);

        var outcome = await ApproveAsync(Bench.Admin, review);

        Assert.Equal(RefusalKind.Forbidden, outcome.Refusal?.Kind);
        Assert.Equal("rhel9", (await bench.AuditAsync())[^1].TargetName);
        Assert.Equal(RevisionState.InReview, (await bench.RevisionAsync(review.RevisionId)).State);
    }

    [Fact]
    public async Task Approve_RaisesPolicyRevisionOfClustersInScopeOnlyAndAsksForReappraisal()
    {
        var (inside, outside) = (await bench.ClusterAsync("inside"), await bench.ClusterAsync("outside"));
        var review = await bench.InReviewAsync(Bench.Ann, content: Contents.Boot(inside.Id));

        await ApproveAsync(Bench.Bob, review);

        Assert.Equal((2, 1), (await bench.PolicyRevisionAsync(inside), await bench.PolicyRevisionAsync(outside)));
        var (clusters, cause) = Assert.Single(bench.Reappraisal.Requests);
        Assert.Equal([inside.Id], clusters);
        Assert.Equal(ReappraisalCause.BaselineApproved, cause);
    }

    [Fact]
    public async Task Approve_WhenTheReappraisalIsNotTaken_StillSucceeds()
    {
        await bench.ClusterAsync("one");
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Reappraisal.Fault = new InvalidOperationException("the scheduler is away");

        Assert.True((await ApproveAsync(Bench.Bob, review)).Succeeded);
    }

    [Fact]
    public async Task Approve_KeepsEarlierRevisionsInForce_UnlessAskedToRetireThem()
    {
        var cluster = await bench.ClusterAsync("one");
        var first = await bench.ApprovedAsync(Bench.Ann, Bench.Bob);
        var second = await NextInReviewAsync(first);
        await ApproveAsync(Bench.Bob, second);
        Assert.Equal(RevisionState.Approved, (await bench.RevisionAsync(first.RevisionId)).State);
        var third = await NextInReviewAsync(first);

        var outcome = await bench.Get<ApproveRevision>().ExecuteAsync(Bench.Bob, new(third.RevisionId, third.ContentHash, "", RetirePrevious: true), default);

        Assert.True(outcome.Succeeded);
        Assert.Equal(RevisionState.Retired, (await bench.RevisionAsync(first.RevisionId)).State);
        Assert.Equal(RevisionState.Retired, (await bench.RevisionAsync(second.RevisionId)).State);
        Assert.Equal(4, await bench.PolicyRevisionAsync(cluster));
    }

    [Fact]
    public async Task Retire_TakesOutOfForceAndRaisesThePolicyRevision()
    {
        var cluster = await bench.ClusterAsync("one");
        var approved = await bench.ApprovedAsync(Bench.Ann, Bench.Bob);

        var retired = (await bench.Get<RetireRevision>().ExecuteAsync(Bench.Ann, new(approved.RevisionId, "replaced"), default)).Value;

        Assert.Equal(RevisionState.Retired, retired.State);
        Assert.Equal(3, await bench.PolicyRevisionAsync(cluster));
        Assert.Equal(ReappraisalCause.BaselineRetired, bench.Reappraisal.Requests[^1].Cause);
    }

    [Fact]
    public async Task Reject_WithoutComment_IsRefused()
    {
        var review = await bench.InReviewAsync(Bench.Ann);

        var outcome = await bench.Get<RejectRevision>().ExecuteAsync(Bench.Bob, new(review.RevisionId, "  "), default);

        Assert.Equal("baseline.comment.empty", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task NewRevision_WhileOneWasSentBack_IsRefusedSoThatItsAuthorStaysItsAuthor()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        await bench.Get<RejectRevision>().ExecuteAsync(Bench.Bob, new(review.RevisionId, "not yet"), default);

        var outcome = await bench.Get<NewRevision>().ExecuteAsync(Bench.Bob, new(review.BaselineId), default);

        Assert.Equal("baseline.revision.open", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Submit_OfWhatDemandsNothing_IsRefused()
    {
        var empty = await bench.DraftAsync(Bench.Ann, "empty", BaselineContent.Empty);
        var optional = await bench.DraftAsync(Bench.Ann, "optional", Contents.Of([Contents.Events(4, Contents.Event(1, optional: true))]));

        foreach (var draft in new[] { empty, optional })
        {
            var outcome = await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(draft.RevisionId), default);
            Assert.Equal("baseline.submit.empty", outcome.Refusal?.Code);
        }
    }

    [Fact]
    public async Task Edit_WhereAnApprovalStillStood_VoidsItAndMakesTheApproverAnAuthor()
    {
        var draft = await bench.DraftAsync(Bench.Ann);
        await bench.QueryAsync(async db =>
        {
            db.RevisionPersons.AddRange(Row(Bench.Bob.Person, draft.RevisionId), Row(Bench.Cid.Person, draft.RevisionId));
            return await db.SaveChangesAsync();
        });

        await EditAsync(Bench.Bob, draft, 7);

        var people = await bench.PeopleAsync(draft.RevisionId);
        Assert.Equal(["ann", "bob"], people.Select(p => p.Subject).Order());
        Assert.All(people, p => Assert.Equal((RevisionPart.Author, null), (p.Part, p.ContentHash)));
    }

    [Fact]
    public async Task Rename_ToATakenName_IsRefused()
    {
        await bench.DraftAsync(Bench.Ann, "one");
        var two = await bench.DraftAsync(Bench.Ann, "two");

        var outcome = await bench.Get<RenameBaseline>().ExecuteAsync(Bench.Ann, new(two.BaselineId, " one ", ""), default);

        Assert.Equal(("baseline.name.taken", "name"), (outcome.Refusal?.Code, outcome.Refusal?.Field));
    }

    [Fact]
    public async Task AnyCommand_WithoutItsPermission_IsRefusedWithOneAuditRowAndChangesNothing()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        var (id, revision, content) = (review.BaselineId, review.RevisionId, Contents.Boot());
        (string Name, Func<Core.Access.Caller, Task<Refusal?>> Run)[] commands =
        [
            ("create", async by => (await bench.Get<CreateBaseline>().ExecuteAsync(by, new("x", Core.Inventory.BaselineKinds.Firmware, "", content), default)).Refusal),
            ("new", async by => (await bench.Get<NewRevision>().ExecuteAsync(by, new(id), default)).Refusal),
            ("edit", async by => (await bench.Get<EditRevision>().ExecuteAsync(by, new(revision, review.Version, content), default)).Refusal),
            ("submit", async by => (await bench.Get<SubmitRevision>().ExecuteAsync(by, new(revision), default)).Refusal),
            ("approve", async by => (await bench.Get<ApproveRevision>().ExecuteAsync(by, new(revision, review.ContentHash), default)).Refusal),
            ("reject", async by => (await bench.Get<RejectRevision>().ExecuteAsync(by, new(revision, "no"), default)).Refusal),
            ("retire", async by => (await bench.Get<RetireRevision>().ExecuteAsync(by, new(revision), default)).Refusal),
            ("rename", async by => (await bench.Get<RenameBaseline>().ExecuteAsync(by, new(id, "y", ""), default)).Refusal),
            ("capture", async by => (await bench.Get<CaptureBaseline>().ExecuteAsync(by, new(id, Core.Inventory.BaselineKinds.Firmware, "z"), default)).Refusal),
        ];
        foreach (var (name, run) in commands)
        {
            foreach (var by in new[] { Bench.Admin, Bench.Auditor, Bench.Nobody })
            {
                var audited = (await bench.AuditAsync()).Count;
                Assert.Equal((name, "access.denied"), (name, (await run(by))?.Code));
                Assert.Equal(audited + 1, (await bench.AuditAsync()).Count);
            }
        }

        Assert.Equal(review, RevisionStanding.Of(await bench.RevisionAsync(revision)));
        Assert.Equal(["rhel9"], await bench.QueryAsync(db => db.Baselines.Select(b => b.Name).ToListAsync()));
    }

    [Fact]
    public async Task Approve_TellsTheChangeFeedAfterTheCommit()
    {
        var cluster = await bench.ClusterAsync("one");
        var review = await bench.InReviewAsync(Bench.Ann);
        var heard = new List<Core.Changes.Change>();
        using var subscription = bench.Get<Core.Changes.IChangeFeed>().Subscribe(heard.Add);

        await ApproveAsync(Bench.Bob, review);

        Assert.Contains(heard, c => c.Topic is Core.Changes.ChangeTopic.Baseline && c.Ids.Contains(review.BaselineId));
        Assert.Contains(heard, c => c.Topic is Core.Changes.ChangeTopic.Cluster && c.Ids.Contains(cluster.Id));
    }

    [Fact]
    public async Task AnyCommand_OnWhatDoesNotExist_IsNotFound()
    {
        Assert.Equal(RefusalKind.NotFound, (await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(Guid.NewGuid()), default)).Refusal?.Kind);
        Assert.Equal(RefusalKind.NotFound, (await bench.Get<NewRevision>().ExecuteAsync(Bench.Ann, new(Guid.NewGuid()), default)).Refusal?.Kind);
    }

    private static RevisionPerson Row(Core.Access.Person person, Guid revision) => new()
    {
        RevisionId = revision,
        Issuer = person.Issuer,
        Subject = person.Subject,
        PersonName = person.Name,
        Part = RevisionPart.Approver,
        ContentHash = "00",
        At = DateTimeOffset.UnixEpoch,
    };

    private Task<Outcome<RevisionStanding>> ApproveAsync(Core.Access.Caller by, RevisionStanding shown) =>
        bench.Get<ApproveRevision>().ExecuteAsync(by, new(shown.RevisionId, shown.ContentHash), default);

    private Task<Outcome<RevisionStanding>> EditAsync(Core.Access.Caller by, RevisionStanding from, int digest) =>
        bench.Get<EditRevision>().ExecuteAsync(by, new(from.RevisionId, from.Version, Contents.Of([Contents.Whole(4, Contents.Digest(digest))])), default);

    private async Task<RevisionStanding> NextInReviewAsync(RevisionStanding of)
    {
        var draft = (await bench.Get<NewRevision>().ExecuteAsync(Bench.Ann, new(of.BaselineId), default)).Value;
        return (await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(draft.RevisionId), default)).Value;
    }
}
