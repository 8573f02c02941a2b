using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>What a host's connection, description and machines come to on record.</summary>
public sealed class HostWatchTests
{
    private const long Gib = 1L << 30;

    [Theory]
    [InlineData(2L, 0L, 1536L << 20)]
    [InlineData(64L, 0L, (64L << 30) - ((64L << 30) / 100 * 5))]
    [InlineData(8L, 2L, 5L << 30)]
    [InlineData(8L, 9L, 0L)]
    public void Capacity_IsWhatTheHostAndOthersLeave(long physical, long foreign, long expected) => Assert.Equal(expected, HostCapacity.ForMachines(physical * Gib, foreign * Gib));

    [Fact]
    public async Task FirstConnection_HostIsUp_AndSaysWhatItIs()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        pool.Hypervisor.Of(host).Description = new(16, 64 * Gib, new HostHardware { Manufacturer = "Dell", Board = "Dell 0X1", NotOffered = "" }, [new StoragePool("default", "dir", false, 100, 40, ["debian.qcow2"])], []);

        pool.Hypervisor.Connect(host);

        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);
        var row = await pool.ReadAsync(host);
        Assert.Equal((HostState.Up, "", 16, HostCapacity.ForMachines(64 * Gib, 0), "Dell 0X1"), (row.State, row.StateReason, row.Cpus, row.Memory, row.Hardware.Board));
        var stored = await pool.QueryAsync(db => db.HostPools.SingleAsync(p => p.HostId == host.Id));
        Assert.Equal(("default", 40L, """["debian.qcow2"]"""), (stored.Name, stored.Available, stored.Volumes));
        Assert.Contains("answers: QEMU 7.2.22", (await pool.AuditAsync("host.answers")).Single().Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LostConnection_HostIsNotResponding_ToldOnce_AndItsVmsKeepTheirStatus()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1", HostState.Up);
        var vm = await pool.PlaceAsync("web-1", host);
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);

        pool.Hypervisor.Of(host).IsSilent = true;
        pool.Hypervisor.Disconnect(host, "The connection was lost.");
        await pool.UntilAsync(host, h => h.State == HostState.NonResponsive);
        pool.Hypervisor.Disconnect(host, "Nothing listens there.");
        await pool.UntilAsync(host, h => h.StateReason == "Nothing listens there.");

        Assert.Equal(VirtualMachineStatus.Up, (await pool.ReadAsync(vm)).Status);
        var entry = Assert.Single(await pool.AuditAsync("host.not_answering"));
        Assert.Equal(AuditSeverity.Alarm, entry.Severity);
        Assert.Contains("shown as it was last", entry.Sentence, StringComparison.Ordinal);
        Assert.Empty(pool.Watcher.Down);
    }

    [Fact]
    public async Task LostConnection_OfAHostInMaintenance_LeavesItThere_WithTheReason()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1", HostState.Maintenance);
        pool.Hypervisor.Disconnect(host);
        await pool.UntilAsync(host, h => h.StateReason.Length > 0);
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(host, h => h.StateReason.Length == 0);
        Assert.Equal(HostState.Maintenance, (await pool.ReadAsync(host)).State);
        Assert.Empty(await pool.AuditAsync("host.not_answering"));
    }

    [Fact]
    public async Task Reconnect_AfterAReboot_VmsAreDown_AndThatIsTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        var vm = await pool.PlaceAsync("web-1", host);
        pool.Hypervisor.Of(host).Domains[vm.Id] = WatchedPool.DomainOf(vm, DomainState.ShutOff);
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(() => Task.FromResult(!pool.Watcher.Down.IsEmpty));
        Assert.Equal((vm.Id, DomainCause.Ordinary), Assert.Single(pool.Watcher.Down));
        Assert.Equal(VirtualMachineStatus.Down, (await pool.ReadAsync(vm)).Status);
    }

    [Fact]
    public async Task Crash_IsTold_AndAShutdownSomebodyAskedForIsNot()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1", HostState.Up);
        var (crashing, asked) = (await pool.PlaceAsync("web-1", host), await pool.PlaceAsync("web-2", host, VirtualMachineStatus.PoweringDown));
        pool.Hypervisor.Set(host, WatchedPool.DomainOf(asked, DomainState.ShutOff));
        pool.Hypervisor.Set(host, WatchedPool.DomainOf(crashing, DomainState.ShutOff), DomainCause.Crashed);
        await pool.UntilAsync(() => Task.FromResult(!pool.Watcher.Down.IsEmpty));
        Assert.Equal((crashing.Id, DomainCause.Crashed), Assert.Single(pool.Watcher.Down));
        Assert.Equal(VirtualMachineStatus.Down, (await pool.ReadAsync(asked)).Status);
    }

    [Fact]
    public async Task StartBehindTheBack_OfAVmThatRequiresTrust_WhereThereIsNone_IsMarkedAndTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1", HostState.Up);
        var (trusted, any) = (await pool.PlaceAsync("pay-1", host, VirtualMachineStatus.Down, TrustLevel.Trusted), await pool.PlaceAsync("web-1", host, VirtualMachineStatus.Down));
        pool.Hypervisor.Set(host, WatchedPool.DomainOf(any, DomainState.Running));
        pool.Hypervisor.Set(host, WatchedPool.DomainOf(trusted, DomainState.Running));
        await pool.UntilAsync(() => Task.FromResult(!pool.Watcher.Started.IsEmpty));
        Assert.Equal(trusted.Id, Assert.Single(pool.Watcher.Started));
        Assert.NotNull((await pool.ReadAsync(trusted)).UntrustedSince);
        Assert.Null((await pool.ReadAsync(any)).UntrustedSince);
    }

    [Fact]
    public async Task FrozenHost_DelaysNobody()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (frozen, other) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var (stuck, vm) = (await pool.PlaceAsync("web-1", frozen), await pool.PlaceAsync("web-2", other));
        var thaw = new TaskCompletionSource();
        pool.Hypervisor.Of(frozen).Thaw = thaw.Task;

        pool.Hypervisor.Connect(frozen);
        pool.Hypervisor.Set(frozen, WatchedPool.DomainOf(stuck, DomainState.ShutOff));
        pool.Hypervisor.Set(other, WatchedPool.DomainOf(vm, DomainState.Paused));

        await pool.UntilAsync(vm, v => v.Status == VirtualMachineStatus.Paused);
        Assert.Equal(VirtualMachineStatus.Up, (await pool.ReadAsync(stuck)).Status);
        thaw.SetResult();
        await pool.UntilAsync(stuck, v => v.Status == VirtualMachineStatus.Down);
    }

    [Fact]
    public async Task ForeignMachines_AreShown_Counted_FollowedAndForgotten()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        var (running, off) = (WatchedPool.Foreign("legacy"), WatchedPool.Foreign("old", DomainState.ShutOff));
        pool.Hypervisor.Of(host).Domains[running.Definition.Id] = running;
        pool.Hypervisor.Of(host).Domains[off.Definition.Id] = off;
        pool.Hypervisor.Connect(host);

        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);
        Assert.Equal(HostCapacity.ForMachines(64 * Gib, 4 * Gib), (await pool.ReadAsync(host)).Memory);
        Assert.Equal(["legacy", "old"], await NamesAsync(pool, host));
        Assert.Contains("2 virtual machines that are not the portal's", (await pool.AuditAsync("machine.found")).Single().Sentence, StringComparison.Ordinal);

        pool.Hypervisor.Set(host, off with { State = DomainState.Running });
        await pool.UntilAsync(host, h => h.Memory == HostCapacity.ForMachines(64 * Gib, 8 * Gib));
        pool.Hypervisor.Remove(host, running.Definition.Id);
        await pool.UntilAsync(host, h => h.Memory == HostCapacity.ForMachines(64 * Gib, 4 * Gib));
        Assert.Equal(["old"], await NamesAsync(pool, host));
    }

    [Fact]
    public async Task Capacity_NeverFallsBelowWhatIsClaimed()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        await pool.PlaceAsync("big", host, memory: 20 * Gib);
        pool.Hypervisor.Of(host).Description = new(1, 8 * Gib, new HostHardware(), [], []);
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);
        Assert.Equal((20 * Gib, 0L), ((await pool.ReadAsync(host)).Memory, (await pool.ReadAsync(host)).MemoryFree));
    }

    [Fact]
    public async Task AnotherMachine_UnderTheSameAddress_IsAnAlarm()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(host, h => h.Hardware.Uuid.Length > 0);
        var said = pool.Hypervisor.Of(host).Description!;
        pool.Hypervisor.Of(host).Description = said with { Hardware = new HostHardware { Uuid = "99999999-2222-3333-4444-555555555555" } };
        pool.Hypervisor.Connect(host);
        await pool.UntilAuditedAsync("host.hardware.changed");
    }

    [Fact]
    public async Task HostThatTellsNothing_IsLookedAtAgainAfterAWhile()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);
        pool.Hypervisor.Of(host).Description = pool.Hypervisor.Of(host).Description! with { Memory = 128 * Gib };
        pool.Pool.Time.Advance(HypervisorWatch.LookEvery);
        await pool.UntilAsync(host, h => h.PhysicalMemory == 128 * Gib);
    }

    [Fact]
    public async Task SimulatedHost_WhoseHypervisorStops_IsNotResponding_UntilItAnswers()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.Pool.HostAsync("kvm-a01");
        var actions = pool.Pool.Get<SimulatedHostActions>();
        TrustedPool.Expect(await actions.StopHypervisorAsync(TrustedPool.Administrator, host.Id, pool.Ct));
        await pool.UntilAsync(host, h => h.State == HostState.NonResponsive);
        TrustedPool.Expect(await actions.StartHypervisorAsync(TrustedPool.Administrator, host.Id, pool.Ct));
        await pool.UntilAsync(host, h => h.State == HostState.Up);
        Assert.Equal(host.Memory, (await pool.ReadAsync(host)).Memory);
    }

    private static Task<List<string>> NamesAsync(WatchedPool pool, Host host) =>
        pool.QueryAsync(db => db.ForeignMachines.Where(m => m.HostId == host.Id).OrderBy(m => m.Name).Select(m => m.Name).ToListAsync());
}
