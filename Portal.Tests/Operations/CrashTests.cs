using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Operations;

/// <summary>An operation is interrupted at every write it makes, then run again by a runner that knows nothing of the first.</summary>
public sealed class CrashTests
{
    [Fact]
    public async Task CreateAndStart_InterruptedAnywhere_EndsWithOneVmRunningOnItsHost()
    {
        for (var at = 0; ; at++)
        {
            await using var pool = await TrustedPool.StartAsync(hosts: 2);
            var request = new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, TrustLevel = TrustLevel.Trusted, Start = true };
            var operation = TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, request, pool.Ct));

            var interrupted = await InterruptAsync(pool, operation, at);
            var view = await pool.RunAsync(operation);

            Assert.True(view.Operation.State == OperationState.Succeeded, $"interrupted at {at}: {view.Operation.Failure}");
            await AssertExactlyOnceAsync(pool, "web-1", DomainState.Running);
            if (!interrupted)
            {
                Assert.True(at > 4, "the operation must have been interrupted a few times");
                return;
            }
        }
    }

    [Fact]
    public async Task Migrate_InterruptedAnywhere_LeavesVmOnOneHostWithOneClaim()
    {
        for (var at = 0; ; at++)
        {
            await using var pool = await TrustedPool.StartAsync(hosts: 2);
            await pool.CreateAsync("web-1", start: true);
            var vm = (await pool.VmAsync("web-1"))!;
            var operation = TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().MigrateAsync(TrustedPool.Operator, vm.Id, null, pool.Ct));

            var interrupted = await InterruptAsync(pool, operation, at);
            await pool.RunAsync(operation);

            Assert.NotEqual(vm.HostId, (await pool.VmAsync("web-1"))!.HostId);
            await AssertExactlyOnceAsync(pool, "web-1", DomainState.Running);
            if (!interrupted)
            {
                return;
            }
        }
    }

    [Fact]
    public async Task Delete_InterruptedAnywhere_LeavesNothing()
    {
        for (var at = 0; ; at++)
        {
            await using var pool = await TrustedPool.StartAsync(hosts: 1);
            await pool.CreateAsync("web-1");
            var vm = (await pool.VmAsync("web-1"))!;
            var operation = TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().DeleteAsync(TrustedPool.Operator, vm.Id, pool.Ct));

            var interrupted = await InterruptAsync(pool, operation, at);
            await pool.RunAsync(operation);

            Assert.Null(await pool.VmAsync("web-1"));
            Assert.Empty(await DomainsAsync(pool));
            await pool.AssertNoCapacityLeakedAsync();
            if (!interrupted)
            {
                return;
            }
        }
    }

    [Fact]
    public Task Suspend_InterruptedAnywhere_EndsPausedOnce() =>
        ChangeInterruptedAnywhereAsync(DomainState.Paused, (change, vm, ct) => change.SuspendAsync(TrustedPool.Operator, vm, ct));

    [Fact]
    public Task Resume_InterruptedAnywhere_EndsRunningOnce() =>
        ChangeInterruptedAnywhereAsync(DomainState.Running, (change, vm, ct) => change.ResumeAsync(TrustedPool.Operator, vm, ct), paused: true);

    [Fact]
    public Task Reboot_InterruptedAnywhere_EndsRunning() =>
        ChangeInterruptedAnywhereAsync(DomainState.Running, (change, vm, ct) => change.RebootAsync(TrustedPool.Operator, vm, ct));

    [Fact]
    public Task MigrateOfAPausedVm_InterruptedAnywhere_EndsPausedOnce() =>
        ChangeInterruptedAnywhereAsync(DomainState.Paused, (change, vm, ct) => change.MigrateAsync(TrustedPool.Operator, vm, null, ct), paused: true);

    [Fact]
    public async Task Cancel_BeforeItRan_UndoesAndSaysSo()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var operation = TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster }, pool.Ct));
        TrustedPool.Expect(await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct));

        var view = await pool.RunAsync(operation);

        Assert.Equal(OperationState.Cancelled, view.Operation.State);
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    private static async Task ChangeInterruptedAnywhereAsync(DomainState ends, Func<ChangeVirtualMachine, Guid, CancellationToken, Task<Outcome<Guid>>> begin, bool paused = false)
    {
        for (var at = 0; ; at++)
        {
            await using var pool = await TrustedPool.StartAsync(hosts: 2);
            await pool.CreateAsync("web-1", start: true);
            var vm = (await pool.VmAsync("web-1"))!;
            if (paused)
            {
                await pool.RunAsync(TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().SuspendAsync(TrustedPool.Operator, vm.Id, pool.Ct)));
            }

            var operation = TrustedPool.Expect(await begin(pool.Get<ChangeVirtualMachine>(), vm.Id, pool.Ct));
            var interrupted = await InterruptAsync(pool, operation, at);
            var view = await pool.RunAsync(operation);

            Assert.True(view.Operation.State == OperationState.Succeeded, $"interrupted at {at}: {view.Operation.Failure}");
            Assert.Equal(ends is DomainState.Paused ? VirtualMachineStatus.Paused : VirtualMachineStatus.Up, (await pool.VmAsync("web-1"))!.Status);
            await AssertExactlyOnceAsync(pool, "web-1", ends);
            if (!interrupted)
            {
                Assert.True(at > 2, "the operation must have been interrupted a few times");
                return;
            }
        }
    }

    /// <summary>Runs the operation and cuts it off at the nth moment it tells the change feed of something; false when it ended before.</summary>
    private static async Task<bool> InterruptAsync(TrustedPool pool, Guid operation, int at)
    {
        using var cut = new CancellationTokenSource();
        var seen = 0;
        using var subscription = pool.Get<Portal.Core.Changes.IChangeFeed>().Subscribe(change =>
        {
            if (change.Topic is Portal.Core.Changes.ChangeTopic.Operation or Portal.Core.Changes.ChangeTopic.VirtualMachine && seen++ == at)
            {
                cut.Cancel();
            }
        });
        try
        {
            await pool.Get<OperationRunner>().RunAsync(operation, cut.Token);
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    private static async Task AssertExactlyOnceAsync(TrustedPool pool, string name, DomainState state)
    {
        var vm = (await pool.VmAsync(name))!;
        Assert.Null(vm.OperationId);
        Assert.Null(vm.TargetHostId);
        var (host, domain) = Assert.Single(await DomainsAsync(pool));
        Assert.Equal((vm.HostId, state, vm.Id), (host, domain.State, domain.Definition.Id));
        await pool.AssertNoCapacityLeakedAsync();
    }

    private static async Task<List<(Guid Host, Domain Domain)>> DomainsAsync(TrustedPool pool)
    {
        await using var db = pool.Database();
        var found = new List<(Guid, Domain)>();
        foreach (var host in await db.Hosts.AsNoTracking().ToListAsync(pool.Ct))
        {
            found.AddRange((await pool.Get<SimulatedHypervisor>().ListAsync(host.Endpoint, pool.Ct))!.Select(d => (host.Id, d)));
        }

        return found;
    }
}
