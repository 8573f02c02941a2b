using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Tests.Inventory;

namespace Portal.Tests.Attestation;

/// <summary>Tightening is at once; loosening takes a second person; whoever comes late is told what happened meanwhile.</summary>
public sealed class TrustPolicyTests : IAsyncLifetime
{
    private static readonly TrustPolicy Tighter = TrustPolicy.Default with { Lifetime = TimeSpan.FromMinutes(5) };
    private static readonly TrustPolicy Looser = TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(1) };

    private ClusterBench bench = null!;
    private Cluster cluster = null!;

    public async ValueTask InitializeAsync()
    {
        bench = await ClusterBench.StartAsync();
        cluster = await bench.ClusterAsync();
    }

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Change_ThatTightens_IsInForceAtOnce_AndHostsAreAppraisedAgain()
    {
        var standing = (await bench.ChangeAsync(ClusterBench.Admin, cluster, Tighter)).Value;

        Assert.Equal((PolicyEffect.InForce, 2L), (standing.Effect, standing.PolicyRevision));
        Assert.Equal(Tighter, (await bench.ReadAsync(cluster)).Policy);
        var asked = Assert.Single(bench.Reappraisal.Requests);
        Assert.Equal((cluster.Id, ReappraisalCause.PolicyChanged), (Assert.Single(asked.Clusters), asked.Cause));
        Assert.Contains(bench.Heard, c => c.Topic == ChangeTopic.Cluster && c.Ids.Contains(cluster.Id));
        Assert.Equal("Dan tightened the trust policy of prod-a: a verdict counts for 10 min → 5 min.", (await bench.AuditAsync())[^1].Sentence);
    }

    public static TheoryData<string, TrustPolicy> Loosenings => new()
    {
        { "a longer lifetime", Looser },
        { "older evidence at a start", TrustPolicy.Default with { MaxAgeAtStart = TimeSpan.FromMinutes(2) } },
        { "evidence at a start that was asked for each time", TrustPolicy.Default with { MaxAgeAtStart = TimeSpan.FromMinutes(10) } },
        { "fewer kinds", TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware } },
        { "mixed: tighter and looser", new TrustPolicy(BaselineKinds.Firmware, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.Zero, TimeSpan.Zero) },
    };

    [Theory]
    [MemberData(nameof(Loosenings))]
    public async Task Change_ThatLoosensInAnyRespect_WaitsAsAWhole(string why, TrustPolicy wanted)
    {
        var standing = (await bench.ChangeAsync(ClusterBench.Admin, cluster, wanted)).Value;

        Assert.True(standing.Effect == PolicyEffect.WaitsForSecondPerson, why);
        Assert.Equal((TrustPolicy.Default, 1L), ((await bench.ReadAsync(cluster)).Policy, (await bench.ReadAsync(cluster)).PolicyRevision));
        Assert.Equal(wanted, (await bench.ProposalAsync(cluster))!.ReadPolicy());
        Assert.Empty(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Confirm_BySomebodyElse_PutsItInForce()
    {
        var proposal = await ProposeAsync();

        var standing = (await bench.ConfirmAsync(ClusterBench.Security, cluster, proposal)).Value;

        Assert.Equal((PolicyEffect.InForce, 2L), (standing.Effect, standing.PolicyRevision));
        Assert.Equal(Looser, (await bench.ReadAsync(cluster)).Policy);
        Assert.Null(await bench.ProposalAsync(cluster));
        Assert.Single(bench.Reappraisal.Requests);
        var told = (await bench.AuditAsync())[^1];
        Assert.Equal(("cluster.policy.confirmed", "ann"), (told.Event, told.Subject));
        Assert.Contains("that Dan proposed", told.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Confirm_ByTheProposer_IsRefused_WhateverRolesAndNameTheyHaveNow()
    {
        var proposal = await ProposeAsync();
        var renamed = Caller.With(ClusterBench.Admin.Person with { Name = "Daniel" }, Role.Security, Role.Administrator);

        Assert.Equal("cluster.proposal.own", (await bench.ConfirmAsync(renamed, cluster, proposal)).Refusal?.Code);
        Assert.Equal(TrustPolicy.Default, (await bench.ReadAsync(cluster)).Policy);
    }

    [Fact]
    public async Task Confirm_ByThePersonOfTheSameSubjectAtAnotherProvider_IsSomebodyElse() =>
        Assert.True((await bench.ConfirmAsync(ClusterBench.OtherDan, cluster, await ProposeAsync())).Succeeded);

    [Fact]
    public async Task Confirm_WithoutPermission_IsRefused() =>
        Assert.Equal("access.denied", (await bench.ConfirmAsync(ClusterBench.Operator, cluster, await ProposeAsync())).Refusal?.Code);

    [Fact]
    public async Task Confirm_AfterTheRevisionMoved_IsVoid_AndANewProposalReplacesIt()
    {
        var proposal = await ProposeAsync();
        await RaiseAsync();

        Assert.Equal("cluster.proposal.void", (await bench.ConfirmAsync(ClusterBench.Security, cluster, proposal)).Refusal?.Code);
        Assert.NotEqual(proposal, await ProposeAsync());
    }

    [Fact]
    public async Task Confirm_WhenTheRevisionMovesBetweenLookAndWrite_IsVoid()
    {
        var proposal = await ProposeAsync();
        bench.Moment.Once(RaiseAsync);

        Assert.Equal("cluster.proposal.void", (await bench.ConfirmAsync(ClusterBench.Security, cluster, proposal)).Refusal?.Code);
        Assert.Equal(TrustPolicy.Default, (await bench.ReadAsync(cluster)).Policy);
        Assert.Empty(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Confirm_WhenRejectedBetweenLookAndWrite_ChangesNothing()
    {
        var proposal = await ProposeAsync();
        bench.Moment.Once(() => bench.RejectAsync(ClusterBench.OtherDan, cluster, proposal));

        Assert.Equal("cluster.proposal.not_found", (await bench.ConfirmAsync(ClusterBench.Security, cluster, proposal)).Refusal?.Code);
        Assert.Equal(TrustPolicy.Default, (await bench.ReadAsync(cluster)).Policy);
    }

    [Fact]
    public async Task Reject_WhenConfirmedBetweenLookAndWrite_IsToldSo()
    {
        var proposal = await ProposeAsync();
        bench.Moment.Once(() => bench.ConfirmAsync(ClusterBench.Security, cluster, proposal));

        Assert.Equal("cluster.proposal.not_found", (await bench.RejectAsync(ClusterBench.OtherDan, cluster, proposal)).Refusal?.Code);
        Assert.Equal(Looser, (await bench.ReadAsync(cluster)).Policy);
    }

    [Fact]
    public async Task Confirm_ByManyAtOnce_CountsOnce()
    {
        var proposal = await ProposeAsync();
        var people = Enumerable.Range(0, 6).Select(i => Caller.With(new Person("idp", $"p{i}", $"P{i}"), Role.Security));

        var outcomes = await Task.WhenAll(people.Select(p => Task.Run(() => bench.ConfirmAsync(p, cluster, proposal))));

        Assert.Single(outcomes, o => o.Succeeded);
        Assert.Equal(2, (await bench.ReadAsync(cluster)).PolicyRevision);
        Assert.Single(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Propose_WhileOneWaits_IsRefused_AndNamesWhoProposed()
    {
        await ProposeAsync();

        var refusal = (await bench.ChangeAsync(ClusterBench.Security, cluster, Looser with { MaxAgeAtStart = TimeSpan.FromMinutes(5) })).Refusal!;

        Assert.Equal("cluster.proposal.waiting", refusal.Code);
        Assert.Contains("Dan", refusal.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Propose_ByTwoAtOnce_LeavesOne()
    {
        bench.Moment.Once(() => bench.ChangeAsync(ClusterBench.Security, cluster, Looser));

        Assert.Equal("cluster.proposal.waiting", (await bench.ChangeAsync(ClusterBench.Admin, cluster, Looser)).Refusal?.Code);
        Assert.Equal("ann", (await bench.ProposalAsync(cluster))!.Subject);
    }

    [Fact]
    public async Task Change_ThatTightensWhileAProposalWaits_VoidsIt()
    {
        await ProposeAsync();

        Assert.Equal(PolicyEffect.InForce, (await bench.ChangeAsync(ClusterBench.Security, cluster, Tighter)).Value.Effect);
        Assert.Null(await bench.ProposalAsync(cluster));
        Assert.Contains(await bench.AuditAsync(), a => a.Event == "cluster.proposal.void");
    }

    [Fact]
    public async Task Change_AgainstAnOldRevision_IsRefusedAndLosesNothing()
    {
        await bench.ChangeAsync(ClusterBench.Admin, cluster, Tighter);

        Assert.Equal("cluster.policy.meanwhile", (await bench.ChangeAsync(ClusterBench.Security, cluster, Tighter with { Interval = TimeSpan.FromSeconds(30) }, against: 1)).Refusal?.Code);
    }

    [Fact]
    public async Task Change_WhenTightenedBetweenLookAndWrite_IsRefused()
    {
        bench.Moment.Once(() => bench.ChangeAsync(ClusterBench.Security, cluster, Tighter));

        Assert.Equal("cluster.policy.meanwhile", (await bench.ChangeAsync(ClusterBench.Admin, cluster, TrustPolicy.Default with { Interval = TimeSpan.FromSeconds(30) }, against: 1)).Refusal?.Code);
    }

    [Fact]
    public async Task Change_ToTheSamePolicy_DoesNothing()
    {
        Assert.Equal(PolicyEffect.Unchanged, (await bench.ChangeAsync(ClusterBench.Admin, cluster, TrustPolicy.Default)).Value.Effect);
        Assert.Equal(1, (await bench.ReadAsync(cluster)).PolicyRevision);
        Assert.Empty(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Change_OutOfLimits_IsRefusedAndAudited()
    {
        var refusal = (await bench.ChangeAsync(ClusterBench.Admin, cluster, TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(25) })).Refusal!;

        Assert.Equal(("cluster.policy.lifetime", "lifetime"), (refusal.Code, refusal.Field));
        Assert.Equal(AuditSeverity.Refusal, Assert.Single(await bench.AuditAsync()).Severity);
    }

    [Fact]
    public async Task Withdraw_ByTheProposer_AndRejectByAnother_AreToldApart()
    {
        await bench.RejectAsync(ClusterBench.Admin, cluster, await ProposeAsync());
        Assert.Equal("cluster.proposal.withdrawn", (await bench.AuditAsync())[^1].Event);

        await bench.RejectAsync(ClusterBench.Security, cluster, await ProposeAsync());
        Assert.Equal("cluster.proposal.rejected", (await bench.AuditAsync())[^1].Event);
        Assert.Empty(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Change_WhenTheReappraisalIsNotTaken_IsDoneAllTheSame()
    {
        bench.Reappraisal.Fault = new InvalidOperationException("no");

        Assert.True((await bench.ChangeAsync(ClusterBench.Admin, cluster, Tighter)).Succeeded);
    }

    private async Task<Guid> ProposeAsync() => (await bench.ChangeAsync(ClusterBench.Admin, cluster, Looser)).Value.ProposalId!.Value;

    private Task RaiseAsync() => bench.QueryAsync(async db =>
    {
        db.Attach(await bench.ReadAsync(cluster)).Entity.PolicyRevision++;
        return await db.SaveChangesAsync();
    });
}
