using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>What hosts have against what the portal has on record, case by case.</summary>
public sealed class ReconciliationTests
{
    [Fact]
    public async Task KnownButAbsent_IsUnknown_WithAnAlarm_AndStartDoesNotMakeItAgain()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        var vm = await pool.PlaceAsync("web-1", host);
        pool.Hypervisor.Of(host).Domains.Clear();
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(vm, v => v.Status == VirtualMachineStatus.Unknown);
        Assert.Contains("Starting it does not make it again", (await pool.AuditAsync("vm.absent")).Single().Sentence, StringComparison.Ordinal);
        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);

        var operation = TrustedPool.Expect(await pool.Pool.Get<ChangeVirtualMachine>().StartAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        var ended = await pool.Pool.RunAsync(operation);

        Assert.Equal(OperationState.Failed, ended.Operation.State);
        Assert.Empty(pool.Hypervisor.Of(host).Domains);
        Assert.Empty(pool.Watcher.Down);
    }

    [Fact]
    public async Task MovedBehindTheBack_RowAndClaimFollow()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (from, to) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", from);
        pool.Hypervisor.Of(from).Domains.Clear();
        pool.Hypervisor.Of(to).Domains[vm.Id] = WatchedPool.DomainOf(vm, DomainState.Running);

        pool.Hypervisor.Connect(to);

        await pool.UntilAsync(vm, v => v.HostId == to.Id);
        Assert.Equal((0L, vm.Memory), ((await pool.ReadAsync(from)).MemoryClaimed, (await pool.ReadAsync(to)).MemoryClaimed));
        Assert.Equal(VirtualMachineStatus.Up, (await pool.ReadAsync(vm)).Status);
        Assert.Equal("'web-1' was moved from kvm-x1 to kvm-x2, not by the portal; it is up there and counted there now.", (await pool.AuditAsync("vm.moved_outside")).Single().Sentence);
    }

    [Fact]
    public async Task MovedBehindTheBack_LiveByEvents_IsNeitherDownNorOnTwoHosts()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (from, to) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", from);
        pool.Hypervisor.Set(to, WatchedPool.DomainOf(vm, DomainState.Paused), DomainCause.Migrated);
        pool.Hypervisor.Set(from, WatchedPool.DomainOf(vm, DomainState.Paused));
        await pool.UntilAsync(vm, v => v.Status == VirtualMachineStatus.Paused);
        pool.Hypervisor.Set(to, WatchedPool.DomainOf(vm, DomainState.Running), DomainCause.Migrated);
        pool.Hypervisor.Remove(from, vm.Id, DomainCause.Migrated);

        await pool.UntilAsync(vm, v => v.HostId == to.Id && v.Status == VirtualMachineStatus.Up);
        Assert.Empty(await pool.AuditAsync("vm.on_two_hosts"));
        Assert.Empty(await pool.AuditAsync("vm.absent"));
        Assert.Empty(pool.Watcher.Down);
    }

    [Fact]
    public async Task MovedBehindTheBack_RequiringTrust_ToAHostWithout_IsMarkedAndTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (from, to) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("pay-1", from, level: TrustLevel.Trusted);
        pool.Hypervisor.Of(from).Domains.Clear();
        pool.Hypervisor.Set(to, WatchedPool.DomainOf(vm, DomainState.Running), DomainCause.Migrated);
        await pool.UntilAsync(() => Task.FromResult(!pool.Watcher.Started.IsEmpty));
        Assert.Equal(AuditSeverity.Alarm, (await pool.AuditAsync("vm.host_lost_trust")).Single().Severity);
        Assert.NotNull((await pool.ReadAsync(vm)).UntrustedSince);
    }

    [Fact]
    public async Task MovedBehindTheBack_WhereThereIsNoRoom_RowStays_AndPeopleAreTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (from, to) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("big", from, memory: 30L << 30);
        await pool.PlaceAsync("other", to, memory: 30L << 30);
        pool.Hypervisor.Of(from).Domains.Clear();
        pool.Hypervisor.Set(to, WatchedPool.DomainOf(vm, DomainState.Running));
        await pool.UntilAuditedAsync("vm.found_elsewhere");
        Assert.Equal(from.Id, (await pool.ReadAsync(vm)).HostId);
        Assert.Equal(30L << 30, (await pool.ReadAsync(to)).MemoryClaimed);
    }

    [Fact]
    public async Task OnTwoHosts_IsAnAlarm_ToldOnce_AndNothingIsStopped()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (placed, other) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", placed);
        pool.Hypervisor.Set(other, WatchedPool.DomainOf(vm, DomainState.Running));
        await pool.UntilAuditedAsync("vm.on_two_hosts");
        pool.Hypervisor.Connect(other);
        await pool.UntilAsync(other, h => h.PhysicalMemory > 0);
        await WhenSettledAsync(pool, other);
        Assert.Single(await pool.AuditAsync("vm.on_two_hosts"));
        Assert.Equal((placed.Id, VirtualMachineStatus.Up), ((await pool.ReadAsync(vm)).HostId, (await pool.ReadAsync(vm)).Status));
        Assert.Equal([DomainState.Running, DomainState.Running], new[] { placed, other }.Select(h => pool.Hypervisor.Of(h).Domains[vm.Id].State));
    }

    [Fact]
    public async Task RunsElsewhere_WhileItsHostIsSilent_ChangesNothingButIsAnAlarm()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (silent, other) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", silent);
        pool.Hypervisor.Of(silent).IsSilent = true;
        pool.Hypervisor.Set(other, WatchedPool.DomainOf(vm, DomainState.Running));
        await pool.UntilAuditedAsync("vm.maybe_on_two_hosts");
        Assert.Equal(silent.Id, (await pool.ReadAsync(vm)).HostId);
    }

    [Fact]
    public async Task ShutOffDuplicate_IsLeftAndTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (placed, other) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", placed);
        pool.Hypervisor.Set(other, WatchedPool.DomainOf(vm, DomainState.ShutOff));
        await pool.UntilAuditedAsync("vm.left_behind");
        Assert.Equal(placed.Id, (await pool.ReadAsync(vm)).HostId);
        Assert.True(pool.Hypervisor.Of(other).Domains.ContainsKey(vm.Id));
    }

    [Fact]
    public async Task RunsElsewhere_WithItsDefinitionLeftOff_RowFollows_AndTheRestIsTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (placed, other) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", placed, VirtualMachineStatus.Down);
        pool.Hypervisor.Set(other, WatchedPool.DomainOf(vm, DomainState.Running));
        await pool.UntilAsync(vm, v => v.HostId == other.Id);
        var entry = (await pool.AuditAsync("vm.moved_outside")).Single();
        Assert.Equal(AuditSeverity.Alarm, entry.Severity);
        Assert.Contains("left on kvm-x1", entry.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HeldByAnOperation_NothingIsTouched()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (placed, other) = (await pool.HostAsync("kvm-x1", HostState.Up), await pool.HostAsync("kvm-x2", HostState.Up));
        var vm = await pool.PlaceAsync("web-1", placed);
        var free = await pool.PlaceAsync("web-2", placed);
        await pool.QueryAsync(db => db.VirtualMachines.Where(v => v.Id == vm.Id).ExecuteUpdateAsync(set => set.SetProperty(v => v.OperationId, Guid.NewGuid())));
        pool.Hypervisor.Of(placed).Domains.TryRemove(vm.Id, out _);
        pool.Hypervisor.Set(other, WatchedPool.DomainOf(vm, DomainState.Running));
        pool.Hypervisor.Set(placed, WatchedPool.DomainOf(free, DomainState.Paused));
        pool.Hypervisor.Connect(placed);
        await pool.UntilAsync(placed, h => h.PhysicalMemory > 0);
        await WhenSettledAsync(pool, other);
        Assert.Equal((placed.Id, VirtualMachineStatus.Up), ((await pool.ReadAsync(vm)).HostId, (await pool.ReadAsync(vm)).Status));
        Assert.Equal(VirtualMachineStatus.Paused, (await pool.ReadAsync(free)).Status);
    }

    [Fact]
    public async Task LeftByAnOperationThatEnded_IsFoundAndTold()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1");
        var left = WatchedPool.Foreign("web-9", DomainState.ShutOff, ours: true);
        var disk = Guid.NewGuid();
        await EndedAsync(pool, left.Definition.Id, "web-9");
        await EndedAsync(pool, disk, "web-8");
        pool.Hypervisor.Of(host).Domains[left.Definition.Id] = left;
        pool.Hypervisor.Of(host).Description = pool.Hypervisor.Of(host).Description! with { Pools = [new StoragePool("default", "dir", false, 10, 5, [$"{disk}.qcow2", "debian.qcow2"])] };

        pool.Hypervisor.Connect(host);

        await pool.UntilAsync(host, h => h.PhysicalMemory > 0);
        Assert.Contains("'web-9' was left on kvm-x1 by 'Create virtual machine web-9'", (await pool.AuditAsync("machine.left_behind")).Single().Sentence, StringComparison.Ordinal);
        Assert.Contains($"{disk}.qcow2 of 'web-8'", (await pool.AuditAsync("disk.left_behind")).Single().Sentence, StringComparison.Ordinal);
        Assert.True(await pool.QueryAsync(db => db.ForeignMachines.AnyAsync(m => m.Id == left.Definition.Id && m.HasMetadata)));

        pool.Hypervisor.Connect(host);
        await WhenSettledAsync(pool, host);
        Assert.Single(await pool.AuditAsync("machine.left_behind"));
        Assert.Single(await pool.AuditAsync("disk.left_behind"));
    }

    [Fact]
    public async Task MadeByAnotherPortal_IsForeign_AndSaysSo()
    {
        await using var pool = await WatchedPool.StartAsync();
        var host = await pool.HostAsync("kvm-x1", HostState.Up);
        pool.Hypervisor.Set(host, WatchedPool.Foreign("elsewhere", ours: true));
        await pool.UntilAuditedAsync("machine.other_portal");
        Assert.Equal("elsewhere", await pool.QueryAsync(db => db.ForeignMachines.Select(m => m.Name).SingleAsync()));
    }

    /// <summary>All that was told of a host so far is on record: a pool nobody had before is, and it was told last.</summary>
    private static async Task WhenSettledAsync(WatchedPool pool, Host host)
    {
        var mark = $"mark-{Guid.NewGuid():N}";
        var said = pool.Hypervisor.Of(host).Description!;
        pool.Hypervisor.Of(host).Description = said with { Pools = [.. said.Pools, new StoragePool(mark, "dir", false, 1, 1, [])] };
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(() => pool.QueryAsync(db => db.HostPools.AnyAsync(p => p.Name == mark)));
    }

    private static Task<int> EndedAsync(WatchedPool pool, Guid id, string name) => pool.QueryAsync(db =>
    {
        db.Operations.Add(new Operation
        {
            Kind = VirtualMachineOperations.Create, Title = $"Create virtual machine {name}", TargetKind = "vm", TargetId = id, TargetName = name, Data = "{}", Steps = "[]", Issuer = "test", Subject = "otto",
            PersonName = "otto", CreatedAt = pool.Pool.Time.GetUtcNow(), EndedAt = pool.Pool.Time.GetUtcNow(), State = OperationState.Failed,
        });
        return db.SaveChangesAsync();
    });
}
