using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Inventory;
using Portal.Core.Placement;
using Portal.Core.Storage;

namespace Portal.E2E.Peers.Agents;

/// <summary>More hosts whose agents misbehave on real sockets than are asked at the same time, beside two good ones with running TPMs.</summary>
public sealed class HostileAgentTests : IAsyncLifetime
{
    private const int OfEach = 40;

    private readonly List<HostileAgent> agents = [];
    private readonly List<AgentHost> good = [];
    private readonly Dictionary<Guid, Hostility> hostile = [];
    private readonly List<Guid> goodOnes = [];
    private AgentPool pool = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static TimeSpan Interval => TrustPolicy.Default.Interval;

    public async ValueTask InitializeAsync()
    {
        pool = await AgentPool.StartAsync("127.0.0.0/8");
        var firmware = "";
        foreach (var name in new[] { "good-1", "good-2" })
        {
            var host = await AgentHost.CreateAsync(name);
            good.Add(host);
            firmware = await host.MeasureAsync(0, "firmware");
            await host.ListenAsync(pool.Get<AgentAuthority>().Published(), Ct);
            goodOnes.Add(await pool.EnrolAsync(name, host.AttestationKey, host.Certificate, host.Port));
        }

        foreach (var hostility in Enum.GetValues<Hostility>())
        {
            var agent = new HostileAgent(hostility);
            agents.Add(agent);
            for (var i = 0; i < OfEach; i++)
            {
                hostile[await pool.EnrolAsync($"{hostility}-{i}", good[0].AttestationKey, agent.Certificate, agent.Port)] = hostility;
            }
        }

        await pool.ApproveAsync("rack firmware", (0, firmware));
        foreach (var id in goodOnes)
        {
            Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(id)).Verdict);
        }

        await TrustHostileOnesAsync();
        pool.Clock.Forward(Interval);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in agents)
        {
            await agent.DisposeAsync();
        }

        await pool.DisposeAsync();
        foreach (var host in good)
        {
            await host.DisposeAsync();
        }
    }

    [Fact]
    public async Task HostileAgents_CostTheirOwnSlots_TheOthersKeepTheirCadence_AndAStartIsServed()
    {
        var rounds = pool.Get<AttestationRounds>();
        var began = pool.Clock.GetUtcNow();
        Assert.Equal(hostile.Count + goodOnes.Count, await rounds.TurnAsync(pool.Cluster, Ct));
        await UntilAsync(BuiltInVerifier.AnswerWithin / 2, async db => await AskedSinceAsync(db, began) == goodOnes.Count);

        // What each of them is found to be: an answer that is none is untrusted at once, silence never is.
        await UntilAsync(BuiltInVerifier.AnswerWithin * 3, async db => await db.Attestations.CountAsync(a => a.CheckedAt >= began, Ct) == hostile.Count + goodOnes.Count);
        await using (var db = pool.Database())
        {
            foreach (var row in await db.Attestations.AsNoTracking().Where(a => !goodOnes.Contains(a.HostId)).ToListAsync(Ct))
            {
                var answers = hostile[row.HostId] is Hostility.EndlessBody or Hostility.HugeLog;
                Assert.Equal(answers ? (Verdict.Untrusted, CheckOutcome.ProtocolError) : (Verdict.Trusted, CheckOutcome.AgentUnreachable), (row.Verdict, row.Outcome));
            }
        }

        Assert.All(agents, agent => Assert.InRange(agent.MostSent, 0, KeylimeAgentChannel.LongestAnswer + (16 << 20)));
        for (var turn = 0; turn < 3; turn++)
        {
            pool.Clock.Forward(Interval);
            var now = pool.Clock.GetUtcNow();
            await rounds.TurnAsync(pool.Cluster, Ct);
            await UntilAsync(TimeSpan.FromSeconds(10), async db => await AskedSinceAsync(db, now) == goodOnes.Count);
        }

        // Evidence is older than a start allows, and hosts hang that are trusted still.
        await HangAsync(rounds);
        pool.Clock.Forward(TrustPolicy.Default.MaxAgeAtStart + TimeSpan.FromSeconds(1));
        var clock = Stopwatch.StartNew();
        var pass = AgentPool.Expect(await AdmitAsync());
        Assert.Contains(pass.HostId, goodOnes);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, BuiltInVerifier.AnswerWithin / 2);
        Assert.True(agents.Sum(a => a.Hanging) > 0, "Nobody hangs any more: that proves nothing.");
    }

    /// <summary>Until the hosts that drip hang again.</summary>
    private async Task HangAsync(AttestationRounds rounds)
    {
        pool.Clock.Forward(Cadence.LongestPause * 2);
        await rounds.TurnAsync(pool.Cluster, Ct);
        await UntilAsync(TimeSpan.FromSeconds(10), _ => Task.FromResult(agents.Where((_, i) => i is (int)Hostility.SlowHeader or (int)Hostility.SlowBody).All(a => a.Hanging > 0)));
    }

    private async Task<Portal.Core.Outcome<GatePass>> AdmitAsync()
    {
        var vm = new VirtualMachine
        {
            Name = "web-1",
            ClusterId = pool.Cluster,
            TemplateId = Template.Blank,
            Cpus = 1,
            Memory = 1L << 30,
            Disk = 0,
            TrustLevel = TrustLevel.Trusted,
            OperationId = Guid.CreateVersion7(),
            CreatedBy = "ada",
            CreatedAt = pool.Clock.GetUtcNow(),
        };
        await using var db = pool.Database();
        db.Templates.Add(new Template { Id = Template.Blank, Name = "Blank" });
        db.VirtualMachines.Add(vm);
        await db.SaveChangesAsync(Ct);
        var request = new PlacementRequest { ClusterId = pool.Cluster, Cpus = 1, Memory = vm.Memory, TrustLevel = TrustLevel.Trusted, Purpose = PlacementPurpose.Create, VirtualMachineId = vm.Id };
        return await pool.Get<TrustGate>().AdmitAsync(request, vm.Name, vm.OperationId.Value, AgentPool.Administrator.Person, Ct);
    }

    /// <summary>They were trusted until now, as hosts are whose agents are taken over; asked before the good ones, they come first.</summary>
    private async Task TrustHostileOnesAsync()
    {
        await using var db = pool.Database();
        var (now, revision) = (pool.Clock.GetUtcNow(), await db.Clusters.Select(c => c.PolicyRevision).SingleAsync(Ct));
        db.Attestations.AddRange(hostile.Keys.Select(id => new HostAttestation
        {
            HostId = id,
            Verdict = Verdict.Trusted,
            VerdictSince = now,
            VerifiedAt = now,
            ValidUntil = now.AddDays(1),
            ForgetAt = now.AddDays(2),
            CheckedAt = now.AddMinutes(-1),
            Outcome = CheckOutcome.Ok,
            PolicyRevision = revision,
        }));
        await db.SaveChangesAsync(Ct);
        await pool.Get<TrustFacts>().LoadAsync(Ct);
    }

    private Task<int> AskedSinceAsync(PortalDbContext db, DateTimeOffset since) =>
        db.Attestations.CountAsync(a => goodOnes.Contains(a.HostId) && a.CheckedAt >= since && a.Outcome == CheckOutcome.Ok, Ct);

    private async Task UntilAsync(TimeSpan atMost, Func<PortalDbContext, Task<bool>> holds)
    {
        await using var db = pool.Database();
        for (var clock = Stopwatch.StartNew(); !await holds(db);)
        {
            Assert.True(clock.Elapsed < atMost, $"That did not come about within {atMost}.");
            await Task.Delay(50, Ct);
        }
    }
}
