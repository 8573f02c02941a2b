using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>Suspend, resume, reboot: what is in a host's memory runs on only where it might start.</summary>
public sealed class SuspendTests
{
    private const string Host = "kvm-a01";

    [Fact]
    public async Task SuspendAndResume_OnATrustedHost_LeaveDecisionReceiptAndAuditRow()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        var vm = await PausedAsync(pool);
        Assert.Equal((VirtualMachineStatus.Paused, DomainState.Paused), ((await pool.VmAsync("web-1"))!.Status, await StateAsync(pool)));

        var view = await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((VirtualMachineStatus.Up, vm.HostId, null), (after.Status, after.HostId, after.OperationId));
        Assert.Equal(DomainState.Running, await StateAsync(pool));
        var receipt = (await pool.Get<PlacementDirectory>().ReceiptsAsync(vm.Id, pool.Ct))[0];
        Assert.Equal((PlacementPurpose.Resume, vm.HostId, "Trusted", view.Operation.Id), (receipt.Purpose, receipt.HostId, receipt.Verdict, receipt.OperationId));
        Assert.Equal(vm.HostId, (await pool.Get<PlacementDirectory>().DecisionOfOperationAsync(view.Operation.Id, pool.Ct))!.Chosen!.HostId);
        var audit = await pool.AuditAsync();
        Assert.Contains("vm.suspended: ", audit, StringComparison.Ordinal);
        Assert.Contains("vm.resumed: ", audit, StringComparison.Ordinal);
        Assert.Contains("placement.decided: 'web-1' goes to", audit, StringComparison.Ordinal);
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Start_OfAPausedVm_ResumesIt()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var vm = await PausedAsync(pool);

        var view = await RunAsync(pool, c => c.StartAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal((VirtualMachineOperations.Resume, OperationState.Succeeded), (view.Operation.Kind, view.Operation.State));
        Assert.Equal(VirtualMachineStatus.Up, (await pool.VmAsync("web-1"))!.Status);
    }

    [Fact]
    public async Task Resume_EvidenceTooOld_IsAskedForAgainWithTheOperationInTheNonce()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var vm = await PausedAsync(pool);
        pool.Time.Advance(DemoSeed.Policy.Lifetime + TimeSpan.FromSeconds(1));

        var view = await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal(OperationState.Succeeded, view.Operation.State);
        await using var db = pool.Database();
        var evidence = await db.Evidence.SingleAsync(e => e.Id == vm.HostId, pool.Ct);
        Assert.Equal((AttestationPurpose.Gate, view.Operation.Id.ToString()), (evidence.Purpose, evidence.Operations));
        Assert.Equal(pool.Time.GetUtcNow(), (await pool.Get<PlacementDirectory>().ReceiptsAsync(vm.Id, pool.Ct))[0].VerifiedAt);
    }

    [Fact]
    public async Task Resume_HostThatGrewStaleAndIsSilent_StaysPausedWithTheReason()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        var vm = await PausedAsync(pool);
        var host = await NameOfHostAsync(pool, vm);
        pool.Time.Advance(DemoSeed.Policy.Lifetime + TimeSpan.FromSeconds(1));
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().GoSilentAsync(TrustedPool.Administrator, vm.HostId!.Value, pool.Ct));

        var view = await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal((OperationState.Failed, "placement.host_refused"), (view.Operation.State, view.Operation.FailureCode));
        Assert.StartsWith($"'web-1' may not run on on {host}: Stale: ", view.Refusal!.Sentence, StringComparison.Ordinal);
        await AssertStillPausedAsync(pool, vm);
    }

    [Fact]
    public async Task Resume_UntrustedHost_StaysPausedThoughAnotherHostIsTrusted()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 2);
        var vm = await PausedAsync(pool);
        pool.Get<SimulatedAttesterChannel>().Inject(await NameOfHostAsync(pool, vm), Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromMinutes(2));

        var view = await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal("placement.host_refused", view.Operation.FailureCode);
        Assert.Contains("Untrusted: ", view.Refusal!.Sentence, StringComparison.Ordinal);
        Assert.Null((await pool.Get<PlacementDirectory>().DecisionOfOperationAsync(view.Operation.Id, pool.Ct))!.Chosen);
        await AssertStillPausedAsync(pool, vm);
    }

    [Fact]
    public async Task Resume_TrustLostInBetween_IsPausedAgain()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        var vm = await PausedAsync(pool);
        pool.Get<ScriptedPause>().At = async (point, call) =>
        {
            if ((point, call) == (SimulationPoint.AfterCommit, "resume"))
            {
                pool.Get<SimulatedAttesterChannel>().Inject(Host, Fault.SignatureBitFlip);
                pool.Time.Advance(TimeSpan.FromSeconds(1));
                await pool.AttestAsync(Host);
            }
        };

        var view = await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal((OperationState.Failed, "trust.lost"), (view.Operation.State, view.Operation.FailureCode));
        Assert.Contains("it was paused again", view.Refusal!.Sentence, StringComparison.Ordinal);
        await AssertStillPausedAsync(pool, vm);
        Assert.NotNull((await pool.VmAsync("web-1"))!.UntrustedSince);
    }

    [Fact]
    public async Task Resume_InMaintenance_RunsOn()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var vm = await PausedAsync(pool);
        TrustedPool.Expect(await pool.Get<ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, vm.HostId!.Value, pool.Ct));

        Assert.Equal(OperationState.Succeeded, (await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct))).Operation.State);
    }

    [Fact]
    public async Task Resume_OfAVmThatRequiresNoTrust_AsksForNone()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, approve: false);
        await pool.CreateAsync("web-1", TrustLevel.Any, start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        await RunAsync(pool, c => c.SuspendAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal(OperationState.Succeeded, (await RunAsync(pool, c => c.ResumeAsync(TrustedPool.Operator, vm.Id, pool.Ct))).Operation.State);
    }

    [Fact]
    public async Task Reboot_OnAnUntrustedHost_IsRefused()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        var asked = 0;
        pool.Get<ScriptedPause>().At = (_, call) =>
        {
            asked += call == "reboot" ? 1 : 0;
            return Task.CompletedTask;
        };
        Assert.Equal(OperationState.Succeeded, (await RunAsync(pool, c => c.RebootAsync(TrustedPool.Operator, vm.Id, pool.Ct))).Operation.State);
        Assert.Equal(2, asked);
        pool.Get<SimulatedAttesterChannel>().Inject(Host, Fault.SignatureBitFlip);
        pool.Time.Advance(TimeSpan.FromMinutes(2));

        var view = await RunAsync(pool, c => c.RebootAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal("placement.host_refused", view.Operation.FailureCode);
        Assert.Contains("may not be rebooted", view.Refusal!.Sentence, StringComparison.Ordinal);
        Assert.Equal(2, asked);
        Assert.Equal((VirtualMachineStatus.Up, null), ((await pool.VmAsync("web-1"))!.Status, (await pool.VmAsync("web-1"))!.OperationId));
    }

    [Fact]
    public async Task Reboot_InterruptedAfterTheGuestWasAsked_IsNotAskedTwice()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        using var cut = new CancellationTokenSource();
        var asked = 0;
        pool.Get<ScriptedPause>().At = (point, call) =>
        {
            if ((point, call) != (SimulationPoint.AfterCommit, "reboot"))
            {
                return Task.CompletedTask;
            }

            asked++;
            return cut.CancelAsync();
        };
        var operation = TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().RebootAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));

        Assert.Equal(OperationState.Succeeded, (await pool.RunAsync(operation)).Operation.State);
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task StopOfAPausedVm_AndDeleteWithoutItsDisk_AreDone()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var vm = await PausedAsync(pool);

        Assert.Equal(OperationState.Succeeded, (await RunAsync(pool, c => c.StopAsync(TrustedPool.Operator, vm.Id, pool.Ct))).Operation.State);
        Assert.Equal(VirtualMachineStatus.Down, (await pool.VmAsync("web-1"))!.Status);
        var view = await RunAsync(pool, c => c.DeleteAsync(TrustedPool.Operator, vm.Id, withDisks: false, pool.Ct));

        Assert.Contains(view.Steps, s => s.Sentence == $"Removed from {Host}; its disk stays.");
        Assert.Null(await pool.VmAsync("web-1"));
        await pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Suspend_HostThatDoesNotAnswer_FailsWithASentenceAndHoldsNothing()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().StopHypervisorAsync(TrustedPool.Administrator, vm.HostId!.Value, pool.Ct));

        var view = await RunAsync(pool, c => c.SuspendAsync(TrustedPool.Operator, vm.Id, pool.Ct));

        Assert.Equal("vm.suspend.failed", view.Operation.FailureCode);
        Assert.Equal((VirtualMachineStatus.Up, null), ((await pool.VmAsync("web-1"))!.Status, (await pool.VmAsync("web-1"))!.OperationId));
    }

    [Fact]
    public async Task Stop_OfAMachineThatVanishedDuringACrash_ComesToAnEnd()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, more: ScriptedPause.AddTo);
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        using var cut = new CancellationTokenSource();
        pool.Get<ScriptedPause>().At = (point, call) => (point, call) == (SimulationPoint.BeforeCommit, "stop") ? cut.CancelAsync() : Task.CompletedTask;
        var operation = TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().StopAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pool.Get<OperationRunner>().RunAsync(operation, cut.Token));
        pool.Get<ScriptedPause>().At = (_, _) => Task.CompletedTask;
        var host = (await pool.HostAsync(Host)).Endpoint;
        await pool.Get<SimulatedHypervisor>().StopAsync(host, vm.Id, pool.Ct);
        await pool.Get<SimulatedHypervisor>().DeleteAsync(host, vm.Id, withDisks: true, pool.Ct);

        Assert.Equal(OperationState.Succeeded, (await pool.RunAsync(operation)).Operation.State);
        Assert.Equal(VirtualMachineStatus.Unknown, (await pool.VmAsync("web-1"))!.Status);
    }

    [Theory]
    [InlineData(VirtualMachineAction.Suspend, "It must be up to be suspended.")]
    [InlineData(VirtualMachineAction.Resume, "It must be paused to be resumed.")]
    [InlineData(VirtualMachineAction.Reboot, "It must be up to be rebooted.")]
    public async Task Rules_OfAVmThatIsDown_SayWhatItMustBe(VirtualMachineAction action, string remedy)
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        await pool.CreateAsync("web-1");
        var vm = (await pool.VmAsync("web-1"))!;

        Assert.Equal(remedy, VirtualMachineRules.WhyNot(TrustedPool.Operator, vm, action)!.Remedy);
        Assert.Equal("access.denied", VirtualMachineRules.WhyNot(TrustedPool.Auditor, vm, action)!.Code);
    }

    private static async Task<VirtualMachine> PausedAsync(TrustedPool pool)
    {
        await pool.CreateAsync("web-1", start: true);
        var vm = (await pool.VmAsync("web-1"))!;
        Assert.Equal(OperationState.Succeeded, (await RunAsync(pool, c => c.SuspendAsync(TrustedPool.Operator, vm.Id, pool.Ct))).Operation.State);
        return (await pool.VmAsync("web-1"))!;
    }

    private static async Task AssertStillPausedAsync(TrustedPool pool, VirtualMachine vm)
    {
        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((VirtualMachineStatus.Paused, vm.HostId, null, null), (after.Status, after.HostId, after.TargetHostId, after.OperationId));
        Assert.Equal(DomainState.Paused, await StateAsync(pool));
        await pool.AssertNoCapacityLeakedAsync();
    }

    private static async Task<DomainState?> StateAsync(TrustedPool pool)
    {
        var vm = (await pool.VmAsync("web-1"))!;
        await using var db = pool.Database();
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == vm.HostId, pool.Ct);
        return (await pool.Get<SimulatedHypervisor>().FindAsync(host.Endpoint, vm.Id, pool.Ct)).Domain?.State;
    }

    private static async Task<string> NameOfHostAsync(TrustedPool pool, VirtualMachine vm)
    {
        await using var db = pool.Database();
        return await db.Hosts.Where(h => h.Id == vm.HostId).Select(h => h.Name).SingleAsync(pool.Ct);
    }

    private static async Task<OperationView> RunAsync(TrustedPool pool, Func<ChangeVirtualMachine, Task<Outcome<Guid>>> begin) =>
        await pool.RunAsync(TrustedPool.Expect(await begin(pool.Get<ChangeVirtualMachine>())));
}
