using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Simulation.Hypervisors;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>Templates, and the fields VMs take from them or have of their own.</summary>
public sealed class TemplateTests : IAsyncLifetime
{
    private static readonly TemplateWords Words = new("Debian 12", "minimal", 2, 2L << 30, 20L << 30, "default", "debian-12.qcow2", "q35", GuestFirmware.SecureBoot, true, "lab");

    private TrustedPool pool = null!;

    public async ValueTask InitializeAsync() => pool = await TrustedPool.StartAsync(hosts: 3, enrol: false, approve: false);

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Fact]
    public async Task Create_Edit_Delete_AreAudited()
    {
        var saved = TrustedPool.Expect(await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words with { Name = " Debian 12 " }, pool.Ct));
        Assert.Empty(saved.Warnings);
        Assert.Equal(Words, TemplateWords.Of((await pool.Get<TemplateDirectory>().FindAsync(saved.Id, pool.Ct))!));

        TrustedPool.Expect(await pool.Get<EditTemplate>().ExecuteAsync(TrustedPool.Administrator, saved.Id, Words with { Name = "Debian 13", Cpus = 4 }, pool.Ct));
        Assert.Equal(("Debian 13", 4), ((await pool.Get<TemplateDirectory>().FindAsync(saved.Id, pool.Ct))!.Name, (await pool.Get<TemplateDirectory>().FindAsync(saved.Id, pool.Ct))!.Cpus));
        TrustedPool.Expect(await pool.Get<DeleteTemplate>().ExecuteAsync(TrustedPool.Administrator, saved.Id, pool.Ct));

        Assert.Null(await pool.Get<TemplateDirectory>().FindAsync(saved.Id, pool.Ct));
        var audit = await pool.AuditAsync();
        Assert.Contains("template.created: ada made the template Debian 12.", audit, StringComparison.Ordinal);
        Assert.Contains("template.edited: ada changed the template Debian 12; it is now called Debian 13.", audit, StringComparison.Ordinal);
        Assert.Contains("template.deleted: ada deleted the template Debian 13.", audit, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Operator_MayNone_AndItIsAudited()
    {
        var template = (await pool.Get<TemplateDirectory>().ListAsync(pool.Ct))[^1].Template;

        Refusal?[] refused =
        [
            (await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Operator, Words, pool.Ct)).Refusal,
            (await pool.Get<EditTemplate>().ExecuteAsync(TrustedPool.Operator, template.Id, Words, pool.Ct)).Refusal,
            (await pool.Get<DeleteTemplate>().ExecuteAsync(TrustedPool.Operator, template.Id, pool.Ct)).Refusal,
        ];

        Assert.All(refused, r => Assert.Equal("access.denied", r?.Code));
        Assert.Equal(3, (await pool.AuditAsync()).Split("access.denied").Length - 1);
    }

    [Fact]
    public async Task Bad_NamesTheField()
    {
        (TemplateWords Words, string Field)[] bad =
        [
            (Words with { Name = "" }, "name"),
            (Words with { Name = "-x" }, "name"),
            (Words with { Cpus = 0 }, "cpu.topology"),
            (Words with { Memory = 1 }, "memory"),
            (Words with { Disk = 1 }, "disk"),
            (Words with { Pool = "a/b" }, "storage.pool"),
            (Words with { Image = "../etc/passwd" }, "storage.image"),
            (Words with { Image = "a/b" }, "storage.image"),
            (Words with { Pool = "" }, "storage.pool"),
            (Words with { MachineType = "q35'/>" }, "custom_emulated_machine"),
            (Words with { MachineType = "pc-i440fx-7.2" }, "bios.type"),
            (Words with { Firmware = (GuestFirmware)9 }, "bios.type"),
            (Words with { Network = "a b" }, "network"),
        ];

        foreach (var (words, field) in bad)
        {
            var outcome = await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, words, pool.Ct);
            Assert.True(outcome.Refusal?.Field == field, $"{words}: {outcome.Refusal}");
        }
    }

    [Fact]
    public async Task NameThatIsTaken_IsRefused()
    {
        TrustedPool.Expect(await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, pool.Ct));

        Assert.Equal("template.name.taken", (await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, pool.Ct)).Refusal?.Code);
    }

    [Fact]
    public async Task Blank_KeepsItsNameAndStays_ButItsDefaultsChange()
    {
        var blank = TemplateWords.Of((await pool.Get<TemplateDirectory>().FindAsync(Template.Blank, pool.Ct))!);

        Assert.Equal("template.blank", (await pool.Get<EditTemplate>().ExecuteAsync(TrustedPool.Administrator, Template.Blank, blank with { Name = "Empty" }, pool.Ct)).Refusal?.Code);
        Assert.Equal("template.blank", (await pool.Get<DeleteTemplate>().ExecuteAsync(TrustedPool.Administrator, Template.Blank, pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await pool.Get<EditTemplate>().ExecuteAsync(TrustedPool.Administrator, Template.Blank, blank with { Cpus = 3 }, pool.Ct));
        Assert.Equal(3, (await pool.Get<TemplateDirectory>().FindAsync(Template.Blank, pool.Ct))!.Cpus);
    }

    [Fact]
    public async Task Delete_WhileVmsCameFromIt_IsRefusedWithHowMany()
    {
        var template = TrustedPool.Expect(await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, pool.Ct)).Id;
        await CreateAsync(new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, TemplateId = template });

        var refused = await pool.Get<DeleteTemplate>().ExecuteAsync(TrustedPool.Administrator, template, pool.Ct);

        Assert.Equal(("template.in_use", "1 virtual machine came from the template Debian 12."), (refused.Refusal?.Code, refused.Refusal?.Sentence));
    }

    [Fact]
    public async Task Storage_ThatSomeHostsLack_IsAWarning_AndThatNoneHasARefusal()
    {
        await DescribeAsync("kvm-a01", "default", "debian-12.qcow2");
        await DescribeAsync("kvm-a02", "default");
        await DescribeAsync("kvm-a03", "fast");

        var saved = TrustedPool.Expect(await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, pool.Ct));
        var noPool = await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words with { Name = "b", Pool = "gold" }, pool.Ct);
        var noImage = await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words with { Name = "c", Pool = "fast" }, pool.Ct);

        Assert.Equal(
            ["2 of 3 hosts have a storage pool default; virtual machines run on those only.", "1 of the 2 hosts with storage pool default have the image debian-12.qcow2 in it; virtual machines are made on those only."],
            saved.Warnings);
        Assert.Equal(("template.pool.unknown", "storage.pool"), (noPool.Refusal?.Code, noPool.Refusal?.Field));
        Assert.Equal(("template.image.unknown", "storage.image"), (noImage.Refusal?.Code, noImage.Refusal?.Field));

        // What was taken away meanwhile does not stand in the way of another change.
        await using (var db = pool.Database())
        {
            await db.HostPools.ExecuteUpdateAsync(set => set.SetProperty(p => p.Volumes, "[]"), pool.Ct);
        }

        var edited = TrustedPool.Expect(await pool.Get<EditTemplate>().ExecuteAsync(TrustedPool.Administrator, saved.Id, Words with { Description = "old" }, pool.Ct));
        Assert.Contains("no", Assert.Single(edited.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task VmWithoutFieldsOfItsOwn_IsAsItsTemplate_OnItsHostToo()
    {
        var template = TrustedPool.Expect(await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, pool.Ct)).Id;
        await CreateAsync(new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, TemplateId = template });

        var definition = await DefinitionAsync("web-1");

        Assert.Equal((2, 2L << 30, 20L << 30, "lab"), (definition.Cpus, definition.Memory, definition.Disk, definition.Network));
        Assert.Equal(new DomainMachine("q35", GuestFirmware.SecureBoot, true), definition.Machine);
        Assert.Equal(new DomainStorage("default", "debian-12.qcow2"), definition.Storage);
    }

    [Fact]
    public async Task VmWithFieldsOfItsOwn_HasThose()
    {
        var template = TrustedPool.Expect(await pool.Get<CreateTemplate>().ExecuteAsync(TrustedPool.Administrator, Words, pool.Ct)).Id;
        await CreateAsync(new NewVirtualMachine
        {
            Name = "web-1",
            ClusterId = pool.Cluster,
            TemplateId = template,
            Network = "",
            Pool = "",
            MachineType = "",
            Firmware = GuestFirmware.Bios,
            HasTpm = false,
            Priority = 80,
            RestartsAutomatically = true,
        });

        var (vm, definition) = ((await pool.VmAsync("web-1"))!, await DefinitionAsync("web-1"));

        Assert.Equal((80, true, ""), (vm.Priority, vm.RestartsAutomatically, definition.Network));
        Assert.Equal((DomainMachine.Default, DomainStorage.None), (definition.Machine, definition.Storage));
    }

    [Fact]
    public async Task Edit_OfHardware_IsForOneThatIsDown_AndReachesTheHost()
    {
        await CreateAsync(new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, Start = true });
        var vm = (await pool.VmAsync("web-1"))!;
        var hardware = new VirtualMachineEdit { Network = "lab", MachineType = "q35", Firmware = GuestFirmware.Uefi, HasTpm = true };
        Assert.Equal("vm.state", (await pool.Get<ChangeVirtualMachine>().EditAsync(TrustedPool.Operator, vm.Id, hardware, pool.Ct)).Refusal?.Code);

        await RunAsync(c => c.EditAsync(TrustedPool.Operator, vm.Id, new VirtualMachineEdit { Priority = 99, RestartsAutomatically = true }, pool.Ct));
        Assert.Equal((99, true, VirtualMachineStatus.Up), ((await pool.VmAsync("web-1"))!.Priority, (await pool.VmAsync("web-1"))!.RestartsAutomatically, (await pool.VmAsync("web-1"))!.Status));
        await RunAsync(c => c.StopAsync(TrustedPool.Operator, vm.Id, pool.Ct));
        await RunAsync(c => c.EditAsync(TrustedPool.Operator, vm.Id, hardware, pool.Ct));

        var definition = await DefinitionAsync("web-1");
        Assert.Equal(("lab", new DomainMachine("q35", GuestFirmware.Uefi, true)), (definition.Network, definition.Machine));
        Assert.Equal(99, (await pool.VmAsync("web-1"))!.Priority);
    }

    [Theory]
    [InlineData(-1, "high_availability.priority")]
    [InlineData(101, "high_availability.priority")]
    public async Task Priority_OutOfRange_IsRefused(int priority, string field)
    {
        var outcome = await pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, Priority = priority }, pool.Ct);

        Assert.Equal(field, outcome.Refusal?.Field);
    }

    [Fact]
    public async Task EditThatFailsOnTheHost_LeavesEveryFieldAsItWas()
    {
        await CreateAsync(new NewVirtualMachine { Name = "web-1", ClusterId = pool.Cluster, Priority = 20 });
        var before = (await pool.VmAsync("web-1"))!;
        var operation = TrustedPool.Expect(await pool.Get<ChangeVirtualMachine>().EditAsync(
            TrustedPool.Operator,
            before.Id,
            new VirtualMachineEdit { Priority = 90, RestartsAutomatically = true, Network = "lab", Firmware = GuestFirmware.Uefi },
            pool.Ct));
        await pool.Get<SimulatedHypervisor>().DeleteAsync((await HostOfAsync(before)).Endpoint, before.Id, withDisks: true, pool.Ct);

        Assert.Equal(OperationState.Failed, (await pool.RunAsync(operation)).Operation.State);

        var after = (await pool.VmAsync("web-1"))!;
        Assert.Equal((20, false, before.Network, before.Firmware), (after.Priority, after.RestartsAutomatically, after.Network, after.Firmware));
    }

    private async Task DescribeAsync(string host, string name, params string[] images)
    {
        await using var db = pool.Database();
        db.HostPools.Add(new HostPool { HostId = (await pool.HostAsync(host)).Id, Name = name, Kind = "dir", IsShared = false, Capacity = 1L << 40, Available = 1L << 40, Volumes = JsonSerializer.Serialize(images) });
        await db.SaveChangesAsync(pool.Ct);
    }

    private Task CreateAsync(NewVirtualMachine request) => RunAsync(_ => pool.Get<CreateVirtualMachine>().ExecuteAsync(TrustedPool.Operator, request, pool.Ct));

    private async Task RunAsync(Func<ChangeVirtualMachine, Task<Outcome<Guid>>> begin)
    {
        var view = await pool.RunAsync(TrustedPool.Expect(await begin(pool.Get<ChangeVirtualMachine>())));
        Assert.True(view.Operation.State == OperationState.Succeeded, view.Operation.Failure);
    }

    private async Task<DomainDefinition> DefinitionAsync(string name)
    {
        var vm = (await pool.VmAsync(name))!;
        return (await pool.Get<SimulatedHypervisor>().FindAsync((await HostOfAsync(vm)).Endpoint, vm.Id, pool.Ct)).Domain!.Definition;
    }

    private async Task<Host> HostOfAsync(VirtualMachine vm)
    {
        await using var db = pool.Database();
        return await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == vm.HostId, pool.Ct);
    }
}
