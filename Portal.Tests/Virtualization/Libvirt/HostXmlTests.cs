using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Libvirt;

namespace Portal.Tests.Virtualization.Libvirt;

/// <summary>What hosts say of themselves, as libvirt writes it.</summary>
public sealed class HostXmlTests
{
    [Theory]
    [InlineData("<domain type='qemu'/><domain type='kvm'/>", "kvm")]
    [InlineData("<domain type='qemu'/>", "qemu")]
    [InlineData("<domain type='test'/>", "test")]
    public void Means_AreKvmWhereTheHostHasIt(string types, string type)
    {
        var capabilities = $"<capabilities><host><cpu><arch>x86_64</arch><model>EPYC-Rome</model><vendor>AMD</vendor></cpu></host><guest><os_type>hvm</os_type><arch name='i686'><domain type='other'/></arch></guest><guest><os_type>hvm</os_type><arch name='x86_64'><machine canonical='pc-q35-7.2'>q35</machine>{types}</arch></guest></capabilities>";
        Assert.Equal(new HostMeans(type, "x86_64"), HostXml.Means(capabilities));
        Assert.Equal("AMD EPYC-Rome", HostXml.CpuModel(capabilities));
        Assert.True(HostXml.HasMachine(capabilities, "q35") && HostXml.HasMachine(capabilities, "pc-q35-7.2"));
        Assert.False(HostXml.HasMachine(capabilities, "atari"));
    }

    [Fact]
    public void Lacking_NamesWhatIsMissing()
    {
        const string Bare = "<domainCapabilities><os><enum name='firmware'/><loader><enum name='secure'><value>no</value></enum></loader></os><devices><tpm supported='no'/></devices></domainCapabilities>";
        const string Whole = "<domainCapabilities><os><enum name='firmware'><value>efi</value></enum><loader><enum name='secure'><value>yes</value></enum></loader></os><devices><tpm supported='yes'><enum name='backendModel'><value>emulator</value></enum></tpm></devices></domainCapabilities>";
        foreach (var (machine, word) in new[]
        {
            (new DomainMachine("", GuestFirmware.Uefi, false), "ovmf"),
            (new DomainMachine("", GuestFirmware.SecureBoot, false), "ovmf"),
            (new DomainMachine("", GuestFirmware.Bios, true), "swtpm"),
        })
        {
            Assert.Contains(word, HostXml.Lacking(Bare, machine, "kvm-01"), StringComparison.Ordinal);
            Assert.Null(HostXml.Lacking(Whole, machine, "kvm-01"));
        }

        Assert.Contains("Secure Boot", HostXml.Lacking(Whole.Replace("yes</value></enum></loader>", "no</value></enum></loader>", StringComparison.Ordinal), new DomainMachine("", GuestFirmware.SecureBoot, false), "kvm-01"), StringComparison.Ordinal);
    }

    [Fact]
    public void Sysinfo_FillsWhatItSays_OnOneLine()
    {
        var hardware = new HostHardware { CpuModel = "x" };
        HostXml.Fill(
            """
            <sysinfo type='smbios'><bios><entry name='vendor'>Dell
            Inc.</entry><entry name='version'>2.1</entry><entry name='date'>01/02/2026</entry></bios>
            <system><entry name='manufacturer'>Dell</entry><entry name='uuid'>4c4c4544-0042</entry><entry name='family'>PowerEdge</entry></system>
            <baseBoard><entry name='manufacturer'>Dell</entry><entry name='product'>0YKJ4K</entry></baseBoard></sysinfo>
            """,
            hardware);
        Assert.Equal(("Dell Inc.", "2.1", "01/02/2026", "Dell", "4c4c4544-0042", "PowerEdge", "Dell 0YKJ4K", "x"), (hardware.BiosVendor, hardware.BiosVersion, hardware.BiosDate, hardware.Manufacturer, hardware.Uuid, hardware.Family, hardware.Board, hardware.CpuModel));
    }

    [Fact]
    public void Volume_Written_IsReadBack()
    {
        var xml = HostXml.WriteVolume("a&b.qcow2", 12345, new VolumeBacking("/pool/<image>", "raw"));
        Assert.Equal(("qcow2", 12345L, "/pool/<image>"), HostXml.Volume(xml));
    }
}
