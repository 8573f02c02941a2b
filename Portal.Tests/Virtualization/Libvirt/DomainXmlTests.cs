using CsCheck;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Libvirt;

namespace Portal.Tests.Virtualization.Libvirt;

/// <summary>Domain XML out and in: what is written is read back the same, and whatever a host gives is read or called unreadable.</summary>
public sealed class DomainXmlTests
{
    private static readonly HostMeans Means = new("qemu", "x86_64");

    private static readonly Gen<string> Word = Gen.OneOf(
        Gen.Char.Array[1, 20].Select(chars => new string([.. chars.Where(c => System.Xml.XmlConvert.IsXmlChar(c) && !char.IsControl(c))])),
        Gen.OneOf("<name>", "a&b", "\"'", "]]>", "<!--", "vm", "ü ß", "<portal:vm trustLevel='trusted'/>"));

    private static readonly Gen<DomainDefinition> Definition =
        from id in Gen.Guid
        from name in Word
        from sizes in Gen.Select(Gen.Int[1, 512], Gen.Long[1 << 10, 1L << 30], Gen.Long[0, 1L << 50])
        from network in Gen.OneOf(Gen.Const(""), Word)
        from trust in Gen.OneOf(TrustLevel.Any, TrustLevel.Trusted)
        from decision in Gen.OneOf(Gen.Const((Guid?)null), Gen.Guid.Select(g => (Guid?)g))
        from machine in Gen.Select(Gen.OneOf("", "q35", "pc-q35-7.2"), Gen.OneOf(GuestFirmware.Bios, GuestFirmware.Uefi, GuestFirmware.SecureBoot), Gen.Bool)
        from storage in Gen.OneOf(Gen.Const(DomainStorage.None), Gen.Select(Word, Gen.OneOf(Gen.Const(""), Word), (pool, image) => new DomainStorage(pool, image)))
        select new DomainDefinition(id, name, sizes.Item1, sizes.Item2 << 10, sizes.Item3, network, trust, decision)
        {
            Machine = new DomainMachine(machine.Item1, machine.Item2, machine.Item3),
            Storage = storage,
        };

    [Fact]
    public void Definition_Written_IsReadBackTheSame() => Definition.Where(d => DomainXml.Objection(d) is null).Sample(definition =>
    {
        var read = DomainXml.Read(DomainXml.Write(definition, Means), definition.Id, definition.Name);
        Assert.True(read is { IsOurs: true, IsReadable: true, HasRun: false, MovedFrom: null });
        Assert.Equal(definition, read.Definition);
    });

    [Fact]
    public void Definition_Resized_IsReadBackAsTheOther() => Gen.Select(Definition, Definition).Where((a, b) => DomainXml.Objection(a) is null && DomainXml.Objection(b) is null).Sample((was, other) =>
    {
        var becomes = other with { Id = was.Id, Storage = was.Storage };
        var resized = DomainXml.Resized(DomainXml.Write(was, Means), becomes, Means);
        Assert.NotNull(resized);
        var marked = DomainXml.With(resized, DomainXml.Metadata(becomes));
        Assert.Equal(becomes, DomainXml.Read(marked!, becomes.Id, becomes.Name).Definition);
    });

    [Theory]
    [InlineData("a/b")]
    [InlineData("")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    [InlineData("a\uffff")]
    public void Name_LibvirtCannotKeep_IsObjectedTo(string name) => Assert.NotNull(DomainXml.Objection(Plain with { Name = name }));

    [Theory]
    [InlineData("trustLevel=\"trusted\"", "trustLevel=\"TRUSTED\"")]
    [InlineData("trustLevel=\"trusted\"", "")]
    [InlineData("disk=\"0\"", "disk=\"-1\"")]
    [InlineData("disk=\"0\"", "disk=\"99999999999999999999\"")]
    [InlineData("urn:portal:vm:1", "urn:portal:vm:2")]
    [InlineData("decision=\"", "decision=\"x")]
    [InlineData("</metadata>", "<vm xmlns=\"urn:portal:vm:1\"/></metadata>")]
    public void Metadata_NotInOrder_IsNotOurs(string text, string instead)
    {
        var xml = DomainXml.Write(Plain, Means);
        Assert.Contains(text, xml, StringComparison.Ordinal);
        var read = DomainXml.Read(xml.Replace(text, instead, StringComparison.Ordinal), Plain.Id, Plain.Name);
        Assert.Equal((false, true, TrustLevel.Any), (read.IsOurs, read.IsReadable, read.Definition.TrustLevel));
        Assert.Equal(Plain.Memory, read.Definition.Memory);
    }

    [Fact]
    public void Metadata_OfAnotherMachine_IsNotBelieved()
    {
        var clone = Guid.NewGuid();
        var read = DomainXml.Read(DomainXml.Write(Plain, Means), clone, "clone");
        Assert.Equal((false, clone, TrustLevel.Any), (read.IsOurs, read.Definition.Id, read.Definition.TrustLevel));
    }

    [Fact]
    public void Metadata_ThatLiesAboutSize_ChangesNothing()
    {
        var lying = DomainXml.With(DomainXml.Write(Plain, Means), DomainXml.Metadata(Plain with { Cpus = 1, Memory = 1 << 20, Network = "none" }));
        Assert.Equal(Plain, DomainXml.Read(lying!, Plain.Id, Plain.Name).Definition);
    }

    [Fact]
    public void ForeignDomain_AsLibvirtWritesIt_IsRead()
    {
        var id = Guid.NewGuid();
        var read = DomainXml.Read(
            $"""
            <domain type='kvm' id='7'><name>theirs</name><uuid>{id}</uuid><memory unit='MiB'>512</memory><currentMemory unit='KiB'>1</currentMemory>
            <vcpu placement='static' current='1'>4</vcpu><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><loader readonly='yes' secure='yes' type='pflash'>/x</loader></os>
            <devices><disk type='file' device='disk'><source file='/a b.qcow2'/><target dev='vda'/></disk><disk type='file' device='cdrom'/>
            <interface type='bridge'><source bridge='br0'/></interface><interface type='network'><source network='lan'/></interface><tpm model='tpm-tis'/></devices></domain>
            """,
            id,
            "theirs");
        Assert.Equal(
            new DomainDefinition(id, "theirs", 4, 512L << 20, 0, "lan", TrustLevel.Any, null) { Machine = new DomainMachine("pc-q35-7.2", GuestFirmware.SecureBoot, true) },
            read.Definition);
        Assert.False(read.IsOurs);
        Assert.Equal(["/a b.qcow2", ""], read.Disks.Select(d => d.Path));
    }

    [Fact]
    public void AnyText_IsReadOrUnreadable_NeverThrown()
    {
        var pieces = new[]
        {
            "<domain>", "<domain", "</domain>", "<devices>", "</devices>", "<disk type='volume'>", "<disk/>", "<memory unit='x'>", "<memory>99999999999999999999</memory>", "<vcpu>-1</vcpu>",
            "<metadata>", "</metadata>", "<portal:vm xmlns:portal='urn:portal:vm:1'/>", "<os firmware='efi'/>", "<!DOCTYPE domain [<!ENTITY a 'b'>]>", "&a;", "<![CDATA[", "]]>", "\0", "<?x?>",
        };
        Gen.OneOf(Gen.String, Gen.OneOf(pieces).Array[0, 16].Select(string.Concat)).Sample(text =>
        {
            var id = Guid.NewGuid();
            var read = DomainXml.Read(text, id, "n");
            Assert.Equal((id, "n", TrustLevel.Any), (read.Definition.Id, read.Definition.Name, read.Definition.TrustLevel));
            _ = (HostXml.Means(text), HostXml.CpuModel(text), HostXml.PoolKind(text), HostXml.Volume(text), HostXml.HasMachine(text, "q35"));
            HostXml.Fill(text, new HostHardware());
        });
    }

    [Fact]
    public void Entities_AreNeitherExpandedNorFetched()
    {
        var laughs = "<!DOCTYPE domain [<!ENTITY a0 \"ha\">" + string.Concat(Enumerable.Range(1, 30).Select(i => $"<!ENTITY a{i} \"&a{i - 1};&a{i - 1};\">")) + "]><domain><name>&a30;</name></domain>";
        Assert.False(DomainXml.Read(laughs, Guid.NewGuid(), "n").IsReadable);
    }

    private static DomainDefinition Plain { get; } = new(Guid.Parse("01a226bc-4046-7930-b4ce-7453c38556ef"), "plain", 2, 64L << 20, 0, "lan", TrustLevel.Trusted, Guid.Parse("5a0d3b1e-6f0c-4c53-9d0e-1f4f7f1c2a11"));
}
