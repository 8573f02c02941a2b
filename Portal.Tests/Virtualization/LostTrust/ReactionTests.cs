using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization.LostTrust;

public sealed class ReactionTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task Fall_ClusterEvacuates_VmsThatRequireTrustMoveAndKeepTheirMark()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        await pool.RunAsync("plain", Host, TrustLevel.Any);
        await pool.FallAsync(Host);
        var fell = pool.Pool.Time.GetUtcNow();

        var view = await pool.EvacuateAsync(Host);

        ReactingPool.Ended(view);
        Assert.Equal(("the portal", 100), (view.Operation.PersonName, view.Operation.Progress));
        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
        Assert.Equal(Host, await pool.WhereAsync("plain"));
        var vm = (await pool.Pool.VmAsync("secret"))!;
        Assert.Equal((VirtualMachineStatus.Up, fell), (vm.Status, vm.UntrustedSince!.Value));
        Assert.NotNull(vm.UntrustedUntil);
        Assert.Equal(ReactionState.Done, await pool.StateAsync(Host));
        Assert.Contains("host.evacuating: Host kvm-a01 lost trust", await pool.Pool.AuditAsync(), StringComparison.Ordinal);
        await pool.Pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Row_HostTrustedAgain_EndsAndTheNextFallReactsAnew()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);
        await pool.EvacuateAsync(Host);
        await pool.RiseAsync(Host);
        await pool.LookAsync();
        Assert.Null(await pool.ReactionAsync(Host));

        await pool.FallAsync(Host);
        await pool.LookAsync();

        Assert.Equal((ReactionState.Done, pool.Pool.Time.GetUtcNow()), ((await pool.ReactionAsync(Host))!.State, (await pool.ReactionAsync(Host))!.FellAt));
    }

    [Fact]
    public async Task Fall_PortalDiesBeforeItReacts_IsFoundAgainAtStart()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);

        await pool.Pool.RestartAsync();
        await pool.EvacuateAsync(Host);

        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
    }

    [Fact]
    public async Task Look_Twice_RecordsOneEvacuation()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);

        await Task.WhenAll(pool.LookAsync(), pool.LookAsync());
        await pool.Pool.RestartAsync();
        await pool.LookAsync();

        Assert.Equal(1, await pool.OperationsAsync(EvacuationOperations.Evacuate));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Silence_OfHostOrAfterAVerdict_ReactsToNothing(bool wholeFleet)
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        foreach (var host in wholeFleet ? ["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04"] : new[] { Host })
        {
            await pool.SilenceAsync(host);
        }

        pool.Pool.Time.Advance(TimeSpan.FromDays(2));
        await pool.Pool.Get<AttestationRounds>().RoundAsync(pool.Pool.Cluster, pool.Ct);
        await pool.LookAsync();

        Assert.Null(await pool.ReactionAsync(Host));
        Assert.Null((await pool.Pool.HostAsync(Host)).QuarantinedSince);
        Assert.Equal(Host, await pool.WhereAsync("secret"));
        Assert.Empty(await pool.OpenAsync());
    }

    [Fact]
    public async Task ReactAfter_HostRisesInTime_MovesNobody()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { ReactAfter = TimeSpan.FromMinutes(2) });
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);
        var due = await pool.LookAsync();
        Assert.Equal(pool.Pool.Time.GetUtcNow() + TimeSpan.FromMinutes(2), due);
        Assert.Equal(ReactionState.Waiting, await pool.StateAsync(Host));
        pool.Pool.Time.Advance(TimeSpan.FromMinutes(1));
        await pool.RiseAsync(Host);
        pool.Pool.Time.Advance(TimeSpan.FromMinutes(5));

        await pool.LookAsync();

        Assert.Null(await pool.ReactionAsync(Host));
        Assert.Equal(0, await pool.OperationsAsync(EvacuationOperations.Evacuate));
    }

    [Fact]
    public async Task ReactAfter_StillUntrustedThen_Moves()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { ReactAfter = TimeSpan.FromMinutes(2) });
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);
        await pool.LookAsync();
        pool.Pool.Time.Advance(TimeSpan.FromMinutes(2));
        await pool.Pool.Get<AttestationRounds>().RoundAsync(pool.Pool.Cluster, pool.Ct);

        await pool.EvacuateAsync(Host);

        Assert.NotEqual(Host, await pool.WhereAsync("secret"));
    }

    [Fact]
    public async Task Guard_TooManyFallTogether_HoldsAllWithOneAlarmUntilAPersonLetsThemGoOn()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { GuardHosts = 2, GuardShare = 34 }, hosts: 4);
        await pool.RunAsync("one", "kvm-a01");
        await pool.RunAsync("two", "kvm-a02");
        await pool.FallAsync("kvm-a01");
        await pool.FallAsync("kvm-a02");
        await pool.LookAsync();
        await pool.Pool.RestartAsync();
        await pool.LookAsync();

        Assert.Equal((ReactionState.Held, ReactionState.Held), (await pool.StateAsync("kvm-a01"), await pool.StateAsync("kvm-a02")));
        Assert.Equal(1, await pool.AuditedAsync("reaction.held", AuditSeverity.Alarm));
        Assert.Equal(0, await pool.OperationsAsync(EvacuationOperations.Evacuate));

        TrustedPool.Expect(await pool.Pool.Get<LetReactionGoOn>().OfClusterAsync(TrustedPool.Administrator, pool.Pool.Cluster, pool.Ct));
        await pool.LookAsync();
        await pool.RunOperationsAsync();

        Assert.DoesNotContain(await pool.WhereAsync("one"), new[] { "kvm-a01", "kvm-a02" });
        Assert.DoesNotContain(await pool.WhereAsync("two"), new[] { "kvm-a01", "kvm-a02" });
        Assert.Contains("reaction.continued: ada let the evacuation of 2 hosts of prod-a go on.", await pool.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Guard_SecondFallsWhileTheFirstIsEvacuated_FirstGoesOnAndSecondIsHeld()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { GuardHosts = 2, GuardShare = 34 }, hosts: 4);
        await pool.RunAsync("one", "kvm-a01");
        await pool.RunAsync("two", "kvm-a02");
        await pool.FallAsync("kvm-a01");
        await pool.LookAsync();
        await pool.FallAsync("kvm-a02");
        await pool.LookAsync();

        await pool.RunOperationsAsync();

        Assert.Equal(("kvm-a02", ReactionState.Held), (await pool.WhereAsync("two"), await pool.StateAsync("kvm-a02")));
        Assert.DoesNotContain(await pool.WhereAsync("one"), new[] { "kvm-a01", "kvm-a02" });
    }

    [Fact]
    public async Task Guard_FallsFarApart_HoldNobody()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { GuardHosts = 2, GuardShare = 34 }, hosts: 4);
        await pool.RunAsync("two", "kvm-a02");
        await pool.FallAsync("kvm-a01");
        await pool.LookAsync();
        pool.Pool.Time.Advance(TimeSpan.FromMinutes(6));
        await pool.Pool.Get<AttestationRounds>().RoundAsync(pool.Pool.Cluster, pool.Ct);
        await pool.FallAsync("kvm-a02");

        await pool.EvacuateAsync("kvm-a02");

        Assert.NotEqual("kvm-a02", await pool.WhereAsync("two"));
    }

    [Fact]
    public async Task Dismiss_HeldReaction_MovesNobodyUntilTheNextFall()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { GuardHosts = 2, GuardShare = 1 }, hosts: 4);
        await pool.RunAsync("one", "kvm-a01");
        await pool.FallAsync("kvm-a01");
        await pool.FallAsync("kvm-a02");
        await pool.LookAsync();

        TrustedPool.Expect(await pool.Pool.Get<DismissReaction>().OfHostAsync(TrustedPool.Administrator, (await pool.Pool.HostAsync("kvm-a01")).Id, pool.Ct));
        await pool.LookAsync();
        Assert.Equal((ReactionState.Done, 0), (await pool.StateAsync("kvm-a01"), await pool.OperationsAsync(EvacuationOperations.Evacuate)));
        var again = await pool.Pool.Get<DismissReaction>().OfHostAsync(TrustedPool.Administrator, (await pool.Pool.HostAsync("kvm-a01")).Id, pool.Ct);
        Assert.Equal("reaction.not_waiting", again.Refusal?.Code);

        await pool.RiseAsync("kvm-a01");
        await pool.LookAsync();
        pool.Pool.Time.Advance(TimeSpan.FromMinutes(6));
        await pool.Pool.Get<AttestationRounds>().RoundAsync(pool.Pool.Cluster, pool.Ct);
        await pool.FallAsync("kvm-a01");
        await pool.EvacuateAsync("kvm-a01");
        Assert.DoesNotContain(await pool.WhereAsync("one"), new[] { "kvm-a01", "kvm-a02" });
    }

    [Fact]
    public async Task LetGoOn_NothingHeld_IsRefused()
    {
        await using var pool = await ReactingPool.StartAsync();

        var refused = await pool.Pool.Get<LetReactionGoOn>().OfHostAsync(TrustedPool.Administrator, (await pool.Pool.HostAsync(Host)).Id, pool.Ct);
        var nobody = await pool.Pool.Get<LetReactionGoOn>().OfHostAsync(TrustedPool.Administrator, Guid.NewGuid(), pool.Ct);

        Assert.Equal(("reaction.not_held", "host.not_found"), (refused.Refusal?.Code, nobody.Refusal?.Code));
    }

    [Fact]
    public async Task StartedBehindOurBack_HostUntrusted_IsMarkedAndMoved()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.FallAsync(Host);
        await pool.LookAsync();
        var vm = await AppearAsync(pool, "stray");

        await pool.Reactions.MachineStartedAsync(vm, pool.Ct);
        await pool.Reactions.MachineStartedAsync(vm, pool.Ct);
        await pool.RunOperationsAsync();
        await pool.LookAsync();

        Assert.NotEqual(Host, await pool.WhereAsync("stray"));
        Assert.Equal(1, await pool.OperationsAsync(EvacuationOperations.Evacuate));
        Assert.NotNull((await pool.Pool.VmAsync("stray"))!.UntrustedUntil);
        Assert.Equal(ReactionState.Done, await pool.StateAsync(Host));
    }

    [Theory]
    [InlineData(ReactionKind.Alert)]
    [InlineData(ReactionKind.Quarantine)]
    public async Task StartedBehindOurBack_ClusterDoesNotEvacuate_IsAnAlarmAndStays(ReactionKind kind)
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { Kind = kind });
        await pool.FallAsync(Host);
        var vm = await AppearAsync(pool, "stray");

        await pool.Reactions.MachineStartedAsync(vm, pool.Ct);
        await pool.LookAsync();

        Assert.Equal((Host, 1), (await pool.WhereAsync("stray"), await pool.AuditedAsync("vm.host_lost_trust", AuditSeverity.Alarm)));
        Assert.Empty(await pool.OpenAsync());
    }

    [Fact]
    public async Task StartedBehindOurBack_HostOnlyStale_IsAnAlarmAndNotMoved()
    {
        await using var pool = await ReactingPool.StartAsync();
        var vm = await AppearAsync(pool, "stray");
        await pool.SilenceAsync(Host);
        pool.Pool.Time.Advance(TimeSpan.FromHours(1));

        await pool.Reactions.MachineStartedAsync(vm, pool.Ct);
        await pool.LookAsync();

        Assert.Equal(1, await pool.AuditedAsync("vm.host_unchecked", AuditSeverity.Alarm));
        Assert.Equal((Host, (DateTimeOffset?)null), (await pool.WhereAsync("stray"), (await pool.Pool.VmAsync("stray"))!.UntrustedSince));
        Assert.Empty(await pool.OpenAsync());
    }

    [Fact]
    public async Task StartedBehindOurBack_ReactionHeld_IsNotMoved()
    {
        await using var pool = await ReactingPool.StartAsync(ReactingPool.Evacuate with { GuardHosts = 2, GuardShare = 1 });
        await pool.RunAsync("secret", Host);
        await pool.FallAsync(Host);
        await pool.FallAsync("kvm-a02");
        await pool.LookAsync();
        var vm = await AppearAsync(pool, "stray");

        await pool.Reactions.MachineStartedAsync(vm, pool.Ct);
        await pool.LookAsync();

        Assert.Equal((ReactionState.Held, 0), (await pool.StateAsync(Host), await pool.OperationsAsync(EvacuationOperations.Evacuate)));
    }

    [Fact]
    public async Task StartedBehindOurBack_HostTrusted_IsNobodysConcern()
    {
        await using var pool = await ReactingPool.StartAsync();
        var vm = await AppearAsync(pool, "stray");

        await pool.Reactions.MachineStartedAsync(vm, pool.Ct);

        Assert.DoesNotContain("behind the portal", await pool.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Service_HostFalls_ReactsByItself()
    {
        await using var pool = await ReactingPool.StartAsync();
        await pool.RunAsync("secret", Host);
        await pool.Reactions.StartAsync(pool.Ct);
        try
        {
            await pool.FallAsync(Host);
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(pool.Ct);
            deadline.CancelAfter(TimeSpan.FromSeconds(20));
            while (await pool.StateAsync(Host) != ReactionState.Acting)
            {
                deadline.Token.ThrowIfCancellationRequested();
                pool.Pool.Time.Advance(TimeSpan.FromMilliseconds(100));
                await Task.Yield();
            }
        }
        finally
        {
            await pool.Reactions.StopAsync(CancellationToken.None);
        }

        Assert.Equal(1, await pool.OperationsAsync(EvacuationOperations.Evacuate));
    }

    /// <summary>A VM that requires trust runs on the host without having passed the gate.</summary>
    private static async Task<Guid> AppearAsync(ReactingPool pool, string name)
    {
        var host = await pool.Pool.HostAsync(Host);
        await using var db = pool.Pool.Database();
        var vm = new VirtualMachine
        {
            Name = name,
            ClusterId = pool.Pool.Cluster,
            TemplateId = Template.Blank,
            Cpus = 1,
            Memory = 1L << 30,
            Disk = 1L << 30,
            TrustLevel = TrustLevel.Trusted,
            Status = VirtualMachineStatus.Up,
            HostId = host.Id,
            CreatedBy = "test",
            CreatedAt = pool.Pool.Time.GetUtcNow(),
        };
        db.VirtualMachines.Add(vm);
        await db.Hosts.Where(h => h.Id == host.Id).ExecuteUpdateAsync(set => set.SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed + vm.Memory).SetProperty(h => h.CpusClaimed, h => h.CpusClaimed + 1), pool.Ct);
        await db.SaveChangesAsync(pool.Ct);
        await pool.Pool.Get<SimulatedHypervisor>().CreateAsync(host.Endpoint, VmOperations.DefinitionOf(vm), pool.Ct);
        await pool.Pool.Get<SimulatedHypervisor>().StartAsync(host.Endpoint, vm.Id, pool.Ct);
        return vm.Id;
    }
}
