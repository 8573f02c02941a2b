using Portal.Core.Inventory;
using Portal.Core.Placement;
using Portal.Tests.World;

namespace Portal.Tests.Placement;

/// <summary>What a decision on more hosts than it can tell of in full keeps, against the plain way to choose it.</summary>
public sealed class PlacerTests
{
    [Theory]
    [InlineData(Placer.FullDetail)]
    [InlineData(Placer.FullDetail + 700)]
    public async Task Decide_ManyHosts_KeepsTheNearestInOrder(int count)
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
        var placer = pool.Get<Placer>();
        var random = new Random(20261001);
        HostCandidate[] hosts = [.. Enumerable.Range(0, count).Select(_ => Candidate(pool.Cluster, random))];
        var request = new PlacementRequest { ClusterId = pool.Cluster, Cpus = 8, Memory = 8L << 30, TrustLevel = TrustLevel.Any, Purpose = PlacementPurpose.Preview };

        var decision = placer.Decide(request, hosts, pool.Time.GetUtcNow());

        var keep = count <= Placer.FullDetail ? count : Placer.NearestKept;
        var reasons = hosts.ToDictionary(h => h.Id, h => placer.Decide(request, [h], pool.Time.GetUtcNow()).Counts.Sum(c => c.Hosts));
        var weights = hosts.Where(h => reasons[h.Id] == 0).ToDictionary(h => h.Id, h => placer.Decide(request, [h], pool.Time.GetUtcNow()).Eligible[0].Weight);
        Assert.Equal(
            hosts.Where(h => reasons[h.Id] == 0).OrderByDescending(h => weights[h.Id]).ThenBy(h => h.Name, StringComparer.Ordinal).Take(keep).Select(h => (h.Id, weights[h.Id])),
            decision.Eligible.Select(e => (e.HostId, e.Weight)));
        Assert.Equal(
            hosts.Where(h => reasons[h.Id] > 0).OrderBy(h => keep == count ? 0 : reasons[h.Id]).ThenBy(h => h.Name, StringComparer.Ordinal).Take(keep).Select(h => (h.Id, reasons[h.Id])),
            decision.Refused.Select(r => (r.HostId, r.Reasons.Count)));
        Assert.Equal(weights.Count, decision.EligibleCount);
        Assert.Equal(reasons.Values.Sum(), decision.Counts.Sum(c => c.Hosts));
        Assert.InRange(decision.EligibleCount, 1, count - 1);
    }

    /// <summary>Few different figures, so that many hosts rank alike.</summary>
    private static HostCandidate Candidate(Guid cluster, Random random) => new(
        Guid.NewGuid(),
        $"kvm-{random.Next():x8}",
        cluster,
        (HostState)random.Next(3),
        16,
        random.Next(4) * 4,
        32L << 30,
        (random.Next(4) * 4L) << 30);
}
