using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>An edit the host refuses leaves the VM, its row and its claim as they were, whatever happened meanwhile.</summary>
public sealed class EditUndoTests
{
    [Fact]
    public async Task Undo_InterruptedAnywhere_CanBeRepeated()
    {
        for (var at = 0; ; at++)
        {
            await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
            var vm = await CreateAsync(pool, 1L << 30);
            await HypervisorAsync(pool, runs: false);
            var operation = await EditAsync(pool, vm.Id, new VirtualMachineEdit { Cpus = 3 });
            var seen = 0;
            using var cut = new CancellationTokenSource();
            using (pool.Get<IChangeFeed>().Subscribe(change =>
            {
                if (change.Topic is ChangeTopic.Operation or ChangeTopic.VirtualMachine && seen++ == at)
                {
                    cut.Cancel();
                }
            }))
            {
                try
                {
                    await pool.Get<OperationRunner>().RunAsync(operation, cut.Token);
                }
                catch (OperationCanceledException)
                {
                    // Cut off, as a crash would.
                }
            }

            var view = await pool.RunAsync(operation);
            if (view.Operation.State == OperationState.Running)
            {
                // Cut inside the call to the host: what came of it is known when the host answers again.
                await HypervisorAsync(pool, runs: true);
                view = await pool.RunAsync(operation);
            }

            Assert.True(view.Operation.HasEnded, $"interrupted at {at}: {view.Operation.State}");
            var after = (await pool.VmAsync("web-1"))!;
            Assert.Equal((view.Operation.State == OperationState.Succeeded ? 3 : vm.Cpus, null), (after.Cpus, after.OperationId));
            await pool.AssertNoCapacityLeakedAsync();
            if (!cut.IsCancellationRequested)
            {
                Assert.True(at > 4, "the operation must have been interrupted a few times");
                return;
            }
        }
    }

    [Fact]
    public async Task UndoOfShrink_OthersWaitForTheMemory_KeepsTheClaim()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false, more: ScriptedPause.AddTo);
        var host = await pool.HostAsync("kvm-a01");
        var vm = await CreateAsync(pool, host.Memory);
        pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if ((point, call) != (SimulationPoint.BeforeCommit, "redefine"))
            {
                return;
            }

            pool.Get<ScriptedPause>().At = (_, _) => Task.CompletedTask;
            await using (var db = pool.Database())
            {
                Assert.Equal(host.Memory, await db.Hosts.Where(h => h.Id == host.Id).Select(h => h.MemoryClaimed).SingleAsync(pool.Ct));
            }

            await HypervisorAsync(pool, runs: false);
        };

        var view = await pool.RunAsync(await EditAsync(pool, vm.Id, new VirtualMachineEdit { Memory = host.Memory / 2, Cpus = vm.Cpus + 1 }));

        Assert.Equal(OperationState.Failed, view.Operation.State);
        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((host.Memory, vm.Cpus), (after.Memory, after.Cpus));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Shrink_Done_GivesTheClaimBack()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false);
        var vm = await CreateAsync(pool, 4L << 30);

        var view = await pool.RunAsync(await EditAsync(pool, vm.Id, new VirtualMachineEdit { Memory = 1L << 30, Cpus = vm.Cpus + 1 }));

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((1L << 30, vm.Cpus + 1), (after.Memory, after.Cpus));
        var found = await pool.Get<SimulatedHypervisor>().FindAsync((await pool.HostAsync("kvm-a01")).Endpoint, vm.Id, pool.Ct);
        Assert.Equal((1L << 30, vm.Cpus + 1), (found.Domain!.Definition.Memory, found.Domain.Definition.Cpus));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task UndoOfRename_OldNameTakenMeanwhile_EndsAndKeepsTheNewName()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false, enrol: false, more: ScriptedPause.AddTo);
        var vm = await CreateAsync(pool, 1L << 30);
        pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if ((point, call) == (SimulationPoint.BeforeCommit, "redefine"))
            {
                pool.Get<ScriptedPause>().At = (_, _) => Task.CompletedTask;
                TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster }, pool.Ct));
                await HypervisorAsync(pool, runs: false);
            }
        };

        var view = await pool.RunAsync(await EditAsync(pool, vm.Id, new VirtualMachineEdit { Name = "web-2" }));

        Assert.Equal(OperationState.Failed, view.Operation.State);
        Assert.Equal((vm.Id, null), ((await pool.VmAsync("web-2"))!.Id, (await pool.VmAsync("web-2"))!.OperationId));
    }

    [Fact]
    public async Task UndoOfLowering_HostLostTrustMeanwhile_MarksTheMachine()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if ((point, call) == (SimulationPoint.BeforeCommit, "redefine"))
            {
                pool.Get<ScriptedPause>().At = (_, _) => Task.CompletedTask;
                pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
                pool.Time.Advance(TimeSpan.FromSeconds(1));
                await pool.AttestAsync("kvm-a01");
                await HypervisorAsync(pool, runs: false);
            }
        };

        await pool.RunAsync(await EditAsync(pool, vm.Id, new VirtualMachineEdit { TrustLevel = TrustLevel.Any }));

        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal(TrustLevel.Trusted, after.TrustLevel);
        Assert.NotNull(after.UntrustedSince);
    }

    private static async Task<VirtualMachine> CreateAsync(TrustedPool pool, long memory)
    {
        Assert.Equal(OperationState.Succeeded, (await pool.CreateAsync("web-1", TrustLevel.Any, memory: memory)).Operation.State);
        return (await pool.VmAsync("web-1"))!;
    }

    private static async Task<Guid> EditAsync(TrustedPool pool, Guid vm, VirtualMachineEdit edit) =>
        TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().EditAsync(TrustedPool.Operator, vm, edit, pool.Ct));

    private static async Task HypervisorAsync(TrustedPool pool, bool runs)
    {
        var (actions, host) = (pool.Get<SimulatedHostActions>(), (await pool.HostAsync("kvm-a01")).Id);
        TrustedPool.Expect(runs
            ? await actions.StartHypervisorAsync(TrustedPool.Administrator, host, pool.Ct)
            : await actions.StopHypervisorAsync(TrustedPool.Administrator, host, pool.Ct));
    }
}
