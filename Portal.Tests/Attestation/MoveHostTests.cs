using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Tests.Inventory;

namespace Portal.Tests.Attestation;

public sealed class MoveHostTests : IAsyncLifetime
{
    private ClusterBench bench = null!;
    private Cluster from = null!;
    private Cluster to = null!;
    private Host host = null!;

    public async ValueTask InitializeAsync()
    {
        bench = await ClusterBench.StartAsync();
        (from, to) = (await bench.ClusterAsync("prod-a"), await bench.ClusterAsync("prod-b"));
        host = await bench.HostAsync(from);
    }

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Move_OfAnEmptyHost_RaisesTheTargetAboveBoth_AndAsksForAnAppraisal()
    {
        for (var i = 0; i < 3; i++)
        {
            await bench.ChangeAsync(ClusterBench.Admin, from, TrustPolicy.Default with { Interval = TimeSpan.FromSeconds(20 + i) });
        }

        var standing = (await MoveAsync(ClusterBench.Admin)).Value;

        Assert.Equal((PolicyEffect.InForce, 5L), (standing.Effect, standing.PolicyRevision));
        Assert.Equal(5, (await bench.ReadAsync(to)).PolicyRevision);
        Assert.Equal(to.Id, await ClusterOfHostAsync());
        Assert.Equal((to.Id, ReappraisalCause.HostMoved), (Assert.Single(bench.Reappraisal.Requests[^1].Clusters), bench.Reappraisal.Requests[^1].Cause));
        Assert.Equal("Dan moved host kvm-a01 from cluster prod-a to prod-b.", (await bench.AuditAsync())[^1].Sentence);
    }

    [Fact]
    public async Task Move_OfAHostWithVms_IsRefused()
    {
        await PlaceAsync();

        Assert.Equal("host.move.vms", (await MoveAsync(ClusterBench.Admin)).Refusal?.Code);
        Assert.Equal(from.Id, await ClusterOfHostAsync());
    }

    [Fact]
    public async Task Move_WhenAVmIsPlacedBetweenLookAndWrite_IsRefused_AndRaisesNothing()
    {
        bench.Moment.Once(PlaceAsync);

        Assert.Equal("host.move.vms", (await MoveAsync(ClusterBench.Admin)).Refusal?.Code);
        Assert.Equal((from.Id, 1L), (await ClusterOfHostAsync(), (await bench.ReadAsync(to)).PolicyRevision));
        Assert.Empty(bench.Reappraisal.Requests);
    }

    [Fact]
    public async Task Move_WhenTheSourceRisesBetweenLookAndWrite_StillEndsAboveIt()
    {
        bench.Moment.Once(() => bench.ChangeAsync(ClusterBench.Admin, from, TrustPolicy.Default with { Interval = TimeSpan.FromSeconds(20) }));

        Assert.Equal(3, (await MoveAsync(ClusterBench.Admin)).Value.PolicyRevision);
    }

    [Fact]
    public async Task Move_OfAHostBeingClaimed_IsRefused()
    {
        await bench.QueryAsync(db => db.Hosts.ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, 1L << 30)));

        Assert.Equal("host.move.claimed", (await MoveAsync(ClusterBench.Admin)).Refusal?.Code);
    }

    [Fact]
    public async Task Move_ToWhereItIs_ChangesNothing() =>
        Assert.Equal(PolicyEffect.Unchanged, (await bench.Get<MoveHost>().ExecuteAsync(ClusterBench.Admin, host.Id, from.Id, default)).Value.Effect);

    [Fact]
    public async Task Move_BySecurity_IsRefused() => Assert.Equal("access.denied", (await MoveAsync(ClusterBench.Security)).Refusal?.Code);

    [Fact]
    public async Task Move_ToNoCluster_IsNotFound() =>
        Assert.Equal("cluster.not_found", (await bench.Get<MoveHost>().ExecuteAsync(ClusterBench.Admin, host.Id, Guid.NewGuid(), default)).Refusal?.Code);

    private Task<Outcome<PolicyStanding>> MoveAsync(Core.Access.Caller by) => bench.Get<MoveHost>().ExecuteAsync(by, host.Id, to.Id, default);

    private Task<Guid> ClusterOfHostAsync() => bench.QueryAsync(db => db.Hosts.Where(h => h.Id == host.Id).Select(h => h.ClusterId).SingleAsync());

    private async Task PlaceAsync()
    {
        var template = new Template { Name = Guid.NewGuid().ToString("N") };
        await bench.AddAsync(template, new VirtualMachine
        {
            Name = "vm-1",
            ClusterId = from.Id,
            TemplateId = template.Id,
            Cpus = 1,
            Memory = 1L << 30,
            Disk = 1L << 30,
            HostId = host.Id,
            CreatedBy = "Dan",
            CreatedAt = bench.Time.GetUtcNow(),
        });
    }
}
