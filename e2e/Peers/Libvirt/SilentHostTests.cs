using System.Diagnostics;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Host = Portal.Core.Inventory.Host;

namespace Portal.E2E.Peers.Libvirt;

/// <summary>Hosts that freeze, die or are not there hold up nobody else, are told about, and are found again.</summary>
public sealed class SilentHostTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FrozenDaemon_HoldsUpNobody_AndIsUsedAgainWhenItGoesOn()
    {
        await using var lab = await LibvirtLab.StartAsync(2, LibvirtLab.Options with { CallDeadline = TimeSpan.FromSeconds(2) });
        var (frozen, other) = (lab.Daemons[0], lab.Daemons[1]);
        var vm = LibvirtLab.Tiny();
        await lab.Hypervisor.CreateAsync(frozen.Endpoint, vm, Ct);
        var since = LibvirtLab.Now;
        await frozen.FreezeAsync();

        var asked = Enumerable.Range(0, 20).Select(_ => lab.Hypervisor.FindAsync(frozen.Endpoint, vm.Id, Ct)).ToList();
        var began = LibvirtLab.Now;
        Assert.NotNull(await lab.Hypervisor.ListAsync(other.Endpoint, Ct));
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(1), "The other host was held up.");
        Assert.All(await Task.WhenAll(asked).WaitAsync(TimeSpan.FromSeconds(15), Ct), answer => Assert.False(answer.Reached));
        await lab.HearAsync<ConnectionEvent>(e => e.HostId == frozen.Host.Id && !e.Answers, "its silence", since);

        // An opening that is never answered is not begun a second time, and whoever asks meanwhile is told at once.
        await lab.HearAsync<ConnectionEvent>(e => e.HostId == frozen.Host.Id && !e.Answers && e.Sentence.Contains("did not answer within 3 seconds", StringComparison.Ordinal), "an opening without an answer", since);
        var threads = Process.GetCurrentProcess().Threads.Count;
        for (var i = 0; i < 50; i++)
        {
            var answer = await lab.Hypervisor.StartAsync(frozen.Endpoint, vm.Id, Ct);
            Assert.Equal(HypervisorResult.Unreachable, answer.Result);
        }

        Assert.True(Process.GetCurrentProcess().Threads.Count < threads + 20, "Threads pile up.");
        var thawed = LibvirtLab.Now;
        await frozen.ThawAsync();
        await lab.HearAsync<ConnectionEvent>(e => e.HostId == frozen.Host.Id && e.Answers, "it to answer again", thawed);
        Assert.Equal(vm, (await lab.Hypervisor.FindAsync(frozen.Endpoint, vm.Id, Ct)).Domain?.Definition);
    }

    [Fact]
    public async Task KilledDaemon_IsTold_ItsMachineRunsOn_AndIsFoundAgain()
    {
        await using var lab = await LibvirtLab.StartAsync(1);
        var host = lab.Daemons[0];
        var vm = LibvirtLab.Tiny();
        await lab.Hypervisor.CreateAsync(host.Endpoint, vm, Ct);
        await lab.Hypervisor.StartAsync(host.Endpoint, vm.Id, Ct);
        var process = host.Machine(vm.Name);

        var killed = LibvirtLab.Now;
        await host.KillAsync();
        var (_, at) = await lab.HearAsync<ConnectionEvent>(e => !e.Answers, "its end", killed);
        Assert.True(Stopwatch.GetElapsedTime(killed, at) < TimeSpan.FromSeconds(5));
        Assert.Equal(HypervisorResult.Unreachable, (await lab.Hypervisor.StopAsync(host.Endpoint, vm.Id, Ct)).Result);
        Assert.Null(await lab.Hypervisor.ListAsync(host.Endpoint, Ct));

        var restarted = LibvirtLab.Now;
        await host.StartAsync();
        await lab.HearAsync<ConnectionEvent>(e => e.Answers, "it to answer again", restarted);
        Assert.Equal(DomainState.Running, (await lab.Hypervisor.FindAsync(host.Endpoint, vm.Id, Ct)).Domain?.State);
        Assert.Equal(process, host.Machine(vm.Name));
    }

    [Fact]
    public async Task TargetKilledDuringAMove_TheAnswerSaysWhereTheMachineIs()
    {
        await using var lab = await LibvirtLab.StartAsync(2);
        var (from, to) = (lab.Daemons[0], lab.Daemons[1]);
        await from.MakeImageAsync("tiny.qcow2", "first");
        var vm = LibvirtLab.Tiny("default", "tiny.qcow2") with { Disk = 256L << 20 };
        await lab.Hypervisor.CreateAsync(from.Endpoint, vm, Ct);
        await lab.Hypervisor.StartAsync(from.Endpoint, vm.Id, Ct);

        var killing = Task.CompletedTask;
        var answer = await lab.Hypervisor.MigrateAsync(from.Endpoint, to.Endpoint, vm.Id, MigrationSettings.Default, (_, _) => killing = killing.IsCompleted && !Dead(to) ? to.KillAsync() : killing, Ct);
        await killing;

        Assert.False(answer.IsSo, answer.ToString());
        Assert.Contains($"stays on {from.Host.Name}", answer.Sentence, StringComparison.Ordinal);
        Assert.Equal(DomainState.Running, (await lab.Hypervisor.FindAsync(from.Endpoint, vm.Id, Ct)).Domain?.State);

        // The other way round works as soon as it is back.
        await to.StartAsync();
        await lab.HearAsync<ConnectionEvent>(e => e.HostId == to.Host.Id && e.Answers, "the target to answer again", LibvirtLab.Now - 1);
        var again = await lab.Hypervisor.MigrateAsync(from.Endpoint, to.Endpoint, vm.Id, MigrationSettings.Default, null, Ct);
        Assert.True(again.Result == HypervisorResult.Done, again.ToString());

        static bool Dead(LibvirtDaemon daemon) => daemon.HasEnded;
    }

    [Fact]
    public async Task HostThatIsNotThere_IsToldOnce_AndAnswersUnreachable()
    {
        await using var lab = await LibvirtLab.StartAsync(0);
        var host = new Host { Name = "nowhere", Address = "127.0.0.1", LibvirtUri = $"qemu+tcp://127.0.0.1:{LibvirtDaemon.FreePort()}/session", ClusterId = Guid.Empty, Cpus = 1, Memory = 1 };
        await lab.AddAsync(host);

        var (told, _) = await lab.HearAsync<ConnectionEvent>(e => e.HostId == host.Id, "it to be missed");
        Assert.False(told.Answers);
        Assert.Contains("refused", told.Sentence, StringComparison.Ordinal);
        Assert.False((await lab.Hypervisor.FindAsync(host.Endpoint, Guid.NewGuid(), Ct)).Reached);
        Assert.Null(await lab.Hypervisor.DescribeAsync(host.Endpoint, Ct));
    }

    [Fact]
    public async Task TestDriver_DoesWhatItKnows()
    {
        await using var lab = await LibvirtLab.StartAsync(0);
        var host = new Host { Name = "node", Address = "127.0.0.1", LibvirtUri = "test:///default", ClusterId = Guid.Empty, Cpus = 1, Memory = 1 };
        await lab.AddAsync(host);
        await lab.HearAsync<ConnectionEvent>(e => e.HostId == host.Id && e.Answers, "the test driver to answer");
        var vm = LibvirtLab.Tiny() with { TrustLevel = TrustLevel.Any };

        Assert.Equal(HypervisorResult.Done, (await lab.Hypervisor.CreateAsync(host.Endpoint, vm, Ct)).Result);
        Assert.Equal(HypervisorResult.Done, (await lab.Hypervisor.StartAsync(host.Endpoint, vm.Id, Ct)).Result);
        Assert.Equal(new Domain(vm, DomainState.Running), (await lab.Hypervisor.FindAsync(host.Endpoint, vm.Id, Ct)).Domain);
        Assert.False(Assert.Single((await lab.Hypervisor.ListAsync(host.Endpoint, Ct))!, d => d.Definition.Name == "test").IsOurs);
        var description = await lab.Hypervisor.DescribeAsync(host.Endpoint, Ct);
        Assert.Equal((16, 3L << 30), (description!.Cpus, description.Memory));
        Assert.Equal("Testing", description.Hardware.BiosVendor is "Testing" or "LENOVO" ? "Testing" : description.Hardware.BiosVendor);
        Assert.Equal("default-pool", Assert.Single(description.Pools).Name);
        Assert.Equal(HypervisorResult.Done, (await lab.Hypervisor.PauseAsync(host.Endpoint, vm.Id, Ct)).Result);
        Assert.Equal(HypervisorResult.Done, (await lab.Hypervisor.ResumeAsync(host.Endpoint, vm.Id, Ct)).Result);
        Assert.Equal(HypervisorResult.Done, (await lab.Hypervisor.StopAsync(host.Endpoint, vm.Id, Ct)).Result);
        Assert.Equal(HypervisorResult.Done, (await lab.Hypervisor.DeleteAsync(host.Endpoint, vm.Id, withDisks: true, Ct)).Result);
        await lab.HearAsync<DomainEvent>(e => e == new DomainEvent(host.Id, vm.Id, null), "its end");
    }
}
