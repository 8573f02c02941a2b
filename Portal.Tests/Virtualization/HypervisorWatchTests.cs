using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

public sealed class HypervisorWatchTests
{
    [Fact]
    public async Task Shutdown_GuestIsOffBeforeTheOperationEnds_IsSeenDown()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        var endpoint = (await pool.HostAsync("kvm-a01")).Endpoint;
        var watch = pool.Get<IEnumerable<IHostedService>>().OfType<HypervisorWatch>().Single();
        await watch.StartAsync(pool.Ct);
        try
        {
            pool.Get<ScriptedPause>().At = async (point, call) =>
            {
                if ((point, call) == (SimulationPoint.AfterCommit, "shutdown"))
                {
                    // Off, and its event gone by, while the operation still holds the machine.
                    await pool.Get<SimulatedHypervisor>().StopAsync(endpoint, vm.Id, pool.Ct);
                }
            };
            var operation = TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().ShutdownAsync(TrustedPool.Operator, vm.Id, pool.Ct));

            await pool.RunAsync(operation);

            Assert.True(await BecomesAsync(pool, VirtualMachineStatus.Down), $"it is {(await pool.VmAsync("web-1"))!.Status}");
        }
        finally
        {
            await watch.StopAsync(CancellationToken.None);
        }
    }

    private static async Task<bool> BecomesAsync(TrustedPool pool, VirtualMachineStatus status)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(pool.Ct);
        deadline.CancelAfter(TimeSpan.FromSeconds(10));
        using var moved = new SemaphoreSlim(0);
        using var subscription = pool.Get<IChangeFeed>().Subscribe(change =>
        {
            if (change.Topic == ChangeTopic.VirtualMachine)
            {
                moved.Release();
            }
        });
        while ((await pool.VmAsync("web-1"))!.Status != status)
        {
            try
            {
                await moved.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!pool.Ct.IsCancellationRequested)
            {
                return false;
            }
        }

        return true;
    }
}
