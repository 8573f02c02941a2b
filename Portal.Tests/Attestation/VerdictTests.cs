using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

public sealed class VerdictTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Attest_HostThatBootedWhatIsApproved_IsTrustedFromNonceOn()
    {
        await using var pool = await TrustedPool.StartAsync();
        var before = pool.Time.GetUtcNow();

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Trusted, CheckOutcome.Ok, TrustStatus.Trusted), (row.Verdict, row.Outcome, row.StatusAt(before)));
        Assert.Equal(before, row.VerifiedAt);
        Assert.Equal(before + DemoSeed.Policy.Lifetime, row.ValidUntil);
        Assert.Equal("", row.Reason);
        Assert.NotEqual("[]", row.Matched);
    }

    [Fact]
    public async Task Attest_BootLoaderChanged_SaysWhichComponentAndWhatToDo()
    {
        await using var pool = await TrustedPool.StartAsync();
        var host = await pool.HostAsync(Host);
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, host.Id, reboot: true, pool.Ct));

        var row = await pool.AttestAsync(Host);

        Assert.Equal(Verdict.Untrusted, row.Verdict);
        Assert.Equal("boot loader not approved (PCR 4)", row.Reason);
        var finding = AttestationDirectory.Findings(row.Findings)[0];
        Assert.Equal((FindingCode.UnknownComponent, 4, false), (finding.Code, finding.Pcr, finding.Follows));
        Assert.Contains("grubx64.efi", finding.Sentence, StringComparison.Ordinal);
        Assert.Contains("as the log claims", finding.Sentence, StringComparison.Ordinal);
        Assert.NotEmpty(finding.Remedy);
        Assert.Contains("host.untrusted", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attest_HostSilent_KeepsVerdictThatRunsOutToStaleThenUnknown()
    {
        await using var pool = await TrustedPool.StartAsync();
        var verified = (await pool.AttestAsync(Host)).VerifiedAt;
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().GoSilentAsync(TrustedPool.Administrator, (await pool.HostAsync(Host)).Id, pool.Ct));
        pool.Time.Advance(TimeSpan.FromMinutes(1));

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Trusted, CheckOutcome.AgentUnreachable, "agent silent"), (row.Verdict, row.Outcome, row.Reason));
        Assert.Equal(verified, row.VerifiedAt);
        Assert.Equal(TrustStatus.Trusted, row.StatusAt(pool.Time.GetUtcNow()));
        Assert.Equal(TrustStatus.Stale, row.StatusAt(verified!.Value + DemoSeed.Policy.Lifetime));
        Assert.Equal(TrustStatus.Unknown, row.StatusAt(verified.Value + DemoSeed.Policy.Lifetime + DemoSeed.Policy.ForgetAfter));
    }

    [Fact]
    public async Task Attest_HostNeverEnrolled_IsUnknownNotUntrusted()
    {
        await using var pool = await TrustedPool.StartAsync(enrol: false);

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.None, CheckOutcome.NotConfigured, "not enrolled"), (row.Verdict, row.Outcome, row.Reason));
        Assert.Equal(TrustStatus.Unknown, row.StatusAt(pool.Time.GetUtcNow()));
    }

    [Theory]
    [InlineData(Fault.Garbled)]
    [InlineData(Fault.Garbage)]
    [InlineData(Fault.TruncatedQuote)]
    [InlineData(Fault.QuoteBitFlip)]
    [InlineData(Fault.SignatureBitFlip)]
    [InlineData(Fault.Replay)]
    [InlineData(Fault.QuoteOfAnotherHost)]
    [InlineData(Fault.UnrestrictedKey)]
    [InlineData(Fault.WeakSignature)]
    [InlineData(Fault.WrongBank)]
    [InlineData(Fault.MissingPcr)]
    [InlineData(Fault.PcrValueAltered)]
    [InlineData(Fault.ClockWentBack)]
    [InlineData(Fault.LogDigestAltered)]
    [InlineData(Fault.LogEventAbsent)]
    [InlineData(Fault.LogEventExtra)]
    [InlineData(Fault.LogEventsReordered)]
    [InlineData(Fault.LogTruncated)]
    [InlineData(Fault.LogLengthAbsurd)]
    [InlineData(Fault.LogHuge)]
    [InlineData(Fault.BankUnmeasured)]
    public async Task Attest_AnswerThatFailsACheck_IsUntrustedAtOnceWithReasonAndAudit(Fault fault)
    {
        await using var pool = await TrustedPool.StartAsync();
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Host)).Verdict);
        pool.Get<SimulatedAttesterChannel>().Inject(Host, fault);
        pool.Time.Advance(TimeSpan.FromSeconds(1));

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Untrusted, CheckOutcome.ProtocolError), (row.Verdict, row.Outcome));
        Assert.NotNull(row.FailedCheck);
        var finding = Assert.Single(AttestationDirectory.Findings(row.Findings));
        Assert.NotEmpty(finding.Sentence);
        Assert.NotEmpty(finding.Remedy);
        Assert.NotEmpty(row.Reason);
        Assert.Contains("host.untrusted: Host kvm-a01 lost trust", await pool.AuditAsync(), StringComparison.Ordinal);

        // Back to honesty: trusted again by itself.
        pool.Get<SimulatedAttesterChannel>().Inject(Host, null);
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Host)).Verdict);
    }

    [Theory]
    [InlineData(Fault.LogAbsent)]
    [InlineData(Fault.BootEventAbsent)]
    [InlineData(Fault.BootEventExtra)]
    [InlineData(Fault.BootEventsReordered)]
    public async Task Attest_HonestEvidenceOfAnotherBoot_IsUntrustedByAppraisal(Fault fault)
    {
        await using var pool = await TrustedPool.StartAsync();
        pool.Get<SimulatedAttesterChannel>().Inject(Host, fault);
        pool.Time.Advance(TimeSpan.FromSeconds(1));

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Untrusted, CheckOutcome.Ok, null), (row.Verdict, row.Outcome, row.FailedCheck));
        Assert.NotEmpty(row.Reason);
    }

    [Fact]
    public async Task Attest_TpmError_LeavesVerdict()
    {
        await using var pool = await TrustedPool.StartAsync();
        await pool.AttestAsync(Host);
        pool.Get<SimulatedAttesterChannel>().Inject(Host, Fault.TpmError);
        pool.Time.Advance(TimeSpan.FromSeconds(1));

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Trusted, CheckOutcome.TpmError, "TPM error"), (row.Verdict, row.Outcome, row.Reason));
    }

    [Fact]
    public async Task Approve_AfterAnswerThatFailedACheck_DoesNotClearIt()
    {
        await using var pool = await TrustedPool.StartAsync();
        await pool.AttestAsync(Host);
        pool.Get<SimulatedAttesterChannel>().Inject(Host, Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        await pool.AttestAsync(Host);
        pool.Get<SimulatedAttesterChannel>().Inject(Host, Fault.Garbage);
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        await pool.AttestAsync(Host);

        await pool.ApproveAsync("one more", BaselineKinds.Firmware, TrustedPool.ContentOf(pool.Get<SimulatedFleet>().References[0]));

        Assert.Equal(Verdict.Untrusted, (await pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task Retire_OnlyBaseline_TakesTrustAtOnceAndKeepsVerifiedAt()
    {
        await using var pool = await TrustedPool.StartAsync();
        var verified = (await pool.AttestAsync(Host)).VerifiedAt;
        pool.Time.Advance(TimeSpan.FromSeconds(10));

        await RetireAllAsync(pool, BaselineKinds.Hypervisor);

        var row = await pool.RowAsync(Host);
        Assert.Equal((Verdict.Untrusted, verified), (row.Verdict, row.VerifiedAt));
        Assert.Equal("no hypervisor baseline approved", row.Reason);
    }

    [Fact]
    public async Task Approve_BaselineThatMatchesStoredEvidence_ClearsUntrustedAtOnce()
    {
        await using var pool = await TrustedPool.StartAsync();
        await pool.AttestAsync(Host);
        await RetireAllAsync(pool, BaselineKinds.Hypervisor);
        Assert.Equal(Verdict.Untrusted, (await pool.RowAsync(Host)).Verdict);

        var hypervisor = pool.Get<SimulatedFleet>().References.First(r => r.Kind == Portal.Core.Simulation.Boot.ReferenceKind.Hypervisor);
        await pool.ApproveAsync("again", BaselineKinds.Hypervisor, TrustedPool.ContentOf(hypervisor));

        Assert.Equal(Verdict.Trusted, (await pool.RowAsync(Host)).Verdict);
    }

    [Fact]
    public async Task PolicyChange_ThatWouldMatch_DoesNotClearUntrustedWithoutNewEvidence()
    {
        await using var pool = await TrustedPool.StartAsync();
        await pool.AttestAsync(Host);
        await RetireAllAsync(pool, BaselineKinds.Hypervisor);
        await using (var db = pool.Database())
        {
            var cluster = await db.Clusters.SingleAsync(c => c.Id == pool.Cluster, pool.Ct);
            cluster.Apply(cluster.Policy with { RequiredKinds = BaselineKinds.Firmware });
            await db.SaveChangesAsync(pool.Ct);
        }

        await pool.Get<IReappraisal>().RequestAsync([pool.Cluster], ReappraisalCause.PolicyChanged, pool.Ct);
        Assert.Equal((Verdict.Untrusted, "waits for new evidence"), ((await pool.RowAsync(Host)).Verdict, (await pool.RowAsync(Host)).Reason));

        pool.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(Host)).Verdict);
    }

    [Fact]
    public async Task Attest_ClusterThatRequiresNothing_TrustsNobody()
    {
        await using var pool = await TrustedPool.StartAsync();
        await using (var db = pool.Database())
        {
            var cluster = await db.Clusters.SingleAsync(c => c.Id == pool.Cluster, pool.Ct);
            cluster.Apply(cluster.Policy with { RequiredKinds = BaselineKinds.None });
            await db.SaveChangesAsync(pool.Ct);
        }

        var row = await pool.AttestAsync(Host);

        Assert.Equal((Verdict.Untrusted, "the cluster requires no baseline"), (row.Verdict, row.Reason));
    }

    [Fact]
    public async Task Clock_GoingBack_MakesEvidenceOfTheFutureStaleNotFresh()
    {
        await using var pool = await TrustedPool.StartAsync();
        var row = await pool.AttestAsync(Host);
        var hourAgo = row.VerifiedAt!.Value - TimeSpan.FromHours(1);

        Assert.Equal((Freshness.Stale, TrustStatus.Stale), (row.FreshnessAt(hourAgo), row.StatusAt(hourAgo)));
    }

    [Fact]
    public void Status_OfAVerdictNobodyKnows_IsUnknown()
    {
        var now = DateTimeOffset.UnixEpoch;
        var row = new HostAttestation { HostId = Guid.NewGuid(), Verdict = (Verdict)99, VerifiedAt = now, ValidUntil = now.AddHours(1) };

        Assert.Equal(TrustStatus.Unknown, row.StatusAt(now));
    }

    [Fact]
    public async Task History_UnchangedHost_WritesOneRowForManyRounds()
    {
        await using var pool = await TrustedPool.StartAsync();
        for (var i = 0; i < 5; i++)
        {
            pool.Time.Advance(TimeSpan.FromMinutes(1));
            await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        }

        var id = (await pool.HostAsync(Host)).Id;
        await using var db = pool.Database();
        Assert.Equal(1, await db.AttestationTransitions.CountAsync(t => t.HostId == id, pool.Ct));
        Assert.Equal(pool.Time.GetUtcNow(), (await pool.RowAsync(Host)).VerifiedAt);
    }

    [Fact]
    public async Task History_Reboot_IsTold()
    {
        await using var pool = await TrustedPool.StartAsync();
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().RebootAsync(TrustedPool.Administrator, (await pool.HostAsync(Host)).Id, pool.Ct));
        pool.Time.Advance(TimeSpan.FromMinutes(1));

        var row = await pool.AttestAsync(Host);

        var last = (await pool.Get<AttestationDirectory>().HistoryAsync(row.HostId, DateTimeOffset.UnixEpoch, 1, pool.Ct))[0];
        Assert.Equal(Verdict.Trusted, row.Verdict);
        Assert.Contains("rebooted (resetCount", last.Sentence, StringComparison.Ordinal);
    }

    private static async Task RetireAllAsync(TrustedPool pool, BaselineKinds kind)
    {
        await using var db = pool.Database();
        var revisions = await db.BaselineRevisions
            .Where(r => r.State == RevisionState.Approved && db.Baselines.Any(b => b.Id == r.BaselineId && b.Kind == kind))
            .Select(r => r.Id)
            .ToListAsync(pool.Ct);
        foreach (var revision in revisions)
        {
            TrustedPool.Expect(await pool.Get<RetireRevision>().ExecuteAsync(TrustedPool.Approver, new(revision), pool.Ct));
        }
    }
}
