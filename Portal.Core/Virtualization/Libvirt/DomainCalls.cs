using System.Runtime.InteropServices;
using System.Xml.Linq;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>Calls about single VMs of one host. Each looks first and does only what is missing, so that it may be repeated.</summary>
/// <param name="connect">The connection.</param>
/// <param name="host">The host's name, for sentences.</param>
internal sealed class DomainCalls(ConnectHandle connect, string host)
{
    private const uint Inactive = 2;
    private const uint Live = 1;
    private const uint Config = 2;
    private const int MetadataElement = 2;

    /// <summary>Managed save, snapshots' and checkpoints' metadata, NVRAM and TPM state; drivers that know less of it refuse flags they do not know.</summary>
    private static readonly uint[] StateThatGoes = [1 | 2 | 4 | 16 | 32, 1 | 2 | 4 | 16, 1 | 2];

    public HypervisorAnswer Create(DomainDefinition asked)
    {
        var definition = DomainXml.AsKept(asked);
        using var there = LibvirtCalls.FindDomain(connect, definition.Id);
        if (there is not null)
        {
            var known = Read(there);
            return known.IsOurs && known.Definition == definition ? Answers.AlreadySo($"{definition.Name} is already defined on {host}.")
                : known.IsOurs && known.Definition.IsSameMachineAs(definition) ? Mark(there, definition, known, $"{definition.Name} was already defined on {host}; its metadata is new.")
                : Answers.Failed($"{host} already has {known.Definition.Name} under this id, defined otherwise.");
        }

        if (Obstacle(definition) is { } obstacle)
        {
            return obstacle;
        }

        var (noDisk, isNew) = definition.Storage.Pool.Length == 0 ? (null, false) : VolumeCalls.Make(connect, definition, host);
        if (noDisk is not null)
        {
            return noDisk;
        }

        try
        {
            LibvirtCalls.Must(LibvirtNative.virDomainDefineXMLFlags(connect, DomainXml.Write(definition, Means()), 0)).Dispose();
            return Answers.Done($"{definition.Name} is defined on {host}.");
        }
        catch (LibvirtFault fault) when (!fault.IsSilence)
        {
            var (pool, _) = isNew ? VolumeCalls.Pool(connect, definition.Storage.Pool, host) : default;
            using (pool)
            {
                if (pool is not null)
                {
                    VolumeCalls.Delete(pool, DomainXml.VolumeOf(definition.Id));
                }
            }

            return TakenName(definition) ?? Answers.Of(fault, host);
        }
    }

    public HypervisorAnswer Start(Guid id) => With(id, (domain, name) =>
    {
        switch (DomainStates.Read(domain))
        {
            case DomainState.Running:
                return Answers.AlreadySo($"{name} already runs on {host}.");
            case DomainState.Paused:
                return Answers.Failed($"{name} is paused; let it run on.");
            case DomainState.ShuttingDown:
                return Answers.Failed($"{name} is shutting down; start it when it is off.");
            case null:
                return Answers.NotFound(host);
            default:
                var known = Read(domain);
                if (known is { IsOurs: true, HasRun: false })
                {
                    Mark(domain, known.Definition, known with { HasRun = true }, "");
                }

                LibvirtCalls.Must(LibvirtNative.virDomainCreate(domain));
                return Answers.Done($"{name} is running on {host}.");
        }
    });

    public HypervisorAnswer Shutdown(Guid id) => With(id, (domain, name) => DomainStates.Read(domain) switch
    {
        DomainState.Running => Did(LibvirtNative.virDomainShutdown(domain), $"{name} was asked to shut down."),
        DomainState.ShuttingDown => Answers.AlreadySo($"{name} is already shutting down."),
        DomainState.ShutOff => Answers.AlreadySo($"{name} is already off."),
        DomainState.Paused => Answers.Failed($"{name} is paused; let it run on first."),
        null => Answers.NotFound(host),
    });

    public HypervisorAnswer Stop(Guid id) => With(id, (domain, name) => DomainStates.Read(domain) switch
    {
        DomainState.ShutOff => Answers.AlreadySo($"{name} is already off."),
        null => Answers.NotFound(host),

        // It may have stopped by itself meanwhile.
        _ => LibvirtCalls.Try(LibvirtNative.virDomainDestroy(domain), LibvirtCode.OperationInvalid) ? Answers.Done($"{name} is off.") : Answers.AlreadySo($"{name} is already off."),
    });

    public HypervisorAnswer Reboot(Guid id) => With(id, (domain, name) => DomainStates.Read(domain) switch
    {
        DomainState.Running => Did(LibvirtNative.virDomainReboot(domain, 0), $"{name} was asked to reboot."),
        DomainState.Paused or DomainState.ShutOff or DomainState.ShuttingDown => Answers.Failed($"{name} does not run."),
        null => Answers.NotFound(host),
    });

    public HypervisorAnswer Pause(Guid id) => With(id, (domain, name) => DomainStates.Read(domain) switch
    {
        DomainState.Running => Did(LibvirtNative.virDomainSuspend(domain), $"{name} is paused."),
        DomainState.Paused => Answers.AlreadySo($"{name} is paused already."),
        DomainState.ShutOff or DomainState.ShuttingDown => Answers.Failed($"{name} does not run."),
        null => Answers.NotFound(host),
    });

    public HypervisorAnswer Resume(Guid id) => With(id, (domain, name) => DomainStates.Read(domain) switch
    {
        DomainState.Paused => Did(LibvirtNative.virDomainResume(domain), $"{name} runs on."),
        DomainState.Running => Answers.AlreadySo($"{name} runs already."),
        DomainState.ShutOff or DomainState.ShuttingDown => Answers.Failed($"{name} does not run."),
        null => Answers.NotFound(host),
    });

    public HypervisorAnswer Redefine(DomainDefinition asked) => With(asked.Id, (domain, name) =>
    {
        var definition = DomainXml.AsKept(asked);
        var known = Read(domain);
        if (known.IsOurs && known.Definition == definition)
        {
            return Answers.AlreadySo($"{name} is already defined so.");
        }

        // Adopted machines keep the devices they have: what the portal knows of them is what their XML says.
        if (!known.IsOurs || known.Definition.IsSameMachineAs(definition))
        {
            return Mark(domain, definition, known, known.IsOurs ? $"{name} has new metadata." : $"{name} is the portal's now.");
        }

        return DomainStates.Read(domain) == DomainState.ShutOff
            ? Change(domain, known, definition)
            : Answers.Failed($"{name} is running; only its metadata can change now.");
    });

    /// <summary>Removes it. Its disk goes only if the portal made it and no other host has the VM.</summary>
    /// <param name="id">The VM.</param>
    /// <param name="withDisk">Whether its disk goes, too.</param>
    public HypervisorAnswer Delete(Guid id, bool withDisk)
    {
        using var domain = LibvirtCalls.FindDomain(connect, id);
        if (domain is null)
        {
            return withDisk && DeleteOrphan(id)
                ? Answers.Done($"{host} had no such VM, only its disk, which is removed.")
                : Answers.AlreadySo($"{host} has no such VM.");
        }

        var known = Read(domain);
        if (DomainStates.Read(domain) is not (DomainState.ShutOff or null))
        {
            return Answers.Failed($"{known.Definition.Name} is running; stop it first.");
        }

        var left = withDisk ? DeleteDisk(known) : "";
        Undefine(domain);
        return Answers.Done($"{known.Definition.Name} is removed from {host}.{left}");
    }

    public Domain? Find(Guid id)
    {
        using var domain = LibvirtCalls.FindDomain(connect, id);
        return domain is null ? null : Look(domain);
    }

    public List<Domain> List()
    {
        var found = new List<Domain>();
        foreach (var domain in LibvirtCalls.Domains(connect))
        {
            using (domain)
            {
                if (Look(domain) is { } looked)
                {
                    found.Add(looked);
                }
            }
        }

        return found;
    }

    /// <summary>What its definition says.</summary>
    public static DomainReading Read(DomainHandle domain) =>
        DomainXml.Read(Xml(domain), LibvirtCalls.Uuid(domain), Marshal.PtrToStringUTF8(LibvirtNative.virDomainGetName(domain)) ?? "");

    public static string Xml(DomainHandle domain) => LibvirtCalls.Text(LibvirtNative.virDomainGetXMLDesc(domain, Inactive));

    /// <summary>Takes the definition away, with the state that goes with it.</summary>
    public static void Undefine(DomainHandle domain)
    {
        foreach (var flags in StateThatGoes)
        {
            if (LibvirtNative.virDomainUndefineFlags(domain, flags) >= 0)
            {
                return;
            }

            var fault = LibvirtFault.Last();
            if (fault.Code == LibvirtCode.NoDomain)
            {
                return;
            }

            if (fault.Code is not (LibvirtCode.InvalidArgument or LibvirtCode.NotSupported) || flags == StateThatGoes[^1])
            {
                throw fault;
            }
        }
    }

    /// <summary>Writes metadata to the definition and to the running machine.</summary>
    public static void Write(DomainHandle domain, XElement metadata)
    {
        // libvirt adds the namespace itself, and refuses what has it.
        var text = new XElement(metadata.Name.LocalName, metadata.Attributes().Where(a => !a.IsNamespaceDeclaration)).ToString(SaveOptions.DisableFormatting);
        var where = DomainStates.Read(domain) == DomainState.ShutOff ? Config : Live | Config;
        LibvirtCalls.Must(LibvirtNative.virDomainSetMetadata(domain, MetadataElement, text, DomainXml.MetadataKey, DomainXml.MetadataUri, where));
    }

    /// <summary>What the host lacks for it; null when nothing.</summary>
    public HypervisorAnswer? Obstacle(DomainDefinition definition)
    {
        if (DomainXml.Objection(definition) is { } objection)
        {
            return Answers.Failed(objection);
        }

        if (TakenName(definition) is { } taken)
        {
            return taken;
        }

        if (definition.Network.Length > 0)
        {
            using var network = LibvirtCalls.FindNetwork(connect, definition.Network);
            if (network is null || LibvirtCalls.Must(LibvirtNative.virNetworkIsActive(network)) == 0)
            {
                return Answers.Unsuited($"{host} has no {(network is null ? "" : "active ")}network {definition.Network}.");
            }
        }

        return Lacking(definition.Machine) is { } lacking ? Answers.Unsuited(lacking) : null;
    }

    /// <summary>What the host runs VMs with.</summary>
    public HostMeans Means() => HostXml.Means(LibvirtCalls.Text(LibvirtNative.virConnectGetCapabilities(connect)));

    private string? Lacking(DomainMachine machine)
    {
        if (machine == DomainMachine.Default)
        {
            return null;
        }

        var described = LibvirtCalls.Text(LibvirtNative.virConnectGetCapabilities(connect));
        if (machine.Type.Length > 0 && !HostXml.HasMachine(described, machine.Type))
        {
            return $"{host} has no machines of the type {machine.Type}.";
        }

        if (machine is { Firmware: Inventory.GuestFirmware.Bios, HasTpm: false })
        {
            return null;
        }

        var means = HostXml.Means(described);
        var type = machine.Type.Length > 0 ? machine.Type : machine.Firmware == Inventory.GuestFirmware.SecureBoot ? "q35" : null;
        return LibvirtCalls.OfferedText(LibvirtNative.virConnectGetDomainCapabilities(connect, null, means.Architecture, type, means.Type, 0)) is { } capabilities
            ? HostXml.Lacking(capabilities, machine, host)
            : null;
    }

    private HypervisorAnswer? TakenName(DomainDefinition definition)
    {
        using var other = LibvirtCalls.FindDomain(connect, definition.Name);
        return other is not null && LibvirtCalls.Uuid(other) != definition.Id ? Answers.NameTaken($"{host} already has a VM named {definition.Name}.") : null;
    }

    private HypervisorAnswer With(Guid id, Func<DomainHandle, string, HypervisorAnswer> act)
    {
        using var domain = LibvirtCalls.FindDomain(connect, id);
        return domain is null ? Answers.NotFound(host) : act(domain, LibvirtCalls.Borrowed(LibvirtNative.virDomainGetName(domain)));
    }

    private static HypervisorAnswer Did(int result, string sentence)
    {
        LibvirtCalls.Must(result);
        return Answers.Done(sentence);
    }

    private static HypervisorAnswer Mark(DomainHandle domain, DomainDefinition definition, DomainReading known, string sentence)
    {
        Write(domain, DomainXml.Metadata(definition, known.MovedFrom, known.HasRun));
        return Answers.Done(sentence);
    }

    private HypervisorAnswer Change(DomainHandle domain, DomainReading known, DomainDefinition definition)
    {
        if (definition.Storage != known.Definition.Storage)
        {
            return Answers.Failed($"The disk of {definition.Name} cannot be exchanged for another.");
        }

        if (Obstacle(definition) is { } obstacle)
        {
            return obstacle;
        }

        if (definition.Disk != known.Definition.Disk && definition.Storage.Pool.Length > 0 && VolumeCalls.Grow(connect, definition, host) is { } tooSmall)
        {
            return tooSmall;
        }

        if (definition.Name != known.Definition.Name)
        {
            LibvirtCalls.Must(LibvirtNative.virDomainRename(domain, definition.Name, 0));
        }

        // Written anew, but for what libvirt and people added to it since.
        var xml = DomainXml.Resized(Xml(domain), definition, Means());
        if (xml is null)
        {
            return Answers.Failed($"{host} has no readable definition of {definition.Name}.");
        }

        LibvirtCalls.Must(LibvirtNative.virDomainDefineXMLFlags(connect, DomainXml.With(xml, DomainXml.Metadata(definition, known.MovedFrom, known.HasRun)) ?? xml, 0)).Dispose();
        return Answers.Done($"{definition.Name} is redefined.");
    }

    private string DeleteDisk(DomainReading known)
    {
        var own = DomainXml.VolumeOf(known.Definition.Id);
        var others = known.Disks.Count(d => d.Device == "disk" && d.Volume != own && (d.Volume.Length > 0 || d.Path.Length > 0));
        var left = others > 0 ? $" {others} {(others == 1 ? "disk" : "disks")} the portal did not make were left." : "";
        if (known.Definition.Storage.Pool.Length == 0)
        {
            return left;
        }

        var (pool, _) = VolumeCalls.Pool(connect, known.Definition.Storage.Pool, host);
        using (pool)
        {
            if (pool is not null)
            {
                VolumeCalls.Delete(pool, own);
                return left;
            }
        }

        return $" Its disk was left: the storage pool {known.Definition.Storage.Pool} cannot be used.";
    }

    /// <summary>A disk without its VM lies where a create was interrupted. In shared pools it may belong to a VM of another host.</summary>
    private bool DeleteOrphan(Guid id)
    {
        var deleted = false;
        foreach (var handle in LibvirtCalls.Pools(connect))
        {
            using var pool = new OpenPool(handle, LibvirtCalls.Borrowed(LibvirtNative.virStoragePoolGetName(handle)), VolumeCalls.Kind(handle));
            deleted |= LibvirtNative.virStoragePoolIsActive(handle) == 1 && !pool.IsShared && HostXml.KeepsFiles(pool.Kind) && VolumeCalls.Delete(pool, DomainXml.VolumeOf(id));
        }

        return deleted;
    }

    private static Domain? Look(DomainHandle domain)
    {
        try
        {
            var read = Read(domain);
            return DomainStates.Read(domain) is { } state ? new Domain(read.Definition, state) { IsOurs = read.IsOurs } : null;
        }
        catch (LibvirtFault fault) when (fault.Code == LibvirtCode.NoDomain)
        {
            // Gone between list and look.
            return null;
        }
    }
}
