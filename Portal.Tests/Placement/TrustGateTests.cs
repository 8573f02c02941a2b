using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Virtualization.Evacuation;
using Portal.Tests.World;

namespace Portal.Tests.Placement;

public sealed class TrustGateTests
{
    [Fact]
    public async Task Create_TrustedVm_IsPlacedOnTrustedFreshHostWithReceipt()
    {
        await using var pool = await TrustedPool.StartAsync();

        var operation = await pool.CreateAsync("web-1");

        Assert.Equal(OperationState.Succeeded, operation.Operation.State);
        var vm = await pool.VmAsync("web-1");
        var receipt = Assert.Single(await pool.Get<PlacementDirectory>().ReceiptsAsync(vm!.Id, pool.Ct));
        Assert.Equal((vm.HostId, "Trusted"), (receipt.HostId, receipt.Verdict));
        Assert.NotNull(receipt.EvidenceDigest);
        Assert.NotNull(receipt.NonceRandom);
        Assert.Contains("placement.decided", await pool.AuditAsync(), StringComparison.Ordinal);
        var decision = await pool.Get<PlacementDirectory>().LatestDecisionAsync(vm.Id, pool.Ct);
        Assert.Equal((4, 4), (decision!.Considered, decision.EligibleCount));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Create_EvidenceOlderThanAllowedAtStart_IsAskedAgainWithOperationInNonce()
    {
        await using var pool = await TrustedPool.StartAsync();
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        pool.Time.Advance(DemoSeed.Policy.MaxAgeAtStart + TimeSpan.FromSeconds(1));

        var operation = await pool.CreateAsync("web-1");

        var vm = await pool.VmAsync("web-1");
        var receipt = (await pool.Get<PlacementDirectory>().ReceiptsAsync(vm!.Id, pool.Ct))[0];
        Assert.Equal(pool.Time.GetUtcNow(), receipt.VerifiedAt);
        await using var db = pool.Database();
        var evidence = await db.Evidence.SingleAsync(e => e.Id == receipt.HostId, pool.Ct);
        Assert.Equal((AttestationPurpose.Gate, operation.Operation.Id.ToString()), (evidence.Purpose, evidence.Operations));
        var bound = Portal.Core.Attestation.BuiltIn.Nonce.Bind(evidence.NonceRandom, evidence.HostId, AttestationPurpose.Gate, [operation.Operation.Id]);
        Assert.Equal(evidence.Nonce, bound.Text);
    }

    [Fact]
    public async Task Create_NoHostTrusted_IsRefusedWithCountsByReasonAndNothingRemains()
    {
        await using var pool = await TrustedPool.StartAsync();
        foreach (var host in new[] { "kvm-a01", "kvm-a02", "kvm-a03" })
        {
            TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, (await pool.HostAsync(host)).Id, reboot: true, pool.Ct));
        }

        await pool.Get<ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a04")).Id, pool.Ct);
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);

        var operation = await pool.CreateAsync("web-1");

        Assert.Equal((OperationState.Failed, "placement.no_host"), (operation.Operation.State, operation.Operation.FailureCode));
        Assert.Contains("3 untrusted, 1 in maintenance", operation.Refusal!.Sentence, StringComparison.Ordinal);
        Assert.Null(await pool.VmAsync("web-1"));
        var decision = await pool.Get<PlacementDirectory>().DecisionOfOperationAsync(operation.Operation.Id, pool.Ct);
        Assert.Equal(3, decision!.Counts.Single(c => c.Code == "trust.untrusted").Hosts);
        Assert.Contains("placement.no_host", await pool.AuditAsync(), StringComparison.Ordinal);
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Create_HostLostTrustSinceItsLastRound_GoesToTheNext()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        var best = (await pool.Get<Placer>().DecideAsync(Preview(pool), pool.Ct)).Eligible[0];
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, best.HostId, reboot: true, pool.Ct));
        pool.Time.Advance(DemoSeed.Policy.MaxAgeAtStart + TimeSpan.FromSeconds(1));

        var operation = await pool.CreateAsync("web-1");

        Assert.Equal(OperationState.Succeeded, operation.Operation.State);
        Assert.NotEqual(best.HostId, (await pool.VmAsync("web-1"))!.HostId);
        var decision = await pool.Get<PlacementDirectory>().DecisionOfOperationAsync(operation.Operation.Id, pool.Ct);
        Assert.Contains(decision!.Refused, r => r.HostId == best.HostId && r.Reasons.Any(x => x.Code == "trust.untrusted"));
    }

    [Fact]
    public async Task Create_OnlyStaleHosts_AreAskedAgainBeforeGivingUp()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        pool.Time.Advance(DemoSeed.Policy.Lifetime + TimeSpan.FromSeconds(1));
        Assert.Equal(0, (await pool.Get<Placer>().DecideAsync(Preview(pool), pool.Ct)).EligibleCount);

        var operation = await pool.CreateAsync("web-1");

        Assert.Equal(OperationState.Succeeded, operation.Operation.State);
    }

    [Fact]
    public async Task Create_AnyLevel_GoesWhereNobodyIsTrusted()
    {
        await using var pool = await TrustedPool.StartAsync(approve: false);

        Assert.Equal(OperationState.Failed, (await pool.CreateAsync("needs-trust")).Operation.State);
        Assert.Equal(OperationState.Succeeded, (await pool.CreateAsync("any", TrustLevel.Any)).Operation.State);
    }

    [Fact]
    public async Task Create_TwoRaceForTheLastSlot_OneWinsNobodyOvercommits()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var memory = (await pool.HostAsync("kvm-a01")).Memory;

        var both = await Task.WhenAll(pool.CreateAsync("one", memory: memory), pool.CreateAsync("two", memory: memory));

        Assert.Single(both, o => o.Operation.State == OperationState.Succeeded);
        Assert.Single(both, o => o.Operation.FailureCode == "placement.no_host");
        Assert.Equal(memory, (await pool.HostAsync("kvm-a01")).MemoryClaimed);
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Claim_PolicyRevisionMovedSinceAppraisal_IsNotGiven()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.AttestAsync("kvm-a01");
        await using (var db = pool.Database())
        {
            await db.Clusters.ExecuteUpdateAsync(set => set.SetProperty(c => c.PolicyRevision, c => c.PolicyRevision + 1), pool.Ct);
        }

        await using var look = pool.Database();
        var cluster = await look.Clusters.SingleAsync(c => c.Id == pool.Cluster, pool.Ct);
        var admits = await look.Hosts.AnyAsync(EffectiveTrust.Of(look, pool.Time.GetUtcNow(), DateTimeOffset.UnixEpoch, cluster.PolicyRevision), pool.Ct);

        Assert.False(admits);
    }

    [Fact]
    public async Task Host_LosesTrust_MarksRunningVmsThatRequireItOnly()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("secret", start: true);
        await pool.CreateAsync("plain", TrustLevel.Any, start: true);
        await pool.CreateAsync("resting");
        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromSeconds(5));

        await pool.AttestAsync("kvm-a01");

        Assert.Equal(pool.Time.GetUtcNow(), (await pool.VmAsync("secret"))!.UntrustedSince);
        Assert.Null((await pool.VmAsync("plain"))!.UntrustedSince);
        Assert.Null((await pool.VmAsync("resting"))!.UntrustedSince);
        Assert.Contains("vm.host_lost_trust: 'secret'", await pool.AuditAsync(), StringComparison.Ordinal);

        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", null);
        pool.Time.Advance(TimeSpan.FromSeconds(5));
        await pool.AttestAsync("kvm-a01");

        var vm = await pool.VmAsync("secret");
        Assert.NotNull(vm!.UntrustedSince);
        Assert.Equal(pool.Time.GetUtcNow(), vm.UntrustedUntil);
    }

    private static PlacementRequest Preview(TrustedPool pool) => new()
    {
        ClusterId = pool.Cluster,
        Cpus = 1,
        Memory = 1L << 30,
        TrustLevel = TrustLevel.Trusted,
        Purpose = PlacementPurpose.Preview,
    };
}
