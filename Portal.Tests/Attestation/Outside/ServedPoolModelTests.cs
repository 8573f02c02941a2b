using System.Globalization;
using CsCheck;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>
/// Random histories of a pool with an attestation server: it comes and goes, hosts change, baselines are approved and retired, somebody edits
/// what the server keeps, time passes, the portal restarts. However they run, no VM that requires trust starts where trust was not given at that
/// moment, and nothing but a person's command ever moves or stops one. PORTAL_SERVED_STEPS sets how many steps; a failure prints its seed.
/// </summary>
public sealed class ServedPoolModelTests
{
    private const int Length = 60;
    private const int Usual = 360;
    private const int Hosts = 3;

    private static readonly int Steps =
        int.TryParse(Environment.GetEnvironmentVariable("PORTAL_SERVED_STEPS"), NumberStyles.None, CultureInfo.InvariantCulture, out var steps) ? steps : Usual;

    private static readonly Gen<Step> AnyStep = Gen.Select(
        Gen.Frequency(
            (5, Gen.Const(Act.Wait)),
            (5, Gen.Const(Act.Poll)),
            (3, Gen.Const(Act.Look)),
            (2, Gen.Const(Act.Round)),
            (4, Gen.Const(Act.Create)),
            (2, Gen.Const(Act.Stop)),
            (2, Gen.Const(Act.StartAgain)),
            (3, Gen.Const(Act.HostChanges)),
            (3, Gen.Const(Act.ServerComesOrGoes)),
            (1, Gen.Const(Act.Approve)),
            (1, Gen.Const(Act.Retire)),
            (1, Gen.Const(Act.EditBehindOurBack)),
            (1, Gen.Const(Act.Restart))),
        Gen.Int[0, Hosts - 1],
        Gen.Int[1, 90],
        (act, host, number) => new Step(act, host, number));

    private enum Act
    {
        Wait,
        Poll,
        Look,
        Round,
        Create,
        Stop,
        StartAgain,
        HostChanges,
        ServerComesOrGoes,
        Approve,
        Retire,
        EditBehindOurBack,
        Restart,
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task AnyHistory_StartsNothingWithoutTrust_AndMovesNothing(bool besideOurs) =>
        AnyStep.Array[Length].SampleAsync(steps => RunAsync(steps, besideOurs), iter: Math.Max(1, Steps / Length / 2), threads: 1);

    private static async Task RunAsync(Step[] steps, bool besideOurs)
    {
        await using var served = await ServedPool.StartAsync(besideOurs, PolicyKeeper.Portal, Hosts);
        var run = new Run(served);
        foreach (var act in (Act[])[Act.Look, Act.Round, Act.Poll, Act.Wait, Act.Poll, Act.Wait, Act.Poll])
        {
            await run.TakeAsync(new Step(act, 0, 10));
        }

        foreach (var step in steps)
        {
            await run.TakeAsync(step);
        }
    }

    private sealed record Step(Act Act, int Host, int Number);

    /// <summary>What really was, whatever the portal knows of it.</summary>
    private sealed class Run(ServedPool served)
    {
        private static readonly TimeSpan MaxAge = DemoSeed.Policy.MaxAgeAtStart;

        private readonly Dictionary<string, DateTimeOffset> wellAt = new(StringComparer.Ordinal);
        private readonly List<Guid> approved = [];
        private bool mayCount;
        private int vms;

        private TrustedPool Pool => served.Pool;

        private ScriptedServer Script => served.Script;

        public async Task TakeAsync(Step step)
        {
            Observe();
            var before = await MachinesAsync();
            await DoAsync(step);
            Observe();
            if (step.Act is not (Act.Create or Act.Stop or Act.StartAgain))
            {
                Assert.Equal(before, await MachinesAsync());
            }
        }

        private static string There(int host) => FormattableString.Invariant($"there-kvm-a{host + 1:00}");

        private async Task DoAsync(Step step)
        {
            switch (step.Act)
            {
                case Act.Wait:
                    Pool.Time.Advance(TimeSpan.FromSeconds(step.Number));
                    break;
                case Act.Poll:
                    await served.PollAsync();
                    break;
                case Act.Look:
                    Pool.Time.Advance(TimeSpan.FromSeconds(60));
                    await LookAsync();
                    break;
                case Act.Round:
                    await Pool.Get<AttestationRounds>().RoundAsync(Pool.Cluster, Pool.Ct);
                    await Pool.Get<StalenessWatch>().TellAsync(Pool.Cluster, Pool.Ct);
                    break;
                case Act.Create:
                    await CheckAsync(await Pool.CreateAsync(FormattableString.Invariant($"vm{vms++}"), start: true, memory: 1L << 20 << 8));
                    break;
                case Act.StartAgain when await AnyAsync(VirtualMachineStatus.Down) is { } down:
                    await CheckAsync(await Pool.RunAsync(TrustedPool.Expect(await Pool.Get<ChangeVirtualMachine>().StartAsync(TrustedPool.Operator, down, Pool.Ct))));
                    break;
                case Act.Stop when await AnyAsync(VirtualMachineStatus.Up) is { } up:
                    await Pool.RunAsync(TrustedPool.Expect(await Pool.Get<ChangeVirtualMachine>().StopAsync(TrustedPool.Operator, up, Pool.Ct)));
                    break;
                case Act.HostChanges:
                    Script[There(step.Host)] = (Doing)(step.Number % 3);
                    break;
                case Act.ServerComesOrGoes:
                    Script.IsDown = step.Number % 2 == 0;
                    break;
                case Act.Approve when approved.Count < 5:
                    await ApproveAsync();
                    break;
                case Act.Retire when approved.Count > 0:
                    await RetireAsync(approved[step.Number % approved.Count]);
                    break;
                case Act.EditBehindOurBack when !Script.Policies.IsEmpty:
                    Script.Policies[Script.Policies.Keys.Order(StringComparer.Ordinal).First()] = "anything goes";
                    break;
                case Act.Restart:
                    await Pool.RestartAsync();
                    break;
                default:
                    break;
            }
        }

        /// <summary>What was well when, as long as the server could see it.</summary>
        private void Observe()
        {
            for (var i = 0; i < Hosts && !Script.IsDown; i++)
            {
                if (Script[There(i)] == Doing.Well)
                {
                    wellAt[There(i)] = Pool.Time.GetUtcNow();
                }
            }
        }

        private async Task LookAsync()
        {
            await served.PublishAsync();

            // Unless the server could not be read, the portal knows now whether it keeps what is approved.
            var publication = Script.IsDown ? null : await served.PublicationAsync();
            mayCount = publication is null ? mayCount : Script.Policies.Values.All(p => Guid.TryParse(p, out _));
            Assert.True(publication is null || mayCount == (publication.State == Portal.Core.Attestation.Outside.PublicationState.Verified), publication?.Sentence);
        }

        private async Task ApproveAsync()
        {
            await using var db = Pool.Database();
            var firmware = await db.BaselineRevisions.Join(db.Baselines.Where(b => b.Kind == BaselineKinds.Firmware), r => r.BaselineId, b => b.Id, (r, b) => r.Content).FirstAsync(Pool.Ct);
            approved.Add((await Pool.ApproveAsync($"spare {Guid.NewGuid():N}"[..20], BaselineKinds.Firmware, BaselineContent.Parse(firmware))).RevisionId);
            mayCount = false;
        }

        private async Task RetireAsync(Guid revision)
        {
            TrustedPool.Expect(await Pool.Get<RetireRevision>().ExecuteAsync(TrustedPool.Approver, new(revision), Pool.Ct));
            approved.Remove(revision);
            mayCount = false;
        }

        private async Task CheckAsync(OperationView operation)
        {
            if (operation.Operation.State != OperationState.Succeeded)
            {
                return;
            }

            await using var db = Pool.Database();
            var host = await db.VirtualMachines.Where(v => v.Id == operation.Operation.TargetId && v.Status == VirtualMachineStatus.Up)
                .Join(db.Hosts, v => v.HostId, h => h.Id, (v, h) => "there-" + h.Name).SingleAsync(Pool.Ct);
            Assert.True(mayCount, "A VM started although the server was not known to keep what is approved.");
            Assert.True(wellAt.TryGetValue(host, out var well) && Pool.Time.GetUtcNow() - well <= MaxAge, $"A VM started on {host}, which was well last at {well:T}; it is {Pool.Time.GetUtcNow():T}.");
        }

        private async Task<Guid?> AnyAsync(VirtualMachineStatus status)
        {
            await using var db = Pool.Database();
            return await db.VirtualMachines.Where(v => v.Status == status).OrderBy(v => v.Name).Select(v => (Guid?)v.Id).FirstOrDefaultAsync(Pool.Ct);
        }

        private async Task<List<string>> MachinesAsync()
        {
            await using var db = Pool.Database();
            return await db.VirtualMachines.OrderBy(v => v.Name).Select(v => v.Name + " " + v.HostId + " " + v.TargetHostId + " " + v.Status).ToListAsync(Pool.Ct);
        }
    }
}
