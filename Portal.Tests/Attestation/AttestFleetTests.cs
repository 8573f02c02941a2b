using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>Many hosts attested because a person asked.</summary>
public sealed class AttestFleetTests : IAsyncDisposable
{
    private TrustedPool? started;

    private TrustedPool Pool => started!;

    public ValueTask DisposeAsync() => started?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Press_AsksEveryHostSince_AndSaysWhatCameOfIt()
    {
        await StartAsync();
        var lone = new Host { Name = "lone", Address = "none:lone", ClusterId = Pool.Cluster, Cpus = 1, Memory = 1 };
        await using (var db = Pool.Database())
        {
            db.Hosts.Add(lone);
            await db.SaveChangesAsync(Pool.Ct);
        }

        var begun = await PressAsync();
        var view = await Pool.RunAsync(begun.OperationId);

        Assert.Equal((OperationState.Succeeded, 100, "Attest all 5 hosts"), (view.Operation.State, view.Operation.Progress, view.Operation.Title));
        Assert.Equal("5 of 5 asked, 1 not enrolled.", view.Steps[0].Sentence);
        Assert.All(await AskedAtAsync(), at => Assert.Equal(Pool.Time.GetUtcNow(), at));
        Assert.Contains("hosts.attest: Asked to attest all 5 hosts now.", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SecondPress_JoinsTheRunningOne_AndOneAfterwardsAsksAgain()
    {
        await StartAsync();
        var first = await PressAsync();
        var second = await PressAsync(TrustedPool.Administrator);

        Assert.Equal((first.OperationId, true), (second.OperationId, second.Joined));
        Assert.Contains("'Attest all 4 hosts' is running already", await Pool.AuditAsync(), StringComparison.Ordinal);
        var both = await Task.WhenAll(Pool.RunAsync(first.OperationId), Pool.RunAsync(first.OperationId));
        Assert.All(both, view => Assert.Equal(OperationState.Succeeded, view.Operation.State));
        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False((await PressAsync()).Joined);
    }

    [Fact]
    public async Task TwoPressesAtTheSameTime_LeadToOneOperation()
    {
        await StartAsync();

        var begun = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => PressAsync())));

        Assert.Single(begun.Select(b => b.OperationId).Distinct());
        Assert.Single(begun, b => !b.Joined);
    }

    [Fact]
    public async Task Cluster_AsksItsOwnHostsOnly_AndNoMoreThanAFewClustersAtOnce()
    {
        await StartAsync(hosts: 6, clusters: 6);
        await using var db = Pool.Database();
        var clusters = await db.Clusters.OrderBy(c => c.Name).ToListAsync(Pool.Ct);
        var before = await AskedAtAsync();
        Pool.Time.Advance(TimeSpan.FromMinutes(1));

        var view = await Pool.RunAsync((await PressAsync(cluster: clusters[0].Id)).OperationId);

        Assert.Equal(($"Attest the one host of {clusters[0].Name}", "1 of 1 asked."), (view.Operation.Title, view.Steps[0].Sentence));
        Assert.Single((await AskedAtAsync()).Except(before));
        foreach (var cluster in clusters.Skip(1).Take(AttestFleet.MostAtOnce))
        {
            await PressAsync(cluster: cluster.Id);
        }

        Assert.Equal("attest.busy", (await RefusedAsync(TrustedPool.Administrator, clusters[^1].Id)).Code);
    }

    [Fact]
    public async Task Press_WithoutTheRightOrForNothing_IsRefused()
    {
        await StartAsync();
        await using var db = Pool.Database();
        var empty = Core.Inventory.Cluster.Create("empty", TrustPolicy.Default);
        db.Clusters.Add(empty);
        await db.SaveChangesAsync(Pool.Ct);

        Assert.Equal("access.denied", (await RefusedAsync(TrustedPool.Operator, null)).Code);
        Assert.Equal("cluster.not_found", (await RefusedAsync(TrustedPool.Administrator, Guid.NewGuid())).Code);
        Assert.Equal("attest.no_hosts", (await RefusedAsync(TrustedPool.Administrator, empty.Id)).Code);
        Assert.Empty(await db.Operations.ToListAsync(Pool.Ct));
    }

    [Fact]
    public async Task Cancel_InTheMiddle_StopsAtOnce_SaysHowFarItCame_AndTakesTheRightOfWhoMayAttest()
    {
        await StartAsync();
        Hang("kvm-a03", "kvm-a04");
        var id = (await PressAsync()).OperationId;
        var running = Pool.RunAsync(id);
        var directory = Pool.Get<OperationDirectory>();
        await UntilAsync(running, async () => (await directory.FindAsync(id, Pool.Ct))!.Steps[0].Sentence.StartsWith("2 of 4 asked; about ", StringComparison.Ordinal));
        Assert.Equal(50, (await directory.FindAsync(id, Pool.Ct))!.Operation.Progress);

        Assert.Equal("access.denied", (await directory.CancelAsync(TrustedPool.Operator, id, Pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await directory.CancelAsync(TrustedPool.Administrator, id, Pool.Ct));
        var asked = Pool.Time.GetUtcNow();
        await UntilAsync(running, () => Task.FromResult(running.IsCompleted));

        var view = await running;
        Assert.Equal((OperationState.Cancelled, StepState.Stopped), (view.Operation.State, view.Steps[0].State));
        Assert.Equal("Stopped on request: 2 of 4 had been asked; what they answered stays.", view.Operation.Failure);
        Assert.True(Pool.Time.GetUtcNow() - asked < BuiltInVerifier.AnswerWithin);
        Assert.All(await VerdictsAsync(), verdict => Assert.Equal(Verdict.Trusted, verdict));
    }

    [Fact]
    public async Task SilentHosts_AreCounted_AndLoseNoTrust()
    {
        await StartAsync();
        Hang("kvm-a02");
        var running = Pool.RunAsync((await PressAsync()).OperationId);

        await UntilAsync(running, () => Task.FromResult(running.IsCompleted));

        Assert.Equal("4 of 4 asked, 1 did not answer.", (await running).Steps[0].Sentence);
        Assert.All(await VerdictsAsync(), verdict => Assert.Equal(Verdict.Trusted, verdict));
    }

    [Fact]
    public async Task AfterACrash_ItGoesOnWithThoseThatAreLeft()
    {
        await StartAsync();
        var id = (await PressAsync()).OperationId;
        await using (var db = Pool.Database())
        {
            // As a killed portal leaves it: running, one host asked.
            var steps = $$"""[{"Name":"AskHostsStep","Title":"Ask each host for new evidence","State":{{(int)StepState.Running}},"Sentence":"1 of 4 asked."}]""";
            await db.Operations.ExecuteUpdateAsync(set => set.SetProperty(o => o.State, OperationState.Running).SetProperty(o => o.Steps, steps), Pool.Ct);
        }

        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        var first = (await Pool.AttestAsync("kvm-a01")).CheckedAt;
        Pool.Time.Advance(TimeSpan.FromMinutes(1));

        var view = await Pool.RunAsync(id);

        Assert.Equal((OperationState.Succeeded, "4 of 4 asked."), (view.Operation.State, view.Steps[0].Sentence));
        Assert.Equal(first, (await Pool.RowAsync("kvm-a01")).CheckedAt);
        Assert.Equal(3, (await AskedAtAsync()).Count(at => at == Pool.Time.GetUtcNow()));
    }

    private async Task StartAsync(int hosts = 4, int clusters = 1)
    {
        started = await TrustedPool.StartAsync(hosts, clusters);
        Pool.Time.Advance(TimeSpan.FromMinutes(1));
    }

    private void Hang(params IReadOnlyList<string> names) => names.ToList().ForEach(name => Pool.Get<SimulatedAttesterChannel>().Inject(name, Fault.Slow));

    private async Task<FleetAttestation> PressAsync(Caller? caller = null, Guid? cluster = null) =>
        TrustedPool.Expect(await Pool.Get<AttestFleet>().ExecuteAsync(caller ?? TrustedPool.Administrator, cluster, Pool.Ct));

    private async Task<Refusal> RefusedAsync(Caller caller, Guid? cluster) => (await Pool.Get<AttestFleet>().ExecuteAsync(caller, cluster, Pool.Ct)).Refusal!;

    private async Task<List<DateTimeOffset?>> AskedAtAsync()
    {
        await using var db = Pool.Database();
        return await db.Attestations.OrderBy(a => a.HostId).Select(a => a.CheckedAt).ToListAsync(Pool.Ct);
    }

    private async Task<List<Verdict>> VerdictsAsync()
    {
        await using var db = Pool.Database();
        return await db.Attestations.Select(a => a.Verdict).ToListAsync(Pool.Ct);
    }

    /// <summary>Lets the pool's clock run until something holds, in bounded real time.</summary>
    private async Task UntilAsync(Task running, Func<Task<bool>> holds)
    {
        for (var deadline = Environment.TickCount64 + 30_000; !await holds();)
        {
            Assert.True(Environment.TickCount64 < deadline, $"That did not come about; the operation is {running.Status}.");
            Pool.Time.Advance(TimeSpan.FromMilliseconds(500));
            await Task.Delay(20, Pool.Ct);
        }
    }
}
