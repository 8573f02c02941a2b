using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

public sealed class AdoptMachineTests
{
    private const long Gib = 1L << 30;

    [Fact]
    public async Task Adopt_ARunningMachine_MakesItThePortals_AndItsMemoryIsClaimedNotForeign()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (host, machine) = await FoundAsync(pool);

        var ended = await pool.Pool.RunAsync(TrustedPool.Expect(await AdoptAsync(pool, host, machine)));

        Assert.Equal((OperationState.Succeeded, null), (ended.Operation.State, ended.Operation.Failure));
        var vm = (await pool.Pool.VmAsync("legacy"))!;
        Assert.Equal((machine.Definition.Id, host.Id, VirtualMachineStatus.Up, Template.Blank, null), (vm.Id, vm.HostId!.Value, vm.Status, vm.TemplateId, vm.OperationId));
        Assert.True(pool.Hypervisor.Of(host).Domains[vm.Id].IsOurs);
        Assert.False(await pool.QueryAsync(db => db.ForeignMachines.AnyAsync()));
        var row = await pool.ReadAsync(host);
        Assert.Equal((4 * Gib, HostCapacity.ForMachines(64 * Gib, 0)), (row.MemoryClaimed, row.Memory));
        Assert.Contains("vm.adopted: Virtual machine 'legacy' was adopted on kvm-x1.", await pool.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Adopt_WithANameThatIsTaken_SaysWhatToDo()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (host, machine) = await FoundAsync(pool);
        await pool.PlaceAsync("legacy", host);
        var refusal = (await AdoptAsync(pool, host, machine)).Refusal!;
        Assert.Equal(("vm.name.taken", "name"), (refusal.Code, refusal.Field));
        Assert.Contains("Rename that one here, or this one on kvm-x1", refusal.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Adopt_RunningAndRequiringTrust_OnAHostWithout_IsRefused_OffItIsNot()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (host, machine) = await FoundAsync(pool);
        Assert.Equal("vm.trust_level.host", (await AdoptAsync(pool, host, machine, TrustLevel.Trusted)).Refusal?.Code);
        pool.Hypervisor.Set(host, machine with { State = DomainState.ShutOff });
        await pool.UntilAsync(async () => await pool.QueryAsync(db => db.ForeignMachines.AnyAsync(m => m.Status == VirtualMachineStatus.Down)));
        await pool.Pool.RunAsync(TrustedPool.Expect(await AdoptAsync(pool, host, machine, TrustLevel.Trusted)));
        Assert.Equal(TrustLevel.Trusted, pool.Hypervisor.Of(host).Domains[machine.Definition.Id].Definition.TrustLevel);
    }

    [Fact]
    public async Task Adopt_WhileTheHostFallsSilent_IsUndone_AndTheMachineIsForeignAgain()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (host, machine) = await FoundAsync(pool);
        var operation = TrustedPool.Expect(await AdoptAsync(pool, host, machine));
        pool.Hypervisor.Of(host).IsSilent = true;

        var ended = await pool.Pool.RunAsync(operation);

        Assert.Equal((OperationState.Failed, "machine.adopt.failed"), (ended.Operation.State, ended.Operation.FailureCode));
        Assert.Null(await pool.Pool.VmAsync("legacy"));
        Assert.Equal("legacy", await pool.QueryAsync(db => db.ForeignMachines.Select(m => m.Name).SingleAsync()));
        Assert.Equal((0L, HostCapacity.ForMachines(64 * Gib, 4 * Gib)), ((await pool.ReadAsync(host)).MemoryClaimed, (await pool.ReadAsync(host)).Memory));
    }

    [Fact]
    public async Task Adopt_WhatIsNotThere_OrByPeopleWhoMayNot_IsRefused()
    {
        await using var pool = await WatchedPool.StartAsync();
        var (host, machine) = await FoundAsync(pool);
        Assert.Equal("access.denied", (await pool.Pool.Get<AdoptMachine>().ExecuteAsync(TrustedPool.Auditor, host.Id, machine.Definition.Id, TrustLevel.Any, pool.Ct)).Refusal?.Code);
        Assert.Equal("machine.not_found", (await pool.Pool.Get<AdoptMachine>().ExecuteAsync(TrustedPool.Operator, host.Id, Guid.NewGuid(), TrustLevel.Any, pool.Ct)).Refusal?.Code);
        pool.Hypervisor.Of(host).IsSilent = true;
        Assert.Equal("machine.host_silent", (await AdoptAsync(pool, host, machine)).Refusal?.Code);
    }

    private static Task<Outcome<Guid>> AdoptAsync(WatchedPool pool, Host host, Domain machine, TrustLevel level = TrustLevel.Any) =>
        pool.Pool.Get<AdoptMachine>().ExecuteAsync(TrustedPool.Operator, host.Id, machine.Definition.Id, level, pool.Ct);

    private static async Task<(Host Host, Domain Machine)> FoundAsync(WatchedPool pool)
    {
        var host = await pool.HostAsync("kvm-x1");
        var machine = WatchedPool.Foreign("legacy");
        pool.Hypervisor.Of(host).Domains[machine.Definition.Id] = machine;
        pool.Hypervisor.Connect(host);
        await pool.UntilAsync(host, h => h.Memory == HostCapacity.ForMachines(64 * Gib, 4 * Gib));
        return (host, machine);
    }
}
