using CsCheck;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.LostTrust;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization.LostTrust;

/// <summary>Random lives of hosts, with crashes of the portal in the middle of what it does: falls, recoveries, silence, maintenance, people who let go on or dismiss.</summary>
public sealed class ReactionModelTests
{
    private const int AtOnce = 2;

    private static readonly string[] Hosts = ["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04"];

    private static readonly ReactionPolicy Policy = ReactionPolicy.Default with
    {
        Kind = ReactionKind.Evacuate,
        Fallback = EvacuationFallback.Leave,
        AtOnce = AtOnce,
        GuardHosts = 2,
        GuardShare = 1,
        GuardWindow = TimeSpan.FromMinutes(5),
        ReactAfter = TimeSpan.FromSeconds(20),
        ReleaseAfter = TimeSpan.FromMinutes(2),
    };

    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency(
            (6, Gen.Const(Act.Fall)), (4, Gen.Const(Act.Rise)), (3, Gen.Const(Act.Silence)), (3, Gen.Const(Act.Back)), (8, Gen.Const(Act.Pass)), (8, Gen.Const(Act.Run)),
            (4, Gen.Const(Act.RunAndDie)), (2, Gen.Const(Act.LetGoOn)), (1, Gen.Const(Act.Dismiss)), (2, Gen.Const(Act.Maintenance)), (3, Gen.Const(Act.Activate)),
            (1, Gen.Const(Act.HypervisorOff)), (3, Gen.Const(Act.HypervisorOn)), (1, Gen.Const(Act.Release))),
        Gen.Int[0, Hosts.Length - 1],
        Gen.Int[0, 40],
        (act, host, number) => new Step(act, Hosts[host], number));

    private enum Act
    {
        Fall,
        Rise,
        Silence,
        Back,
        Pass,
        Run,
        RunAndDie,
        LetGoOn,
        Dismiss,
        Maintenance,
        Activate,
        HypervisorOff,
        HypervisorOn,
        Release,
    }

    [Fact]
    public Task AnyHistory_OfHostsAndCrashes_KeepsEveryPromise() => Steps.Array[12, 24].SampleAsync(RunAsync, iter: 8, threads: 1);

    private static async Task RunAsync(Step[] steps)
    {
        await using var pool = await ReactingPool.StartAsync(Policy, hosts: Hosts.Length);
        for (var n = 0; n < 8; n++)
        {
            await pool.RunAsync($"vm-{n}", Hosts[n % 3], n < 6 ? TrustLevel.Trusted : TrustLevel.Any, priority: n * 10);
        }

        var model = new Model(pool);
        foreach (var step in steps)
        {
            await model.DoAsync(step);
        }

        await model.CalmAsync();
    }

    private sealed record Step(Act Act, string Host, int Number);

    /// <summary>What was so before a step, to hold against what is so after it.</summary>
    private sealed record Picture(
        Dictionary<Guid, Verdict> Verdicts, Dictionary<Guid, HostState> States, Dictionary<Guid, ReactionState> Reactions, Dictionary<Guid, VirtualMachine> Machines);

    private sealed class Model(ReactingPool pool)
    {
        private int episodes;

        public async Task DoAsync(Step step)
        {
            var before = await PictureAsync();
            using (WatchMoves())
            {
                await ActAsync(step);
            }

            await CheckAsync(before, step);
            var held = (await PictureAsync()).Reactions.ContainsValue(ReactionState.Held);
            await pool.LookAsync();
            var after = await PictureAsync();
            episodes += !held && after.Reactions.ContainsValue(ReactionState.Held) ? 1 : 0;
            Assert.Equal(episodes, await pool.AuditedAsync("reaction.held", AuditSeverity.Alarm));
        }

        /// <summary>Once all is well and everybody is let go on, everything comes to its end.</summary>
        public async Task CalmAsync()
        {
            foreach (var host in Hosts)
            {
                await DoAsync(new Step(Act.HypervisorOn, host, 0));
                await DoAsync(new Step(Act.Back, host, 0));
            }

            for (var round = 0; round < 10; round++)
            {
                foreach (var host in Hosts)
                {
                    await DoAsync(new Step(Act.Rise, host, 0));
                    await DoAsync(new Step(Act.Activate, host, 0));
                }

                await DoAsync(new Step(Act.Run, Hosts[0], 0));
                await DoAsync(new Step(Act.Pass, Hosts[0], 40));
            }

            Assert.Empty(await pool.OpenAsync());
            var end = await PictureAsync();
            Assert.Empty(end.Reactions);
            Assert.All(end.States.Values, state => Assert.Equal(HostState.Up, state));
            Assert.All(end.Machines.Values, vm => Assert.Equal(VirtualMachineStatus.Up, vm.Status));
            await using var db = pool.Pool.Database();
            Assert.False(await db.Hosts.AnyAsync(h => h.QuarantinedSince != null, pool.Ct));
        }

        private async Task ActAsync(Step step)
        {
            var (core, host) = (pool.Pool, await pool.Pool.HostAsync(step.Host));
            var (actions, admin) = (core.Get<SimulatedHostActions>(), TrustedPool.Administrator);
            switch (step.Act)
            {
                case Act.Fall or Act.Rise:
                    core.Get<SimulatedAttesterChannel>().Inject(step.Host, step.Act == Act.Fall ? Fault.SignatureBitFlip : null);
                    core.Time.Advance(TimeSpan.FromSeconds(1));
                    await core.AttestAsync(step.Host);
                    break;
                case Act.Silence:
                    await actions.GoSilentAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.Back:
                    await actions.ComeBackAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.Pass:
                    core.Time.Advance(TimeSpan.FromSeconds(10 + (step.Number * 5)));
                    await core.Get<AttestationRounds>().RoundAsync(core.Cluster, pool.Ct);
                    break;
                case Act.Run:
                    await pool.RunOperationsAsync();
                    break;
                case Act.RunAndDie:
                    await RunAndDieAsync(step.Number);
                    break;
                case Act.LetGoOn:
                    await core.Get<LetReactionGoOn>().OfClusterAsync(admin, core.Cluster, pool.Ct);
                    break;
                case Act.Dismiss:
                    await core.Get<DismissReaction>().OfHostAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.Maintenance:
                    await core.Get<ChangeHostState>().ToMaintenanceAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.Activate:
                    core.Time.Advance(TimeSpan.FromSeconds(1));
                    await core.Get<ChangeHostState>().ActivateAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.HypervisorOff:
                    await actions.StopHypervisorAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.HypervisorOn:
                    await actions.StartHypervisorAsync(admin, host.Id, pool.Ct);
                    break;
                case Act.Release:
                    await core.Get<ReleaseHost>().ExecuteAsync(admin, host.Id, pool.Ct);
                    break;
            }
        }

        /// <summary>The portal dies at the nth thing it tells, and starts again; hosts that attest dishonestly go on doing so.</summary>
        private async Task RunAndDieAsync(int at)
        {
            var faults = Hosts.Where(h => pool.Pool.Get<SimulatedAttesterChannel>().FaultOf(h) is not null).ToList();
            using var cut = new CancellationTokenSource();
            var seen = -1;
            using (pool.Pool.Get<IChangeFeed>().Subscribe(_ =>
            {
                if (Interlocked.Increment(ref seen) == at)
                {
                    cut.Cancel();
                }
            }))
            {
                try
                {
                    foreach (var id in await pool.OpenAsync())
                    {
                        await pool.Pool.Get<OperationRunner>().RunAsync(id, cut.Token);
                    }
                }
                catch (OperationCanceledException)
                {
                    // It died.
                }
            }

            await pool.Pool.RestartAsync();
            faults.ForEach(h => pool.Pool.Get<SimulatedAttesterChannel>().Inject(h, Fault.SignatureBitFlip));
        }

        /// <summary>At no moment more VMs of a host move than may.</summary>
        private IDisposable WatchMoves() => pool.Pool.Get<IChangeFeed>().Subscribe(change =>
        {
            if (change.Topic != ChangeTopic.VirtualMachine)
            {
                return;
            }

            using var db = pool.Pool.Database();
            var moving = db.VirtualMachines.Where(v => v.HostId != null && db.Operations.Any(o => o.Id == v.OperationId && o.Kind == VirtualMachineOperations.Migrate)).Select(v => v.HostId).ToList();
            tooMany |= moving.GroupBy(h => h).Any(g => g.Count() > AtOnce);
        });

        private bool tooMany;

        private async Task<Picture> PictureAsync()
        {
            await using var db = pool.Pool.Database();
            return new Picture(
                await db.Attestations.ToDictionaryAsync(a => a.HostId, a => a.Verdict, pool.Ct),
                await db.Hosts.ToDictionaryAsync(h => h.Id, h => h.State, pool.Ct),
                await db.HostReactions.ToDictionaryAsync(r => r.HostId, r => r.State, pool.Ct),
                await db.VirtualMachines.AsNoTracking().ToDictionaryAsync(v => v.Id, pool.Ct));
        }

        private async Task CheckAsync(Picture before, Step step)
        {
            Assert.False(tooMany, $"more than {AtOnce} VMs of a host moved at once");
            var after = await PictureAsync();
            await using var db = pool.Pool.Database();
            var (now, revision) = (pool.Pool.Time.GetUtcNow(), await db.Clusters.Where(c => c.Id == pool.Pool.Cluster).Select(c => c.PolicyRevision).SingleAsync(pool.Ct));
            foreach (var (id, vm) in after.Machines)
            {
                var (from, to) = (before.Machines[id].HostId!.Value, vm.HostId!.Value);
                if (vm.OperationId is null)
                {
                    await pool.WhereAsync(vm.Name);
                }

                if (from == to)
                {
                    continue;
                }

                // Whoever leaves does so because its host was found untrusted, or is set aside; never because something was silent, never while held.
                var drains = before.States[from] == HostState.PreparingForMaintenance;
                Assert.True(drains || before.Verdicts[from] == Verdict.Untrusted, $"{vm.Name} left a host that was {before.Verdicts[from]} ({step})");
                Assert.True(drains || before.Reactions.GetValueOrDefault(from) != ReactionState.Held, $"{vm.Name} left while its reaction was held ({step})");
                Assert.True(drains || vm.TrustLevel == TrustLevel.Trusted, $"{vm.Name} does not require trust and left ({step})");
                if (vm.TrustLevel == TrustLevel.Trusted)
                {
                    var arrives = db.Hosts.Where(h => h.Id == to && h.QuarantinedSince == null);
                    Assert.True(await arrives.AnyAsync(EffectiveTrust.Of(db, now, DateTimeOffset.UnixEpoch, revision), pool.Ct), $"{vm.Name} landed on a host that is not effectively trusted ({step})");
                }
            }

            var mostPerHost = await db.Operations.Where(o => o.Kind == EvacuationOperations.Evacuate && o.EndedAt == null).GroupBy(o => o.TargetId).Select(g => g.Count()).ToListAsync(pool.Ct);
            Assert.All(mostPerHost, count => Assert.Equal(1, count));
            await pool.Pool.AssertNoCapacityLeakedAsync();
        }
    }
}
