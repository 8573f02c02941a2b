using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Baselines;

namespace Portal.Tests.Baselines;

/// <summary>Two people at once: what happened between a command's look and its write decides what it answers.</summary>
public sealed class RaceTests : IAsyncLifetime
{
    private Bench bench = null!;

    public async ValueTask InitializeAsync() => bench = await Bench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Approve_WhenAnotherApprovedMeanwhile_IsRefusedAndLeavesOneApproverAndOneRaise()
    {
        var cluster = await bench.ClusterAsync("one");
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Moment.Once(() => ApproveAsync(Bench.Cid, review));

        var outcome = await ApproveAsync(Bench.Bob, review);

        Assert.Equal("baseline.approve.state", outcome.Refusal?.Code);
        Assert.Equal("cid", Assert.Single(await bench.PeopleAsync(review.RevisionId), p => p.Part is RevisionPart.Approver).Subject);
        Assert.Equal(2, await bench.PolicyRevisionAsync(cluster));
        Assert.Single(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Approve_WhenEditedMeanwhile_IsRefused()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Moment.Once(() => EditAsync(Bench.Ann, review));

        var outcome = await ApproveAsync(Bench.Bob, review);

        Assert.Equal("baseline.approve.state", outcome.Refusal?.Code);
        Assert.Equal(RevisionState.Draft, (await bench.RevisionAsync(review.RevisionId)).State);
    }

    [Fact]
    public async Task Approve_WhenEditedAndSubmittedAgainMeanwhile_IsRefusedAsChanged()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Moment.Once(async () =>
        {
            await EditAsync(Bench.Ann, review);
            await bench.Get<SubmitRevision>().ExecuteAsync(Bench.Ann, new(review.RevisionId), default);
        });

        Assert.Equal("baseline.approve.changed", (await ApproveAsync(Bench.Bob, review)).Refusal?.Code);
    }

    [Fact]
    public async Task Approve_WhenThePersonBecameAnAuthorUnseen_TheKeyRefusesIt()
    {
        // Only the row appears; version and state stay, so nothing but the key stands in the way.
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Moment.Once(() => bench.QueryAsync(async db =>
        {
            db.RevisionPersons.Add(new RevisionPerson
            {
                RevisionId = review.RevisionId,
                Issuer = Bench.Bob.Person.Issuer,
                Subject = Bench.Bob.Person.Subject,
                PersonName = "Bob",
                Part = RevisionPart.Author,
                At = bench.Time.GetUtcNow(),
            });
            return await db.SaveChangesAsync();
        }));

        var outcome = await ApproveAsync(Bench.Bob, review);

        Assert.Equal("baseline.approve.own", outcome.Refusal?.Code);
        Assert.Equal(RevisionState.InReview, (await bench.RevisionAsync(review.RevisionId)).State);
        Assert.Empty(bench.Reappraisal.Requests);
        Assert.Equal(1, (await bench.AuditAsync()).Count(a => a.Severity is AuditSeverity.Refusal));
    }

    [Fact]
    public async Task Approve_WhenTheDatabaseTakesTwoSpellingsForOnePerson_TheKeyRefusesIt()
    {
        // A collation that ignores case is stricter than our own comparison, and its word counts.
        await bench.QueryAsync(db => db.Database.ExecuteSqlRawAsync("CREATE UNIQUE INDEX Strict ON RevisionPersons (RevisionId, Issuer, lower(Subject))"));
        var review = await bench.InReviewAsync(Bench.Ann);

        var outcome = await ApproveAsync(Caller.With(new Person("idp", "ANN", "Ann again"), Role.Security), review);

        Assert.Equal("baseline.approve.own", outcome.Refusal?.Code);
        Assert.Equal(RevisionState.InReview, (await bench.RevisionAsync(review.RevisionId)).State);
    }

    [Fact]
    public async Task Approve_TwiceByTheSamePersonAtOnce_SaysItIsApprovedAlready()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Moment.Once(() => ApproveAsync(Bench.Bob, review));

        Assert.Equal("baseline.approve.state", (await ApproveAsync(Bench.Bob, review)).Refusal?.Code);
    }

    [Fact]
    public async Task Edit_WhenApprovedMeanwhile_IsRefusedAndTheApprovedContentStays()
    {
        var review = await bench.InReviewAsync(Bench.Ann);
        bench.Moment.Once(() => ApproveAsync(Bench.Bob, review));

        var outcome = await EditAsync(Bench.Cid, review);

        Assert.Equal("baseline.edit.state", outcome.Refusal?.Code);
        Assert.Equal(review.ContentHash, (await bench.RevisionAsync(review.RevisionId)).ContentHash);
        Assert.DoesNotContain(await bench.PeopleAsync(review.RevisionId), p => string.Equals(p.Subject, "cid", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Edit_WhenEditedMeanwhile_IsRefusedAndLosesNothing()
    {
        var draft = await bench.DraftAsync(Bench.Ann);
        bench.Moment.Once(() => EditAsync(Bench.Bob, draft));

        Assert.Equal("baseline.edit.meanwhile", (await EditAsync(Bench.Cid, draft, 5)).Refusal?.Code);
    }

    [Fact]
    public async Task NewRevision_WhenAnotherStartedOneMeanwhile_IsRefused()
    {
        var approved = await bench.ApprovedAsync(Bench.Ann, Bench.Bob);
        bench.Moment.Once(() => NewAsync(Bench.Cid, approved));

        Assert.Equal("baseline.revision.open", (await NewAsync(Bench.Ann, approved)).Refusal?.Code);
    }

    [Fact]
    public async Task Create_WhenTheNameWasTakenMeanwhile_IsRefused()
    {
        bench.Moment.Once(() => bench.DraftAsync(Bench.Bob, "same"));

        var outcome = await bench.Get<CreateBaseline>().ExecuteAsync(Bench.Ann, new("same", Core.Inventory.BaselineKinds.Firmware, "", null), default);

        Assert.Equal("baseline.name.taken", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Approve_ByManyAtOnce_OneWins()
    {
        var cluster = await bench.ClusterAsync("one");
        var review = await bench.InReviewAsync(Bench.Ann);
        var reviewers = Enumerable.Range(0, 8).Select(i => Caller.With(new Person("idp", $"reviewer{i}", $"Reviewer {i}"), Role.Security));

        var outcomes = await Task.WhenAll(reviewers.Select(r => Task.Run(() => ApproveAsync(r, review))));

        Assert.Single(outcomes, o => o.Succeeded);
        Assert.All(outcomes.Where(o => !o.Succeeded), o => Assert.Equal("baseline.approve.state", o.Refusal?.Code));
        Assert.Equal(2, await bench.PolicyRevisionAsync(cluster));
    }

    private Task<Outcome<RevisionStanding>> ApproveAsync(Caller by, RevisionStanding shown) =>
        bench.Get<ApproveRevision>().ExecuteAsync(by, new(shown.RevisionId, shown.ContentHash), default);

    private Task<Outcome<RevisionStanding>> EditAsync(Caller by, RevisionStanding from, int digest = 9) =>
        bench.Get<EditRevision>().ExecuteAsync(by, new(from.RevisionId, from.Version, Contents.Of([Contents.Whole(4, Contents.Digest(digest))])), default);

    private Task<Outcome<RevisionStanding>> NewAsync(Caller by, RevisionStanding of) =>
        bench.Get<NewRevision>().ExecuteAsync(by, new(of.BaselineId), default);
}
