using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Operations;

/// <summary>What cannot be undone is never said to be undone: past a point of no return an operation only goes forward.</summary>
public sealed class NoReturnTests
{
    [Fact]
    public async Task Cancel_WhileDeleteRemovesTheMachine_IsIgnoredAndTheRowGoesToo()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1");
        var operation = await DeleteAsync(pool);
        pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if ((point, call) == (SimulationPoint.AfterCommit, "delete"))
            {
                TrustedPool.Expect(await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct));
            }
        };

        var view = await pool.RunAsync(operation);

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Cancel_AfterDeleteRemovedTheMachine_IsRefusedWithReasonAndAuditRow()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1");
        var operation = await DeleteAsync(pool);
        await CutAsync(pool, operation, step => step is { Name: "RemoveStep", State: StepState.Done });

        var refused = await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct);

        Assert.Equal("operation.no_return", refused.Refusal?.Code);
        Assert.Contains("operation.no_return: ", await pool.AuditAsync(), StringComparison.Ordinal);
        Assert.Equal(OperationState.Succeeded, (await pool.RunAsync(operation)).Operation.State);
        Assert.Null(await pool.VmAsync("web-1"));
    }

    [Fact]
    public async Task Cancel_AfterCrashInsideTheRemoval_GoesForward()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1");
        var operation = await DeleteAsync(pool);
        using var cut = new CancellationTokenSource();
        pool.Get<ScriptedPause>().At = (point, call) => (point, call) == (SimulationPoint.AfterCommit, "delete") ? cut.CancelAsync() : Task.CompletedTask;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));
        await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct);

        Assert.Equal(OperationState.Succeeded, (await pool.RunAsync(operation)).Operation.State);
        Assert.Null(await pool.VmAsync("web-1"));
    }

    [Fact]
    public async Task Fault_AfterDeleteRemovedTheMachine_StaysRunningAndIsRetriedForward()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1");
        var operation = await DeleteAsync(pool);
        await using (var db = pool.Database())
        {
            await db.Database.ExecuteSqlRawAsync("CREATE TRIGGER poison BEFORE DELETE ON VirtualMachines BEGIN SELECT RAISE(ABORT, 'poison'); END", pool.Ct);
        }

        Assert.Equal(OperationState.Running, (await pool.RunAsync(operation)).Operation.State);
        Assert.NotNull(await pool.VmAsync("web-1"));

        await using (var db = pool.Database())
        {
            await db.Database.ExecuteSqlRawAsync("DROP TRIGGER poison", pool.Ct);
        }

        Assert.Equal(OperationState.Succeeded, (await pool.RunAsync(operation)).Operation.State);
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Cancel_AfterCrashWhenTheResultWasRecorded_LeavesTheMachineRunning()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var request = new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, Start = true };
        var operation = TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, request, pool.Ct));
        using var cut = new CancellationTokenSource();
        using (pool.Get<IChangeFeed>().Subscribe(change =>
        {
            using var db = pool.Database();
            if (change.Topic == ChangeTopic.VirtualMachine && db.VirtualMachines.Any(v => v.Name == "web-1" && v.OperationId == null))
            {
                cut.Cancel();
            }
        }))
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));
        }

        await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct);
        var view = await pool.RunAsync(operation);

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        var vm = (await pool.VmAsync("web-1"))!;
        var found = await pool.Get<SimulatedHypervisor>().FindAsync((await pool.HostAsync("kvm-a01")).Endpoint, vm.Id, pool.Ct);
        Assert.Equal((VirtualMachineStatus.Up, DomainState.Running), (vm.Status, found.Domain?.State));
    }

    [Fact]
    public async Task Cancel_OfWhatIsNotThereOrHasEnded_LeavesAnAuditRow()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var ended = (await pool.CreateAsync("web-1")).Operation.Id;
        var directory = pool.Get<OperationDirectory>();

        Assert.Equal("operation.not_found", (await directory.CancelAsync(TrustedPool.Operator, Guid.NewGuid(), pool.Ct)).Refusal?.Code);
        Assert.Equal("operation.ended", (await directory.CancelAsync(TrustedPool.Operator, ended, pool.Ct)).Refusal?.Code);

        var audit = await pool.AuditAsync();
        Assert.Contains("operation.not_found: ", audit, StringComparison.Ordinal);
        Assert.Contains("operation.ended: ", audit, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancel_WhoseAuditRowCannotBeWritten_IsNotAskedFor()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1");
        var operation = await DeleteAsync(pool);
        await using var db = pool.Database();
        await db.Database.ExecuteSqlRawAsync("CREATE TRIGGER poison BEFORE INSERT ON AuditEntries BEGIN SELECT RAISE(ABORT, 'poison'); END", pool.Ct);

        await Assert.ThrowsAsync<DbUpdateException>(() => pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, operation, pool.Ct));

        Assert.False(await db.Operations.Where(o => o.Id == operation).Select(o => o.CancelRequested).SingleAsync(pool.Ct));
    }

    private static async Task<Guid> DeleteAsync(TrustedPool pool) =>
        TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().DeleteAsync(TrustedPool.Operator, (await pool.VmAsync("web-1"))!.Id, pool.Ct));

    /// <summary>Runs the operation and cuts it off when a step's record says what is asked.</summary>
    private static async Task CutAsync(TrustedPool pool, Guid operation, Func<StepRecord, bool> when)
    {
        using var cut = new CancellationTokenSource();
        using var subscription = pool.Get<IChangeFeed>().Subscribe(change =>
        {
            using var db = pool.Database();
            if (change.Topic == ChangeTopic.Operation && OperationRunner.Read(db.Operations.Single(o => o.Id == operation)).Any(when))
            {
                cut.Cancel();
            }
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));
    }
}
