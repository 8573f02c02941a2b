using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>Turns of a cluster while some of its agents hang.</summary>
public sealed class RoundTests : IAsyncLifetime
{
    private const int Hanging = AskingSlots.Prompt + 6;
    private const int Good = 12;

    private static readonly TimeSpan Interval = DemoSeed.Policy.Interval;

    private TrustedPool pool = null!;
    private IReadOnlyList<EligibleHost> hosts = [];

    private IEnumerable<Guid> GoodOnes => hosts.Skip(Hanging).Select(h => h.HostId);

    public async ValueTask InitializeAsync()
    {
        pool = await Meddling.StartAsync(Hanging + Good);
        // Those that hang are those that a start would choose first.
        hosts = (await DecideAsync()).Eligible;
        Assert.Equal(Hanging + Good, hosts.Count);
        pool.Time.Advance(Interval);
    }

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Fact]
    public async Task Turn_AsksHostsOverTheInterval_EachOnce()
    {
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        var (asked, slice) = (new List<int>(), Cadence.SliceOf(Interval));
        for (var passed = TimeSpan.Zero; passed < Interval; passed += slice)
        {
            pool.Time.Advance(slice);
            asked.Add(await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct));
            await UntilAsync(async db => await db.Attestations.CountAsync(a => a.CheckedAt == pool.Time.GetUtcNow(), pool.Ct) == asked[^1]);
        }

        Assert.Equal(Hanging + Good, asked.Sum());
        Assert.InRange(asked.Max(), 1, (Hanging + Good) / 4);
    }

    [Fact]
    public async Task Turn_DatabaseFailsWhileHostsAreRead_HostsHaveTheirTurnWhenItIsBack()
    {
        await using var db = pool.Database();
        await db.Database.ExecuteSqlRawAsync("ALTER TABLE \"VirtualMachines\" RENAME TO \"Away\"", pool.Ct);
        await Assert.ThrowsAnyAsync<DbException>(() => pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct));
        await db.Database.ExecuteSqlRawAsync("ALTER TABLE \"Away\" RENAME TO \"VirtualMachines\"", pool.Ct);

        Assert.Equal(hosts.Count, await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct));
    }

    [Fact]
    public async Task Turn_WithOneSlotFree_BeginsWithTheHostAMachineWaitsFor()
    {
        await pool.CreateAsync("web-1");
        var awaited = (await pool.VmAsync("web-1"))!.HostId!.Value;

        // Asked after all others, it would come last.
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        await pool.AttestAsync(hosts.Single(h => h.HostId == awaited).HostName);
        await using var db = pool.Database();
        await db.VirtualMachines.ExecuteUpdateAsync(set => set.SetProperty(v => v.Status, VirtualMachineStatus.Starting), pool.Ct);
        foreach (var other in hosts.Where(h => h.HostId != awaited))
        {
            pool.Get<SimulatedAttesterChannel>().Inject(other.HostName, Fault.Slow);
        }

        pool.Time.Advance(Interval);
        var held = new List<AskingSlots.Slot>();
        while (held.Count < AskingSlots.Prompt)
        {
            held.Add(await pool.Get<AskingSlots>().EnterAsync(false, Urgency.Turn, pool.Ct));
        }

        var now = pool.Time.GetUtcNow();
        Assert.Equal(hosts.Count, await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct));
        held[0].Dispose();

        await UntilAsync(read => read.Attestations.AnyAsync(a => a.HostId == awaited && a.CheckedAt == now, pool.Ct));
    }

    [Fact]
    public async Task Turn_HostEnrolledSinceItWasAsked_HasItsTurnAtOnce()
    {
        var host = hosts[0].HostId;
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        await using var db = pool.Database();
        var enrolled = pool.Time.GetUtcNow() + TimeSpan.FromMilliseconds(1);
        await db.Attesters.Where(a => a.HostId == host).ExecuteUpdateAsync(set => set.SetProperty(a => a.EnrolledAt, enrolled), pool.Ct);
        pool.Time.Advance(TimeSpan.FromMilliseconds(1));

        // Of the others, hardly anybody's instant lies within this millisecond.
        Assert.InRange(await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct), 1, 3);
        await UntilAsync(async read => await read.Attestations.AnyAsync(a => a.HostId == host && a.CheckedAt >= enrolled, pool.Ct));
    }

    [Fact]
    public async Task HangingAgents_MoreThanThereAreSlots_DelayNobodyElse_AndLoseNoTrust()
    {
        Hang();
        pool.Get<MeddlingChannel>().Asked.Clear();
        var began = pool.Time.GetUtcNow();
        Assert.Equal(Hanging + Good, await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct));

        // They are found out once, with every slot taken; it costs the others no more than a prompt host's time.
        await UntilAsync(_ => Task.FromResult(HangingAsked() == AskingSlots.Prompt));
        pool.Time.Advance(AskingSlots.PromptWithin);
        await UntilAsync(async db => await AskedSinceAsync(db, began) == Good);
        await UntilAsync(_ => Task.FromResult(HangingAsked() == Hanging));
        pool.Time.Advance(BuiltInVerifier.AnswerWithin);
        await UntilAsync(async db => await db.Attestations.CountAsync(a => a.Outcome == CheckOutcome.AgentUnreachable, pool.Ct) == Hanging);

        // From then on it costs nothing: no clock is moved while the others are asked.
        for (var turn = 0; turn < 3; turn++)
        {
            pool.Time.Advance(Interval);
            var now = pool.Time.GetUtcNow();
            await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct);
            await UntilAsync(async db => await AskedSinceAsync(db, now) == Good);
        }

        await using var read = pool.Database();
        Assert.All(await read.Attestations.Select(a => a.Verdict).ToListAsync(pool.Ct), verdict => Assert.Equal(Verdict.Trusted, verdict));
    }

    [Fact]
    public async Task Start_WhileHostsHang_IsServedByThoseThatAnswer()
    {
        Hang();
        await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct);
        await UntilAsync(async db => await db.Attestations.CountAsync(a => a.Outcome == CheckOutcome.AgentUnreachable, pool.Ct) == Hanging, () => AskingSlots.PromptWithin);
        pool.Time.Advance(Interval * 2);
        await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, pool.Ct);

        var operation = await pool.CreateAsync("web-1").WaitAsync(TimeSpan.FromSeconds(30), pool.Ct);

        Assert.Equal(OperationState.Succeeded, operation.Operation.State);
        Assert.Contains((await pool.VmAsync("web-1"))!.HostId!.Value, GoodOnes);
    }

    [Fact]
    public async Task Start_WhoseFirstChoiceHangs_GoesToAnotherAfterTheGatesPatience()
    {
        pool.Time.Advance(Interval);
        var first = (await DecideAsync()).Eligible[0];
        pool.Get<SimulatedAttesterChannel>().Inject(first.HostName, Fault.Slow);
        var began = pool.Time.GetUtcNow();

        var creating = pool.CreateAsync("web-1");
        await UntilAsync(_ => Task.FromResult(creating.IsCompleted), () => TimeSpan.FromSeconds(1));

        Assert.Equal(OperationState.Succeeded, (await creating).Operation.State);
        Assert.NotEqual(first.HostId, (await pool.VmAsync("web-1"))!.HostId);
        Assert.InRange(pool.Time.GetUtcNow() - began, TrustGate.Patience, BuiltInVerifier.AnswerWithin);
    }

    private ValueTask<PlacementDecision> DecideAsync() => pool.Get<Placer>().DecideAsync(
        new PlacementRequest { Purpose = PlacementPurpose.Create, ClusterId = pool.Cluster, TrustLevel = TrustLevel.Trusted, Cpus = 1, Memory = 1L << 30 }, pool.Ct);

    private void Hang() => hosts.Take(Hanging).ToList().ForEach(h => pool.Get<SimulatedAttesterChannel>().Inject(h.HostName, Fault.Slow));

    private int HangingAsked() => pool.Get<MeddlingChannel>().Asked.Count(a => !GoodOnes.Contains(a.Host.Id));

    private Task<int> AskedSinceAsync(Core.Storage.PortalDbContext db, DateTimeOffset since) =>
        db.Attestations.CountAsync(a => GoodOnes.Contains(a.HostId) && a.CheckedAt >= since && a.Outcome == CheckOutcome.Ok, pool.Ct);

    /// <summary>Waits in real time for a condition; moves the pool's clock meanwhile if told to.</summary>
    private async Task UntilAsync(Func<Core.Storage.PortalDbContext, Task<bool>> holds, Func<TimeSpan?>? advance = null)
    {
        await using var db = pool.Database();
        for (var deadline = Environment.TickCount64 + 30_000; !await holds(db);)
        {
            Assert.True(Environment.TickCount64 < deadline, "That did not come about.");
            await Task.Delay(20, pool.Ct);
            if (advance?.Invoke() is { } step)
            {
                pool.Time.Advance(step);
            }
        }
    }
}
