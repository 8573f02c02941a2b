using System.Diagnostics;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.E2E.Peers.Libvirt;

/// <summary>The adapter against real libvirtd and real QEMU: every call does what it says, again too, and a second connection sees it.</summary>
public sealed class LibvirtHypervisorTests(ThreeHosts hosts) : IClassFixture<ThreeHosts>
{
    private const string Image = "tiny.qcow2";

    private readonly LibvirtLab lab = hosts.Lab;

    private IHypervisor Hypervisor => lab.Hypervisor;

    private LibvirtDaemon First => lab.Daemons[0];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Machine_FromCreationToDeletion_EachCallTwice()
    {
        var vm = LibvirtLab.Tiny("default", Image);
        var (host, id) = (First.Endpoint, vm.Id);

        await Twice(() => Hypervisor.CreateAsync(host, vm, Ct));
        Assert.Equal(new Domain(vm, DomainState.ShutOff), (await Hypervisor.FindAsync(host, id, Ct)).Domain);
        Assert.Contains($"{First.Pool}/{Image}", await First.VirshAsync("vol-dumpxml", $"{id}.qcow2", "--pool", "default"), StringComparison.Ordinal);

        await Twice(() => Hypervisor.StartAsync(host, id, Ct));
        Assert.Equal("running", await First.VirshAsync("domstate", vm.Name));
        await Twice(() => Hypervisor.PauseAsync(host, id, Ct));
        Assert.Equal("paused", await First.VirshAsync("domstate", vm.Name));
        Assert.Equal(HypervisorResult.Failed, (await Hypervisor.StartAsync(host, id, Ct)).Result);
        await Twice(() => Hypervisor.ResumeAsync(host, id, Ct));
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.RebootAsync(host, id, Ct)).Result);
        Assert.Equal(HypervisorResult.Failed, (await Hypervisor.DeleteAsync(host, id, withDisks: true, Ct)).Result);

        // Nothing in this guest obeys; it was asked nevertheless.
        await Twice(() => Hypervisor.ShutdownAsync(host, id, Ct));
        Assert.Equal(DomainState.ShuttingDown, (await Hypervisor.FindAsync(host, id, Ct)).Domain!.State);

        await Twice(() => Hypervisor.StopAsync(host, id, Ct));
        Assert.Equal("shut off", await First.VirshAsync("domstate", vm.Name));
        Assert.Equal(vm, (await Hypervisor.FindAsync(host, id, Ct)).Domain!.Definition);

        await Twice(() => Hypervisor.DeleteAsync(host, id, withDisks: true, Ct));
        Assert.Equal(new DomainAnswer(true, null), await Hypervisor.FindAsync(host, id, Ct));
        Assert.False(File.Exists($"{First.Pool}/{id}.qcow2"));
        Assert.Equal(HypervisorResult.NotFound, (await Hypervisor.StartAsync(host, id, Ct)).Result);
    }

    [Fact]
    public async Task Create_UnderANewerDecision_ChangesMetadataOnly()
    {
        var vm = LibvirtLab.Tiny();
        await Hypervisor.CreateAsync(First.Endpoint, vm, Ct);
        var newer = vm with { DecisionId = Guid.NewGuid(), TrustLevel = TrustLevel.Any };

        Assert.Equal(HypervisorResult.Done, (await Hypervisor.CreateAsync(First.Endpoint, newer, Ct)).Result);
        Assert.Equal(newer, (await Hypervisor.FindAsync(First.Endpoint, vm.Id, Ct)).Domain!.Definition);
        Assert.Equal(HypervisorResult.Failed, (await Hypervisor.CreateAsync(First.Endpoint, newer with { Cpus = 2 }, Ct)).Result);
        await Hypervisor.DeleteAsync(First.Endpoint, vm.Id, withDisks: false, Ct);
    }

    [Fact]
    public async Task Create_WhatTheHostLacks_IsToldAndNothingIsLeft()
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await Refused(vm with { Storage = new DomainStorage("fast", "") }, HypervisorResult.Unsuited, "no storage pool fast");
        await Refused(vm with { Storage = new DomainStorage("default", "none.qcow2") }, HypervisorResult.Unsuited, "no image none.qcow2");
        await Refused(vm with { Network = "lan" }, HypervisorResult.Unsuited, "no network lan");
        await Refused(vm with { Disk = 1 << 20 }, HypervisorResult.Unsuited, "larger than the disk");
        await Refused(vm with { Machine = new DomainMachine("atari", GuestFirmware.Bios, false) }, HypervisorResult.Failed, "atari", HypervisorResult.Unsuited);

        var other = LibvirtLab.Tiny();
        await Hypervisor.CreateAsync(First.Endpoint, other, Ct);
        await Refused(vm with { Name = other.Name }, HypervisorResult.NameTaken, other.Name);
        await Hypervisor.DeleteAsync(First.Endpoint, other.Id, withDisks: false, Ct);
        Assert.DoesNotContain(vm.Id.ToString(), string.Join('\n', Directory.EnumerateFiles(First.Pool)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_OnAFullPool_IsNoCapacity_AndSucceedsOnceThereIsRoom()
    {
        if (Environment.UserName != "root")
        {
            Assert.Skip("A small file system needs root.");
        }

        var folder = Directory.CreateDirectory($"{lab.Folder}/small").FullName;
        await LibvirtDaemon.RunAsync("mount", "-t", "tmpfs", "-o", "size=1m,uid=65534,gid=65534", "none", folder);
        try
        {
            await First.VirshAsync("pool-create-as", "small", "dir", "--target", folder);
            await File.WriteAllBytesAsync($"{folder}/filler", new byte[(1 << 20) - 8192], Ct);
            var vm = LibvirtLab.Tiny("small");

            var answer = await Hypervisor.CreateAsync(First.Endpoint, vm, Ct);
            Assert.Equal(HypervisorResult.NoCapacity, answer.Result);
            Assert.Contains("full", answer.Sentence, StringComparison.Ordinal);
            Assert.Null((await Hypervisor.FindAsync(First.Endpoint, vm.Id, Ct)).Domain);

            File.Delete($"{folder}/filler");
            Assert.Equal(HypervisorResult.Done, (await Hypervisor.CreateAsync(First.Endpoint, vm, Ct)).Result);
            Assert.Equal(HypervisorResult.Done, (await Hypervisor.DeleteAsync(First.Endpoint, vm.Id, withDisks: true, Ct)).Result);
            await First.VirshAsync("pool-destroy", "small");
        }
        finally
        {
            await LibvirtDaemon.RunAsync("umount", folder);
        }
    }

    [Fact]
    public async Task Create_AfterAHalfMadeDisk_MakesItAnew_AndKeepsAWholeOne()
    {
        var vm = LibvirtLab.Tiny("default", Image);
        await File.WriteAllTextAsync($"{First.Pool}/{vm.Id}.qcow2", "", Ct);
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.CreateAsync(First.Endpoint, vm, Ct)).Result);

        await Hypervisor.DeleteAsync(First.Endpoint, vm.Id, withDisks: false, Ct);
        var made = File.GetLastWriteTimeUtc($"{First.Pool}/{vm.Id}.qcow2");
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.CreateAsync(First.Endpoint, vm, Ct)).Result);
        Assert.Equal(made, File.GetLastWriteTimeUtc($"{First.Pool}/{vm.Id}.qcow2"));
        await Hypervisor.DeleteAsync(First.Endpoint, vm.Id, withDisks: false, Ct);

        // A create that was interrupted before the definition leaves only the disk.
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.DeleteAsync(First.Endpoint, vm.Id, withDisks: true, Ct)).Result);
        Assert.False(File.Exists($"{First.Pool}/{vm.Id}.qcow2"));
    }

    [Fact]
    public async Task ForeignMachine_IsListedAndAdopted_RunningToo()
    {
        var id = Guid.NewGuid();
        var file = $"{lab.Folder}/foreign.xml";
        await File.WriteAllTextAsync(file, $"<domain type='qemu'><name>theirs</name><uuid>{id}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>", Ct);
        await First.VirshAsync("create", file);
        await First.VirshAsync("define", file);

        var found = Assert.Single((await Hypervisor.ListAsync(First.Endpoint, Ct))!, d => d.Definition.Id == id);
        Assert.False(found.IsOurs);
        Assert.Equal((DomainState.Running, "theirs", 64L << 20), (found.State, found.Definition.Name, found.Definition.Memory));

        var adopted = found.Definition with { TrustLevel = TrustLevel.Trusted, DecisionId = Guid.NewGuid() };
        await Twice(() => Hypervisor.RedefineAsync(First.Endpoint, adopted, Ct));
        var ours = (await Hypervisor.FindAsync(First.Endpoint, id, Ct)).Domain!;
        Assert.True(ours.IsOurs);
        Assert.Equal(adopted, ours.Definition);
        Assert.Contains("trustLevel=\"trusted\"", (await First.VirshAsync("dumpxml", "theirs")).Replace('\'', '"'), StringComparison.Ordinal);

        await Hypervisor.StopAsync(First.Endpoint, id, Ct);
        await Hypervisor.DeleteAsync(First.Endpoint, id, withDisks: true, Ct);
    }

    [Fact]
    public async Task Redefine_OffChangesSizeNameAndDisk_RunningOnlyMetadata()
    {
        var vm = LibvirtLab.Tiny("default");
        await Hypervisor.CreateAsync(First.Endpoint, vm, Ct);
        var larger = vm with { Name = vm.Name + "-b", Cpus = 2, Memory = 96L << 20, Disk = 48L << 20 };

        await Twice(() => Hypervisor.RedefineAsync(First.Endpoint, larger, Ct));
        Assert.Equal(larger, (await Hypervisor.FindAsync(First.Endpoint, vm.Id, Ct)).Domain!.Definition);
        Assert.Contains("50331648", await First.VirshAsync("vol-info", $"{vm.Id}.qcow2", "--pool", "default", "--bytes"), StringComparison.Ordinal);

        await Hypervisor.StartAsync(First.Endpoint, vm.Id, Ct);
        Assert.Equal(HypervisorResult.Failed, (await Hypervisor.RedefineAsync(First.Endpoint, larger with { Cpus = 1 }, Ct)).Result);
        Assert.Equal(HypervisorResult.Done, (await Hypervisor.RedefineAsync(First.Endpoint, larger with { TrustLevel = TrustLevel.Any }, Ct)).Result);
        await Hypervisor.StopAsync(First.Endpoint, vm.Id, Ct);
        await Hypervisor.DeleteAsync(First.Endpoint, vm.Id, withDisks: true, Ct);
    }

    [Fact]
    public async Task WhatHappensBehindOurBack_IsHeardWithinASecond()
    {
        var vm = LibvirtLab.Tiny();
        await Hypervisor.CreateAsync(First.Endpoint, vm, Ct);
        await Heard(DomainState.ShutOff, DomainCause.Ordinary, () => Task.CompletedTask);
        await Heard(DomainState.Running, DomainCause.Ordinary, () => First.VirshAsync("start", vm.Name));
        await Heard(DomainState.Paused, DomainCause.Ordinary, () => First.VirshAsync("suspend", vm.Name));
        await Heard(DomainState.Running, DomainCause.Ordinary, () => First.VirshAsync("resume", vm.Name));
        await Heard(DomainState.ShutOff, DomainCause.Crashed, async () =>
        {
            using var machine = Process.GetProcessById(First.Machine(vm.Name));
            machine.Kill();

            // libvirt itself waits for the process to be reaped.
            await Eventually.TrueAsync(async () => await First.VirshAsync("domstate", vm.Name) == "shut off", "libvirt to see it");
        });
        await Heard(null, DomainCause.Ordinary, () => First.VirshAsync("undefine", vm.Name));

        async Task Heard(DomainState? state, DomainCause cause, Func<Task> happen)
        {
            var since = lab.Heard.Count;
            var ordinary = state == DomainState.ShutOff && cause == DomainCause.Ordinary ? 0 : since;
            await happen();
            var done = LibvirtLab.Now;
            var at = (long)await Eventually.GetAsync<object>(
                () => Task.FromResult<object?>(lab.Heard.Skip(ordinary).Where(h => h.Event == new DomainEvent(First.Host.Id, vm.Id, state, cause)).Select(h => (object)h.At).FirstOrDefault()),
                $"{state} ({cause})",
                () => string.Join('\n', lab.Heard.Select(h => h.Event)));
            Assert.True(Stopwatch.GetElapsedTime(done, at) < TimeSpan.FromSeconds(1), "It was heard late.");
        }
    }

    [Fact]
    public async Task Host_SaysWhatItIs_AndWhatItDoesNotOffer()
    {
        var description = await Hypervisor.DescribeAsync(First.Endpoint, Ct);

        Assert.NotNull(description);
        Assert.Equal(Environment.ProcessorCount, description.Cpus);
        var total = long.Parse((await File.ReadAllLinesAsync("/proc/meminfo", Ct))[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) * 1024;
        Assert.Equal(total, description.Memory);
        Assert.StartsWith("QEMU ", description.Hardware.Hypervisor, StringComparison.Ordinal);
        Assert.NotEmpty(description.Hardware.CpuModel);
        Assert.Contains("Not offered by this host", description.Hardware.NotOffered, StringComparison.Ordinal);
        var pool = Assert.Single(description.Pools, p => p.Name == "default");
        Assert.Equal(("dir", false, Image), (pool.Kind, pool.IsShared, Assert.Single(pool.Volumes)));
        Assert.True(pool.Available > 0 && pool.Capacity >= pool.Available);
    }

    private static async Task Twice(Func<Task<HypervisorAnswer>> call)
    {
        var (first, second) = (await call(), await call());
        Assert.True(first.Result == HypervisorResult.Done, first.ToString());
        Assert.True(second.Result == HypervisorResult.AlreadySo, second.ToString());
    }

    private async Task Refused(DomainDefinition definition, HypervisorResult result, string word, HypervisorResult? or = null)
    {
        var answer = await Hypervisor.CreateAsync(First.Endpoint, definition, Ct);
        Assert.True(answer.Result == result || answer.Result == or, answer.ToString());
        Assert.Contains(word, answer.Sentence, StringComparison.Ordinal);
        Assert.Null((await Hypervisor.FindAsync(First.Endpoint, definition.Id, Ct)).Domain);
    }
}
