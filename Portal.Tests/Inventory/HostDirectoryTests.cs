using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Inventory;

/// <summary>The list of hosts can be sorted by every column, its own and contributed ones, by the database.</summary>
public sealed class HostDirectoryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_SortedByTrust_PutsTheWorstFirst(bool descending)
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 4);
        await using (var db = pool.Database())
        {
            var never = await pool.HostAsync("kvm-a01");
            await db.Attestations.Where(a => a.HostId == never.Id).ExecuteDeleteAsync(pool.Ct);
            var stale = await pool.HostAsync("kvm-a02");
            await db.Attestations.Where(a => a.HostId == stale.Id).ExecuteUpdateAsync(set => set.SetProperty(a => a.ValidUntil, pool.Time.GetUtcNow()), pool.Ct);
        }

        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a04", Fault.SignatureBitFlip);
        await pool.AttestAsync("kvm-a04");

        var page = TrustedPool.Expect(await pool.Get<HostDirectory>().ListAsync(new HostQuery { SortBy = TrustFacet.FacetName, Descending = descending }, pool.Ct));

        TrustStatus[] worstFirst = [TrustStatus.Untrusted, TrustStatus.Stale, TrustStatus.Unknown, TrustStatus.Trusted];
        Assert.Equal(descending ? worstFirst.Reverse() : worstFirst, page.Items.Select(r => r.Facet<HostTrust>(TrustFacet.FacetName)!.Status));
    }

    [Fact]
    public async Task List_SortedByEveryField_ListsEveryHost()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 3);
        var hosts = pool.Get<HostDirectory>();

        foreach (var field in hosts.Fields.Concat(["cpu", "memory", "vms"]))
        {
            var page = TrustedPool.Expect(await hosts.ListAsync(new HostQuery { SortBy = field }, pool.Ct));
            Assert.Equal(3, page.Items.Count);
        }
    }
}
