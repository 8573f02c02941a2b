using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

public sealed class VirtualMachineTests
{
    [Fact]
    public async Task LifeOfAVm_CreateStartMigrateStopDelete_LeavesNothingBehind()
    {
        await using var pool = await TrustedPool.StartAsync();
        Assert.Equal(OperationState.Succeeded, (await pool.CreateAsync("web-1", start: true)).Operation.State);
        var vm = (await pool.VmAsync("web-1"))!;
        Assert.Equal((VirtualMachineStatus.Up, null), (vm.Status, vm.OperationId));
        var first = vm.HostId;

        await SucceedsAsync(pool, c => c.MigrateAsync(TrustedPool.Operator, vm.Id, null, pool.Ct));
        vm = (await pool.VmAsync("web-1"))!;
        Assert.NotEqual(first, vm.HostId);
        Assert.Equal(VirtualMachineStatus.Up, vm.Status);
        await pool.AssertNoCapacityLeakedAsync();

        await SucceedsAsync(pool, c => c.StopAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        Assert.Equal(VirtualMachineStatus.Down, (await pool.VmAsync("web-1"))!.Status);
        await SucceedsAsync(pool, c => c.StartAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        await SucceedsAsync(pool, c => c.StopAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        await SucceedsAsync(pool, c => c.DeleteAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
        foreach (var host in pool.Get<SimulatedFleet>().Hosts)
        {
            var domains = await pool.Get<SimulatedHypervisor>().ListAsync((await pool.HostAsync(host.Name)).Endpoint, pool.Ct);
            Assert.DoesNotContain(domains!, d => d.Definition.Name == "web-1");
        }
    }

    [Fact]
    public async Task Start_HostLostTrustMeanwhile_MovesToAnotherAndStartsThere()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        await pool.CreateAsync("web-1");
        var vm = (await pool.VmAsync("web-1"))!;
        var was = (await HostOfAsync(pool, vm.HostId!.Value)).Name;
        pool.Get<SimulatedAttesterChannel>().Inject(was, Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromMinutes(2));

        await SucceedsAsync(pool, c => c.StartAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        vm = (await pool.VmAsync("web-1"))!;
        Assert.NotEqual(was, (await HostOfAsync(pool, vm.HostId!.Value)).Name);
        Assert.Equal(VirtualMachineStatus.Up, vm.Status);
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Start_NoHostQualifies_StaysDownWithReason()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1");
        var vm = (await pool.VmAsync("web-1"))!;
        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromMinutes(2));

        var operation = await RunAsync(pool, c => c.StartAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal((OperationState.Failed, "placement.no_host"), (operation.Operation.State, operation.Operation.FailureCode));
        vm = (await pool.VmAsync("web-1"))!;
        Assert.Equal((VirtualMachineStatus.Down, null, null), (vm.Status, vm.OperationId, vm.TargetHostId));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Edit_RaiseLevelOfRunningVmOnUntrustedHost_IsRefused()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1", TrustLevel.Any, start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        await pool.AttestAsync("kvm-a01");

        var outcome = await pool.Get<ChangeVirtualMachine>().EditAsync(TrustedPool.Operator, vm.Id, new VirtualMachineEdit { TrustLevel = TrustLevel.Trusted }, pool.Ct);

        Assert.Equal("vm.trust_level.host", outcome.Refusal?.Code);
        Assert.Equal(TrustLevel.Any, (await pool.VmAsync("web-1"))!.TrustLevel);
    }

    [Fact]
    public async Task Edit_RaiseLevelOnTrustedHost_AndResizeWhenDown_AreDone()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1", TrustLevel.Any, start: true);
        var vm = (await pool.VmAsync("web-1"))!;

        await SucceedsAsync(pool, c => c.EditAsync(TrustedPool.Operator, vm.Id, new VirtualMachineEdit { TrustLevel = TrustLevel.Trusted }, pool.Ct));
        await SucceedsAsync(pool, c => c.StopAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        await SucceedsAsync(pool, c => c.EditAsync(TrustedPool.Operator, vm.Id, new VirtualMachineEdit { Memory = 3L << 30, Cpus = 3, Name = "web-2" }, pool.Ct));

        vm = (await pool.VmAsync("web-2"))!;
        Assert.Equal((TrustLevel.Trusted, 3L << 30, 3), (vm.TrustLevel, vm.Memory, vm.Cpus));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Create_HypervisorUnreachable_IsUndone()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().StopHypervisorAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a01")).Id, pool.Ct));

        var operationId = TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, TrustLevel = TrustLevel.Any }, pool.Ct));
        await Assert.ThrowsAsync<InvalidOperationException>(() => pool.RunAsync(operationId));
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().StartHypervisorAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a01")).Id, pool.Ct));
        var operation = await pool.RunAsync(operationId);

        Assert.Equal((OperationState.Failed, "vm.define.failed"), (operation.Operation.State, operation.Operation.FailureCode));
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Theory]
    [InlineData("", "name")]
    [InlineData("white space", "name")]
    [InlineData("-dash", "name")]
    public async Task Create_BadName_NamesTheFieldAndRecordsNothing(string name, string field)
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, enrol: false);

        var outcome = await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = name, ClusterId = pool.Cluster }, pool.Ct);

        Assert.Equal(field, outcome.Refusal?.Field);
        Assert.Empty(await pool.Get<OperationDirectory>().RecentAsync(10, null, pool.Ct));
        Assert.Contains("vm.invalid", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_DatabaseLockedByAnother_IsRefusedAndLeavesNothing()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, enrol: false, approve: false);
        await using var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={pool.DatabaseFile};Pooling=False");
        await other.OpenAsync(pool.Ct);
        await using (var hold = other.BeginTransaction(deferred: false))
        {
            var outcome = await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster }, pool.Ct);
            Assert.Equal("database.busy", outcome.Refusal?.Code);
        }

        Assert.Null(await pool.VmAsync("web-1"));
        Assert.Equal(OperationState.Succeeded, (await pool.CreateAsync("web-1", TrustLevel.Any)).Operation.State);
    }

    [Fact]
    public async Task Commands_ByAuditor_AreRefusedAndAudited()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1");
        var vm = (await pool.VmAsync("web-1"))!;
        var change = pool.Get<ChangeVirtualMachine>();

        var refusals = new[]
        {
            (await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Auditor, new NewVirtualMachine { Name = "x", ClusterId = pool.Cluster }, pool.Ct)).Refusal,
            (await change.StartAsync(TrustedPool.Auditor, vm.Id, pool.Ct)).Refusal,
            (await change.MigrateAsync(TrustedPool.Auditor, vm.Id, null, pool.Ct)).Refusal,
            (await change.EditAsync(TrustedPool.Auditor, vm.Id, new VirtualMachineEdit { Cpus = 2 }, pool.Ct)).Refusal,
            (await change.EditAsync(TrustedPool.Auditor, vm.Id, new VirtualMachineEdit { Cpus = -2 }, pool.Ct)).Refusal,
            (await change.DeleteAsync(TrustedPool.Auditor, vm.Id, pool.Ct)).Refusal,
        };

        Assert.All(refusals, r => Assert.Equal("access.denied", r?.Code));
        Assert.Contains("access.denied: ann may not", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    private static async Task<Host> HostOfAsync(TrustedPool pool, Guid id)
    {
        await using var db = pool.Database();
        return db.Hosts.Single(h => h.Id == id);
    }

    private static async Task<OperationView> RunAsync(TrustedPool pool, Func<ChangeVirtualMachine, Task<Portal.Core.Outcome<Guid>>> begin) =>
        await pool.RunAsync(TrustedPool.Expect(await begin(pool.Get<ChangeVirtualMachine>())));

    private static async Task SucceedsAsync(TrustedPool pool, Func<ChangeVirtualMachine, Task<Portal.Core.Outcome<Guid>>> begin)
    {
        var operation = await RunAsync(pool, begin);
        Assert.True(operation.Operation.State == OperationState.Succeeded, operation.Operation.Failure);
    }
}
