using System.Runtime.InteropServices;

namespace Portal.Core.Virtualization.Libvirt.Interop;

/// <summary>Something libvirt counts references of.</summary>
internal abstract class LibvirtHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    /// <summary>Takes over a pointer out of a list.</summary>
    public static T Of<T>(nint pointer)
        where T : LibvirtHandle, new()
    {
        var taken = new T();
        taken.SetHandle(pointer);
        return taken;
    }
}

/// <summary>A connection. Closing says goodbye to the daemon, which may be frozen: that is done on a thread nobody waits for.</summary>
internal sealed class ConnectHandle : LibvirtHandle
{
    protected override bool ReleaseHandle()
    {
        var pointer = handle;
        new Thread(() => _ = LibvirtNative.virConnectClose(pointer)) { IsBackground = true, Name = "libvirt close" }.Start();
        return true;
    }
}

/// <summary>A domain.</summary>
internal sealed class DomainHandle : LibvirtHandle
{
    protected override bool ReleaseHandle() => LibvirtNative.virDomainFree(handle) == 0;
}

/// <summary>A storage pool.</summary>
internal sealed class PoolHandle : LibvirtHandle
{
    protected override bool ReleaseHandle() => LibvirtNative.virStoragePoolFree(handle) == 0;
}

/// <summary>A volume of a storage pool.</summary>
internal sealed class VolumeHandle : LibvirtHandle
{
    protected override bool ReleaseHandle() => LibvirtNative.virStorageVolFree(handle) == 0;
}

/// <summary>A virtual network.</summary>
internal sealed class NetworkHandle : LibvirtHandle
{
    protected override bool ReleaseHandle() => LibvirtNative.virNetworkFree(handle) == 0;
}

/// <summary>A stream of bytes from or to a host.</summary>
internal sealed class StreamHandle : LibvirtHandle
{
    protected override bool ReleaseHandle() => LibvirtNative.virStreamFree(handle) == 0;
}
