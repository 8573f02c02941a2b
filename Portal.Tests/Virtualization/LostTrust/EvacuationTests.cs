using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization.LostTrust;

public sealed class EvacuationTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Evacuate_MoreVmsThanMayMove_MovesTheMostImportantFirstAndNeverMoreAtOnce()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { AtOnce = 2 }, more: ScriptedPause.AddTo);
        await pool.RunAsync("low", Host, priority: 10);
        await pool.RunAsync("middle", Host, priority: 50);
        await pool.RunAsync("high", Host, priority: 90);
        await pool.RunAsync("highest", Host, priority: 100);
        await pool.FallAsync(Host);
        var (inFlight, most) = (0, 0);
        pool.Pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if (call == "migrate")
            {
                var moving = point == SimulationPoint.BeforeCommit ? Interlocked.Increment(ref inFlight) : Interlocked.Decrement(ref inFlight);
                most = Math.Max(most, moving);
                await using var db = pool.Pool.Database();
                var held = await db.VirtualMachines.CountAsync(v => v.OperationId != null, pool.Ct);
                Assert.InRange(held, 1, 2);
            }
        };

        ReactingPool.Ended(await pool.EvacuateAsync(Host));

        Assert.InRange(most, 1, 2);
        await using var look = pool.Pool.Database();
        var moved = await look.Operations.Where(o => o.Kind == VirtualMachineOperations.Migrate && o.PersonName == "the portal").OrderBy(o => o.CreatedAt).ThenBy(o => o.EndedAt).Select(o => o.TargetName).ToListAsync(pool.Ct);
        Assert.Equal(4, moved.Count);
        Assert.Equal(["high", "highest"], moved.Take(2).Order(StringComparer.Ordinal));
        foreach (var name in moved)
        {
            Assert.NotEqual(Host, await pool.WhereAsync(name));
        }
    }

    [Theory]
    [InlineData(EvacuationFallback.Leave, VirtualMachineStatus.Up, DomainState.Running)]
    [InlineData(EvacuationFallback.Pause, VirtualMachineStatus.Paused, DomainState.Paused)]
    [InlineData(EvacuationFallback.ShutDown, VirtualMachineStatus.PoweringDown, DomainState.ShuttingDown)]
    public async Task Evacuate_NoTrustedHostTakesIt_DoesWhatThePolicySaysAndTellsWhy(EvacuationFallback fallback, VirtualMachineStatus status, DomainState state)
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { Fallback = fallback }, hosts: 1);
        var vm = await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);

        var view = await pool.EvacuateAsync(Host);

        ReactingPool.Ended(view);
        Assert.Equal(status, (await pool.Pool.VmAsync("secret"))!.Status);
        Assert.Equal(state, (await pool.Pool.Get<SimulatedHypervisor>().FindAsync((await pool.Pool.HostAsync(Host)).Endpoint, vm.Id, pool.Ct)).Domain!.State);
        Assert.Null((await pool.Pool.VmAsync("secret"))!.UntrustedUntil);
        Assert.Equal(1, await pool.OperationsAsync(VirtualMachineOperations.Migrate));
        if (fallback != EvacuationFallback.ShutDown)
        {
            Assert.Contains("secret: ", view.Steps[0].Sentence, StringComparison.Ordinal);
            Assert.Contains("No host of 1 can take 'secret'", view.Steps[0].Sentence, StringComparison.Ordinal);
        }

        await pool.LookAsync();
        Assert.Equal((ReactionState.Done, 1), (await pool.StateAsync(Host), await pool.OperationsAsync(EvacuationOperations.Evacuate)));
    }

    [Fact]
    public async Task Evacuate_OtherHostsOnlyCannotBeChecked_WaitsInsteadOfPausing()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { Fallback = EvacuationFallback.Pause }, hosts: 2);
        await pool.RunAsync("secret", Host);
        await pool.SilenceAsync("kvm-a02");
        pool.Pool.Time.Advance(DemoSeed.Policy.Lifetime + TimeSpan.FromSeconds(1));
        await pool.FallAsync(Host);

        var waiting = await pool.EvacuateAsync(Host);

        Assert.Equal((OperationState.Running, VirtualMachineStatus.Up), (waiting.Operation.State, (await pool.Pool.VmAsync("secret"))!.Status));
        Assert.Contains("cannot be checked now", waiting.Steps[0].Sentence, StringComparison.Ordinal);

        TrustedPool.Expect(await pool.Pool.Get<SimulatedHostActions>().ComeBackAsync(TrustedPool.Administrator, (await pool.Pool.HostAsync("kvm-a02")).Id, pool.Ct));
        pool.Pool.Time.Advance(TimeSpan.FromSeconds(5));
        await pool.Pool.AttestAsync("kvm-a02");
        ReactingPool.Ended(await pool.Pool.RunAsync(waiting.Operation.Id));
        Assert.Equal("kvm-a02", await pool.WhereAsync("secret"));
    }

    [Fact]
    public async Task Evacuate_OtherHostsSilentForTooLong_FallsBack()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { Fallback = EvacuationFallback.Pause }, hosts: 2);
        await pool.RunAsync("secret", Host);
        await pool.SilenceAsync("kvm-a02");
        pool.Pool.Time.Advance(DemoSeed.Policy.Lifetime + TimeSpan.FromSeconds(1));
        await pool.FallAsync(Host);
        var waiting = await pool.EvacuateAsync(Host);
        pool.Pool.Time.Advance(EvacuationDesk.Patience);

        ReactingPool.Ended(await pool.Pool.RunAsync(waiting.Operation.Id));

        Assert.Equal(VirtualMachineStatus.Paused, (await pool.Pool.VmAsync("secret"))!.Status);
    }

    [Fact]
    public async Task Evacuate_HostRisesInTheMiddle_StopsAfterThoseInFlight()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { AtOnce = 1 }, more: ScriptedPause.AddTo);
        await pool.RunAsync("first", Host, priority: 90);
        await pool.RunAsync("second", Host, priority: 10);
        await pool.FallAsync(Host);
        pool.Pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if ((point, call) == (SimulationPoint.BeforeCommit, "migrate"))
            {
                await pool.RiseAsync(Host);
            }
        };
        await pool.LookAsync();
        var operation = (await pool.ReactionAsync(Host))!.OperationId!.Value;

        var view = ReactingPool.Ended(await pool.Pool.RunAsync(operation));

        Assert.Contains("kvm-a01 is trusted again. 1 of 2", view.Steps[0].Sentence, StringComparison.Ordinal);
        Assert.NotEqual(Host, await pool.WhereAsync("first"));
        Assert.Equal(Host, await pool.WhereAsync("second"));
        await pool.LookAsync();
        Assert.Null(await pool.ReactionAsync(Host));
    }

    [Fact]
    public async Task Evacuate_FallsAgainWhileTheEvacuationEnds_GoesOnWithAnother()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { AtOnce = 1 });
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);
        await pool.LookAsync();
        var first = (await pool.ReactionAsync(Host))!.OperationId!.Value;
        await pool.RiseAsync(Host);
        await pool.Pool.RunAsync(first);
        await pool.FallAsync(Host);

        await pool.LookAsync();
        await pool.RunOperationsAsync();

        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
        Assert.Equal(2, await pool.OperationsAsync(EvacuationOperations.Evacuate));
    }

    [Fact]
    public async Task Evacuate_VmBusyWithSomethingElse_IsWaitedFor()
    {
        await using var pool = await ReactingPool.StartAsync();
        var vm = await pool.RunAsync("secret", Host);
        var edit = TrustedPool.Expect(await pool.Pool.Get<ChangeVirtualMachine>().EditAsync(TrustedPool.Operator, vm.Id, new VirtualMachineEdit { Description = "busy" }, pool.Ct));
        await pool.FallAsync(Host);

        var waiting = await pool.EvacuateAsync(Host);
        Assert.Equal(OperationState.Running, waiting.Operation.State);
        Assert.Contains("secret: it is being changed by another operation", waiting.Steps[0].Sentence, StringComparison.Ordinal);
        await pool.Pool.RunAsync(edit);
        ReactingPool.Ended(await pool.Pool.RunAsync(waiting.Operation.Id));

        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
    }

    [Fact]
    public async Task Evacuate_HypervisorSilent_WaitsAndRecordsNothingMeanwhile()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        var id = (await pool.Pool.HostAsync(Host)).Id;
        TrustedPool.Expect(await pool.Pool.Get<SimulatedHostActions>().StopHypervisorAsync(TrustedPool.Administrator, id, pool.Ct));
        await pool.FallAsync(Host);
        var before = await pool.OperationsAsync(VirtualMachineOperations.Migrate);

        var waiting = await pool.EvacuateAsync(Host);
        await pool.Pool.RunAsync(waiting.Operation.Id);
        Assert.Equal((OperationState.Running, before), (waiting.Operation.State, await pool.OperationsAsync(VirtualMachineOperations.Migrate)));
        Assert.Contains("does not answer", waiting.Steps[0].Sentence, StringComparison.Ordinal);
        TrustedPool.Expect(await pool.Pool.Get<SimulatedHostActions>().StartHypervisorAsync(TrustedPool.Administrator, id, pool.Ct));

        ReactingPool.Ended(await pool.Pool.RunAsync(waiting.Operation.Id));
        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
    }

    [Fact]
    public async Task Cancel_WhileItWaits_StopsAndWhatMovedStays()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("free", Host, priority: 90);
        var vm = await pool.RunAsync("busy", Host);
        TrustedPool.Expect(await pool.Pool.Get<ChangeVirtualMachine>().EditAsync(TrustedPool.Operator, vm.Id, new VirtualMachineEdit { Description = "busy" }, pool.Ct));
        await pool.FallAsync(Host);
        var waiting = await pool.EvacuateAsync(Host);
        Assert.Equal("access.denied", (await pool.Pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, waiting.Operation.Id, pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await pool.Pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Administrator, waiting.Operation.Id, pool.Ct));

        var view = ReactingPool.Ended(await pool.Pool.RunAsync(waiting.Operation.Id), OperationState.Cancelled);

        Assert.Contains("what moved stays where it is now. 1 of 2", view.Operation.Failure!, StringComparison.Ordinal);
        Assert.NotEqual(Host, await pool.WhereAsync("free"));
        await pool.LookAsync();
        Assert.Equal((ReactionState.Done, 1), (await pool.StateAsync(Host), await pool.OperationsAsync(EvacuationOperations.Evacuate)));
    }

    [Fact]
    public async Task Evacuate_InterruptedAnywhere_MovesEveryVmOnceAndDoesNothingTwice()
    {
        // Every fifth moment: the randomised test beside this one dies at all the others.
        for (var at = 0; ; at += 5)
        {
            await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { AtOnce = 2 }, hosts: 3);
            await pool.RunAsync("one", Host);
            await pool.RunAsync("two", Host);
            await pool.RunAsync("three", Host);
            var before = await pool.OperationsAsync(VirtualMachineOperations.Migrate);
            await pool.FallAsync(Host);
            await pool.LookAsync();
            var operation = (await pool.ReactionAsync(Host))!.OperationId!.Value;

            var interrupted = await InterruptAsync(pool, operation, at);
            await pool.Pool.RestartAsync();
            await pool.LookAsync();
            await pool.RunOperationsAsync();
            await pool.LookAsync();

            Assert.Equal((before + 3, 1), (await pool.OperationsAsync(VirtualMachineOperations.Migrate), await pool.OperationsAsync(EvacuationOperations.Evacuate)));
            Assert.Empty(await pool.OpenAsync());
            foreach (var name in new[] { "one", "two", "three" })
            {
                Assert.NotEqual(Host, await pool.WhereAsync(name));
                Assert.Equal(VirtualMachineStatus.Up, (await pool.Pool.VmAsync(name))!.Status);
            }

            await pool.Pool.AssertNoCapacityLeakedAsync();
            Assert.Equal(ReactionState.Done, await pool.StateAsync(Host));
            if (!interrupted)
            {
                Assert.True(at > 10, "the evacuation must have been interrupted many times");
                return;
            }
        }
    }

    [Fact]
    public async Task Evacuate_HostGoesToMaintenanceMeanwhile_LeavesTheRestToThat()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);
        await pool.LookAsync();
        var evacuation = (await pool.ReactionAsync(Host))!.OperationId!.Value;
        var maintenance = TrustedPool.Expect(await pool.Pool.Get<ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, (await pool.Pool.HostAsync(Host)).Id, pool.Ct))!.Value;

        var view = ReactingPool.Ended(await pool.Pool.RunAsync(evacuation));
        ReactingPool.Ended(await pool.Pool.RunAsync(maintenance));
        await pool.LookAsync();

        Assert.Contains("goes to maintenance", view.Steps[0].Sentence, StringComparison.Ordinal);
        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
        Assert.Null(await pool.ReactionAsync(Host));
    }

    /// <summary>Runs the operation and cuts it off at the nth moment it tells the change feed of something; false when it ended before.</summary>
    private static async Task<bool> InterruptAsync(ReactingPool pool, Guid operation, int at)
    {
        using var cut = new CancellationTokenSource();
        var seen = -1;
        using var subscription = pool.Pool.Get<IChangeFeed>().Subscribe(change =>
        {
            if (change.Topic is ChangeTopic.Operation or ChangeTopic.VirtualMachine && Interlocked.Increment(ref seen) == at)
            {
                cut.Cancel();
            }
        });
        try
        {
            await pool.Pool.Get<OperationRunner>().RunAsync(operation, cut.Token);
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }
}
