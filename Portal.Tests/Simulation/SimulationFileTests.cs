using Microsoft.Data.Sqlite;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;

namespace Portal.Tests.Simulation;

public sealed class SimulationFileTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task World_OpenedAfterAKill_HasTheSameHostsKeysAndDomains()
    {
        using var world = new SimulatedWorld(ownKeys: true);
        var vm = Vm("web");
        await world.Hypervisor.CreateAsync(world.Endpoint("kvm-a01"), vm, Token);
        await world.Hypervisor.StartAsync(world.Endpoint("kvm-a01"), vm.Id, Token);
        var key = await world.KeyAsync("kvm-a01");
        var quote = IndependentCheck.Read((await world.QuoteAsync("kvm-a01")).Quote);

        using var again = world.AfterKill();
        Assert.Equal(world.Fleet.Hosts, again.Fleet.Hosts);
        Assert.Equal(key, await again.KeyAsync("kvm-a01"));
        Assert.Equal(new Domain(vm, DomainState.Running), (await again.Hypervisor.FindAsync(again.Endpoint("kvm-a01"), vm.Id, Token)).Domain);
        var quotedAgain = IndependentCheck.Read((await again.QuoteAsync("kvm-a01")).Quote);
        Assert.Equal((quote.Clock, quote.Resets, Convert.ToHexString(quote.Digest)), (quotedAgain.Clock, quotedAgain.Resets, Convert.ToHexString(quotedAgain.Digest)));
    }

    [Theory]
    [InlineData(SimulationPoint.BeforeCommit, false)]
    [InlineData(SimulationPoint.AfterCommit, true)]
    public async Task Create_KilledInsideTheCall_IsThereOrNotAndMayBeRepeated(SimulationPoint point, bool isThere)
    {
        using var world = new SimulatedWorld(pause: new KillAt(point));
        var vm = Vm("web");
        var host = world.Endpoint("kvm-a01");
        await Assert.ThrowsAsync<Killed>(() => world.Hypervisor.CreateAsync(host, vm, Token));

        using var again = world.AfterKill();
        Assert.Equal(isThere, (await again.Hypervisor.FindAsync(host, vm.Id, Token)).Domain is not null);
        var repeated = await again.Hypervisor.CreateAsync(host, vm, Token);
        Assert.Equal(isThere ? HypervisorResult.AlreadySo : HypervisorResult.Done, repeated.Result);
    }

    [Theory]
    [InlineData(SimulationPoint.BeforeCommit)]
    [InlineData(SimulationPoint.AfterCommit)]
    public async Task Migrate_KilledInsideTheCall_LeavesTheVmOnExactlyOneHost(SimulationPoint point)
    {
        var kill = new KillAt(point, call: "migrate");
        using var world = new SimulatedWorld(pause: kill);
        var (source, target) = (world.Endpoint("kvm-a01"), world.Endpoint("kvm-a02"));
        var vm = Vm("web");
        await world.Hypervisor.CreateAsync(source, vm, Token);
        await Assert.ThrowsAsync<Killed>(() => world.Hypervisor.MigrateAsync(source, target, vm.Id, MigrationSettings.Default, null, Token));

        using var again = world.AfterKill();
        var places = again.Fleet.Hosts.Count(h => again.State.DomainsOf(h.Name).ContainsKey(vm.Id));
        Assert.Equal(1, places);
        Assert.True((await again.Hypervisor.MigrateAsync(source, target, vm.Id, MigrationSettings.Default, null, Token)).IsSo);
        Assert.NotNull((await again.Hypervisor.FindAsync(target, vm.Id, Token)).Domain);
    }

    [Fact]
    public async Task Shutdown_KilledWhileTheGuestShutsDown_FinishesAfterTheRestart()
    {
        using var world = new SimulatedWorld();
        var host = world.Endpoint("kvm-a01");
        var vm = Vm("web");
        await world.Hypervisor.CreateAsync(host, vm, Token);
        await world.Hypervisor.StartAsync(host, vm.Id, Token);
        await world.Hypervisor.ShutdownAsync(host, vm.Id, Token);
        world.Hypervisor.Dispose();

        using var again = world.AfterKill();
        Assert.Equal(DomainState.ShuttingDown, again.State.DomainsOf("kvm-a01")[vm.Id].State);
        again.Time.Advance(again.Options.ShutdownTime);
        Assert.Equal(DomainState.ShutOff, again.State.DomainsOf("kvm-a01")[vm.Id].State);
    }

    [Fact]
    public void Fleet_GrownAtALaterStart_KeepsItsHosts()
    {
        using var world = new SimulatedWorld();
        using var again = world.AfterKill(new SimulationOptions { Hosts = 20, Clusters = 2 });
        Assert.Equal(20, again.Fleet.Hosts.Count);
        Assert.Empty(world.Fleet.Hosts.Except(again.Fleet.Hosts));
    }

    [Fact]
    public void File_OfAnotherLayout_IsRefused()
    {
        var folder = Directory.CreateTempSubdirectory("portal-simulation-").FullName;
        var path = Path.Combine(folder, "other.db");
        using (var connection = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA user_version=99";
            command.ExecuteNonQuery();
        }

        var fault = Assert.Throws<InvalidDataException>(() => new SimulationState(path));
        Assert.Contains("layout 99", fault.Message, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    private static DomainDefinition Vm(string name) => new(Guid.NewGuid(), name, 2, 2L << 30, 10L << 30, "default", TrustLevel.Any, null);

    private sealed class Killed : Exception;

    private sealed class KillAt(SimulationPoint point, string call = "create") : ISimulationPause
    {
        public Task AtAsync(SimulationPoint at, string during, string host, CancellationToken ct) =>
            at == point && during == call ? throw new Killed() : Task.CompletedTask;
    }
}
