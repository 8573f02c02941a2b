using Microsoft.EntityFrameworkCore;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Placement;

/// <summary>An admission is worth something only at its moment.</summary>
public sealed class AdmissionTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Start_ResumedLongAfterItsAdmission_AsksTheHostAgain()
    {
        await using var pool = await Meddling.StartAsync(hosts: 1);
        var request = new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, TrustLevel = TrustLevel.Trusted, Start = true };
        var operation = TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, request, pool.Ct));
        using var cut = new CancellationTokenSource();
        pool.Get<MeddlingPause>().At = (point, call) =>
        {
            if (call == "create" && point == SimulationPoint.AfterCommit)
            {
                cut.Cancel();
            }

            return Task.CompletedTask;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateBootLoaderAsync(TrustedPool.Administrator, (await pool.HostAsync(Host)).Id, reboot: true, pool.Ct));
        pool.Time.Advance(TimeSpan.FromDays(2));

        var view = await pool.RunAsync(operation);

        Assert.Equal((OperationState.Failed, "trust.lost"), (view.Operation.State, view.Operation.FailureCode));
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Start_PolicyRaisedAfterTheClaim_DoesNotStart()
    {
        await using var pool = await Meddling.StartAsync(hosts: 1);
        pool.Get<MeddlingPause>().At = async (point, call) =>
        {
            if (call == "create" && point == SimulationPoint.AfterCommit)
            {
                // A retirement is committed; its re-appraisal is still to come.
                await using var db = pool.Database();
                await db.BaselineRevisions.ExecuteUpdateAsync(set => set.SetProperty(r => r.State, RevisionState.Retired), pool.Ct);
                await db.Clusters.ExecuteUpdateAsync(set => set.SetProperty(c => c.PolicyRevision, c => c.PolicyRevision + 1), pool.Ct);
            }
        };

        var view = await pool.CreateAsync("web-1", start: true);

        Assert.Equal("trust.lost", view.Operation.FailureCode);
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }
}
