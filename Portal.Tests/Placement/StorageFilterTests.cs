using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Placement;

/// <summary>Hosts without the pool, the image or the room are refused with the reason; hosts that describe none are not asked.</summary>
public sealed class StorageFilterTests
{
    [Fact]
    public async Task Hosts_WithoutPoolImageOrRoom_SayWhich()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 4, enrol: false, approve: false);
        await DescribeAsync(pool, "kvm-a01", "default", ["debian.qcow2"]);
        await DescribeAsync(pool, "kvm-a02", "other", ["debian.qcow2"]);
        await DescribeAsync(pool, "kvm-a03", "default", []);
        await DescribeAsync(pool, "kvm-a04", "default", ["debian.qcow2"], available: 1L << 30);

        var decision = await DecideAsync(pool, new StorageNeed("default", "debian.qcow2", 10L << 30));

        Assert.Equal("kvm-a01", Assert.Single(decision.Eligible).HostName);
        Assert.Equal(
            ["It has no storage pool default.", "Its storage pool default has no image debian.qcow2.", "Storage pool default: 10 GiB asked, 1 GiB free."],
            decision.Refused.OrderBy(r => r.HostName, StringComparer.Ordinal).Select(r => Assert.Single(r.Reasons).Sentence));
        Assert.Equal(["not enough storage", "without the image", "without the storage pool"], decision.Counts.Select(c => c.Words).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task SimulatedHosts_AreNotAsked_AndHostsReachedByLibvirtAreBeforeTheyDescribed()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, enrol: false, approve: false);
        await using (var db = pool.Database())
        {
            await db.Hosts.Where(h => h.Name == "kvm-a02").ExecuteUpdateAsync(set => set.SetProperty(h => h.LibvirtUri, "qemu:///system"), pool.Ct);
        }

        var decision = await DecideAsync(pool, new StorageNeed("default", "", 10L << 30));

        Assert.Equal("kvm-a01", Assert.Single(decision.Eligible).HostName);
        Assert.Equal(2, (await DecideAsync(pool, null)).EligibleCount);
    }

    [Fact]
    public async Task ExistingDisk_NeedsNothingWhereItIs_AndNoRoomInASharedPool()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 3, enrol: false, approve: false);
        await DescribeAsync(pool, "kvm-a01", "nfs", [], shared: true, available: 0);
        await DescribeAsync(pool, "kvm-a02", "nfs", [], shared: true, available: 0);
        await DescribeAsync(pool, "kvm-a03", "nfs", [], shared: false, available: 0);
        var here = (await pool.HostAsync("kvm-a01")).Id;

        var decision = await DecideAsync(pool, new StorageNeed("nfs", "debian.qcow2", 10L << 30), here);

        Assert.Equal(["kvm-a01", "kvm-a02"], decision.Eligible.Select(e => e.HostName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Pools_AreReadAnewWhenTheHostChanged()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, enrol: false, approve: false);
        await DescribeAsync(pool, "kvm-a01", "default", []);
        Assert.Equal(0, (await DecideAsync(pool, new StorageNeed("default", "debian.qcow2", 1L << 30))).EligibleCount);
        await using (var db = pool.Database())
        {
            await db.HostPools.ExecuteUpdateAsync(set => set.SetProperty(p => p.Volumes, "[\"debian.qcow2\"]"), pool.Ct);
        }

        pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host, (await pool.HostAsync("kvm-a01")).Id));

        Assert.Equal(1, (await DecideAsync(pool, new StorageNeed("default", "debian.qcow2", 1L << 30))).EligibleCount);
    }

    [Fact]
    public async Task Create_FromATemplateWhoseImageIsNowhere_FailsWithTheCount()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, enrol: false, approve: false);
        await DescribeAsync(pool, "kvm-a01", "default", []);
        var request = new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, Image = "debian.qcow2" };

        var view = await pool.RunAsync(TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, request, pool.Ct)));

        Assert.Equal((OperationState.Failed, "placement.no_host"), (view.Operation.State, view.Operation.FailureCode));
        Assert.Contains("1 without the image", view.Refusal!.Sentence, StringComparison.Ordinal);
    }

    private static async Task DescribeAsync(TrustedPool pool, string host, string name, string[] images, bool shared = false, long available = 1L << 40)
    {
        var id = (await pool.HostAsync(host)).Id;
        await using var db = pool.Database();
        db.HostPools.Add(new HostPool { HostId = id, Name = name, Kind = "dir", IsShared = shared, Capacity = 1L << 40, Available = available, Volumes = JsonSerializer.Serialize(images) });
        await db.SaveChangesAsync(pool.Ct);
        pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host, id));
    }

    private static ValueTask<PlacementDecision> DecideAsync(TrustedPool pool, StorageNeed? need, Guid? current = null) => pool.Get<Placer>().DecideAsync(
        new PlacementRequest
        {
            ClusterId = pool.Cluster,
            Cpus = 1,
            Memory = 1L << 30,
            TrustLevel = TrustLevel.Any,
            Purpose = PlacementPurpose.Preview,
            CurrentHostId = current,
            Storage = need,
        },
        pool.Ct);
}
