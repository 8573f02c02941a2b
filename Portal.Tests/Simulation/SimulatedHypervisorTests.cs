using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Tests.Simulation;

public sealed class SimulatedHypervisorTests : IDisposable
{
    private readonly SimulatedWorld world = new();

    private HostEndpoint One => world.Endpoint("kvm-a01");

    private HostEndpoint Other => world.Endpoint("kvm-a02");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => world.Dispose();

    [Fact]
    public async Task EveryCall_DoneTwice_IsSeenToBeDone()
    {
        var vm = Vm("web");
        var hypervisor = world.Hypervisor;
        await TwiceAsync(() => hypervisor.CreateAsync(One, vm, Token));
        await TwiceAsync(() => hypervisor.StartAsync(One, vm.Id, Token));
        await TwiceAsync(() => hypervisor.MigrateAsync(One, Other, vm.Id, MigrationSettings.Default, null, Token));
        await TwiceAsync(() => hypervisor.ShutdownAsync(Other, vm.Id, Token));
        world.Time.Advance(world.Options.ShutdownTime);
        await TwiceAsync(() => hypervisor.RedefineAsync(Other, vm with { Cpus = 4 }, Token));
        await TwiceAsync(() => hypervisor.StartAsync(Other, vm.Id, Token));
        await TwiceAsync(() => hypervisor.StopAsync(Other, vm.Id, Token));
        await TwiceAsync(() => hypervisor.DeleteAsync(Other, vm.Id, withDisks: true, Token));
        Assert.Empty((await hypervisor.ListAsync(Other, Token))!);
    }

    [Fact]
    public async Task Create_BeyondTheMemory_IsRefused()
    {
        var memory = world.State.Find("kvm-a01")!.Memory;
        await DoneAsync(world.Hypervisor.CreateAsync(One, Vm("large", memory - (1L << 30)), Token));
        var answer = await world.Hypervisor.CreateAsync(One, Vm("more", 2L << 30), Token);
        Assert.Equal(HypervisorResult.NoCapacity, answer.Result);
        await DoneAsync(world.Hypervisor.CreateAsync(One, Vm("just", 1L << 30), Token));
    }

    [Fact]
    public async Task Create_WithANameOfAnother_IsRefusedOnThatHostOnly()
    {
        await DoneAsync(world.Hypervisor.CreateAsync(One, Vm("web"), Token));
        Assert.Equal(HypervisorResult.NameTaken, (await world.Hypervisor.CreateAsync(One, Vm("web"), Token)).Result);
        await DoneAsync(world.Hypervisor.CreateAsync(Other, Vm("web"), Token));
    }

    [Fact]
    public async Task Create_OfTheSameVmUnderANewDecision_ReplacesItsMetadata()
    {
        var vm = Vm("web");
        await DoneAsync(world.Hypervisor.CreateAsync(One, vm, Token));
        var decided = vm with { DecisionId = Guid.NewGuid() };
        await DoneAsync(world.Hypervisor.CreateAsync(One, decided, Token));
        Assert.Equal(decided, (await world.Hypervisor.FindAsync(One, vm.Id, Token)).Domain!.Definition);
        Assert.Equal(HypervisorResult.Failed, (await world.Hypervisor.CreateAsync(One, vm with { Cpus = 8 }, Token)).Result);
    }

    [Fact]
    public async Task Redefine_OfARunningVm_ChangesMetadataOnly()
    {
        var vm = Vm("web");
        await DoneAsync(world.Hypervisor.CreateAsync(One, vm, Token));
        await DoneAsync(world.Hypervisor.StartAsync(One, vm.Id, Token));
        await DoneAsync(world.Hypervisor.RedefineAsync(One, vm with { TrustLevel = TrustLevel.Trusted }, Token));
        Assert.Equal(HypervisorResult.Failed, (await world.Hypervisor.RedefineAsync(One, vm with { Memory = 4L << 30 }, Token)).Result);
    }

    [Fact]
    public async Task Delete_OfARunningVm_IsRefused()
    {
        var vm = await RunningAsync("web");
        Assert.Equal(HypervisorResult.Failed, (await world.Hypervisor.DeleteAsync(One, vm.Id, withDisks: true, Token)).Result);
    }

    [Fact]
    public async Task Calls_ForAVmTheHostDoesNotKnow_AreNotFound()
    {
        var nobody = Guid.NewGuid();
        Assert.Equal(HypervisorResult.NotFound, (await world.Hypervisor.StartAsync(One, nobody, Token)).Result);
        Assert.Equal(HypervisorResult.NotFound, (await world.Hypervisor.ShutdownAsync(One, nobody, Token)).Result);
        Assert.Equal(HypervisorResult.NotFound, (await world.Hypervisor.StopAsync(One, nobody, Token)).Result);
        Assert.Equal(HypervisorResult.NotFound, (await world.Hypervisor.MigrateAsync(One, Other, nobody, MigrationSettings.Default, null, Token)).Result);
        Assert.Equal(HypervisorResult.NotFound, (await world.Hypervisor.RedefineAsync(One, Vm("x"), Token)).Result);
        Assert.Equal(new DomainAnswer(true, null), await world.Hypervisor.FindAsync(One, nobody, Token));
    }

    [Theory]
    [InlineData(DomainState.Running)]
    [InlineData(DomainState.ShutOff)]
    public async Task Migrate_RunningOrNot_MovesTheVmAsItIs(DomainState wanted)
    {
        var vm = await RunningAsync("web");
        if (wanted == DomainState.ShutOff)
        {
            await DoneAsync(world.Hypervisor.StopAsync(One, vm.Id, Token));
        }

        await DoneAsync(world.Hypervisor.MigrateAsync(One, Other, vm.Id, MigrationSettings.Default, null, Token));
        Assert.Null((await world.Hypervisor.FindAsync(One, vm.Id, Token)).Domain);
        Assert.Equal(new Domain(vm, wanted), (await world.Hypervisor.FindAsync(Other, vm.Id, Token)).Domain);
    }

    [Fact]
    public async Task Migrate_ToAFullHost_LeavesTheVmWhereItIs()
    {
        var vm = await RunningAsync("web");
        await DoneAsync(world.Hypervisor.CreateAsync(Other, Vm("large", world.State.Find("kvm-a02")!.Memory), Token));
        Assert.Equal(HypervisorResult.NoCapacity, (await world.Hypervisor.MigrateAsync(One, Other, vm.Id, MigrationSettings.Default, null, Token)).Result);
        Assert.NotNull((await world.Hypervisor.FindAsync(One, vm.Id, Token)).Domain);
    }

    [Fact]
    public async Task Shutdown_AfterItsTime_IsToldByAnEvent()
    {
        var vm = await RunningAsync("web");
        await using var events = world.Hypervisor.EventsAsync(Token).GetAsyncEnumerator(Token);
        await DoneAsync(world.Hypervisor.ShutdownAsync(One, vm.Id, Token));
        Assert.Equal(DomainState.ShuttingDown, (await events.NextAsync()).State);
        Assert.Equal(DomainState.ShuttingDown, (await world.Hypervisor.FindAsync(One, vm.Id, Token)).Domain!.State);
        world.Time.Advance(world.Options.ShutdownTime);
        Assert.Equal(new DomainEvent(One.Id, vm.Id, DomainState.ShutOff), await events.NextAsync());
    }

    [Fact]
    public async Task Events_ToTwoListeners_ReachBothInOrder()
    {
        await using var first = world.Hypervisor.EventsAsync(Token).GetAsyncEnumerator(Token);
        await using var second = world.Hypervisor.EventsAsync(Token).GetAsyncEnumerator(Token);
        var vm = await RunningAsync("web");
        await DoneAsync(world.Hypervisor.MigrateAsync(One, Other, vm.Id, MigrationSettings.Default, null, Token));
        foreach (var listener in new[] { first, second })
        {
            Assert.Equal(new DomainEvent(One.Id, vm.Id, DomainState.ShutOff), await listener.NextAsync());
            Assert.Equal(new DomainEvent(One.Id, vm.Id, DomainState.Running), await listener.NextAsync());
            Assert.Equal(new DomainEvent(Other.Id, vm.Id, DomainState.Running), await listener.NextAsync());
            Assert.Equal(new DomainEvent(One.Id, vm.Id, null), await listener.NextAsync());
        }
    }

    [Fact]
    public async Task Events_OfAHostTheInventoryKnowsOtherwise_CarryItsId()
    {
        var known = One with { Id = Guid.NewGuid() };
        await using var events = world.Hypervisor.EventsAsync(Token).GetAsyncEnumerator(Token);
        await DoneAsync(world.Hypervisor.CreateAsync(known, Vm("web"), Token));
        Assert.Equal(known.Id, (await events.NextAsync()).HostId);
    }

    private static async Task TwiceAsync(Func<Task<HypervisorAnswer>> call)
    {
        Assert.Equal(HypervisorResult.Done, (await call()).Result);
        Assert.Equal(HypervisorResult.AlreadySo, (await call()).Result);
    }

    private static async Task DoneAsync(Task<HypervisorAnswer> call)
    {
        var answer = await call;
        Assert.True(answer.Result == HypervisorResult.Done, answer.Sentence);
    }

    private static DomainDefinition Vm(string name, long memory = 2L << 30) =>
        new(Guid.NewGuid(), name, 2, memory, 10L << 30, "default", TrustLevel.Any, null);

    private async Task<DomainDefinition> RunningAsync(string name)
    {
        var vm = Vm(name);
        await DoneAsync(world.Hypervisor.CreateAsync(One, vm, Token));
        await DoneAsync(world.Hypervisor.StartAsync(One, vm.Id, Token));
        return vm;
    }
}
