using System.Globalization;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.E2E.Peers.Libvirt;

/// <summary>VMs move between real hosts, and after every move, done or not, they are where the answer says.</summary>
public sealed class MigrationTests(ThreeHosts hosts) : IClassFixture<ThreeHosts>
{
    private const string Image = "tiny.qcow2";

    private static readonly MigrationSettings Direct = MigrationSettings.Default;

    private readonly LibvirtLab lab = hosts.Lab;

    private IHypervisor Hypervisor => lab.Hypervisor;

    private LibvirtDaemon From => lab.Daemons[0];

    private LibvirtDaemon To => lab.Daemons[1];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(MigrationMode.Direct, false)]
    [InlineData(MigrationMode.Direct, true)]
    [InlineData(MigrationMode.PeerToPeer, false)]
    [InlineData(MigrationMode.Tunnelled, true)]
    public async Task RunningMachine_WithoutADisk_MovesLive(MigrationMode mode, bool hasTpm)
    {
        var vm = LibvirtLab.Tiny() with { Machine = DomainMachine.Default with { HasTpm = hasTpm } };
        await RunAsync(vm);
        var process = From.Machine(vm.Name);
        var told = new List<int>();

        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct with { Mode = mode }, (percent, _) => told.Add(percent), Ct);

        Assert.True(answer.Result == HypervisorResult.Done, answer.ToString());
        await IsOnlyOn(To, vm, DomainState.Running);
        Assert.NotEqual(process, To.Machine(vm.Name));
        Assert.Equal(100, told[^1]);
        Assert.Equal(told.Order(), told);
        var again = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct with { Mode = mode }, null, Ct);
        Assert.Equal(HypervisorResult.AlreadySo, again.Result);
        await lab.HearAsync<DomainEvent>(e => e == new DomainEvent(To.Host.Id, vm.Id, DomainState.Running, DomainCause.Migrated), "its arrival");
        await EndAsync(To, vm);
    }

    [Theory]
    [InlineData(MigrationMode.Direct)]
    [InlineData(MigrationMode.PeerToPeer)]
    public async Task RunningMachine_WithADiskOfItsHost_MovesWithIt_WithoutItsImage(MigrationMode mode)
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await RunAsync(vm);

        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct with { Mode = mode }, null, Ct);

        Assert.True(answer.Result == HypervisorResult.Done, answer.ToString());
        await IsOnlyOn(To, vm, DomainState.Running);
        await Hypervisor.StopAsync(To.Endpoint, vm.Id, Ct);
        await HasItsDisk(vm);
        await EndAsync(To, vm);
    }

    [Fact]
    public async Task MachineThatIsOff_MovesWithItsDisk_AndBack()
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await Hypervisor.CreateAsync(From.Endpoint, vm, Ct);

        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct);

        Assert.True(answer.Result == HypervisorResult.Done, answer.ToString());
        await IsOnlyOn(To, vm, DomainState.ShutOff);
        await HasItsDisk(vm);
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.StartAsync(To.Endpoint, vm.Id, Ct)).Result);
        await Hypervisor.StopAsync(To.Endpoint, vm.Id, Ct);
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.MigrateAsync(To.Endpoint, From.Endpoint, vm.Id, Direct, null, Ct)).Result);
        await IsOnlyOn(From, vm, DomainState.ShutOff);
        await EndAsync(From, vm);
    }

    [Fact]
    public async Task PausedMachine_MovesPaused()
    {
        var vm = LibvirtLab.Tiny();
        await RunAsync(vm);
        await Hypervisor.PauseAsync(From.Endpoint, vm.Id, Ct);

        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct);

        Assert.True(answer.Result == HypervisorResult.Done, answer.ToString());
        await IsOnlyOn(To, vm, DomainState.Paused);
        await EndAsync(To, vm);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task MachineWithADiskOfItsHost_WhereDisksAreNotCopied_Stays(bool runs)
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await Hypervisor.CreateAsync(From.Endpoint, vm, Ct);
        if (runs)
        {
            await Hypervisor.StartAsync(From.Endpoint, vm.Id, Ct);
        }

        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct with { CopyStorage = false }, null, Ct);

        Assert.Equal(HypervisorResult.Unsuited, answer.Result);
        Assert.Contains("only", answer.Sentence, StringComparison.Ordinal);
        await IsOnlyOn(From, vm, runs ? DomainState.Running : DomainState.ShutOff);
        await EndAsync(From, vm);
    }

    [Fact]
    public async Task MachineWithADiskOfItsHost_Tunnelled_IsRefused()
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await RunAsync(vm);
        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct with { Mode = MigrationMode.Tunnelled }, null, Ct);
        Assert.Equal(HypervisorResult.Unsuited, answer.Result);
        await IsOnlyOn(From, vm, DomainState.Running);
        await EndAsync(From, vm);
    }

    [Fact]
    public async Task MachineOnAFolderBothHostsHave_MovesWithoutCopying_OffAndRunning()
    {
        var folder = Directory.CreateDirectory($"{lab.Folder}/both").FullName;
        if (Environment.UserName == "root")
        {
            await LibvirtDaemon.RunAsync("chown", "65534:65534", folder);
        }

        await From.VirshAsync("pool-create-as", "both", "dir", "--target", folder);
        await To.VirshAsync("pool-create-as", "both", "dir", "--target", folder);
        var vm = LibvirtLab.Tiny("both");
        await RunAsync(vm);
        var settings = Direct with { CopyStorage = false };

        var there = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, settings, null, Ct);
        Assert.True(there.Result == HypervisorResult.Done, there.ToString());
        await IsOnlyOn(To, vm, DomainState.Running, sharesDisk: true);
        await Hypervisor.StopAsync(To.Endpoint, vm.Id, Ct);
        var back = await Hypervisor.MigrateAsync(To.Endpoint, From.Endpoint, vm.Id, settings, null, Ct);
        Assert.True(back.Result == HypervisorResult.Done, back.ToString());
        await IsOnlyOn(From, vm, DomainState.ShutOff, sharesDisk: true);
        Assert.Equal([$"{vm.Id}.qcow2"], Directory.EnumerateFiles(folder).Select(Path.GetFileName));

        // The same VM left over on another host must not take the disk away.
        await To.VirshAsync("define", await SavedAsync(From, vm));
        var answer = await Hypervisor.DeleteAsync(To.Endpoint, vm.Id, withDisks: true, Ct);
        Assert.Contains("disk was left", answer.Sentence, StringComparison.Ordinal);
        Assert.True(File.Exists($"{folder}/{vm.Id}.qcow2"));
        await EndAsync(From, vm);
    }

    [Fact]
    public async Task Move_ThatIsCancelledOrTakesTooLong_LeavesTheMachineWhereItWas()
    {
        // Enough to copy that it cannot be done before it is given up.
        await From.MakeImageAsync("large.qcow2", "large");
        var bytes = new byte[256 << 20];
        Random.Shared.NextBytes(bytes);
        await File.WriteAllBytesAsync($"{lab.Folder}/large.raw", bytes, Ct);
        await LibvirtDaemon.RunAsync("qemu-img", "convert", "-f", "raw", "-O", "qcow2", $"{lab.Folder}/large.raw", $"{From.Pool}/large.qcow2");
        var vm = LibvirtLab.Tiny("default", "large.qcow2") with { Disk = 256L << 20 };
        await RunAsync(vm);

        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var cancelled = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, (_, _) => cancel.Cancel(), cancel.Token);
        Assert.Equal(HypervisorResult.Failed, cancelled.Result);
        Assert.Contains($"stays on {From.Host.Name}: It was cancelled", cancelled.Sentence, StringComparison.Ordinal);
        await IsOnlyOn(From, vm, DomainState.Running);

        var late = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct with { Timeout = TimeSpan.FromMilliseconds(1) }, null, Ct);
        Assert.Equal(HypervisorResult.Failed, late.Result);
        Assert.Contains("took longer", late.Sentence, StringComparison.Ordinal);
        await IsOnlyOn(From, vm, DomainState.Running);

        Assert.Equal(HypervisorResult.Done, (await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct)).Result);
        await IsOnlyOn(To, vm, DomainState.Running);
        await EndAsync(To, vm);
        File.Delete($"{From.Pool}/large.qcow2");
    }

    [Fact]
    public async Task Move_ToAHostThatHasTheName_OrLacksThePool_IsRefused()
    {
        var vm = LibvirtLab.Tiny();
        await RunAsync(vm);
        var other = LibvirtLab.Tiny() with { Name = vm.Name };
        await Hypervisor.CreateAsync(To.Endpoint, other, Ct);
        Assert.Equal(HypervisorResult.NameTaken, (await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct)).Result);
        await Hypervisor.DeleteAsync(To.Endpoint, other.Id, withDisks: false, Ct);
        await EndAsync(From, vm);

        var folder = Directory.CreateDirectory($"{lab.Folder}/own").FullName;
        await LibvirtDaemon.RunAsync("chmod", "777", folder);
        await From.VirshAsync("pool-create-as", "own", "dir", "--target", folder);
        var disk = LibvirtLab.Tiny("own");
        await RunAsync(disk);
        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, disk.Id, Direct, null, Ct);
        Assert.Equal((HypervisorResult.Unsuited, true), (answer.Result, answer.Sentence.Contains("no storage pool own", StringComparison.Ordinal)));
        await EndAsync(From, disk);
        await From.VirshAsync("pool-destroy", "own");
    }

    [Fact]
    public async Task MachineWithATpmThatRan_IsMovedOnlyWhileItRuns()
    {
        var vm = LibvirtLab.Tiny() with { Machine = DomainMachine.Default with { HasTpm = true } };
        await Hypervisor.CreateAsync(From.Endpoint, vm, Ct);
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct)).Result);
        await Hypervisor.StartAsync(To.Endpoint, vm.Id, Ct);
        await Hypervisor.StopAsync(To.Endpoint, vm.Id, Ct);

        var answer = await Hypervisor.MigrateAsync(To.Endpoint, From.Endpoint, vm.Id, Direct, null, Ct);

        Assert.Equal(HypervisorResult.Unsuited, answer.Result);
        await IsOnlyOn(To, vm, DomainState.ShutOff);
        await EndAsync(To, vm);
    }

    [Fact]
    public async Task MoveThatWasInterrupted_AskedAgain_IsBroughtToItsEnd()
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await Hypervisor.CreateAsync(From.Endpoint, vm, Ct);
        await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct);

        // As if the portal had died before the source forgot it: both have it, and the target says whence it comes.
        var saved = await SavedAsync(To, vm);
        await From.VirshAsync("define", saved);
        var text = (await File.ReadAllTextAsync(saved, Ct)).Replace(" pool=", $" movedFrom='{From.Host.Id}' pool=", StringComparison.Ordinal);
        await File.WriteAllTextAsync(saved, text.Replace("<source movedFrom='" + From.Host.Id + "' pool=", "<source pool=", StringComparison.Ordinal), Ct);
        await To.VirshAsync("define", saved);

        var answer = await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct);
        Assert.True(answer.Result == HypervisorResult.Done, answer.ToString());
        await IsOnlyOn(To, vm, DomainState.ShutOff);

        // Without that word nobody can tell which of them is the true one.
        await From.VirshAsync("define", await SavedAsync(To, vm));
        Assert.Equal(HypervisorResult.Failed, (await Hypervisor.MigrateAsync(From.Endpoint, To.Endpoint, vm.Id, Direct, null, Ct)).Result);
        await Hypervisor.DeleteAsync(From.Endpoint, vm.Id, withDisks: false, Ct);
        await EndAsync(To, vm);
    }

    private async Task RunAsync(DomainDefinition vm)
    {
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.CreateAsync(From.Endpoint, vm, Ct)).Result);
        var started = await Hypervisor.StartAsync(From.Endpoint, vm.Id, Ct);
        Assert.True(started.Result == HypervisorResult.Done, started.ToString());
    }

    private async Task EndAsync(LibvirtDaemon host, DomainDefinition vm)
    {
        await Hypervisor.StopAsync(host.Endpoint, vm.Id, Ct);
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.DeleteAsync(host.Endpoint, vm.Id, withDisks: true, Ct)).Result);
    }

    private async Task<string> SavedAsync(LibvirtDaemon host, DomainDefinition vm)
    {
        var file = $"{lab.Folder}/{vm.Name}.xml";
        await File.WriteAllTextAsync(file, await host.VirshAsync("dumpxml", "--inactive", vm.Name), Ct);
        return file;
    }

    private async Task IsOnlyOn(LibvirtDaemon host, DomainDefinition vm, DomainState state, bool sharesDisk = false)
    {
        Assert.Equal(new Domain(vm, state), (await Hypervisor.FindAsync(host.Endpoint, vm.Id, Ct)).Domain);
        foreach (var other in lab.Daemons.Where(d => d != host))
        {
            Assert.DoesNotContain(vm.Name, await other.VirshAsync("list", "--all", "--name"), StringComparison.Ordinal);
            if (vm.Storage.Pool.Length > 0 && !sharesDisk)
            {
                Assert.Empty(Directory.EnumerateFiles(other.Pool, $"{vm.Id}*"));
            }
        }
    }

    /// <summary>All of it, and it needs no image.</summary>
    private async Task HasItsDisk(DomainDefinition vm)
    {
        var file = $"{To.Pool}/{vm.Id}.qcow2";
        Assert.DoesNotContain("backing file", await LibvirtDaemon.RunAsync("qemu-img", "info", file), StringComparison.Ordinal);
        var raw = $"{lab.Folder}/{vm.Name}.raw";
        await LibvirtDaemon.RunAsync("qemu-img", "convert", "-f", "qcow2", "-O", "raw", file, raw);
        Assert.Equal(vm.Disk.ToString(CultureInfo.InvariantCulture), new FileInfo(raw).Length.ToString(CultureInfo.InvariantCulture));
        Assert.StartsWith("first", System.Text.Encoding.ASCII.GetString(await File.ReadAllBytesAsync(raw, Ct), 0, 16), StringComparison.Ordinal);
        File.Delete(raw);
    }
}
