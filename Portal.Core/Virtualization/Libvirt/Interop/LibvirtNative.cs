using System.Runtime.InteropServices;

namespace Portal.Core.Virtualization.Libvirt.Interop;

/// <summary>The calls of libvirt the portal uses, as its headers write them; see https://libvirt.org/html/. Integers below 0 and null pointers mean failure.</summary>
internal static unsafe partial class LibvirtNative
{
    private const string Library = "libvirt.so.0";

    // Process.
    [LibraryImport(Library)]
    public static partial int virInitialize();

    [LibraryImport(Library)]
    public static partial void virSetErrorFunc(nint userData, delegate* unmanaged<nint, nint, void> handler);

    [LibraryImport(Library)]
    public static partial NativeError* virGetLastError();

    [LibraryImport(Library)]
    public static partial void virResetLastError();

    [LibraryImport(Library)]
    public static partial int virEventRegisterDefaultImpl();

    [LibraryImport(Library)]
    public static partial int virEventRunDefaultImpl();

    [LibraryImport(Library)]
    public static partial int virEventAddTimeout(int milliseconds, delegate* unmanaged<int, nint, void> callback, nint opaque, nint free);

    [LibraryImport("libc")]
    public static partial void free(nint memory);

    // Connection.
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial ConnectHandle virConnectOpen(string name);

    [LibraryImport(Library)]
    public static partial int virConnectClose(nint connect);

    [LibraryImport(Library)]
    public static partial int virConnectSetKeepAlive(ConnectHandle connect, int interval, uint count);

    [LibraryImport(Library)]
    public static partial int virConnectRegisterCloseCallback(ConnectHandle connect, delegate* unmanaged<nint, int, nint, void> callback, nint opaque, delegate* unmanaged<nint, void> free);

    [LibraryImport(Library)]
    public static partial int virConnectUnregisterCloseCallback(ConnectHandle connect, delegate* unmanaged<nint, int, nint, void> callback);

    [LibraryImport(Library)]
    public static partial int virConnectDomainEventRegisterAny(ConnectHandle connect, nint domain, int eventId, delegate* unmanaged<nint, nint, int, int, nint, int> callback, nint opaque, delegate* unmanaged<nint, void> free);

    [LibraryImport(Library)]
    public static partial int virConnectDomainEventDeregisterAny(ConnectHandle connect, int callbackId);

    [LibraryImport(Library)]
    public static partial int virConnectGetVersion(ConnectHandle connect, out nuint version);

    [LibraryImport(Library)]
    public static partial int virConnectGetLibVersion(ConnectHandle connect, out nuint version);

    [LibraryImport(Library)]
    public static partial nint virConnectGetType(ConnectHandle connect);

    [LibraryImport(Library)]
    public static partial nint virConnectGetCapabilities(ConnectHandle connect);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint virConnectGetDomainCapabilities(ConnectHandle connect, string? emulator, string? arch, string? machine, string? virtualization, uint flags);

    [LibraryImport(Library)]
    public static partial nint virConnectGetSysinfo(ConnectHandle connect, uint flags);

    [LibraryImport(Library)]
    public static partial int virNodeGetInfo(ConnectHandle connect, out NodeInformation information);

    [LibraryImport(Library)]
    public static partial int virNodeGetMemoryStats(ConnectHandle connect, int cell, NodeMemoryStatistic* statistics, ref int count, uint flags);

    // Domains.
    [LibraryImport(Library)]
    public static partial int virConnectListAllDomains(ConnectHandle connect, out nint domains, uint flags);

    [LibraryImport(Library)]
    public static partial DomainHandle virDomainLookupByUUID(ConnectHandle connect, byte* uuid);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial DomainHandle virDomainLookupByName(ConnectHandle connect, string name);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial DomainHandle virDomainDefineXMLFlags(ConnectHandle connect, string xml, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainFree(nint domain);

    [LibraryImport(Library)]
    public static partial int virDomainGetUUID(DomainHandle domain, byte* uuid);

    [LibraryImport(Library, EntryPoint = "virDomainGetUUID")]
    public static partial int virDomainGetUUIDOfPointer(nint domain, byte* uuid);

    [LibraryImport(Library)]
    public static partial nint virDomainGetName(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial nint virDomainGetXMLDesc(DomainHandle domain, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainGetState(DomainHandle domain, out int state, out int reason, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainIsPersistent(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial int virDomainCreate(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial int virDomainShutdown(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial int virDomainDestroy(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial int virDomainReboot(DomainHandle domain, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainSuspend(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial int virDomainResume(DomainHandle domain);

    [LibraryImport(Library)]
    public static partial int virDomainUndefineFlags(DomainHandle domain, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int virDomainRename(DomainHandle domain, string name, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int virDomainSetMetadata(DomainHandle domain, int type, string metadata, string key, string uri, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainSnapshotNum(DomainHandle domain, uint flags);

    // Moving.
    [LibraryImport(Library)]
    public static partial DomainHandle virDomainMigrate3(DomainHandle domain, ConnectHandle target, nint parameters, uint count, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int virDomainMigrateToURI3(DomainHandle domain, string? target, nint parameters, uint count, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainGetJobStats(DomainHandle domain, out int type, out nint parameters, out int count, uint flags);

    [LibraryImport(Library)]
    public static partial int virDomainAbortJob(DomainHandle domain);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int virTypedParamsAddString(ref nint parameters, ref int count, ref int size, string name, string value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int virTypedParamsGetULLong(nint parameters, int count, string name, out ulong value);

    [LibraryImport(Library)]
    public static partial void virTypedParamsFree(nint parameters, int count);

    // Storage.
    [LibraryImport(Library)]
    public static partial int virConnectListAllStoragePools(ConnectHandle connect, out nint pools, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial PoolHandle virStoragePoolLookupByName(ConnectHandle connect, string name);

    [LibraryImport(Library)]
    public static partial int virStoragePoolFree(nint pool);

    [LibraryImport(Library)]
    public static partial nint virStoragePoolGetName(PoolHandle pool);

    [LibraryImport(Library)]
    public static partial int virStoragePoolIsActive(PoolHandle pool);

    [LibraryImport(Library)]
    public static partial int virStoragePoolRefresh(PoolHandle pool, uint flags);

    [LibraryImport(Library)]
    public static partial int virStoragePoolGetInfo(PoolHandle pool, out PoolInformation information);

    [LibraryImport(Library)]
    public static partial nint virStoragePoolGetXMLDesc(PoolHandle pool, uint flags);

    [LibraryImport(Library)]
    public static partial int virStoragePoolListAllVolumes(PoolHandle pool, out nint volumes, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial VolumeHandle virStorageVolLookupByName(PoolHandle pool, string name);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial VolumeHandle virStorageVolCreateXML(PoolHandle pool, string xml, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial VolumeHandle virStorageVolCreateXMLFrom(PoolHandle pool, string xml, VolumeHandle original, uint flags);

    [LibraryImport(Library)]
    public static partial int virStorageVolFree(nint volume);

    [LibraryImport(Library)]
    public static partial nint virStorageVolGetName(VolumeHandle volume);

    [LibraryImport(Library)]
    public static partial nint virStorageVolGetPath(VolumeHandle volume);

    [LibraryImport(Library)]
    public static partial nint virStorageVolGetXMLDesc(VolumeHandle volume, uint flags);

    [LibraryImport(Library)]
    public static partial int virStorageVolGetInfo(VolumeHandle volume, out VolumeInformation information);

    [LibraryImport(Library)]
    public static partial int virStorageVolResize(VolumeHandle volume, ulong capacity, uint flags);

    [LibraryImport(Library)]
    public static partial int virStorageVolDelete(VolumeHandle volume, uint flags);

    [LibraryImport(Library)]
    public static partial int virStorageVolDownload(VolumeHandle volume, StreamHandle stream, ulong offset, ulong length, uint flags);

    [LibraryImport(Library)]
    public static partial int virStorageVolUpload(VolumeHandle volume, StreamHandle stream, ulong offset, ulong length, uint flags);

    [LibraryImport(Library)]
    public static partial StreamHandle virStreamNew(ConnectHandle connect, uint flags);

    [LibraryImport(Library)]
    public static partial int virStreamRecv(StreamHandle stream, byte* data, nuint count);

    [LibraryImport(Library)]
    public static partial int virStreamSend(StreamHandle stream, byte* data, nuint count);

    [LibraryImport(Library)]
    public static partial int virStreamFinish(StreamHandle stream);

    [LibraryImport(Library)]
    public static partial int virStreamAbort(StreamHandle stream);

    [LibraryImport(Library)]
    public static partial int virStreamFree(nint stream);

    // Networks.
    [LibraryImport(Library)]
    public static partial int virConnectListAllNetworks(ConnectHandle connect, out nint networks, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial NetworkHandle virNetworkLookupByName(ConnectHandle connect, string name);

    [LibraryImport(Library)]
    public static partial nint virNetworkGetName(NetworkHandle network);

    [LibraryImport(Library)]
    public static partial int virNetworkIsActive(NetworkHandle network);

    [LibraryImport(Library)]
    public static partial int virNetworkFree(nint network);
}

/// <summary>Beginning of <c>virError</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeError
{
    public int Code;
    public int Domain;
    public nint Message;
    public int Level;
}

/// <summary><c>virNodeInfo</c>; memory in KiB.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NodeInformation
{
    public fixed byte Model[32];
    public nuint Memory;
    public uint Cpus;
    public uint Megahertz;
    public uint Nodes;
    public uint Sockets;
    public uint Cores;
    public uint Threads;
}

/// <summary><c>virNodeMemoryStats</c>; value in KiB.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NodeMemoryStatistic
{
    public fixed byte Field[80];
    public ulong Value;
}

/// <summary><c>virStoragePoolInfo</c>; bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PoolInformation
{
    public int State;
    public ulong Capacity;
    public ulong Allocation;
    public ulong Available;
}

/// <summary><c>virStorageVolInfo</c>; bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VolumeInformation
{
    public int Type;
    public ulong Capacity;
    public ulong Allocation;
}
