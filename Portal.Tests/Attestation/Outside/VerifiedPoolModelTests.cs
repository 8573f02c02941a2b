using System.Globalization;
using CsCheck;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Attestation.Outside.Publishing;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>
/// Random histories of a pool whose hosts one or two Keylime verifiers verify, through the portal's own client, tracker and publishing. Machines change
/// and fail, unseen or seen, and are reactivated; names are given, taken and exchanged; servers go, come and are replaced; somebody edits what they
/// keep; the portal restarts. At the moment of every start of a VM that requires trust, each server named must have verified that host's machine, as it
/// was approved, no longer ago than is allowed and after any failure the portal was told of. PORTAL_SERVED_STEPS sets how many steps; a failure prints its seed.
/// </summary>
public sealed class VerifiedPoolModelTests
{
    private const int Length = 40;
    private const int Usual = 80;

    private static readonly int Steps =
        int.TryParse(Environment.GetEnvironmentVariable("PORTAL_SERVED_STEPS"), NumberStyles.None, CultureInfo.InvariantCulture, out var steps) ? steps : Usual;

    private static readonly Gen<Step> AnyStep = Gen.Select(
        Gen.Frequency(
            (5, Gen.Const(Act.Wait)),
            (6, Gen.Const(Act.Poll)),
            (3, Gen.Const(Act.Look)),
            (5, Gen.Const(Act.Create)),
            (1, Gen.Const(Act.Stop)),
            (2, Gen.Const(Act.StartAgain)),
            (3, Gen.Const(Act.MachineChanges)),
            (2, Gen.Const(Act.FailsUnseen)),
            (3, Gen.Const(Act.Reactivate)),
            (2, Gen.Const(Act.ServerComesOrGoes)),
            (1, Gen.Const(Act.ServerReplaced)),
            (1, Gen.Const(Act.NamesExchanged)),
            (1, Gen.Const(Act.NameTakenOrGiven)),
            (1, Gen.Const(Act.EditBehindOurBack)),
            (1, Gen.Const(Act.PublishAgain)),
            (1, Gen.Const(Act.Approve)),
            (1, Gen.Const(Act.Restart))),
        Gen.Int[0, VerifiedPool.Hosts - 1],
        Gen.Int[1, 60],
        (act, host, number) => new Step(act, host, number));

    private enum Act
    {
        Wait,
        Poll,
        Look,
        Create,
        Stop,
        StartAgain,
        MachineChanges,
        FailsUnseen,
        Reactivate,
        ServerComesOrGoes,
        ServerReplaced,
        NamesExchanged,
        NameTakenOrGiven,
        EditBehindOurBack,
        PublishAgain,
        Approve,
        Restart,
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public Task AnyHistory_StartsNothingWithoutTrustAtThatMoment_AndMovesNothing(int servers) =>
        AnyStep.Array[Length].SampleAsync(steps => RunAsync(steps, servers), iter: Math.Max(1, Steps / Length / 2), threads: 1);

    private static async Task RunAsync(Step[] steps, int servers)
    {
        await using var pool = await VerifiedPool.StartAsync(servers);
        foreach (var act in (Act[])[Act.Look, Act.Wait, Act.Poll, Act.Wait, Act.Poll, Act.Create])
        {
            await TakeAsync(pool, new Step(act, 0, 8));
        }

        Assert.Equal(1, pool.Starts);
        for (var i = 0; i < steps.Length; i++)
        {
            try
            {
                await TakeAsync(pool, steps[i]);
            }
            catch (Xunit.Sdk.XunitException wrong)
            {
                Assert.Fail($"{wrong.Message}\nAfter {string.Join(", ", steps.Take(i + 1).Select(s => $"{s.Act} {s.Host} {s.Number}"))}.");
            }
        }
    }

    private static async Task TakeAsync(VerifiedPool pool, Step step)
    {
        var before = await pool.MachinesAsync();
        await DoAsync(pool, step, pool.Servers[step.Number % pool.Servers.Count]);
        if (step.Act is not (Act.Create or Act.Stop or Act.StartAgain))
        {
            Assert.Equal(before, await pool.MachinesAsync());
        }
    }

    private static async Task DoAsync(VerifiedPool pool, Step step, VerifiedPool.Server server)
    {
        switch (step.Act)
        {
            case Act.Wait:
                pool.Pass(step.Number);
                break;
            case Act.Poll:
                foreach (var each in pool.Servers)
                {
                    await pool.PollAsync(each);
                }

                break;
            case Act.Look:
                pool.Pass(60);
                await pool.LookAsync();
                break;
            case Act.Create:
                await pool.CreateAsync();
                break;
            case Act.Stop when await pool.AnyAsync(VirtualMachineStatus.Up) is { } up:
                await pool.RunAsync(TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().StopAsync(TrustedPool.Operator, up, pool.Ct)));
                break;
            case Act.StartAgain when await pool.AnyAsync(VirtualMachineStatus.Down) is { } down:
                await pool.RunAsync(TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().StartAsync(TrustedPool.Operator, down, pool.Ct)));
                break;
            case Act.MachineChanges:
                server.Model.Set(VerifiedPool.Agent(step.Host), (Machine)(step.Number % 3));
                break;
            case Act.FailsUnseen:
                server.Model.Set(VerifiedPool.Agent(step.Host), Machine.Otherwise);
                pool.Pass(2);
                server.Model.Site.Put(VerifiedPool.Agent(step.Host), "reactivate");
                break;
            case Act.Reactivate:
                server.Model.Set(VerifiedPool.Agent(step.Host), Machine.AsApproved);
                server.Model.Site.Put(VerifiedPool.Agent(step.Host), "reactivate");
                break;
            case Act.ServerComesOrGoes:
                pool.Way.SetAway(server.Model.Name, !pool.Way.IsAway(server.Model.Name));
                break;
            case Act.ServerReplaced:
                await pool.ReplaceAsync(server);
                break;
            case Act.NamesExchanged:
                await pool.ExchangeAsync(server, step.Host, (step.Host + 1) % VerifiedPool.Hosts);
                break;
            case Act.NameTakenOrGiven:
                await pool.BindAsync(server, step.Host, server.Names.ContainsKey(VerifiedPool.Host(step.Host)) ? null : pool.FreeName(server));
                break;
            case Act.EditBehindOurBack:
                VerifiedPool.Edit(server, VerifiedPool.Agent(step.Host));
                break;
            case Act.PublishAgain:
                await pool.PublishAsync(server);
                break;
            case Act.Approve:
                await pool.ApproveAsync();
                break;
            case Act.Restart:
                await pool.RestartAsync();
                break;
            default:
                break;
        }
    }

    private sealed record Step(Act Act, int Host, int Number);
}
