using System.Globalization;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>
/// Moves a VM that is off: its disk through the portal, then its definition, then what is left goes. The target's definition says that it is on its way
/// until all of it is done, so that an interrupted move is brought to its end by asking again.
/// </summary>
internal sealed class OfflineMove(
    LibvirtConnection source, LibvirtConnection target, DomainReading reading, MoveStorage storage, MigrationSettings settings, MoveProgress? progress, TimeProvider time)
{
    private const int Whole = 100;
    private const int Piece = 1 << 20;

    private readonly string name = reading.Definition.Name;
    private readonly string from = source.Host.Name;
    private readonly string to = target.Host.Name;

    public async Task<HypervisorAnswer> RunAsync(CancellationToken ct)
    {
        if (Objection() is { } objection)
        {
            return objection;
        }

        try
        {
            foreach (var disk in storage.Copied)
            {
                if (await CopyAsync(disk, ct) is { } obstacle)
                {
                    return obstacle;
                }
            }

            var xml = await source.CallAsync(DefinitionOf, ct);
            await target.CallAsync(connect => Define(connect, xml), ct);
        }
        catch (LibvirtFault fault)
        {
            await storage.CleanTargetAsync();
            var answer = Answers.Of(fault, to);
            return answer with { Sentence = $"{name} stays on {from}, off: {fault.Message.TrimEnd('.')}." };
        }
        catch (OperationCanceledException)
        {
            await storage.CleanTargetAsync();
            return Answers.Failed($"{name} stays on {from}, off: moving it was given up.");
        }

        // From here on it has moved; what fails is only forgetting it here, and asking again does that.
        try
        {
            return await FinishAsync(source, target, reading, storage);
        }
        catch (LibvirtFault fault)
        {
            var answer = Answers.Of(fault, from);
            return answer with { Sentence = $"{name} is on {to}, off, and still known on {from}: {fault.Message.TrimEnd('.')}. Move it again to end this." };
        }
    }

    /// <summary>Takes it away from the source; then the target's definition is like any other.</summary>
    public static async Task<HypervisorAnswer> FinishAsync(LibvirtConnection source, LibvirtConnection target, DomainReading reading, MoveStorage storage)
    {
        var definition = reading.Definition;
        await source.CallAsync(
            connect =>
            {
                using var domain = LibvirtCalls.FindDomain(connect, definition.Id);
                if (domain is not null)
                {
                    DomainCalls.Undefine(domain);
                }

                return true;
            },
            CancellationToken.None);
        var left = await storage.CleanSourceAsync();
        await target.CallAsync(
            connect =>
            {
                using var domain = LibvirtCalls.FindDomain(connect, definition.Id);
                if (domain is not null)
                {
                    DomainCalls.Write(domain, DomainXml.Metadata(definition, movedFrom: null, reading.HasRun));
                }

                return true;
            },
            CancellationToken.None);
        var anew = reading.HasRun && definition.Machine.Firmware != GuestFirmware.Bios ? " Its UEFI variables begin anew." : "";
        return Answers.Done($"{definition.Name} moved from {source.Host.Name} to {target.Host.Name}.{anew}{left}");
    }

    private HypervisorAnswer? Objection() =>
        !reading.IsOurs ? Answers.Unsuited($"{name} is not the portal's; it is moved once it is adopted.")
        : storage.HasFiles ? Answers.Unsuited($"{name} has disks outside of storage pools; it can be moved while it runs, if both hosts have them.")
        : reading is { HasRun: true, Definition.Machine.HasTpm: true } ? Answers.Unsuited($"What the TPM of {name} keeps is on {from} only, and moves only while {name} runs: start it there and move it then.")
        : null;

    private string DefinitionOf(ConnectHandle near)
    {
        using var domain = LibvirtCalls.FindDomain(near, reading.Definition.Id) ?? throw new LibvirtFault(LibvirtCode.NoDomain, 0, "The VM is gone");
        return LibvirtNative.virDomainSnapshotNum(domain, 0) > 0
            ? throw new LibvirtFault(LibvirtCode.OperationUnsupported, 0, "It has snapshots, which do not move")
            : DomainCalls.Xml(domain);
    }

    private bool Define(ConnectHandle far, string xml)
    {
        var moved = DomainXml.With(xml, DomainXml.Metadata(reading.Definition, source.Host.Id, reading.HasRun))
            ?? throw new LibvirtFault(LibvirtCode.Internal, 0, "Its definition cannot be read");
        LibvirtCalls.Must(LibvirtNative.virDomainDefineXMLFlags(far, moved, 0)).Dispose();
        return true;
    }

    private async Task<HypervisorAnswer?> CopyAsync(CopiedDisk disk, CancellationToken ct)
    {
        var whole = disk.IsClone ? $"{reading.Definition.Id:D}.whole.qcow2" : disk.Volume;
        var sending = await source.SessionAsync(ct);
        var receiving = await target.SessionAsync(ct);
        try
        {
            return await sending.LongCallAsync(near => receiving.Hold(far =>
            {
                using var made = disk.IsClone ? Flatten(near, disk, whole) : null;
                return storage.Room(far, disk, (pool, _) => Stream(near, far, pool, disk, whole, ct));
            }));
        }
        finally
        {
            if (disk.IsClone)
            {
                await source.CallAsync(connect => RemoveWhole(connect, disk, whole), CancellationToken.None);
            }
        }
    }

    /// <summary>A copy that needs no image: the target's may be another of the same name.</summary>
    private VolumeHandle Flatten(ConnectHandle near, CopiedDisk disk, string whole)
    {
        RemoveWhole(near, disk, whole);
        using var pool = LibvirtCalls.FindPool(near, disk.Pool) ?? throw new LibvirtFault(LibvirtCode.NoPool, 0, $"{from} has no storage pool {disk.Pool}");
        using var clone = LibvirtCalls.FindVolume(pool, disk.Volume) ?? throw new LibvirtFault(LibvirtCode.NoVolume, 0, $"{from} has no volume {disk.Volume}");
        return LibvirtCalls.Must(LibvirtNative.virStorageVolCreateXMLFrom(pool, HostXml.WriteVolume(whole, disk.Capacity), clone, 0));
    }

    private bool RemoveWhole(ConnectHandle near, CopiedDisk disk, string whole)
    {
        var (pool, _) = VolumeCalls.Pool(near, disk.Pool, from);
        using (pool)
        {
            return pool is not null && VolumeCalls.Delete(pool, whole);
        }
    }

    private unsafe HypervisorAnswer? Stream(ConnectHandle near, ConnectHandle far, OpenPool into, CopiedDisk disk, string whole, CancellationToken ct)
    {
        using var pool = LibvirtCalls.FindPool(near, disk.Pool) ?? throw new LibvirtFault(LibvirtCode.NoPool, 0, $"{from} has no storage pool {disk.Pool}");
        using var original = LibvirtCalls.FindVolume(pool, whole) ?? throw new LibvirtFault(LibvirtCode.NoVolume, 0, $"{from} has no volume {whole}");
        LibvirtCalls.Must(LibvirtNative.virStorageVolGetInfo(original, out var size));

        // Bytes as they are: to libvirt it is a raw volume until the pool looks at it again.
        using var copy = LibvirtCalls.Must(LibvirtNative.virStorageVolCreateXML(into.Handle, HostXml.WriteVolume(disk.Volume, 0, format: "raw"), 0));
        using var reader = LibvirtCalls.Must(LibvirtNative.virStreamNew(near, 0));
        using var writer = LibvirtCalls.Must(LibvirtNative.virStreamNew(far, 0));
        LibvirtCalls.Must(LibvirtNative.virStorageVolDownload(original, reader, 0, 0, 0));
        LibvirtCalls.Must(LibvirtNative.virStorageVolUpload(copy, writer, 0, 0, 0));
        try
        {
            Pump(reader, writer, (long)size.Allocation, ct);
        }
        catch (Exception fault) when (fault is LibvirtFault or OperationCanceledException)
        {
            _ = LibvirtNative.virStreamAbort(reader);
            _ = LibvirtNative.virStreamAbort(writer);
            throw;
        }

        LibvirtCalls.Must(LibvirtNative.virStreamFinish(reader));
        LibvirtCalls.Must(LibvirtNative.virStreamFinish(writer));
        VolumeCalls.Refresh(into);
        return null;
    }

    private unsafe void Pump(StreamHandle reader, StreamHandle writer, long total, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var piece = new byte[Piece];
        var sent = 0L;
        fixed (byte* first = piece)
        {
            while (LibvirtCalls.Must(LibvirtNative.virStreamRecv(reader, first, Piece)) is var got and > 0)
            {
                ct.ThrowIfCancellationRequested();
                if (time.GetElapsedTime(began) > settings.Timeout)
                {
                    throw new OperationCanceledException("It took too long.");
                }

                for (var done = 0; done < got;)
                {
                    done += LibvirtCalls.Must(LibvirtNative.virStreamSend(writer, first + done, (nuint)(got - done)));
                }

                sent += got;
                var percent = total > 0 ? (int)Math.Min(Whole - 1, sent * Whole / total) : 0;
                progress?.Invoke(percent, string.Create(CultureInfo.InvariantCulture, $"{sent >> 20} MiB of its disk are on {to}."));
            }
        }
    }
}
