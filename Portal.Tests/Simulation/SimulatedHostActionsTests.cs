using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Virtualization;

namespace Portal.Tests.Simulation;

public sealed class SimulatedHostActionsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UpdateFirmware_WithoutReboot_TakesEffectAtTheReboot()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        var before = await QuoteAsync(portal, host);
        Assert.True((await portal.Actions.UpdateFirmwareAsync(SimulatedPortal.Administrator, host.Id, reboot: false, Token)).Succeeded);
        Assert.Equal(before.Pcrs[0], (await QuoteAsync(portal, host)).Pcrs[0]);
        Assert.Equal("firmware 2.20.0", (await portal.ConditionAsync("kvm-a01")).PendingUpdate);

        Assert.True((await portal.Actions.RebootAsync(SimulatedPortal.Administrator, host.Id, Token)).Succeeded);
        var after = await QuoteAsync(portal, host);
        Assert.NotEqual(before.Pcrs[0], after.Pcrs[0]);
        Assert.Equal(before.Pcrs[4], after.Pcrs[4]);
        Assert.Equal(before.Pcrs[7], after.Pcrs[7]);
        Assert.Equal("2.20.0", (await portal.HostAsync("kvm-a01")).Hardware.BiosVersion);
        Assert.Equal("06/20/2025", (await portal.HostAsync("kvm-a01")).Hardware.BiosDate);
    }

    [Fact]
    public async Task Reboot_OfAHost_CountsAResetAndStartsTheClockAnew()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        var before = IndependentCheck.Read((await QuoteAsync(portal, host)).Quote);
        await portal.Actions.RebootAsync(SimulatedPortal.Administrator, host.Id, Token);
        portal.Time.Advance(TimeSpan.FromSeconds(3));
        var after = IndependentCheck.Read((await QuoteAsync(portal, host)).Quote);
        Assert.Equal(before.Resets + 1, after.Resets);
        Assert.Equal(3000ul, after.Clock);
        Assert.Equal(before.Digest, after.Digest);
    }

    [Fact]
    public async Task UpdateBootLoader_AndReboot_ChangesPcr4Only()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        var before = await QuoteAsync(portal, host);
        await portal.Actions.UpdateBootLoaderAsync(SimulatedPortal.Administrator, host.Id, reboot: true, Token);
        var after = await QuoteAsync(portal, host);
        Assert.Equal([4], before.Pcrs.Keys.Where(pcr => !before.Pcrs[pcr].AsSpan().SequenceEqual(after.Pcrs[pcr])));
        Assert.Equal("2.06-63", (await portal.ConditionAsync("kvm-a01")).Grub);
    }

    [Fact]
    public async Task UpdateKernel_AndReboot_ChangesLoaderCommandsAndFiles()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        var before = await QuoteAsync(portal, host);
        await portal.Actions.UpdateKernelAsync(SimulatedPortal.Administrator, host.Id, reboot: true, Token);
        var after = await QuoteAsync(portal, host);
        Assert.Equal([4, 8, 9], before.Pcrs.Keys.Where(pcr => !before.Pcrs[pcr].AsSpan().SequenceEqual(after.Pcrs[pcr])));
        Assert.Equal("5.14.0-570.19.1.el9.x86_64", (await portal.HostAsync("kvm-a01")).Hardware.Kernel);
    }

    [Fact]
    public async Task Update_BeyondTheNewest_IsRefusedUntilRestored()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var id = (await portal.HostAsync("kvm-a01")).Id;
        Assert.True((await portal.Actions.UpdateFirmwareAsync(SimulatedPortal.Administrator, id, reboot: true, Token)).Succeeded);
        Assert.True((await portal.Actions.UpdateFirmwareAsync(SimulatedPortal.Administrator, id, reboot: true, Token)).Succeeded);
        Assert.Equal("simulation.newest", (await portal.Actions.UpdateFirmwareAsync(SimulatedPortal.Administrator, id, reboot: true, Token)).Refusal!.Code);
        Assert.False((await portal.ConditionAsync("kvm-a01")).IsOriginal);
        Assert.True((await portal.Actions.RestoreAsync(SimulatedPortal.Administrator, id, Token)).Succeeded);
        Assert.True((await portal.ConditionAsync("kvm-a01")).IsOriginal);
    }

    [Fact]
    public async Task GoSilent_UntilComeBack_ConcernsTheAgentOnly()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        await portal.Actions.GoSilentAsync(SimulatedPortal.Administrator, host.Id, Token);
        Assert.IsType<ChannelAnswer.Silent>(await AskAsync(portal, host));
        Assert.NotNull(await portal.Get<IHypervisor>().ListAsync(host.Endpoint, Token));
        await portal.Actions.ComeBackAsync(SimulatedPortal.Administrator, host.Id, Token);
        Assert.IsType<ChannelAnswer.Answered>(await AskAsync(portal, host));
    }

    [Fact]
    public async Task StopHypervisor_UntilStarted_IsUnreachableAndThenTellsOfItsVms()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        var hypervisor = portal.Get<IHypervisor>();
        var vm = (await hypervisor.ListAsync(host.Endpoint, Token))!.Single().Definition;
        await using var events = hypervisor.EventsAsync(Token).GetAsyncEnumerator(Token);
        await hypervisor.ShutdownAsync(host.Endpoint, vm.Id, Token);
        await portal.Actions.StopHypervisorAsync(SimulatedPortal.Administrator, host.Id, Token);
        portal.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.Null(await hypervisor.ListAsync(host.Endpoint, Token));
        Assert.False((await hypervisor.FindAsync(host.Endpoint, vm.Id, Token)).Reached);
        Assert.Equal(HypervisorResult.Unreachable, (await hypervisor.StartAsync(host.Endpoint, vm.Id, Token)).Result);
        Assert.IsType<ChannelAnswer.Answered>(await AskAsync(portal, host));

        await portal.Actions.StartHypervisorAsync(SimulatedPortal.Administrator, host.Id, Token);
        Assert.Equal(DomainState.ShuttingDown, (await events.NextAsync()).State);
        Assert.Equal(new DomainEvent(host.Id, vm.Id, DomainState.ShutOff), await events.NextAsync());
    }

    [Fact]
    public async Task Reboot_OfAHostWithRunningVms_TurnsThemOff()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        Assert.Equal(DomainState.Running, (await portal.Get<IHypervisor>().ListAsync(host.Endpoint, Token))!.Single().State);
        await portal.Actions.RebootAsync(SimulatedPortal.Administrator, host.Id, Token);
        Assert.Equal(DomainState.ShutOff, (await portal.Get<IHypervisor>().ListAsync(host.Endpoint, Token))!.Single().State);
    }

    [Fact]
    public async Task Action_ByAnOperator_IsDeniedAuditedAndChangesNothing()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        var outcome = await portal.Actions.GoSilentAsync(SimulatedPortal.Operator, host.Id, Token);
        Assert.Equal("access.denied", outcome.Refusal!.Code);
        Assert.False((await portal.ConditionAsync("kvm-a01")).AgentSilent);
        await using var db = portal.Database();
        Assert.True(await db.AuditEntries.AnyAsync(a => a.Event == "access.denied" && a.TargetId == host.Id, Token));
    }

    [Fact]
    public async Task Action_DoneTwice_IsAuditedOnce()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        await portal.Actions.GoSilentAsync(SimulatedPortal.Administrator, host.Id, Token);
        await portal.Actions.GoSilentAsync(SimulatedPortal.Administrator, host.Id, Token);
        await using var db = portal.Database();
        Assert.Equal(1, await db.AuditEntries.CountAsync(a => a.Event == "simulation.silent" && a.TargetId == host.Id, Token));
    }

    [Fact]
    public async Task Action_OnAHostThatIsNotSimulated_IsRefused()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        await using var db = portal.Database();
        var real = new Host { Name = "real", Address = "qemu+tls://real/system", ClusterId = (await db.Clusters.FirstAsync(Token)).Id, Cpus = 4, Memory = 1L << 30 };
        db.Hosts.Add(real);
        await db.SaveChangesAsync(Token);
        Assert.Equal("simulation.not_simulated", (await portal.Actions.RebootAsync(SimulatedPortal.Administrator, real.Id, Token)).Refusal!.Code);
        Assert.Equal("host.not_found", (await portal.Actions.RebootAsync(SimulatedPortal.Administrator, Guid.NewGuid(), Token)).Refusal!.Code);
    }

    [Fact]
    public async Task Misbehave_UntilHonestAgain_InjectsTheFault()
    {
        await using var portal = await SimulatedPortal.StartAsync();
        var host = await portal.HostAsync("kvm-a01");
        await portal.Actions.MisbehaveAsync(SimulatedPortal.Administrator, host.Id, Fault.TpmError, Token);
        Assert.IsType<ChannelAnswer.TpmFailed>(await AskAsync(portal, host));
        Assert.Equal(Fault.TpmError, (await portal.ConditionAsync("kvm-a01")).Fault);
        await portal.Actions.MisbehaveAsync(SimulatedPortal.Administrator, host.Id, null, Token);
        Assert.IsType<ChannelAnswer.Answered>(await AskAsync(portal, host));
    }

    private static ValueTask<ChannelAnswer> AskAsync(SimulatedPortal portal, Host host) => portal.Get<IAttesterChannel>().QuoteAsync(
        host.Endpoint, new QuoteRequest(SimulatedWorld.Nonce, 0x000B, [0, 2, 4, 7, 8, 9, 14], WithEventLog: true), Token);

    private static async Task<Evidence> QuoteAsync(SimulatedPortal portal, Host host) =>
        Assert.IsType<ChannelAnswer.Answered>(await AskAsync(portal, host)).Evidence;
}
