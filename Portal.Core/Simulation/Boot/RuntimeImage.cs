using System.Collections.Immutable;
using System.Text;

namespace Portal.Core.Simulation.Boot;

/// <summary>A file the running system used.</summary>
internal readonly record struct UsedFile(string Path, byte[] Digest)
{
    /// <summary>A file whose content follows from what it is of.</summary>
    public static UsedFile Of(string path, string of) => new(path, Seeded.Bytes($"file {of} {path}", 32));
}

/// <summary>
/// What the kernel of a simulated host measured: its list, and PCR 10 after it. Immutable.
/// Source: Linux kernel documentation, "IMA Template Management Mechanism" (template ima-ng, kernels since 5.8).
/// </summary>
internal sealed class RuntimeImage
{
    private const int AggregatedPcrs = 10;

    private readonly ImmutableArray<string> lines;
    private readonly ImmutableDictionary<ushort, byte[]> banks;

    private RuntimeImage(ImmutableArray<string> lines, ImmutableDictionary<ushort, byte[]> banks) => (this.lines, this.banks) = (lines, banks);

    /// <summary>What a boot measures first: the firmware's PCRs in one digest, then the files of the system as it starts.</summary>
    public static RuntimeImage Of(BootImage boot)
    {
        var nothing = new RuntimeImage([], boot.Platform.Banks.ToImmutableDictionary(bank => bank, bank => new byte[TcgAlgorithm.DigestSize(bank)]));
        var aggregate = TcgAlgorithm.Hash(TcgAlgorithm.Sha256, [.. Enumerable.Range(0, AggregatedPcrs).SelectMany(pcr => boot.Pcr(TcgAlgorithm.Sha256, pcr) ?? [])]);
        return nothing.After([new UsedFile("boot_aggregate", aggregate), .. boot.Files]);
    }

    /// <summary>The same after more files were used.</summary>
    public RuntimeImage After(IEnumerable<UsedFile> files)
    {
        var (more, values) = (lines.ToBuilder(), banks.ToBuilder());
        foreach (var file in files)
        {
            var template = Template(file);
            more.Add($"10 {Convert.ToHexStringLower(TcgAlgorithm.Hash(TcgAlgorithm.Sha1, template))} ima-ng sha256:{Convert.ToHexStringLower(file.Digest)} {file.Path}\n");
            foreach (var bank in banks.Keys)
            {
                values[bank] = TcgAlgorithm.Hash(bank, [.. values[bank], .. TcgAlgorithm.Hash(bank, template)]);
            }
        }

        return new RuntimeImage(more.ToImmutable(), values.ToImmutable());
    }

    /// <summary>PCR 10 of a bank; null when the bank is not allocated.</summary>
    public byte[]? Pcr(ushort bank) => banks.GetValueOrDefault(bank);

    /// <summary>The list from an entry on, as the kernel's text file has it; whole when there is no such entry, as agents do.</summary>
    public (int First, byte[] Text) From(int entry)
    {
        var first = entry >= 0 && entry <= lines.Length ? entry : 0;
        return (first, Encoding.ASCII.GetBytes(string.Concat(lines.AsSpan()[first..].ToArray())));
    }

    /// <summary>Digest with its hash's name, and path, each with its length before it.</summary>
    private static byte[] Template(UsedFile file)
    {
        byte[] digest = [.. "sha256:\0"u8, .. file.Digest];
        byte[] path = [.. Encoding.UTF8.GetBytes(file.Path), 0];
        return StructureWriter.LittleEndian().UInt32((uint)digest.Length).Bytes(digest).UInt32((uint)path.Length).Bytes(path).ToArray();
    }
}

/// <summary>The files that systems use as they start; what differs between systems and kernels differs by digest.</summary>
internal static class SystemFiles
{
    private static readonly string[] Programs =
    [
        "/usr/lib/systemd/systemd", "/usr/lib64/ld-linux-x86-64.so.2", "/usr/lib64/libc.so.6", "/usr/lib64/libselinux.so.1", "/usr/lib64/libcrypto.so.3",
        "/usr/lib64/libssl.so.3", "/usr/lib64/libgnutls.so.30", "/usr/lib64/libvirt.so.0", "/usr/bin/bash", "/usr/bin/mount", "/usr/bin/kmod", "/usr/bin/udevadm",
        "/usr/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-logind", "/usr/lib/systemd/systemd-udevd", "/usr/bin/dbus-broker", "/usr/bin/dbus-broker-launch",
        "/usr/sbin/NetworkManager", "/usr/sbin/chronyd", "/usr/sbin/sshd", "/usr/sbin/auditd", "/usr/sbin/rsyslogd", "/usr/sbin/crond", "/usr/sbin/agetty",
        "/usr/sbin/virtqemud", "/usr/sbin/virtlogd", "/usr/sbin/virtstoraged", "/usr/sbin/virtnetworkd", "/usr/libexec/qemu-kvm", "/usr/bin/swtpm", "/usr/bin/keylime_agent",
    ];

    private static readonly string[] Modules =
    [
        "arch/x86/kvm/kvm.ko.xz", "arch/x86/kvm/kvm-intel.ko.xz", "drivers/net/tun.ko.xz", "drivers/vhost/vhost.ko.xz", "drivers/vhost/vhost_net.ko.xz",
        "drivers/vfio/vfio.ko.xz", "net/bridge/bridge.ko.xz", "fs/xfs/xfs.ko.xz", "drivers/md/dm-mod.ko.xz",
    ];

    public static ImmutableArray<UsedFile> Of(HypervisorRecipe recipe) =>
    [
        .. Programs.Select(path => UsedFile.Of(path, recipe.System)),
        .. Modules.Select(module => UsedFile.Of($"/usr/lib/modules/{recipe.KernelRelease}/kernel/{module}", recipe.KernelRelease)),
    ];

    /// <summary>A program no system brings.</summary>
    public static UsedFile Strange(int number) => UsedFile.Of($"/usr/local/bin/tool-{number}", "nobody");
}
