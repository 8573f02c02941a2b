using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>A move that is cancelled, interrupted or half done ends where the hosts say the VM is.</summary>
public sealed class MoveTests
{
    [Fact]
    public async Task Cancel_InTheMiddle_StopsTheHypervisorsCallAndStaysAtTheSource()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, more: ScriptedPause.AddTo);
        var (vm, operation) = await MovingAsync(pool);
        var inside = new TaskCompletionSource();
        pool.Get<ScriptedPause>().At = (point, call) =>
        {
            if ((point, call) != (SimulationPoint.BeforeCommit, "migrate"))
            {
                return Task.CompletedTask;
            }

            inside.SetResult();
            return new TaskCompletionSource().Task;
        };
        var running = pool.RunAsync(operation);
        await inside.Task.WaitAsync(TimeSpan.FromSeconds(30), pool.Ct);
        TrustedPool.Expect(await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct));

        var view = await WhileTimePassesAsync(pool, running);

        Assert.Equal(OperationState.Cancelled, view.Operation.State);
        Assert.StartsWith("The move was stopped; it is on kvm-a0", view.Operation.Failure, StringComparison.Ordinal);
        Assert.Equal(StepState.Stopped, view.Steps.Single(s => s.Name == "MoveStep").State);
        await AssertAtAsync(pool, vm.HostId!.Value, VirtualMachineStatus.Up);
    }

    [Fact]
    public async Task Cancel_ThatComesAfterItArrived_KeepsItThereAndSaysSo()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, more: ScriptedPause.AddTo);
        var (vm, operation) = await MovingAsync(pool);
        var inside = new TaskCompletionSource();
        pool.Get<ScriptedPause>().At = (point, call) =>
        {
            if ((point, call) != (SimulationPoint.AfterCommit, "migrate"))
            {
                return Task.CompletedTask;
            }

            inside.SetResult();
            return new TaskCompletionSource().Task;
        };
        var running = pool.RunAsync(operation);
        await inside.Task.WaitAsync(TimeSpan.FromSeconds(30), pool.Ct);
        TrustedPool.Expect(await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct));

        var view = await WhileTimePassesAsync(pool, running);

        Assert.Equal(OperationState.Cancelled, view.Operation.State);
        Assert.Contains("had arrived on kvm-a0", view.Operation.Failure, StringComparison.Ordinal);
        await AssertAtAsync(pool, await OtherAsync(pool, vm), VirtualMachineStatus.Up);
    }

    [Fact]
    public async Task Progress_IsToldAtMostTwiceASecond()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, more: ScriptedPause.AddTo);
        var (_, operation) = await MovingAsync(pool);
        var (inside, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        pool.Get<ScriptedPause>().At = (point, call) =>
        {
            if ((point, call) != (SimulationPoint.BeforeCommit, "migrate"))
            {
                return Task.CompletedTask;
            }

            inside.SetResult();
            return goOn.Task;
        };
        var running = pool.RunAsync(operation);
        await inside.Task.WaitAsync(TimeSpan.FromSeconds(30), pool.Ct);
        var told = 0;
        var heard = new SemaphoreSlim(0);
        using (pool.Get<Portal.Core.Changes.IChangeFeed>().Subscribe(change =>
        {
            if (change.Topic is Portal.Core.Changes.ChangeTopic.Operation)
            {
                told++;
                heard.Release();
            }
        }))
        {
            pool.Time.Advance(TimeSpan.FromMilliseconds(499));
            Assert.Equal(0, told);
            pool.Time.Advance(TimeSpan.FromMilliseconds(1));
            Assert.True(await heard.WaitAsync(TimeSpan.FromSeconds(30), pool.Ct));
            Assert.Equal(1, told);
        }

        var view = (await pool.Get<OperationDirectory>().FindAsync(operation, pool.Ct))!;
        Assert.StartsWith("Moving from kvm-a0", view.Steps.Single(s => s.Name == "MoveStep").Sentence, StringComparison.Ordinal);
        goOn.SetResult();
        Assert.Equal(OperationState.Succeeded, (await running).Operation.State);
    }

    [Fact]
    public async Task CrashAfterItArrived_IsSettledThereWithoutAnotherMove()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, more: ScriptedPause.AddTo);
        var (vm, operation) = await MovingAsync(pool);
        var moves = 0;
        using var cut = new CancellationTokenSource();
        pool.Get<ScriptedPause>().At = (point, call) =>
        {
            if (call != "migrate")
            {
                return Task.CompletedTask;
            }

            moves++;
            return point is SimulationPoint.AfterCommit ? cut.CancelAsync() : Task.CompletedTask;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));

        var view = await pool.RunAsync(operation);

        Assert.Equal((OperationState.Succeeded, 2), (view.Operation.State, moves));
        await AssertAtAsync(pool, await OtherAsync(pool, vm), VirtualMachineStatus.Up);
    }

    [Fact]
    public async Task CrashInTheMiddle_LeavingAnIdleCopyAtTheTarget_RemovesThatAndMoves()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, more: ScriptedPause.AddTo);
        var (vm, operation) = await MovingAsync(pool);
        await CutBeforeItMovesAsync(pool, operation);
        await DefineAtTargetAsync(pool, vm);

        var view = await pool.RunAsync(operation);

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        await AssertAtAsync(pool, await OtherAsync(pool, vm), VirtualMachineStatus.Up);
    }

    [Fact]
    public async Task CrashInTheMiddle_SourceSilentAfterwards_IsSettledAtTheTargetIfItRunsThere()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2, more: ScriptedPause.AddTo);
        var (vm, operation) = await MovingAsync(pool);
        await CutBeforeItMovesAsync(pool, operation);
        await DefineAtTargetAsync(pool, vm);
        await using var db = pool.Database();
        var target = (await db.Hosts.AsNoTracking().SingleAsync(h => h.Id != vm.HostId, pool.Ct)).Endpoint;
        Assert.True((await pool.Get<SimulatedHypervisor>().StartAsync(target, vm.Id, pool.Ct)).IsSo);
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().StopHypervisorAsync(TrustedPool.Administrator, vm.HostId!.Value, pool.Ct));

        var view = await pool.RunAsync(operation);

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        Assert.Equal(target.Id, (await pool.VmAsync("web-1"))!.HostId);
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task TargetThatDies_LeavesItRunningAtTheSourceAndHoldsNothing()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        var (vm, operation) = await MovingAsync(pool);
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().StopHypervisorAsync(TrustedPool.Administrator, await OtherAsync(pool, vm), pool.Ct));

        var view = await pool.RunAsync(operation);

        Assert.Equal((OperationState.Failed, "vm.move.failed"), (view.Operation.State, view.Operation.FailureCode));
        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((vm.HostId, null, null, VirtualMachineStatus.Up), (after.HostId, after.TargetHostId, after.OperationId, after.Status));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task BothHostsSilent_WaitsUntilOneCanTell()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        var (vm, operation) = await MovingAsync(pool);
        var (source, target) = (vm.HostId!.Value, await OtherAsync(pool, vm));
        var actions = pool.Get<SimulatedHostActions>();
        TrustedPool.Expect(await actions.StopHypervisorAsync(TrustedPool.Administrator, source, pool.Ct));
        TrustedPool.Expect(await actions.StopHypervisorAsync(TrustedPool.Administrator, target, pool.Ct));
        await Assert.ThrowsAsync<InvalidOperationException>(() => pool.RunAsync(operation));
        Assert.Equal(operation, (await pool.VmAsync("web-1"))!.OperationId);
        TrustedPool.Expect(await actions.StartHypervisorAsync(TrustedPool.Administrator, source, pool.Ct));

        var view = await pool.RunAsync(operation);

        Assert.Equal("vm.move.failed", view.Operation.FailureCode);
        Assert.Equal((vm.HostId, null), ((await pool.VmAsync("web-1"))!.HostId, (await pool.VmAsync("web-1"))!.OperationId));
        await pool.AssertNoCapacityLeakedAsync();
    }

    private static async Task<(VirtualMachine Vm, Guid Operation)> MovingAsync(TrustedPool pool)
    {
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        return (vm, TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().MigrateAsync(TrustedPool.Operator, vm.Id, null, pool.Ct)));
    }

    private static async Task CutBeforeItMovesAsync(TrustedPool pool, Guid operation)
    {
        using var cut = new CancellationTokenSource();
        pool.Get<ScriptedPause>().At = (point, call) => (point, call) == (SimulationPoint.BeforeCommit, "migrate") ? CutAsync(cut) : Task.CompletedTask;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));
        pool.Get<ScriptedPause>().At = (_, _) => Task.CompletedTask;
    }

    private static async Task CutAsync(CancellationTokenSource cut)
    {
        await cut.CancelAsync();
        cut.Token.ThrowIfCancellationRequested();
    }

    private static async Task DefineAtTargetAsync(TrustedPool pool, VirtualMachine vm)
    {
        await using var db = pool.Database();
        var hosts = await db.Hosts.AsNoTracking().ToListAsync(pool.Ct);
        var hypervisor = pool.Get<SimulatedHypervisor>();
        var here = (await hypervisor.FindAsync(hosts.Single(h => h.Id == vm.HostId).Endpoint, vm.Id, pool.Ct)).Domain!;
        Assert.True((await hypervisor.CreateAsync(hosts.Single(h => h.Id != vm.HostId).Endpoint, here.Definition, pool.Ct)).IsSo);
    }

    private static async Task<Guid> OtherAsync(TrustedPool pool, VirtualMachine vm)
    {
        await using var db = pool.Database();
        return await db.Hosts.Where(h => h.Id != vm.HostId).Select(h => h.Id).SingleAsync(pool.Ct);
    }

    private static async Task<OperationView> WhileTimePassesAsync(TrustedPool pool, Task<OperationView> running)
    {
        for (var deadline = Environment.TickCount64 + 30_000; !running.IsCompleted && Environment.TickCount64 < deadline;)
        {
            pool.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.WhenAny(running, Task.Delay(10, pool.Ct));
        }

        return await running.WaitAsync(TimeSpan.FromSeconds(1), pool.Ct);
    }

    private static async Task AssertAtAsync(TrustedPool pool, Guid host, VirtualMachineStatus status)
    {
        var vm = (await pool.VmAsync("web-1"))!;
        Assert.Equal((host, null, null, status), (vm.HostId, vm.TargetHostId, vm.OperationId, vm.Status));
        await using var db = pool.Database();
        foreach (var each in await db.Hosts.AsNoTracking().ToListAsync(pool.Ct))
        {
            var found = await pool.Get<SimulatedHypervisor>().FindAsync(each.Endpoint, vm.Id, pool.Ct);
            Assert.Equal(each.Id == host ? DomainState.Running : null, found.Domain?.State);
        }

        await pool.AssertNoCapacityLeakedAsync();
    }
}
