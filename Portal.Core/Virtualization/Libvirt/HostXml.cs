using System.Xml.Linq;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>What libvirt says of hosts, pools and volumes, read from its XML; text from outside, so everything may be missing.</summary>
public static class HostXml
{
    private const int LongestWord = 200;

    /// <summary>Kinds of pool whose volumes other hosts see, too, if they have the pool. Source: https://libvirt.org/storage.html.</summary>
    private static readonly string[] SharedKinds = ["netfs", "rbd", "iscsi", "iscsi-direct", "gluster", "sheepdog", "vstorage"];

    /// <summary>Kinds of pool that keep volumes as files, which disks can be made in.</summary>
    private static readonly string[] FileKinds = ["dir", "fs", "netfs", "vstorage"];

    /// <summary>What to run VMs with: KVM where the host has it. Source: https://libvirt.org/formatcaps.html.</summary>
    public static HostMeans Means(string capabilities)
    {
        var root = DomainXml.Parse(capabilities);
        var architecture = root?.Element("host")?.Element("cpu")?.Element("arch")?.Value ?? "";
        var guests = (root?.Elements("guest") ?? [])
            .Where(g => g.Element("os_type")?.Value == "hvm")
            .Select(g => g.Element("arch"))
            .OfType<XElement>()
            .ToList();
        var guest = guests.FirstOrDefault(a => a.Attribute("name")?.Value == architecture) ?? guests.FirstOrDefault();
        var types = (guest?.Elements("domain") ?? []).Select(d => d.Attribute("type")?.Value ?? "").ToList();
        return new HostMeans(types.Contains("kvm") ? "kvm" : types.FirstOrDefault(t => t.Length > 0) ?? "qemu", guest?.Attribute("name")?.Value ?? "");
    }

    /// <summary>Whether the host knows the machine type, by the name people use or the one with a version; one that names none is believed.</summary>
    public static bool HasMachine(string capabilities, string type)
    {
        var machines = DomainXml.Parse(capabilities)?.Elements("guest").Elements("arch").Descendants("machine").ToList() ?? [];
        return machines.Count == 0 || machines.Any(m => m.Value == type || m.Attribute("canonical")?.Value == type);
    }

    /// <summary>The CPU's model as libvirt classifies it; empty when it does not.</summary>
    public static string CpuModel(string capabilities)
    {
        var cpu = DomainXml.Parse(capabilities)?.Element("host")?.Element("cpu");
        return Word($"{cpu?.Element("vendor")?.Value} {cpu?.Element("model")?.Value}");
    }

    /// <summary>What the host lacks for the machine, in a sentence; null when nothing. Source: https://libvirt.org/formatdomaincaps.html.</summary>
    /// <param name="capabilities">Domain capabilities.</param>
    /// <param name="machine">What is asked for.</param>
    /// <param name="host">The host's name, for the sentence.</param>
    public static string? Lacking(string capabilities, DomainMachine machine, string host)
    {
        var root = DomainXml.Parse(capabilities);
        var os = root?.Element("os");
        var tpm = root?.Element("devices")?.Element("tpm");
        return machine switch
        {
            { Firmware: not GuestFirmware.Bios } when !Values(os, "firmware").Contains("efi") => $"{host} has no UEFI firmware for guests (Debian package ovmf).",
            { Firmware: GuestFirmware.SecureBoot } when !Values(os?.Element("loader"), "secure").Contains("yes") => $"{host} has no UEFI firmware with Secure Boot for guests.",
            { HasTpm: true } when tpm?.Attribute("supported")?.Value != "yes" || !Values(tpm, "backendModel").Contains("emulator") => $"{host} has no TPMs for guests (Debian packages swtpm and swtpm-tools).",
            _ => null,
        };

        static IEnumerable<string> Values(XElement? element, string name) =>
            (element?.Elements("enum") ?? []).Where(e => e.Attribute("name")?.Value == name).Elements("value").Select(v => v.Value);
    }

    /// <summary>What SMBIOS says.</summary>
    /// <param name="sysinfo">libvirt's sysinfo XML.</param>
    /// <param name="hardware">Where it is written to.</param>
    public static void Fill(string sysinfo, HostHardware hardware)
    {
        if (DomainXml.Parse(sysinfo) is not { } root)
        {
            return;
        }

        hardware.BiosVendor = Entry("bios", "vendor");
        hardware.BiosVersion = Entry("bios", "version");
        hardware.BiosDate = Entry("bios", "date");
        hardware.Manufacturer = Entry("system", "manufacturer");
        hardware.ProductName = Entry("system", "product");
        hardware.Version = Entry("system", "version");
        hardware.SerialNumber = Entry("system", "serial");
        hardware.Uuid = Entry("system", "uuid");
        hardware.Family = Entry("system", "family");
        hardware.Board = Word($"{Entry("baseBoard", "manufacturer")} {Entry("baseBoard", "product")} {Entry("baseBoard", "version")}");
        hardware.CpuModel = Entry("processor", "version") is { Length: > 0 } model ? model : hardware.CpuModel;

        string Entry(string block, string name) =>
            Word(root.Elements(block).Elements("entry").FirstOrDefault(e => e.Attribute("name")?.Value == name)?.Value);
    }

    /// <summary>A pool's kind; empty if it cannot be read.</summary>
    public static string PoolKind(string pool) => Word(DomainXml.Parse(pool)?.Attribute("type")?.Value);

    /// <summary>Whether other hosts see the volumes of such a pool, too.</summary>
    public static bool IsShared(string kind) => SharedKinds.Contains(kind);

    /// <summary>Whether disks can be made in such a pool.</summary>
    public static bool KeepsFiles(string kind) => FileKinds.Contains(kind);

    /// <summary>Format and size of a volume; the format is empty, the size 0 if it cannot be read.</summary>
    public static (string Format, long Capacity, string Backing) Volume(string volume)
    {
        var root = DomainXml.Parse(volume);
        return (
            root?.Element("target")?.Element("format")?.Attribute("type")?.Value ?? "",
            DomainXml.Bytes(Plain(root?.Element("capacity"))),
            root?.Element("backingStore")?.Element("path")?.Value ?? "");

        // In storage XML a size without a unit is in bytes.
        static XElement? Plain(XElement? size) =>
            size is { } element && element.Attribute("unit") is null ? new XElement(element.Name, new XAttribute("unit", "bytes"), element.Value) : size;
    }

    /// <summary>XML of a volume to make.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="capacity">Bytes.</param>
    /// <param name="backing">What it is a clone of; null for an empty disk.</param>
    /// <param name="format">Its format.</param>
    public static string WriteVolume(string name, long capacity, VolumeBacking? backing = null, string format = "qcow2") => new XElement(
        "volume",
        new XElement("name", name),
        new XElement("capacity", new XAttribute("unit", "bytes"), capacity),
        new XElement("allocation", new XAttribute("unit", "bytes"), 0),
        new XElement("target", new XElement("format", new XAttribute("type", format))),
        backing is null ? null : new XElement("backingStore", new XElement("path", backing.Path), new XElement("format", new XAttribute("type", backing.Format)))).ToString(SaveOptions.DisableFormatting);

    private static string Word(string? text)
    {
        var word = string.Join(' ', string.Concat((text ?? "").Select(c => char.IsControl(c) ? ' ' : c)).Split(' ', StringSplitOptions.RemoveEmptyEntries));
        return word.Length <= LongestWord ? word : word[..LongestWord];
    }
}

/// <summary>The image a volume is a clone of.</summary>
/// <param name="Path">Its path on the host.</param>
/// <param name="Format">Its format, for example <c>qcow2</c>.</param>
public sealed record VolumeBacking(string Path, string Format);
