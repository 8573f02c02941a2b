using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>What went down unasked is started again: through the gate, a few times, the most important first, and never on silence.</summary>
public sealed class AutomaticRestartsTests : IAsyncLifetime
{
    private TrustedPool pool = null!;

    public async ValueTask InitializeAsync()
    {
        pool = await TrustedPool.StartAsync(hosts: 2);
        await OnlyAsync("kvm-a01");
        await pool.Get<AutomaticRestarts>().StartAsync(pool.Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await pool.Get<AutomaticRestarts>().StopAsync(CancellationToken.None);
        await pool.DisposeAsync();
    }

    [Fact]
    public async Task Crashed_IsStartedAgainByThePortal()
    {
        var vm = await CrashedAsync("web-1");

        await ConsiderAsync(vm, DomainCause.Crashed);

        var view = await pool.RunAsync((await StartsAsync(1))[0]);
        Assert.Equal((OperationState.Succeeded, VirtualMachineOperations.Start), (view.Operation.State, view.Operation.Kind));
        Assert.True(new Person(view.Operation.Issuer, view.Operation.Subject, view.Operation.PersonName).Is(Person.Portal));
        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((VirtualMachineStatus.Up, 1), (after.Status, after.Restarts));
        Assert.Contains("vm.started: ", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restart_PassesTheGate()
    {
        var vm = await CrashedAsync("web-1");
        pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromMinutes(2));

        await ConsiderAsync(vm, DomainCause.Crashed);

        Assert.Equal("placement.no_host", (await pool.RunAsync((await StartsAsync(1))[0])).Operation.FailureCode);
        Assert.Equal(VirtualMachineStatus.Down, (await pool.VmAsync("web-1"))!.Status);
    }

    [Fact]
    public async Task SeveralAtOnce_StartInOrderOfPriority()
    {
        var low = await CrashedAsync("a-low", priority: 10);
        var high = await CrashedAsync("z-high", priority: 90);
        var middle = await CrashedAsync("m-middle", priority: 50);

        foreach (var vm in new[] { low, high, middle })
        {
            await ConsiderAsync(vm, DomainCause.Ordinary);
        }

        var started = await StartsAsync(3);
        await using var db = pool.Database();
        var names = await db.Operations.Where(o => started.Contains(o.Id)).ToDictionaryAsync(o => o.Id, o => o.TargetName, pool.Ct);
        Assert.Equal(["z-high", "m-middle", "a-low"], started.Select(id => names[id]));
    }

    [Fact]
    public async Task AfterThreeInARow_StaysDownWithAnAlarm_AndAPersonsStartBeginsAnew()
    {
        var vm = await CrashedAsync("web-1");
        for (var time = 1; time <= AutomaticRestarts.MostInARow; time++)
        {
            await ConsiderAsync(vm, DomainCause.Crashed);
            await pool.RunAsync((await StartsAsync(time))[^1]);
            await CrashAsync(vm);
        }

        await ConsiderAsync(vm, DomainCause.Crashed);
        await UntilAsync(async () => (await pool.AuditAsync()).Contains("vm.restart.given_up: 'web-1' went down again after 3 restarts in a row", StringComparison.Ordinal));
        Assert.Equal(AutomaticRestarts.MostInARow, (await StartsAsync(0)).Count);

        await pool.RunAsync(TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().StartAsync(TrustedPool.Operator, vm, pool.Ct)));
        Assert.Equal(0, (await pool.VmAsync("web-1"))!.Restarts);
        await CrashAsync(vm);
        await ConsiderAsync(vm, DomainCause.Crashed);
        Assert.Equal(AutomaticRestarts.MostInARow + 1, (await StartsAsync(AutomaticRestarts.MostInARow + 1)).Count);
    }

    [Theory]
    [InlineData("not to be")]
    [InlineData("host silent")]
    [InlineData("runs")]
    [InlineData("gone")]
    [InlineData("migrated")]
    [InlineData("ended")]
    [InlineData("stopped by a person")]
    [InlineData("held")]
    public async Task Nothing_IsStarted_When(string what)
    {
        var vm = await CrashedAsync("web-1", restarts: what != "not to be");
        var host = (await pool.HostAsync("kvm-a01")).Endpoint;
        var hypervisor = pool.Get<SimulatedHypervisor>();
        switch (what)
        {
            case "host silent":
                TrustedPool.Expect(await pool.Get<SimulatedHostActions>().StopHypervisorAsync(TrustedPool.Administrator, host.Id, pool.Ct));
                break;
            case "runs":
                await hypervisor.StartAsync(host, vm, pool.Ct);
                break;
            case "gone":
                await hypervisor.DeleteAsync(host, vm, withDisks: true, pool.Ct);
                break;
            case "stopped by a person":
                await pool.RunAsync(TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().StartAsync(TrustedPool.Operator, vm, pool.Ct)));
                await pool.RunAsync(TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().StopAsync(TrustedPool.Operator, vm, pool.Ct)));
                break;
            case "held":
                TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().DeleteAsync(TrustedPool.Operator, vm, pool.Ct));
                break;
        }

        // Another one, elsewhere and less important, shows when it is started that the first was looked at and left alone.
        await OnlyAsync("kvm-a02");
        var witness = await CrashedAsync("z-witness", priority: 0);
        await ConsiderAsync(vm, what switch { "migrated" => DomainCause.Migrated, "ended" => DomainCause.Ended, _ => DomainCause.Crashed });
        await ConsiderAsync(witness, DomainCause.Crashed);
        var started = Assert.Single(await StartsAsync(1));
        await using var db = pool.Database();
        Assert.Equal("z-witness", (await db.Operations.SingleAsync(o => o.Id == started, pool.Ct)).TargetName);
    }

    private async Task<Guid> CrashedAsync(string name, int priority = 50, bool restarts = true)
    {
        var request = new NewVirtualMachine { Name = name, ClusterId = pool.Cluster, TrustLevel = TrustLevel.Trusted, Start = true, Priority = priority, RestartsAutomatically = restarts, Memory = 64L << 20 };
        await pool.RunAsync(TrustedPool.Expect(await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, request, pool.Ct)));
        var id = (await pool.VmAsync(name))!.Id;
        await CrashAsync(id);
        return id;
    }

    /// <summary>Off on its host, and the portal has seen it.</summary>
    private async Task CrashAsync(Guid id)
    {
        await using var db = pool.Database();
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => db.VirtualMachines.Any(v => v.Id == id && v.HostId == h.Id), pool.Ct);
        await pool.Get<SimulatedHypervisor>().StopAsync(host.Endpoint, id, pool.Ct);
        await db.VirtualMachines.Where(v => v.Id == id).ExecuteUpdateAsync(set => set.SetProperty(v => v.Status, VirtualMachineStatus.Down), pool.Ct);
    }

    private Task ConsiderAsync(Guid id, DomainCause cause) => pool.Get<AutomaticRestarts>().ConsiderAsync(id, cause, pool.Ct);

    /// <summary>New ones go to this host.</summary>
    private async Task OnlyAsync(string name)
    {
        await using var db = pool.Database();
        foreach (var host in await db.Hosts.Where(h => h.Name == "kvm-a01" || h.Name == "kvm-a02").ToListAsync(pool.Ct))
        {
            host.State = host.Name == name ? HostState.Up : HostState.Maintenance;
            await db.SaveChangesAsync(pool.Ct);
            pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host, host.Id));
        }
    }

    /// <summary>Starts in the portal's name, oldest first, once there are so many.</summary>
    private async Task<List<Guid>> StartsAsync(int atLeast)
    {
        var found = new List<Guid>();
        await UntilAsync(async () =>
        {
            await using var db = pool.Database();
            found = await db.Operations.Where(o => o.Kind == VirtualMachineOperations.Start && o.Issuer == Person.Portal.Issuer).OrderBy(o => o.Id).Select(o => o.Id).ToListAsync(pool.Ct);
            return found.Count >= atLeast;
        });
        return found;
    }

    private async Task UntilAsync(Func<Task<bool>> isSo)
    {
        for (var deadline = Environment.TickCount64 + 30_000; !await isSo();)
        {
            Assert.True(Environment.TickCount64 < deadline, "it did not come");
            pool.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(10, pool.Ct);
        }
    }
}
