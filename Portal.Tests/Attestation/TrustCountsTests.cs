using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>The database counts hosts by the same word that each of them shows.</summary>
public sealed class TrustCountsTests
{
    [Fact]
    public async Task Counts_AreThoseOfTheRows_InEveryState()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 5, enrol: false);
        foreach (var name in (string[])["kvm-a01", "kvm-a02", "kvm-a03"])
        {
            TrustedPool.Expect(await pool.Get<EnrolAttester>().ExecuteAsync(TrustedPool.Administrator, (await pool.HostAsync(name)).Id, pool.Ct));
        }

        await pool.AttestAsync("kvm-a04");
        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a02", Fault.SignatureBitFlip);
        await pool.AttestAsync("kvm-a02");
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().GoSilentAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a03")).Id, pool.Ct));
        pool.Time.SetUtcNow((await pool.RowAsync("kvm-a03")).ValidUntil!.Value);
        await pool.AttestAsync("kvm-a01");
        await pool.AttestAsync("kvm-a03");

        var hosts = pool.Get<HostDirectory>();
        var rows = TrustedPool.Expect(await hosts.ListAsync(new HostQuery(), pool.Ct)).Items.Select(r => r.Facet<HostTrust>(TrustFacet.FacetName)!.Status).ToList();
        var counts = (await hosts.CountsAsync("", pool.Ct)).ToDictionary(c => c.Value, c => c.Hosts, StringComparer.Ordinal);

        Assert.Equal([TrustStatus.Trusted, TrustStatus.Untrusted, TrustStatus.Stale, TrustStatus.Unknown, TrustStatus.Unknown], rows);
        Assert.Equal((1, 1, 1, 2, 1), (counts["trusted"], counts["untrusted"], counts["stale"], counts["unknown"], counts[SilenceFacet.Silent]));
        foreach (var (value, count) in counts.Where(c => c.Key != SilenceFacet.Silent))
        {
            Assert.Equal(count, TrustedPool.Expect(await hosts.ListAsync(new HostQuery { Search = $"trust={value}" }, pool.Ct)).Total);
        }

        Assert.Equal("kvm-a03", Assert.Single(TrustedPool.Expect(await hosts.ListAsync(new HostQuery { Search = "silent=yes" }, pool.Ct)).Items).Host.Name);
        Assert.Equal(new TrustCounts(1, 1, 1, 2), Assert.Single(await pool.Get<TrustOverview>().ByClusterAsync(pool.Ct)).Counts);
        Assert.Equal(5, (await pool.Get<TrustOverview>().DriftAsync(pool.Ct)).Sum(c => c.Counts.Hosts));
    }

    [Fact]
    public async Task Counts_LeaveTheirOwnTermsOut_AndKeepTheOthers()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 3);

        var counts = await pool.Get<HostDirectory>().CountsAsync("trust=untrusted name=kvm-a01", pool.Ct);

        Assert.Equal(1, counts.Single(c => c.Value == "trusted").Hosts);
        Assert.Equal(0, counts.Single(c => c.Value == "untrusted").Hosts);
    }
}
