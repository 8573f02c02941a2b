using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Virtualization;

namespace Portal.Tests.Simulation;

public sealed class DemoSeedTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Seed_OfAnEmptyDatabase_AddsTheInventory()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        await using var db = portal.Database();
        Assert.Equal(["prod-a", "prod-b"], await db.Clusters.Select(c => c.Name).Order().ToListAsync(Token));
        Assert.Equal(12, await db.Hosts.CountAsync(Token));
        Assert.Equal(Guid.Empty, (await db.Templates.SingleAsync(t => t.Name == "Blank", Token)).Id);
        var host = await portal.HostAsync("kvm-b05");
        Assert.Equal(("sim:kvm-b05", "HPE", "U54 2.10", "RHEL 9.5"), (host.Address, host.Hardware.Manufacturer, host.Hardware.BiosVersion, host.Hardware.OperatingSystem));
    }

    [Fact]
    public async Task Seed_OfVms_AgreesWithTheHypervisorAndTheClaims()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        await using var db = portal.Database();
        var vms = await db.VirtualMachines.ToListAsync(Token);
        Assert.NotEmpty(vms);
        Assert.All(vms, vm => Assert.Equal(TrustLevel.Any, vm.TrustLevel));
        foreach (var host in await db.Hosts.ToListAsync(Token))
        {
            var placed = vms.Where(v => v.HostId == host.Id).ToArray();
            Assert.Equal(placed.Sum(v => v.Memory), host.MemoryClaimed);
            Assert.Equal(placed.Sum(v => v.Cpus), host.CpusClaimed);
            var domains = await portal.Get<IHypervisor>().ListAsync(host.Endpoint, Token);
            Assert.Equal(
                placed.OrderBy(v => v.Name).Select(v => (v.Id, v.Status == VirtualMachineStatus.Up)),
                domains!.Select(d => (d.Definition.Id, d.State == DomainState.Running)));
        }
    }

    [Fact]
    public async Task Seed_DoneAgain_AddsNothingAndBringsNoVmBack()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        await using (var db = portal.Database())
        {
            await db.VirtualMachines.Where(v => v.Name == "web-01").ExecuteDeleteAsync(Token);
        }

        await portal.Get<DemoSeed>().EnsureAsync(Token);
        await using var after = portal.Database();
        Assert.Equal(12, await after.Hosts.CountAsync(Token));
        Assert.False(await after.VirtualMachines.AnyAsync(v => v.Name == "web-01", Token));
        Assert.Equal(1, await after.AuditEntries.CountAsync(a => a.Event == "simulation.seeded", Token));
    }

    [Fact]
    public async Task Seed_WithAHostOfThatNameThere_LeavesItAlone()
    {
        await using var portal = await SimulatedPortal.StartAsync(seed: false);
        await using (var db = portal.Database())
        {
            var cluster = Cluster.Create("prod-a", TrustPolicy.Default);
            db.Clusters.Add(cluster);
            db.Hosts.Add(new Host { Name = "kvm-a01", Address = "sim:kvm-a01", ClusterId = cluster.Id, Cpus = 1, Memory = 1L << 30 });
            await db.SaveChangesAsync(Token);
        }

        await portal.Get<DemoSeed>().EnsureAsync(Token);
        var host = await portal.HostAsync("kvm-a01");
        Assert.Equal((1, 0L), (host.Cpus, host.MemoryClaimed));
    }

    [Fact]
    public async Task HostsToEnrol_OfTheDemo_AreAllButOne()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var names = portal.Get<DemoSeed>().HostsToEnrol;
        Assert.Equal(11, names.Count);
        Assert.DoesNotContain("kvm-b06", names);
    }

    [Fact]
    public async Task Story_Begun_HappensOnce()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var story = portal.Get<DemoStory>();
        Assert.False(story.HasBegun);
        await story.BeginAsync(Token);
        await story.BeginAsync(Token);
        Assert.True(story.HasBegun);
        Assert.Equal("2.06-63", (await portal.ConditionAsync("kvm-a05")).Grub);
        Assert.Equal("PowerEdge R760 firmware 2.20.0", (await portal.ConditionAsync("kvm-b02")).Firmware);
        Assert.True((await portal.ConditionAsync("kvm-a06")).AgentSilent);
        Assert.True((await portal.ConditionAsync("kvm-b06")).IsOriginal);
        Assert.True((await portal.ConditionAsync("kvm-a01")).IsOriginal);
    }
}
