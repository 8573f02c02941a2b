using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>What is told of evidence is what the appraisal found, laid out; nothing is told of evidence that proves nothing.</summary>
public sealed class HostExplanationTests
{
    [Fact]
    public async Task Explanation_TrustedHost_EveryCoveredPcrMatches_AndItsValueIsTheExpectedOne()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);

        var explanation = await ExplainAsync(pool, "kvm-a01");

        Assert.All(explanation.Pcrs, p => Assert.True(p.Comparison is PcrComparison.Matches or PcrComparison.NotCovered));
        Assert.All(explanation.Pcrs.Where(p => p.Expected is not null), p => Assert.Equal(p.Measured, p.Expected));
        Assert.Contains(explanation.Pcrs, p => p.Expected is not null && p.IsByEvent);
        Assert.All(explanation.Baselines, b => Assert.True(b.Matches));
        Assert.DoesNotContain(explanation.Events, e => e.Standing is EventStanding.FirstDifference or EventStanding.Follows);
        Assert.Equal(explanation.EventsInAll, explanation.Events.Count);
    }

    [Fact]
    public async Task Explanation_OtherBootLoader_OneFirstDifference_InPcr4()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a01")).Id, reboot: true, pool.Ct));
        await pool.AttestAsync("kvm-a01");

        var explanation = await ExplainAsync(pool, "kvm-a01");

        var pcr = Assert.Single(explanation.Pcrs, p => p.Comparison == PcrComparison.FirstDifference);
        Assert.Equal(4, pcr.Meaning.Pcr);
        Assert.NotEqual(pcr.Measured, pcr.Expected);
        var first = Assert.Single(explanation.Events, e => e.Standing == EventStanding.FirstDifference);
        Assert.Equal(pcr.Finding!.Event, first.Index);
        Assert.NotNull(first.Expected);
        Assert.All(explanation.Events.Where(e => e.Pcr == 4 && e.Index < first.Index && e.Standing != EventStanding.Note), e => Assert.Equal(EventStanding.Approved, e.Standing));
        Assert.All(explanation.Pcrs.Where(p => p.Meaning.Pcr is 0 or 2 or 7), p => Assert.Equal(PcrComparison.Matches, p.Comparison));
    }

    [Theory]
    [InlineData(Fault.SignatureBitFlip)]
    [InlineData(Fault.ClockWentBack)]
    [InlineData(Fault.LogEventsReordered)]
    public async Task Explanation_AnswerThatFailedACheck_AppraisesNothing(Fault fault)
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", fault);
        pool.Time.Advance(TimeSpan.FromMinutes(1));
        await pool.AttestAsync("kvm-a01");

        var explanation = await ExplainAsync(pool, "kvm-a01");

        Assert.NotNull(explanation.Failure);
        Assert.All(explanation.Pcrs, p => Assert.True(p.Comparison is PcrComparison.NotAppraised or PcrComparison.NotCovered));
        Assert.DoesNotContain(explanation.Events, e => e.Standing == EventStanding.Approved);
        Assert.All(explanation.Baselines, b => Assert.False(b.Matches));
    }

    [Fact]
    public async Task Explanation_MoreRevokedSignatures_TellsWhichWereAdded()
    {
        await using var pool = await TrustedPool.StartAsync(2);
        var id = (await pool.HostAsync("kvm-a01")).Id;
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateRevocationsAsync(TrustedPool.Administrator, id, reboot: true, pool.Ct));
        await pool.AttestAsync("kvm-a01");

        var change = Assert.Single((await pool.Get<HostExplanations>().OfAsync(id, pool.Ct))!.Changes);

        Assert.Equal((7, "dbx", "kvm-a01"), (change.Pcr, change.Change.Name, change.Source));
        Assert.Equal("The list of revoked signatures (dbx): 3 entries added to those approved.", change.Change.Sentence);
        Assert.Equal((3, 0), (change.Change.Added.Count, change.Change.Removed.Count));
    }

    [Fact]
    public async Task Explanation_OwnLogsAreGone_AnothersShowsWhatWasApproved()
    {
        await using var pool = await TrustedPool.StartAsync(2);
        var id = (await pool.HostAsync("kvm-a01")).Id;
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateRevocationsAsync(TrustedPool.Administrator, id, reboot: true, pool.Ct));
        await pool.AttestAsync("kvm-a01");
        await using var db = pool.Database();
        await db.Evidence.Where(e => e.HostId == id && e.Id != id).ExecuteDeleteAsync(pool.Ct);

        Assert.Equal("kvm-a02", Assert.Single((await pool.Get<HostExplanations>().OfAsync(id, pool.Ct))!.Changes).Source);

        await db.Attestations.Where(a => a.HostId != id).ExecuteDeleteAsync(pool.Ct);
        Assert.Empty((await pool.Get<HostExplanations>().OfAsync(id, pool.Ct))!.Changes);
    }

    [Fact]
    public async Task Explanation_WithoutBaselines_CoversNothing()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false);

        var explanation = await ExplainAsync(pool, "kvm-a01");

        Assert.Empty(explanation.Baselines);
        Assert.All(explanation.Pcrs, p => Assert.Equal(PcrComparison.NotCovered, p.Comparison));
    }

    [Fact]
    public async Task Explanation_WithoutEvidence_IsNone()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, enrol: false);

        Assert.Null(await pool.Get<HostExplanations>().OfAsync((await pool.HostAsync("kvm-a01")).Id, pool.Ct));
        Assert.Null(await pool.Get<HostExplanations>().OfAsync(Guid.NewGuid(), pool.Ct));
    }

    [Fact]
    public async Task Comparison_OfAlikeHosts_FindsNoDifference()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);

        var pairs = EvidenceComparison.Of(await ExplainAsync(pool, "kvm-a01"), await ExplainAsync(pool, "kvm-a02"));

        Assert.All(pairs.Where(p => p.Meaning.Pcr is 0 or 2 or 4 or 7 or 8 or 9), p => Assert.True(p.IsSame));
        Assert.All(pairs.Where(p => p.IsSame), p => Assert.Empty(p.OnlyHere.Concat(p.OnlyThere)));
    }

    private static async Task<HostExplanation> ExplainAsync(TrustedPool pool, string host)
    {
        var explanation = await pool.Get<HostExplanations>().OfAsync((await pool.HostAsync(host)).Id, pool.Ct);
        Assert.NotNull(explanation);
        Assert.Equal(TpmAlgorithm.Sha256, explanation.Bank);
        return explanation;
    }
}
