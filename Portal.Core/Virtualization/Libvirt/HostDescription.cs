using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Asks a host what it is.</summary>
internal static class HostDescription
{
    /// <summary>Why there is no SMBIOS data: only the system daemon reads it, and some machines have none.</summary>
    private const string NotOffered = "Not offered by this host: its libvirt has no SMBIOS information.";

    public static HypervisorDescription Of(ConnectHandle connect, string versions)
    {
        var (cpus, memory, model) = LibvirtCalls.Node(connect);
        var classified = HostXml.CpuModel(LibvirtCalls.Text(LibvirtNative.virConnectGetCapabilities(connect)));
        var hardware = new HostHardware { Hypervisor = versions, CpuModel = classified.Length > 0 ? classified : model };
        if (LibvirtCalls.OfferedText(LibvirtNative.virConnectGetSysinfo(connect, 0)) is { } sysinfo)
        {
            HostXml.Fill(sysinfo, hardware);
        }
        else
        {
            hardware.NotOffered = NotOffered;
        }

        return new HypervisorDescription(cpus, LibvirtCalls.NodeMemory(connect) ?? memory, hardware, Pools(connect), Networks(connect));
    }

    private static List<StoragePool> Pools(ConnectHandle connect)
    {
        var used = Used(connect);
        var found = new List<StoragePool>();
        foreach (var handle in LibvirtCalls.Pools(connect))
        {
            using var pool = new OpenPool(handle, LibvirtCalls.Borrowed(LibvirtNative.virStoragePoolGetName(handle)), VolumeCalls.Kind(handle));
            if (LibvirtNative.virStoragePoolIsActive(handle) == 1 && Describe(pool, used) is { } described)
            {
                found.Add(described);
            }
        }

        return [.. found.OrderBy(p => p.Name, StringComparer.Ordinal)];
    }

    private static StoragePool? Describe(OpenPool pool, HashSet<string> used)
    {
        VolumeCalls.Refresh(pool);
        if (!LibvirtCalls.Try(LibvirtNative.virStoragePoolGetInfo(pool.Handle, out var information), LibvirtCode.NoPool))
        {
            return null;
        }

        var volumes = new List<string>();
        foreach (var volume in LibvirtCalls.Volumes(pool.Handle))
        {
            using (volume)
            {
                var name = LibvirtCalls.Borrowed(LibvirtNative.virStorageVolGetName(volume));
                if (!IsOfPortal(name) && !used.Contains(InPool(pool.Name, name)) && !used.Contains(LibvirtCalls.Text(LibvirtNative.virStorageVolGetPath(volume))))
                {
                    volumes.Add(name);
                }
            }
        }

        return new StoragePool(
            pool.Name,
            pool.Kind,
            pool.IsShared,
            (long)Math.Min(information.Capacity, long.MaxValue),
            (long)Math.Min(information.Available, long.MaxValue),
            [.. volumes.Order(StringComparer.Ordinal)]);
    }

    /// <summary>Volumes and files that are disks of VMs.</summary>
    private static HashSet<string> Used(ConnectHandle connect)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach (var domain in LibvirtCalls.Domains(connect))
        {
            using (domain)
            {
                try
                {
                    foreach (var disk in DomainCalls.Read(domain).Disks)
                    {
                        used.Add(disk.Path);
                        used.Add(InPool(disk.Pool, disk.Volume));
                    }
                }
                catch (LibvirtFault fault) when (fault.Code == LibvirtCode.NoDomain)
                {
                    // Gone between list and look.
                }
            }
        }

        return used;
    }

    /// <summary>A path begins with a slash, so the two kinds of word never meet.</summary>
    private static string InPool(string pool, string volume) => $"{pool}:{volume}";

    /// <summary>Disks the portal makes, on whichever host their VM is, and those on their way.</summary>
    private static bool IsOfPortal(string name) =>
        name.EndsWith(".qcow2", StringComparison.Ordinal) && Guid.TryParseExact(name.Split('.')[0], "D", out _);

    private static List<string> Networks(ConnectHandle connect)
    {
        var found = new List<string>();
        foreach (var network in LibvirtCalls.Networks(connect))
        {
            using (network)
            {
                if (LibvirtNative.virNetworkIsActive(network) == 1)
                {
                    found.Add(LibvirtCalls.Borrowed(LibvirtNative.virNetworkGetName(network)));
                }
            }
        }

        return [.. found.Order(StringComparer.Ordinal)];
    }
}
