using System.Runtime.InteropServices;

namespace Portal.Core.Virtualization.Libvirt.Interop;

/// <summary>Calls that answer with values or a <see cref="LibvirtFault"/>. All of them block until the host answers.</summary>
internal static unsafe class LibvirtCalls
{
    /// <summary>A result below 0 is a failure.</summary>
    public static int Must(int result) => result >= 0 ? result : throw LibvirtFault.Last();

    /// <summary>A null handle is a failure.</summary>
    public static T Must<T>(T handle)
        where T : LibvirtHandle
    {
        if (!handle.IsInvalid)
        {
            return handle;
        }

        var fault = LibvirtFault.Last();
        handle.Dispose();
        throw fault;
    }

    /// <summary>Whether a failure is only that the thing is not there, or the driver cannot do it.</summary>
    public static bool Try(int result, params ReadOnlySpan<LibvirtCode> but)
    {
        if (result >= 0)
        {
            return true;
        }

        var fault = LibvirtFault.Last();
        return but.Contains(fault.Code) ? false : throw fault;
    }

    /// <summary>A text the caller owns.</summary>
    public static string Text(nint text)
    {
        if (text == 0)
        {
            throw LibvirtFault.Last();
        }

        try
        {
            return Marshal.PtrToStringUTF8(text) ?? "";
        }
        finally
        {
            LibvirtNative.free(text);
        }
    }

    /// <summary>A text the caller owns; null where the driver does not offer it.</summary>
    public static string? OfferedText(nint text)
    {
        if (text != 0)
        {
            return Text(text);
        }

        var fault = LibvirtFault.Last();
        return fault.Code is LibvirtCode.NotSupported or LibvirtCode.Unsupported or LibvirtCode.OperationUnsupported ? null : throw fault;
    }

    /// <summary>A text that belongs to what was asked.</summary>
    public static string Borrowed(nint text) => Marshal.PtrToStringUTF8(text) ?? throw LibvirtFault.Last();

    public static DomainHandle? FindDomain(ConnectHandle connect, Guid id)
    {
        Span<byte> uuid = stackalloc byte[16];
        id.TryWriteBytes(uuid, bigEndian: true, out _);
        fixed (byte* bytes = uuid)
        {
            return Found(LibvirtNative.virDomainLookupByUUID(connect, bytes), LibvirtCode.NoDomain);
        }
    }

    public static DomainHandle? FindDomain(ConnectHandle connect, string name) => Found(LibvirtNative.virDomainLookupByName(connect, name), LibvirtCode.NoDomain);

    public static PoolHandle? FindPool(ConnectHandle connect, string name) => Found(LibvirtNative.virStoragePoolLookupByName(connect, name), LibvirtCode.NoPool);

    public static VolumeHandle? FindVolume(PoolHandle pool, string name) => Found(LibvirtNative.virStorageVolLookupByName(pool, name), LibvirtCode.NoVolume);

    public static NetworkHandle? FindNetwork(ConnectHandle connect, string name) => Found(LibvirtNative.virNetworkLookupByName(connect, name), LibvirtCode.NoNetwork);

    public static Guid Uuid(DomainHandle domain)
    {
        Span<byte> uuid = stackalloc byte[16];
        fixed (byte* bytes = uuid)
        {
            Must(LibvirtNative.virDomainGetUUID(domain, bytes));
        }

        return new Guid(uuid, bigEndian: true);
    }

    public static Guid? Uuid(nint domain)
    {
        Span<byte> uuid = stackalloc byte[16];
        fixed (byte* bytes = uuid)
        {
            return LibvirtNative.virDomainGetUUIDOfPointer(domain, bytes) < 0 ? null : new Guid(uuid, bigEndian: true);
        }
    }

    /// <summary>State as libvirt numbers it (<c>virDomainState</c>).</summary>
    public static int State(DomainHandle domain)
    {
        Must(LibvirtNative.virDomainGetState(domain, out var state, out _, 0));
        return state;
    }

    public static List<DomainHandle> Domains(ConnectHandle connect) => Taken<DomainHandle>(LibvirtNative.virConnectListAllDomains(connect, out var list, 0), list);

    /// <summary>None where the driver knows no storage.</summary>
    public static List<PoolHandle> Pools(ConnectHandle connect) =>
        Try(LibvirtNative.virConnectListAllStoragePools(connect, out var list, 0), LibvirtCode.NotSupported, out var count) ? Taken<PoolHandle>(count, list) : [];

    public static List<VolumeHandle> Volumes(PoolHandle pool) => Taken<VolumeHandle>(LibvirtNative.virStoragePoolListAllVolumes(pool, out var list, 0), list);

    /// <summary>None where the driver knows no networks.</summary>
    public static List<NetworkHandle> Networks(ConnectHandle connect) =>
        Try(LibvirtNative.virConnectListAllNetworks(connect, out var list, 0), LibvirtCode.NotSupported, out var count) ? Taken<NetworkHandle>(count, list) : [];

    /// <summary>Bytes of memory the machine has; null where the driver does not say.</summary>
    public static long? NodeMemory(ConnectHandle connect)
    {
        const int AllCells = -1;
        const long Kibi = 1024;
        var count = 0;
        if (!Try(LibvirtNative.virNodeGetMemoryStats(connect, AllCells, null, ref count, 0), LibvirtCode.NotSupported, LibvirtCode.OperationUnsupported) || count <= 0)
        {
            return null;
        }

        var statistics = new NodeMemoryStatistic[count];
        fixed (NodeMemoryStatistic* first = statistics)
        {
            Must(LibvirtNative.virNodeGetMemoryStats(connect, AllCells, first, ref count, 0));
            for (var i = 0; i < count; i++)
            {
                if (Marshal.PtrToStringUTF8((nint)first[i].Field) == "total")
                {
                    return (long)first[i].Value * Kibi;
                }
            }
        }

        return null;
    }

    /// <summary>Logical CPUs and bytes of memory by the older call, and the CPU's model word.</summary>
    public static (int Cpus, long Memory, string Model) Node(ConnectHandle connect)
    {
        const long Kibi = 1024;
        Must(LibvirtNative.virNodeGetInfo(connect, out var node));
        return ((int)node.Cpus, (long)node.Memory * Kibi, Marshal.PtrToStringUTF8((nint)node.Model) ?? "");
    }

    private static T? Found<T>(T handle, LibvirtCode missing)
        where T : LibvirtHandle
    {
        if (!handle.IsInvalid)
        {
            return handle;
        }

        var fault = LibvirtFault.Last();
        handle.Dispose();
        return fault.Code == missing ? null : throw fault;
    }

    private static bool Try(int result, LibvirtCode but, out int count)
    {
        count = result;
        return Try(result, but);
    }

    private static List<T> Taken<T>(int count, nint list)
        where T : LibvirtHandle, new()
    {
        Must(count);
        var taken = new List<T>(count);
        for (var i = 0; i < count; i++)
        {
            taken.Add(LibvirtHandle.Of<T>(((nint*)list)[i]));
        }

        LibvirtNative.free(list);
        return taken;
    }
}
