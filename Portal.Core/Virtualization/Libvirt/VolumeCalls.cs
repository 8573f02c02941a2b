using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>A pool that can be used, with what it is.</summary>
internal sealed record OpenPool(PoolHandle Handle, string Name, string Kind) : IDisposable
{
    public bool IsShared => HostXml.IsShared(Kind);

    public void Dispose() => Handle.Dispose();
}

/// <summary>Calls about VMs' disks. A disk that may hold somebody's data is never overwritten.</summary>
internal static class VolumeCalls
{
    /// <summary>The pool, if it is there, active and keeps files; otherwise why not.</summary>
    public static (OpenPool? Pool, HypervisorAnswer? Obstacle) Pool(ConnectHandle connect, string name, string host)
    {
        if (LibvirtCalls.FindPool(connect, name) is not { } pool)
        {
            return (null, Answers.Unsuited($"{host} has no storage pool {name}."));
        }

        if (LibvirtCalls.Must(LibvirtNative.virStoragePoolIsActive(pool)) == 0)
        {
            pool.Dispose();
            return (null, Answers.Unsuited($"The storage pool {name} of {host} is not active."));
        }

        var kind = Kind(pool);
        if (HostXml.KeepsFiles(kind))
        {
            return (new OpenPool(pool, name, kind), null);
        }

        pool.Dispose();
        return (null, Answers.Unsuited($"The storage pool {name} of {host} is of the kind {kind}; the portal makes disks as files, in pools of the kinds dir, fs and netfs."));
    }

    public static string Kind(PoolHandle pool) => HostXml.PoolKind(LibvirtCalls.Text(LibvirtNative.virStoragePoolGetXMLDesc(pool, 0)));

    /// <summary>Makes the VM's disk, or takes the one a call before this has made.</summary>
    /// <returns>What stands against it, and whether this call made it.</returns>
    public static (HypervisorAnswer? Obstacle, bool IsNew) Make(ConnectHandle connect, DomainDefinition definition, string host)
    {
        var (found, obstacle) = Pool(connect, definition.Storage.Pool, host);
        if (found is null)
        {
            return (obstacle, false);
        }

        using var pool = found;
        if (Reuse(pool, definition))
        {
            return (null, false);
        }

        VolumeBacking? backing = null;
        var size = definition.Disk;
        if (definition.Storage.Image.Length > 0)
        {
            using var image = FindAnew(pool, definition.Storage.Image);
            if (image is null)
            {
                return (Answers.Unsuited($"The storage pool {pool.Name} of {host} has no image {definition.Storage.Image}."), false);
            }

            var (format, capacity, _) = HostXml.Volume(LibvirtCalls.Text(LibvirtNative.virStorageVolGetXMLDesc(image, 0)));
            backing = new VolumeBacking(LibvirtCalls.Text(LibvirtNative.virStorageVolGetPath(image)), format.Length > 0 ? format : "raw");
            if (size > 0 && size < capacity)
            {
                return (Answers.Unsuited($"The image {definition.Storage.Image} is larger than the disk asked for."), false);
            }

            size = Math.Max(size, capacity);
        }

        return (Make(pool, DomainXml.VolumeOf(definition.Id), size, backing, host), true);
    }

    /// <summary>Makes a volume; answers what stands against it.</summary>
    public static HypervisorAnswer? Make(OpenPool pool, string name, long size, VolumeBacking? backing, string host)
    {
        try
        {
            LibvirtCalls.Must(LibvirtNative.virStorageVolCreateXML(pool.Handle, HostXml.WriteVolume(name, size, backing), 0)).Dispose();
            return null;
        }
        catch (LibvirtFault fault) when (!fault.IsSilence)
        {
            Delete(pool, name);
            return Available(pool) < LeastFree || fault.IsLackOfCapacity
                ? Answers.NoCapacity($"The storage pool {pool.Name} of {host} is full.")
                : Answers.Failed($"{host} could not make the disk: {fault.Message}.");
        }
    }

    /// <summary>Bytes free in the pool, counted anew.</summary>
    public static long Available(OpenPool pool)
    {
        Refresh(pool);
        LibvirtCalls.Must(LibvirtNative.virStoragePoolGetInfo(pool.Handle, out var information));
        return (long)Math.Min(information.Available, long.MaxValue);
    }

    /// <summary>Has the pool look at its volumes anew; a pool whose volume is being written just now is as it was.</summary>
    public static bool Refresh(OpenPool pool) => Refresh(pool.Handle);

    /// <summary>Likewise, of any kind of pool.</summary>
    public static bool Refresh(PoolHandle pool) =>
        LibvirtCalls.Try(LibvirtNative.virStoragePoolRefresh(pool, 0), LibvirtCode.OperationInvalid, LibvirtCode.Internal, LibvirtCode.SystemError);

    /// <summary>A volume, looked for on disk if libvirt does not know it yet.</summary>
    public static VolumeHandle? FindAnew(OpenPool pool, string name)
    {
        if (LibvirtCalls.FindVolume(pool.Handle, name) is { } known)
        {
            return known;
        }

        Refresh(pool);
        return LibvirtCalls.FindVolume(pool.Handle, name);
    }

    /// <summary>Removes a volume if it is there.</summary>
    public static bool Delete(OpenPool pool, string name)
    {
        using var volume = FindAnew(pool, name);
        return volume is not null && LibvirtCalls.Try(LibvirtNative.virStorageVolDelete(volume, 0), LibvirtCode.NoVolume);
    }

    /// <summary>Makes the VM's disk larger; answers what stands against it.</summary>
    public static HypervisorAnswer? Grow(ConnectHandle connect, DomainDefinition definition, string host)
    {
        var (found, obstacle) = Pool(connect, definition.Storage.Pool, host);
        if (found is null)
        {
            return obstacle;
        }

        using var pool = found;
        using var volume = FindAnew(pool, DomainXml.VolumeOf(definition.Id));
        if (volume is null)
        {
            return Answers.Failed($"The disk of {definition.Name} is not in the storage pool {pool.Name} of {host}.");
        }

        var (_, capacity, _) = HostXml.Volume(LibvirtCalls.Text(LibvirtNative.virStorageVolGetXMLDesc(volume, 0)));
        if (capacity > definition.Disk)
        {
            return Answers.Failed($"The disk of {definition.Name} is larger already; it cannot be made smaller.");
        }

        if (capacity < definition.Disk)
        {
            LibvirtCalls.Must(LibvirtNative.virStorageVolResize(volume, (ulong)definition.Disk, 0));
        }

        return null;
    }

    private const long LeastFree = 1 << 20;

    /// <summary>Whether the VM's volume is there and whole. One that is no image at all was left half-made, and goes.</summary>
    private static bool Reuse(OpenPool pool, DomainDefinition definition)
    {
        using var made = FindAnew(pool, DomainXml.VolumeOf(definition.Id));
        if (made is null)
        {
            return false;
        }

        var (format, capacity, _) = HostXml.Volume(LibvirtCalls.Text(LibvirtNative.virStorageVolGetXMLDesc(made, 0)));
        if (format == "qcow2" && capacity > 0)
        {
            return true;
        }

        LibvirtCalls.Try(LibvirtNative.virStorageVolDelete(made, 0), LibvirtCode.NoVolume);
        return false;
    }
}
