using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.LostTrust;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization.LostTrust;

public sealed class QuarantineTests
{
    private const string Host = "kvm-a01";

    private static readonly ReactionPolicy Quarantine = ReactionPolicy.Default with { Kind = ReactionKind.Quarantine, ReleaseAfter = TimeSpan.FromMinutes(10) };

    [Fact]
    public async Task Fall_ClusterQuarantines_HostIsInQuarantineInTheSameTransaction()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 2);

        await pool.FallAsync(Host);

        Assert.Equal(pool.Pool.Time.GetUtcNow(), (await pool.Pool.HostAsync(Host)).QuarantinedSince);
        Assert.Equal(1, await pool.AuditedAsync("host.quarantined", AuditSeverity.Notice));
    }

    [Fact]
    public async Task Fall_ClusterOnlyAlerts_HostIsInNoQuarantine()
    {
        await using var pool = await ReactingPool.StartAsync(ReactionPolicy.Default, hosts: 2);

        await pool.FallAsync(Host);
        await pool.LookAsync();

        Assert.Null((await pool.Pool.HostAsync(Host)).QuarantinedSince);
        Assert.Null(await pool.ReactionAsync(Host));
    }

    [Fact]
    public async Task Create_OnlyHostIsTrustedAgainButInQuarantine_IsRefusedWithTheReason()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 1);
        await pool.FallAsync(Host);
        await pool.RiseAsync(Host);

        var refused = await pool.Pool.CreateAsync("secret");
        var allowed = await pool.Pool.CreateAsync("plain", TrustLevel.Any);

        Assert.Equal("placement.no_host", refused.Operation.FailureCode);
        Assert.Contains("1 in quarantine", refused.Refusal!.Sentence, StringComparison.Ordinal);
        Assert.Equal(OperationState.Succeeded, allowed.Operation.State);
    }

    [Fact]
    public async Task Claim_HostIsQuarantinedAfterItWasChosen_GoesToNobody()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 1);
        var vm = TrustedPool.Expect(await pool.Pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = "secret", ClusterId = pool.Pool.Cluster, TrustLevel = TrustLevel.Trusted }, pool.Ct));
        await pool.Pool.Get<FleetView>().OfAsync(pool.Pool.Cluster, pool.Ct);
        await using (var db = pool.Pool.Database())
        {
            // Nobody tells the placement: the snapshot it decides on is old.
            await db.Hosts.ExecuteUpdateAsync(set => set.SetProperty(h => h.QuarantinedSince, pool.Pool.Time.GetUtcNow()), pool.Ct);
        }

        var view = await pool.Pool.RunAsync(vm);

        Assert.Equal("placement.no_host", view.Operation.FailureCode);
        Assert.Contains("1 changed while this was decided", view.Refusal!.Sentence, StringComparison.Ordinal);
        await pool.Pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task WhyNotNow_AdmittedBeforeTheQuarantine_IsAskedAgainBeforeItStarts()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 1);
        await pool.Pool.CreateAsync("secret");
        var (vm, host) = ((await pool.Pool.VmAsync("secret"))!, await pool.Pool.HostAsync(Host));
        var gate = pool.Pool.Get<TrustGate>();
        Assert.Null(await gate.WhyNotNowAsync(vm, host.Id, Guid.NewGuid(), pool.Ct));

        TrustedPool.Expect(await pool.Pool.Get<QuarantineHost>().ExecuteAsync(TrustedPool.Administrator, host.Id, pool.Ct));

        Assert.Equal("quarantine", (await gate.WhyNotNowAsync(vm, host.Id, Guid.NewGuid(), pool.Ct))?.Code);
    }

    [Fact]
    public async Task Quarantine_TrustedForLongEnough_EndsByItself()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 2);
        await pool.FallAsync(Host);
        await pool.RiseAsync(Host);
        var risen = pool.Pool.Time.GetUtcNow();

        Assert.Equal(risen + Quarantine.ReleaseAfter, await pool.LookAsync());
        pool.Pool.Time.Advance(Quarantine.ReleaseAfter - TimeSpan.FromSeconds(1));
        await pool.Pool.AttestAsync(Host);
        await pool.LookAsync();
        Assert.NotNull((await pool.Pool.HostAsync(Host)).QuarantinedSince);
        pool.Pool.Time.Advance(TimeSpan.FromSeconds(1));
        await pool.LookAsync();

        Assert.Null((await pool.Pool.HostAsync(Host)).QuarantinedSince);
        Assert.Equal(1, await pool.AuditedAsync("host.released", AuditSeverity.Notice));
    }

    [Fact]
    public async Task Quarantine_HostFallsSilentWhileItWaits_DoesNotEnd()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 2);
        await pool.FallAsync(Host);
        await pool.RiseAsync(Host);
        await pool.SilenceAsync(Host);
        pool.Pool.Time.Advance(TimeSpan.FromHours(1));

        await pool.LookAsync();

        Assert.NotNull((await pool.Pool.HostAsync(Host)).QuarantinedSince);
    }

    [Fact]
    public async Task Quarantine_NoTimeAsked_EndsWithTheVerdict()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine with { ReleaseAfter = TimeSpan.Zero }, hosts: 2);
        await pool.FallAsync(Host);

        await pool.RiseAsync(Host);

        Assert.Null((await pool.Pool.HostAsync(Host)).QuarantinedSince);
    }

    [Fact]
    public async Task ByHand_TrustedHost_StaysInQuarantineUntilAPersonReleasesIt()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine with { ReleaseAfter = TimeSpan.Zero }, hosts: 2);
        var id = (await pool.Pool.HostAsync(Host)).Id;
        TrustedPool.Expect(await pool.Pool.Get<QuarantineHost>().ExecuteAsync(TrustedPool.Administrator, id, pool.Ct));
        pool.Pool.Time.Advance(TimeSpan.FromMinutes(1));
        await pool.Pool.AttestAsync(Host);
        await pool.LookAsync();
        Assert.NotNull((await pool.Pool.HostAsync(Host)).QuarantinedSince);

        TrustedPool.Expect(await pool.Pool.Get<ReleaseHost>().ExecuteAsync(TrustedPool.Administrator, id, pool.Ct));

        Assert.Null((await pool.Pool.HostAsync(Host)).QuarantinedSince);
        Assert.Contains("host.released: ada released host kvm-a01", await pool.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Release_HostNotEffectivelyTrusted_IsRefusedAndAudited()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 2);
        var id = (await pool.Pool.HostAsync(Host)).Id;
        await pool.FallAsync(Host);
        var untrusted = await pool.Pool.Get<ReleaseHost>().ExecuteAsync(TrustedPool.Administrator, id, pool.Ct);
        await pool.RiseAsync(Host);
        pool.Pool.Time.Advance(TimeSpan.FromHours(1));
        var stale = await pool.Pool.Get<ReleaseHost>().ExecuteAsync(TrustedPool.Administrator, id, pool.Ct);

        Assert.Equal(("host.release.untrusted", "host.release.untrusted"), (untrusted.Refusal?.Code, stale.Refusal?.Code));
        Assert.NotNull((await pool.Pool.HostAsync(Host)).QuarantinedSince);
        Assert.Equal(2, await pool.AuditedAsync("host.release.untrusted", AuditSeverity.Refusal));
    }

    [Fact]
    public async Task Commands_WithoutPermission_AreDenied()
    {
        await using var pool = await ReactingPool.StartAsync(Quarantine, hosts: 2);
        var id = (await pool.Pool.HostAsync(Host)).Id;
        Caller[] nobodies = [TrustedPool.Operator, TrustedPool.Author, TrustedPool.Auditor];
        foreach (var caller in nobodies)
        {
            Assert.Equal("access.denied", (await pool.Pool.Get<QuarantineHost>().ExecuteAsync(caller, id, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await pool.Pool.Get<ReleaseHost>().ExecuteAsync(caller, id, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await pool.Pool.Get<LetReactionGoOn>().OfHostAsync(caller, id, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await pool.Pool.Get<DismissReaction>().OfClusterAsync(caller, pool.Pool.Cluster, pool.Ct)).Refusal?.Code);
        }

        Assert.Null((await pool.Pool.HostAsync(Host)).QuarantinedSince);
    }
}
