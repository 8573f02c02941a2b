using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>What a host has to run VMs with.</summary>
/// <param name="Type">libvirt's word for the kind of virtualization: <c>kvm</c>, or <c>qemu</c> where the host has none.</param>
/// <param name="Architecture">CPU architecture, for example <c>x86_64</c>; empty takes the driver's own.</param>
public sealed record HostMeans(string Type, string Architecture);

/// <summary>
/// The portal's VMs as libvirt's domain XML (https://libvirt.org/formatdomain.html). What XML cannot say, or libvirt rewrites, is kept in the metadata.
/// Reading takes sizes and devices from the XML itself: metadata is only believed where there is nothing else, and only under the VM's own id, for a
/// cloned machine carries its original's.
/// </summary>
public static class DomainXml
{
    /// <summary>Namespace of the metadata; never changes.</summary>
    public const string MetadataUri = "urn:portal:vm:1";

    /// <summary>Prefix of the metadata's namespace.</summary>
    public const string MetadataKey = "portal";

    private const long Kibi = 1024;

    private const int LongestXml = 4 << 20;

    private static readonly XNamespace Portal = MetadataUri;

    /// <summary>Name of the volume the portal makes for a VM.</summary>
    public static string VolumeOf(Guid id) => $"{id:D}.qcow2";

    /// <summary>The definition as libvirt keeps it: memory in whole kibibytes.</summary>
    public static DomainDefinition AsKept(DomainDefinition definition) => definition with { Memory = definition.Memory / Kibi * Kibi };

    /// <summary>Why the definition cannot be written, in a sentence; null when it can.</summary>
    public static string? Objection(DomainDefinition definition) => definition switch
    {
        _ when new[] { definition.Name, definition.Network, definition.Machine.Type, definition.Storage.Pool, definition.Storage.Image }.Any(t => !Writable(t)) =>
            "A name has characters that libvirt cannot keep.",
        { Name: "" } or { Name: "." or ".." } => "libvirt takes no machine without a name.",
        _ when definition.Name.Contains('/', StringComparison.Ordinal) => "libvirt takes no name with a slash.",
        { Cpus: < 1 } or { Memory: < 1 << 20 } or { Disk: < 0 } => "It needs a CPU and a mebibyte of memory at least.",
        _ => null,
    };

    /// <summary>Writes a VM.</summary>
    /// <param name="definition">What it is.</param>
    /// <param name="means">What the host has.</param>
    public static string Write(DomainDefinition definition, HostMeans means) => new XElement(
        "domain",
        new XAttribute("type", means.Type),
        new XElement("name", definition.Name),
        new XElement("uuid", definition.Id),
        new XElement("metadata", Metadata(definition)),
        new XElement("memory", new XAttribute("unit", "KiB"), definition.Memory / Kibi),
        new XElement("vcpu", definition.Cpus),
        Os(definition.Machine, means),
        Features(definition.Machine, means),
        means.Type == "kvm" ? new XElement("cpu", new XAttribute("mode", "host-model")) : null,
        new XElement("on_poweroff", "destroy"),
        new XElement("on_reboot", "restart"),
        new XElement("on_crash", "destroy"),
        new XElement(
            "devices",
            Disk(definition),
            definition.Network.Length == 0 ? null : new XElement(
                "interface",
                new XAttribute("type", "network"),
                new XElement("source", new XAttribute("network", definition.Network)),
                new XElement("model", new XAttribute("type", "virtio"))),
            new XElement("serial", new XAttribute("type", "pty")),
            new XElement("console", new XAttribute("type", "pty")),
            definition.Machine.HasTpm
                ? new XElement("tpm", new XAttribute("model", "tpm-crb"), new XElement("backend", new XAttribute("type", "emulator"), new XAttribute("version", "2.0")))
                : null)).ToString(SaveOptions.DisableFormatting);

    /// <summary>The metadata alone.</summary>
    /// <param name="definition">What it is.</param>
    /// <param name="movedFrom">The host it is moved from while it is off, until that is done there too.</param>
    /// <param name="hasRun">Whether it was ever started, and may have state besides its disk.</param>
    public static XElement Metadata(DomainDefinition definition, Guid? movedFrom = null, bool hasRun = false) => new(
        Portal + "vm",
        new XAttribute(XNamespace.Xmlns + MetadataKey, MetadataUri),
        new XAttribute("id", definition.Id),
        new XAttribute("trustLevel", definition.TrustLevel == TrustLevel.Trusted ? "trusted" : "any"),
        definition.DecisionId is { } decision ? new XAttribute("decision", decision) : null,
        new XAttribute("disk", definition.Disk),
        new XAttribute("pool", definition.Storage.Pool),
        new XAttribute("image", definition.Storage.Image),
        new XAttribute("machine", definition.Machine.Type),
        movedFrom is { } from ? new XAttribute("movedFrom", from) : null,
        hasRun ? new XAttribute("hasRun", true) : null);

    /// <summary>Reads a domain, whoever wrote it.</summary>
    /// <param name="xml">What the host gave.</param>
    /// <param name="id">Its id as the host's own tables have it.</param>
    /// <param name="name">Its name likewise.</param>
    /// <returns>What it is as far as it can be told, and whether it is ours.</returns>
    public static DomainReading Read(string xml, Guid id, string name)
    {
        if (Parse(xml) is not { } domain)
        {
            return new DomainReading(new DomainDefinition(id, name, 0, 0, 0, "", TrustLevel.Any, null), IsOurs: false) { IsReadable = false };
        }

        var devices = domain.Element("devices");
        var disks = Disks(devices);
        var metadata = Ours(domain, id);
        var definition = new DomainDefinition(
            id,
            name,
            Cpus(domain),
            Memory(domain),
            metadata?.Disk ?? 0,
            devices?.Elements("interface").Select(i => i.Element("source")?.Attribute("network")?.Value).FirstOrDefault(n => !string.IsNullOrEmpty(n)) ?? "",
            metadata?.TrustLevel ?? TrustLevel.Any,
            metadata?.Decision)
        {
            Machine = new DomainMachine(Machine(domain, metadata), Firmware(domain), devices?.Element("tpm") is not null),
            Storage = new DomainStorage(metadata?.Pool ?? disks.FirstOrDefault(d => d.Pool.Length > 0)?.Pool ?? "", metadata?.Image ?? ""),
        };
        return new DomainReading(definition, metadata is not null) { Disks = disks, MovedFrom = metadata?.MovedFrom, HasRun = metadata?.HasRun ?? true };
    }

    /// <summary>The domain's XML with other metadata of ours, everything else as it is; null if it cannot be read.</summary>
    public static string? With(string xml, XElement metadata)
    {
        if (Parse(xml) is not { } domain)
        {
            return null;
        }

        var all = domain.Element("metadata");
        if (all is null)
        {
            domain.Add(all = new XElement("metadata"));
        }

        all.Elements(Portal + "vm").Remove();
        all.Add(metadata);
        return domain.ToString(SaveOptions.DisableFormatting);
    }

    /// <summary>The domain's XML with size, board, network and TPM of the definition, everything else as it is; null if it cannot be read.</summary>
    public static string? Resized(string xml, DomainDefinition definition, HostMeans means)
    {
        if (Parse(xml) is not { } domain || domain.Element("devices") is not { } devices || Parse(Write(definition, means)) is not { } anew)
        {
            return null;
        }

        var was = Read(xml, definition.Id, definition.Name).Definition;
        var kept = new List<string> { "name", "memory", "vcpu" };
        domain.Element("currentMemory")?.Remove();
        if (was.Machine with { HasTpm = definition.Machine.HasTpm } != definition.Machine)
        {
            kept.AddRange(["os", "features"]);
        }

        foreach (var name in kept)
        {
            domain.Element(name)?.Remove();
            domain.Add(anew.Element(name));
        }

        foreach (var (device, changed) in new[] { ("interface", was.Network != definition.Network), ("tpm", was.Machine.HasTpm != definition.Machine.HasTpm) })
        {
            if (changed)
            {
                devices.Elements(device).Remove();
                devices.Add(anew.Element("devices")?.Element(device));
            }
        }

        return domain.ToString(SaveOptions.DisableFormatting);
    }

    /// <summary>Parses XML a host gave: no document types, no entities, no more than a few megabytes; null if it is none.</summary>
    internal static XElement? Parse(string xml)
    {
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = LongestXml };
        try
        {
            using var reader = XmlReader.Create(new StringReader(xml), settings);
            return XElement.Load(reader);
        }
        catch (XmlException)
        {
            return null;
        }
    }

    /// <summary>A size with its unit, as libvirt writes it; 0 if it cannot be read.</summary>
    internal static long Bytes(XElement? element) =>
        element is not null && ulong.TryParse(element.Value.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? (long)Math.Min((decimal)number * Unit(element.Attribute("unit")?.Value), long.MaxValue)
            : 0;

    private static XElement Os(DomainMachine machine, HostMeans means)
    {
        // Secure Boot needs q35's system management mode.
        var type = machine.Type.Length == 0 && machine.Firmware == GuestFirmware.SecureBoot ? "q35" : machine.Type;
        var os = new XElement(
            "os",
            new XElement(
                "type",
                means.Architecture.Length == 0 ? null : new XAttribute("arch", means.Architecture),
                type.Length == 0 ? null : new XAttribute("machine", type),
                "hvm"));
        if (machine.Firmware != GuestFirmware.Bios)
        {
            var secure = machine.Firmware == GuestFirmware.SecureBoot;
            os.Add(
                new XAttribute("firmware", "efi"),
                new XElement(
                    "firmware",
                    Feature("secure-boot", secure),
                    secure ? Feature("enrolled-keys", true) : null),
                secure ? new XElement("loader", new XAttribute("secure", "yes")) : null);
        }

        os.Add(new XElement("boot", new XAttribute("dev", "hd")));
        return os;

        static XElement Feature(string name, bool enabled) => new("feature", new XAttribute("enabled", enabled ? "yes" : "no"), new XAttribute("name", name));
    }

    private static XElement Features(DomainMachine machine, HostMeans means) => new(
        "features",
        new XElement("acpi"),
        means.Architecture is "x86_64" or "i686" ? new XElement("apic") : null,
        machine.Firmware == GuestFirmware.SecureBoot ? new XElement("smm", new XAttribute("state", "on")) : null);

    private static XElement? Disk(DomainDefinition definition) => definition.Storage.Pool.Length == 0 ? null : new XElement(
        "disk",
        new XAttribute("type", "volume"),
        new XAttribute("device", "disk"),
        new XElement("driver", new XAttribute("name", "qemu"), new XAttribute("type", "qcow2")),
        new XElement("source", new XAttribute("pool", definition.Storage.Pool), new XAttribute("volume", VolumeOf(definition.Id))),
        new XElement("target", new XAttribute("dev", "vda"), new XAttribute("bus", "virtio")));

    private static bool Writable(string text)
    {
        try
        {
            XmlConvert.VerifyXmlChars(text);
            return !text.Any(char.IsControl);
        }
        catch (XmlException)
        {
            return false;
        }
    }

    private static int Cpus(XElement domain) =>
        int.TryParse(domain.Element("vcpu")?.Value.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var cpus) ? cpus : 0;

    /// <summary>With memory that can be plugged in, what it may have at most is what must be set aside.</summary>
    private static long Memory(XElement domain) => Math.Max(Bytes(domain.Element("memory")), Bytes(domain.Element("maxMemory")));

    private static string Machine(XElement domain, Words? metadata) =>
        metadata?.Machine ?? domain.Element("os")?.Element("type")?.Attribute("machine")?.Value ?? "";

    private static GuestFirmware Firmware(XElement domain)
    {
        if (domain.Element("os") is not { } os)
        {
            return GuestFirmware.Bios;
        }

        var loader = os.Element("loader");
        var secure = loader?.Attribute("secure")?.Value == "yes"
            || os.Element("firmware")?.Elements("feature").Any(f => f.Attribute("name")?.Value == "secure-boot" && f.Attribute("enabled")?.Value == "yes") == true;
        var uefi = os.Attribute("firmware")?.Value == "efi" || loader?.Attribute("type")?.Value == "pflash";
        return (uefi, secure) switch
        {
            (true, true) => GuestFirmware.SecureBoot,
            (true, false) => GuestFirmware.Uefi,
            (false, _) => GuestFirmware.Bios,
        };
    }

    private static List<DomainDisk> Disks(XElement? devices) =>
    [
        .. (devices?.Elements("disk") ?? []).Select(disk =>
        {
            var source = disk.Element("source");
            return new DomainDisk(
                disk.Attribute("type")?.Value ?? "",
                disk.Attribute("device")?.Value ?? "disk",
                disk.Element("target")?.Attribute("dev")?.Value ?? "",
                source?.Attribute("pool")?.Value ?? "",
                source?.Attribute("volume")?.Value ?? "",
                source?.Attribute("file")?.Value ?? source?.Attribute("dev")?.Value ?? "");
        }),
    ];

    private static decimal Unit(string? unit) => unit switch
    {
        "b" or "byte" or "bytes" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "M" or "MiB" => 1L << 20,
        "GB" => 1_000_000_000,
        "G" or "GiB" => 1L << 30,
        "TB" => 1_000_000_000_000,
        "T" or "TiB" => 1L << 40,
        _ => Kibi,
    };

    /// <summary>The metadata, if all of it is in order and the VM's own. A word we do not know is no trust level: then it is not ours.</summary>
    private static Words? Ours(XElement domain, Guid id)
    {
        var found = domain.Element("metadata")?.Elements(Portal + "vm").ToList() ?? [];
        if (found.Count != 1 || !Guid.TryParseExact(found[0].Attribute("id")?.Value, "D", out var own) || own != id)
        {
            return null;
        }

        var metadata = found[0];
        TrustLevel? trust = metadata.Attribute("trustLevel")?.Value switch
        {
            "trusted" => TrustLevel.Trusted,
            "any" => TrustLevel.Any,
            _ => null,
        };
        return trust is { } level
            && Identifier(metadata.Attribute("decision"), out var decision)
            && Identifier(metadata.Attribute("movedFrom"), out var movedFrom)
            && long.TryParse(metadata.Attribute("disk")?.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var disk)
                ? new Words(level, decision, disk, Value(metadata, "pool"), Value(metadata, "image"), Value(metadata, "machine"), movedFrom, Value(metadata, "hasRun") == "true")
                : null;
    }

    private static string Value(XElement element, string name) => element.Attribute(name)?.Value ?? "";

    private static bool Identifier(XAttribute? attribute, out Guid? value)
    {
        value = Guid.TryParseExact(attribute?.Value, "D", out var id) ? id : null;
        return attribute is null || value is not null;
    }

    private sealed record Words(TrustLevel TrustLevel, Guid? Decision, long Disk, string Pool, string Image, string Machine, Guid? MovedFrom, bool HasRun);
}

/// <summary>A disk of a domain.</summary>
/// <param name="Type">libvirt's word: <c>volume</c>, <c>file</c>, <c>block</c>, <c>network</c> …</param>
/// <param name="Device"><c>disk</c>, <c>cdrom</c> …</param>
/// <param name="Target">Its name in the guest, for example <c>vda</c>.</param>
/// <param name="Pool">The storage pool, if it is a volume.</param>
/// <param name="Volume">The volume, if it is one.</param>
/// <param name="Path">File or device, if it is one.</param>
public sealed record DomainDisk(string Type, string Device, string Target, string Pool, string Volume, string Path);

/// <summary>What a domain's XML says.</summary>
/// <param name="Definition">What it is, as far as it can be told.</param>
/// <param name="IsOurs">Whether it carries the portal's metadata, in order and under its own id.</param>
public sealed record DomainReading(DomainDefinition Definition, bool IsOurs)
{
    /// <summary>Whether it was XML at all.</summary>
    public bool IsReadable { get; init; } = true;

    /// <summary>Its disks.</summary>
    public IReadOnlyList<DomainDisk> Disks { get; init; } = [];

    /// <summary>The host it is being moved from while it is off.</summary>
    public Guid? MovedFrom { get; init; }

    /// <summary>Whether it was ever started; one that is not ours may have been.</summary>
    public bool HasRun { get; init; } = true;
}
