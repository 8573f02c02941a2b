using System.Globalization;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>What becomes of a VM's disks when it moves: they stay where both hosts see them, or are copied, or stand against the move.</summary>
internal sealed class MoveStorage(LibvirtConnection source, LibvirtConnection target, DomainReading reading, MigrationSettings settings)
{
    private readonly List<CopiedDisk> copied = [];
    private readonly string from = source.Host.Name;
    private readonly string to = target.Host.Name;

    /// <summary>Whether disks are copied.</summary>
    public bool Copies => copied.Count > 0;

    /// <summary>The disks that are copied.</summary>
    public IReadOnlyList<CopiedDisk> Copied => copied;

    /// <summary>Whether both hosts were seen to have the same folder, though libvirt takes the pool for a local one.</summary>
    public bool IsProvedShared { get; private set; }

    /// <summary>Whether disks are files outside of pools: only libvirt can tell whether both hosts have them.</summary>
    public bool HasFiles { get; private set; }

    /// <summary>Looks at every disk; answers what stands against moving.</summary>
    /// <param name="isGoneAllowed">Whether a disk may be gone from the source: the move is being brought to its end.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<HypervisorAnswer?> PlanAsync(bool isGoneAllowed, CancellationToken ct)
    {
        foreach (var disk in reading.Disks.Where(d => d.Device is "disk" or "lun"))
        {
            if (disk.Type != "volume")
            {
                HasFiles |= disk.Type != "network";
                continue;
            }

            var kind = await source.CallAsync(connect => KindOf(connect, disk.Pool), ct);
            if (await target.CallAsync(connect => OnTarget(connect, disk.Pool, kind), ct) is { } missing)
            {
                return missing;
            }

            var isProved = !HostXml.IsShared(kind) && await IsSameFolderAsync(disk.Pool, ct);
            IsProvedShared |= isProved;
            if (isProved || HostXml.IsShared(kind))
            {
                // The target has not looked since the volume was made.
                await target.CallAsync(connect => Refresh(connect, disk.Pool), ct);
                continue;
            }

            if (!settings.CopyStorage)
            {
                return Answers.Unsuited($"The disk of {reading.Definition.Name} is on {from} only, and its cluster does not copy disks.");
            }

            copied.Add(await source.CallAsync(connect => Measure(connect, disk, isGoneAllowed), ct));
        }

        return null;
    }

    /// <summary>Makes the empty volumes disks are copied into; answers what stands against it.</summary>
    public Task<HypervisorAnswer?> PrepareAsync(CancellationToken ct) => target.CallAsync(
        connect =>
        {
            foreach (var disk in copied)
            {
                if (Room(connect, disk, (pool, to) => VolumeCalls.Make(pool, disk.Volume, disk.Capacity, null, to)) is { } obstacle)
                {
                    return obstacle;
                }
            }

            return null;
        },
        ct);

    /// <summary>Does something with the target's pool once there is room for the disk. What a copy before this left there goes: the VM and its disk are on the source.</summary>
    public HypervisorAnswer? Room(ConnectHandle connect, CopiedDisk disk, Func<OpenPool, string, HypervisorAnswer?> act)
    {
        var (found, obstacle) = VolumeCalls.Pool(connect, disk.Pool, to);
        if (found is null)
        {
            return obstacle;
        }

        using var pool = found;
        VolumeCalls.Delete(pool, disk.Volume);
        var free = VolumeCalls.Available(pool);
        return free < disk.Used
            ? Answers.NoCapacity(string.Create(CultureInfo.InvariantCulture, $"The storage pool {disk.Pool} of {to} has {free >> 20} MiB free; the disk needs {disk.Used >> 20} MiB."))
            : act(pool, to);
    }

    /// <summary>Removes the copied disks from the source; tells, as a sentence, if that cannot be done.</summary>
    public Task<string> CleanSourceAsync() => CleanAsync(source);

    /// <summary>Removes half copied disks from the target.</summary>
    public Task<string> CleanTargetAsync() => CleanAsync(target);

    private async Task<string> CleanAsync(LibvirtConnection where)
    {
        try
        {
            return await where.CallAsync(
                connect =>
                {
                    foreach (var disk in copied)
                    {
                        var (pool, _) = VolumeCalls.Pool(connect, disk.Pool, where.Host.Name);
                        using (pool)
                        {
                            if (pool is not null)
                            {
                                VolumeCalls.Delete(pool, disk.Volume);
                            }
                        }
                    }

                    return "";
                },
                CancellationToken.None);
        }
        catch (LibvirtFault fault) when (copied.Count > 0)
        {
            return $" A copy of its disk was left on {where.Host.Name}: {fault.Message.TrimEnd('.')}.";
        }
        catch (LibvirtFault)
        {
            return "";
        }
    }

    private static string KindOf(ConnectHandle connect, string name)
    {
        using var pool = LibvirtCalls.FindPool(connect, name);
        return pool is null ? "" : VolumeCalls.Kind(pool);
    }

    private static bool Refresh(ConnectHandle connect, string name)
    {
        using var pool = LibvirtCalls.FindPool(connect, name);
        return pool is not null && VolumeCalls.Refresh(pool);
    }

    private HypervisorAnswer? OnTarget(ConnectHandle connect, string name, string kind)
    {
        if (!HostXml.IsShared(kind))
        {
            var (local, obstacle) = VolumeCalls.Pool(connect, name, to);
            local?.Dispose();
            return obstacle;
        }

        using var pool = LibvirtCalls.FindPool(connect, name);
        return pool is not null && LibvirtNative.virStoragePoolIsActive(pool) == 1 ? null : Answers.Unsuited($"{to} has no active storage pool {name}.");
    }

    /// <summary>Tries it out: a volume made on one host is there on the other, or it is not. Shared file systems are often mounted under what libvirt takes for a local folder.</summary>
    private async Task<bool> IsSameFolderAsync(string name, CancellationToken ct)
    {
        const long Size = 1 << 16;

        // Never the same name twice: a pool that saw the last one may still believe it is there.
        var probe = $"{reading.Definition.Id:D}.{Guid.NewGuid():N}.qcow2";
        await target.CallAsync(connect => OnPool(connect, name, to, pool => VolumeCalls.Make(pool, probe, Size, null, to) is null), ct);
        try
        {
            return await source.CallAsync(
                connect => OnPool(connect, name, from, pool =>
                {
                    using var seen = VolumeCalls.FindAnew(pool, probe);
                    return seen is not null;
                }),
                ct);
        }
        finally
        {
            await target.CallAsync(connect => OnPool(connect, name, to, pool => VolumeCalls.Delete(pool, probe)), CancellationToken.None);
        }
    }

    private static bool OnPool(ConnectHandle connect, string name, string host, Func<OpenPool, bool> act)
    {
        var (pool, _) = VolumeCalls.Pool(connect, name, host);
        using (pool)
        {
            return pool is not null && act(pool);
        }
    }

    private CopiedDisk Measure(ConnectHandle connect, DomainDisk disk, bool isGoneAllowed)
    {
        var (found, _) = VolumeCalls.Pool(connect, disk.Pool, from);
        using var pool = found ?? throw new LibvirtFault(LibvirtCode.NoPool, 0, $"The storage pool {disk.Pool} cannot be used");
        using var volume = VolumeCalls.FindAnew(pool, disk.Volume);
        if (volume is null)
        {
            return isGoneAllowed
                ? new CopiedDisk(disk.Target, disk.Pool, disk.Volume, 0, 0, IsClone: false)
                : throw new LibvirtFault(LibvirtCode.NoVolume, 0, $"The volume {disk.Volume} is not in the storage pool {disk.Pool}");
        }

        var (_, capacity, backing) = HostXml.Volume(LibvirtCalls.Text(LibvirtNative.virStorageVolGetXMLDesc(volume, 0)));
        LibvirtCalls.Must(LibvirtNative.virStorageVolGetInfo(volume, out var own));
        var used = (long)own.Allocation;
        using var image = reading.Definition.Storage.Image.Length > 0 ? VolumeCalls.FindAnew(pool, reading.Definition.Storage.Image) : null;
        if (image is not null && LibvirtNative.virStorageVolGetInfo(image, out var below) >= 0)
        {
            used += (long)below.Allocation;
        }

        return new CopiedDisk(disk.Target, disk.Pool, disk.Volume, capacity, used, backing.Length > 0);
    }
}

/// <summary>A disk that is copied.</summary>
/// <param name="Target">Its name in the guest.</param>
/// <param name="Pool">The pool, of the same name on both hosts.</param>
/// <param name="Volume">The volume, likewise.</param>
/// <param name="Capacity">Bytes the guest sees.</param>
/// <param name="Used">Bytes the copy takes at most, as far as can be told.</param>
/// <param name="IsClone">Whether part of it is in an image.</param>
internal sealed record CopiedDisk(string Target, string Pool, string Volume, long Capacity, long Used, bool IsClone);
