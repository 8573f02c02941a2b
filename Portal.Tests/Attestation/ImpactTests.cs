using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>What the preview says of each host is what a real change then does to it; <see cref="ImpactBench"/> compares every host each time.</summary>
public sealed class ImpactTests : IAsyncLifetime
{
    private const string Software = "RHEL 9.6 hypervisor 5.14.0-570.12.1";

    private ImpactBench bench = null!;

    private TrustedPool Pool => bench.Pool;

    public async ValueTask InitializeAsync() => bench = await ImpactBench.StartAsync();

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Approve_WhatWasCapturedFromAChangedHost_TrustsThatHostAndNoOther()
    {
        var captured = TrustedPool.Expect(await Pool.Get<CaptureBaseline>().ExecuteAsync(TrustedPool.Author, new(await bench.IdAsync("kvm-a02"), BaselineKinds.Hypervisor, "new kernel"), Pool.Ct));

        var impact = await bench.ApproveAsync(captured);

        Assert.Equal((ImpactEffect.GainsTrust, ImpactEffect.Unchanged), (impact["kvm-a02"].Effect, impact["kvm-b04"].Effect));
        Assert.Single(impact.Values, h => h.Effect is ImpactEffect.GainsTrust);
    }

    [Fact]
    public async Task Retire_WhatHostsMatch_TakesTheirTrust_AndMarksTheVmsThatRequireIt()
    {
        await Pool.CreateAsync("payroll", start: true);
        await Pool.CreateAsync("wiki", TrustLevel.Any, start: true);
        await Pool.CreateAsync("asleep");

        var impact = await bench.RetireAsync((await bench.InForceAsync(Software)).Id);

        Assert.Equal("payroll", Assert.Single(impact["kvm-a01"].Machines).Name);
        Assert.Equal(["kvm-a01", "kvm-a04", "kvm-b01"], impact.Values.Where(h => h.Effect is ImpactEffect.LosesTrust).Select(h => h.HostName).Order());
    }

    [Fact]
    public async Task Retire_WhileAVmIsBeingCreatedOnAHost_NamesThatVmToo()
    {
        await Pool.CreateAsync("payroll");
        await bench.QueryAsync(db => db.VirtualMachines.ExecuteUpdateAsync(set => set.SetProperty(v => v.Status, VirtualMachineStatus.Creating), Pool.Ct));

        var impact = await bench.RetireAsync((await bench.InForceAsync(Software)).Id);

        Assert.Equal("payroll", Assert.Single(impact["kvm-a01"].Machines).Name);
    }

    [Theory]
    [InlineData(true, ImpactEffect.LosesTrust)]
    [InlineData(false, ImpactEffect.Unchanged)]
    public async Task Approve_ARevisionWithOneDigestChanged_TakesTrustOnlyIfTheEarlierOneIsRetired(bool retireEarlier, ImpactEffect effect)
    {
        var draft = TrustedPool.Expect(await Pool.Get<NewRevision>().ExecuteAsync(TrustedPool.Author, new((await bench.InForceAsync(Software)).BaselineId), Pool.Ct));
        var content = BaselineContent.Parse((await bench.QueryAsync(db => db.BaselineRevisions.SingleAsync(r => r.Id == draft.RevisionId, Pool.Ct))).Content);
        var (pcr, first) = (content.Pcrs[^1], content.Pcrs[^1].Events[0]);
        var changed = pcr with { Events = pcr.Events.SetItem(0, first with { Digests = [new string('a', 64)] }) };
        TrustedPool.Expect(await Pool.Get<EditRevision>().ExecuteAsync(TrustedPool.Author, new(draft.RevisionId, draft.Version, content with { Pcrs = content.Pcrs.SetItem(content.Pcrs.Length - 1, changed) }), Pool.Ct));

        var impact = await bench.ApproveAsync(draft, retireEarlier);

        Assert.Equal((effect, effect, ImpactEffect.Unchanged), (impact["kvm-a01"].Effect, impact["kvm-b01"].Effect, impact["kvm-b03"].Effect));
    }

    [Fact]
    public async Task Approve_ForOneClusterOnly_LeavesTheOtherOut()
    {
        var content = BaselineContent.Parse((await bench.InForceAsync(Software)).Content) with { Clusters = [Pool.Cluster] };
        var created = TrustedPool.Expect(await Pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new("here only", BaselineKinds.Hypervisor, "", content), Pool.Ct));

        var impact = await bench.ApproveAsync(created);

        Assert.All(impact.Keys, host => Assert.StartsWith("kvm-a", host, StringComparison.Ordinal));
        Assert.Equal((4, ImpactEffect.CannotTell, TrustStatus.Stale), (impact.Count, impact["kvm-a04"].Effect, impact["kvm-a04"].After));
    }

    [Fact]
    public async Task Approve_WhereOnlyTheEarlierRevisionApplied_ClearsNobodyWhoWaitsForNewEvidence()
    {
        var software = await bench.InForceAsync(Software);
        var content = BaselineContent.Parse(software.Content);
        var other = content with { Pcrs = [.. content.Pcrs.Select(p => p with { Events = [.. p.Events.Select(e => e with { Digests = [new string('a', 64)] })] })] };
        var earlier = await Pool.ApproveAsync("nobody runs this", BaselineKinds.Hypervisor, other);
        await bench.RetireAsync(software.Id);
        var elsewhere = (await Pool.HostAsync("kvm-b01")).ClusterId;
        await bench.PutInForceAsync(elsewhere, TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware });
        Assert.Equal("waits for new evidence", (await Pool.RowAsync("kvm-b01")).Reason);

        var draft = TrustedPool.Expect(await Pool.Get<NewRevision>().ExecuteAsync(TrustedPool.Author, new(earlier.BaselineId), Pool.Ct));
        draft = TrustedPool.Expect(await Pool.Get<EditRevision>().ExecuteAsync(TrustedPool.Author, new(draft.RevisionId, draft.Version, other with { Clusters = [Pool.Cluster] }), Pool.Ct));
        var impact = await bench.ApproveAsync(draft, retirePrevious: true);

        Assert.Equal((ImpactEffect.Unchanged, TrustStatus.Untrusted), (impact["kvm-b01"].Effect, impact["kvm-b01"].After));
        Assert.Equal(Verdict.Untrusted, (await Pool.RowAsync("kvm-b01")).Verdict);
    }

    [Fact]
    public async Task Approve_WhatADishonestHostMayWellRun_DoesNotClearIt()
    {
        var content = BaselineContent.Parse((await bench.InForceAsync(Software)).Content);
        var created = TrustedPool.Expect(await Pool.Get<CreateBaseline>().ExecuteAsync(TrustedPool.Author, new("once more", BaselineKinds.Hypervisor, "", content), Pool.Ct));

        var impact = await bench.ApproveAsync(created);

        Assert.Equal((ImpactEffect.Unchanged, TrustStatus.Untrusted), (impact["kvm-a03"].Effect, impact["kvm-a03"].After));
        Assert.Contains("no baseline clears that", impact["kvm-a03"].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retire_WhereAHostNeverSentButGarbledAnswers_SaysThatItStaysUntrusted()
    {
        await bench.MisbehaveAsync("kvm-b02", Fault.Garbled);
        TrustedPool.Expect(await Pool.Get<EnrolAttester>().ExecuteAsync(TrustedPool.Administrator, await bench.IdAsync("kvm-b02"), Pool.Ct));

        var impact = await bench.RetireAsync((await bench.InForceAsync(Software)).Id);

        Assert.Equal((ImpactEffect.Unchanged, TrustStatus.Untrusted, TrustStatus.Untrusted), (impact["kvm-b02"].Effect, impact["kvm-b02"].Before, impact["kvm-b02"].After));
    }

    [Fact]
    public async Task Policy_RequiringOneKindLess_TrustsNobodyBeforeNewEvidence()
    {
        var impact = await bench.ChangePolicyAsync(Pool.Cluster, TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware });

        Assert.Equal((ImpactEffect.Unchanged, "waits for new evidence"), (impact["kvm-a02"].Effect, impact["kvm-a02"].Reason));
        Assert.Equal((4, ImpactEffect.Unchanged), (impact.Count, impact["kvm-a01"].Effect));
    }

    [Fact]
    public async Task Policy_RequiringOneKindMore_TakesTrustOfThoseThatLackIt()
    {
        await bench.PutInForceAsync(Pool.Cluster, TrustPolicy.Default with { RequiredKinds = BaselineKinds.Firmware });
        await bench.AttestAllAsync();

        var impact = await bench.ChangePolicyAsync(Pool.Cluster, TrustPolicy.Default);

        Assert.Equal((ImpactEffect.LosesTrust, ImpactEffect.Unchanged), (impact["kvm-a02"].Effect, impact["kvm-a01"].Effect));
    }

    [Fact]
    public async Task Policy_WithALongerLifetime_MakesAStaleHostTrustedAgain()
    {
        var impact = await bench.ChangePolicyAsync(Pool.Cluster, TrustPolicy.Default with { Lifetime = TimeSpan.FromHours(1) });

        Assert.Equal((ImpactEffect.GainsTrust, TrustStatus.Stale, TrustStatus.Trusted), (impact["kvm-a04"].Effect, impact["kvm-a04"].Before, impact["kvm-a04"].After));
    }

    [Fact]
    public async Task Policy_WithAShorterLifetime_LeavesHostsStaleUntilTheyAreAsked()
    {
        Pool.Time.Advance(TimeSpan.FromMinutes(2));

        var impact = await bench.ChangePolicyAsync(Pool.Cluster, TrustPolicy.Default with { Lifetime = TimeSpan.FromMinutes(1.001), ForgetAfter = TimeSpan.FromMinutes(2) });

        Assert.Equal((ImpactEffect.CannotTell, TrustStatus.Trusted, TrustStatus.Stale), (impact["kvm-a01"].Effect, impact["kvm-a01"].Before, impact["kvm-a01"].After));
        Assert.Equal(TrustStatus.Unknown, impact["kvm-a04"].After);
    }

    [Fact]
    public async Task Policy_OfAClusterThatIsNot_OrBeyondTheLimits_IsRefusedByTheSameCodesAsTheChange()
    {
        var preview = Pool.Get<ImpactPreview>();

        Assert.Equal("cluster.not_found", (await preview.IfPolicyAsync(TrustedPool.Auditor, Guid.NewGuid(), TrustPolicy.Default, Pool.Ct)).Refusal?.Code);
        var absurd = TrustPolicy.Default with { Lifetime = TimeSpan.FromDays(2) };
        var refused = (await Pool.Get<ChangeTrustPolicy>().ExecuteAsync(TrustedPool.Administrator, new(Pool.Cluster, absurd, 1), Pool.Ct)).Refusal?.Code;
        Assert.Equal(refused, (await preview.IfPolicyAsync(TrustedPool.Auditor, Pool.Cluster, absurd, Pool.Ct)).Refusal?.Code);
        Assert.NotNull(refused);
    }
}
