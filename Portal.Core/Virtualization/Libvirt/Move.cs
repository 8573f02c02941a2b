using System.Globalization;
using Portal.Core.Inventory;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>
/// Moves one VM from host to host. Whatever happens on the way, the answer says where it is afterwards: that is looked up, not concluded.
/// A disk only the source sees is copied, whole: nobody can tell whether images of the same name on two hosts are the same.
/// </summary>
internal sealed class Move(
    LibvirtConnection source, LibvirtConnection target, Guid id, MigrationSettings settings, MoveProgress? progress, LibvirtOptions options, TimeProvider time)
{
    private readonly string from = source.Host.Name;
    private readonly string to = target.Host.Name;

    public async Task<HypervisorAnswer> RunAsync(CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (await LookAsync(source, ct) is not { } here)
        {
            return await LookAsync(target, ct) is null ? Answers.NotFound(from) : Answers.AlreadySo($"{to} has the VM already.");
        }

        var name = here.Reading.Definition.Name;
        if (source.Host.Id == target.Host.Id)
        {
            return Answers.AlreadySo($"{name} is on {to} already.");
        }

        if (await LookAsync(target, ct) is { } there)
        {
            return await BothAsync(here, there, ct);
        }

        if (here.State == DomainState.ShuttingDown)
        {
            return Answers.Failed($"{name} is shutting down; migrate it when it is off.");
        }

        if (await target.CallAsync(connect => new DomainCalls(connect, to).Obstacle(here.Reading.Definition), ct) is { } obstacle)
        {
            return obstacle;
        }

        var storage = new MoveStorage(source, target, here.Reading, settings);
        if (await storage.PlanAsync(isGoneAllowed: false, ct) is { } unsuited)
        {
            return unsuited;
        }

        return here.State == DomainState.ShutOff
            ? await new OfflineMove(source, target, here.Reading, storage, settings, progress, time).RunAsync(ct)
            : await LiveAsync(here, storage, ct);
    }

    /// <summary>Both hosts have it: a move that was interrupted near its end is brought to it, anything else is for a person.</summary>
    private async Task<HypervisorAnswer> BothAsync(Seen here, Seen there, CancellationToken ct)
    {
        var name = here.Reading.Definition.Name;
        if (here.State == DomainState.ShutOff && there.State != DomainState.ShutOff)
        {
            // It runs there, and what is left here is only its definition.
            await UndefineSourceAsync(here.Reading, ct);
            return Answers.Done($"{name} had moved to {to}; what was left on {from} is removed.");
        }

        if (here.State == DomainState.ShutOff && there.Reading.MovedFrom == source.Host.Id)
        {
            var storage = new MoveStorage(source, target, here.Reading, settings);
            return await storage.PlanAsync(isGoneAllowed: true, ct) ?? await OfflineMove.FinishAsync(source, target, here.Reading, storage);
        }

        return Answers.Failed($"Both {from} and {to} have {name}; remove one of them.");
    }

    private async Task<HypervisorAnswer> LiveAsync(Seen here, MoveStorage storage, CancellationToken ct)
    {
        if (storage.Copies && settings.Mode == MigrationMode.Tunnelled)
        {
            return Answers.Unsuited($"The disk of {here.Reading.Definition.Name} is on {from} only, and libvirt copies no disks through its own connection; let the portal drive the move, or share the storage.");
        }

        if (await storage.PrepareAsync(ct) is { } obstacle)
        {
            return obstacle;
        }

        LibvirtFault? failed = null;
        var givenUp = "";
        try
        {
            givenUp = await CarryAsync(storage, ct);
        }
        catch (LibvirtFault fault)
        {
            failed = fault;
        }

        return await ConcludeAsync(here, storage, failed, givenUp);
    }

    /// <summary>Runs the move, watches it, and gives it up when told to or when it takes too long.</summary>
    /// <returns>Why it was given up, if it was and ended nevertheless; empty otherwise.</returns>
    private async Task<string> CarryAsync(MoveStorage storage, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var moving = await BeginAsync(storage, ct);
        using var pulse = new PeriodicTimer(options.ProgressInterval, time);
        var givenUp = "";
        var most = 0;
        while (!moving.IsCompleted)
        {
            await Task.WhenAny(moving, pulse.WaitForNextTickAsync(CancellationToken.None).AsTask());
            if (moving.IsCompleted)
            {
                break;
            }

            givenUp = ct.IsCancellationRequested ? "It was cancelled." : time.GetElapsedTime(began) > settings.Timeout ? $"It took longer than {Words(settings.Timeout)}." : givenUp;
            try
            {
                most = await source.CallAsync(connect => Pulse(connect, givenUp.Length > 0, most), CancellationToken.None);
            }
            catch (LibvirtFault)
            {
                // The move's own call ends, too, when the host is gone.
            }
        }

        try
        {
            await moving;
            return givenUp;
        }
        catch (LibvirtFault fault) when (givenUp.Length > 0)
        {
            throw new LibvirtFault(LibvirtCode.OperationAborted, fault.Domain, givenUp);
        }
    }

    private async Task<Task<bool>> BeginAsync(MoveStorage storage, CancellationToken ct)
    {
        var sending = await source.SessionAsync(ct);
        var receiving = await target.SessionAsync(ct);
        return settings.Mode == MigrationMode.Direct
            ? sending.LongCallAsync(near => receiving.Hold(far => Migrate(near, storage, (domain, list, flags) => LibvirtCalls.Must(LibvirtNative.virDomainMigrate3(domain, far, list.Pointer, list.Count, flags)).Dispose())))
            : sending.LongCallAsync(near => Migrate(near, storage, (domain, list, flags) => LibvirtCalls.Must(LibvirtNative.virDomainMigrateToURI3(domain, target.Host.LibvirtUri, list.Pointer, list.Count, flags))));
    }

    private bool Migrate(ConnectHandle near, MoveStorage storage, Action<DomainHandle, TypedList, uint> migrate)
    {
        const uint Live = 1;
        const uint PeerToPeer = 2;
        const uint Tunnelled = 4;
        const uint PersistTarget = 8;
        const uint UndefineSource = 16;
        const uint AbortOnError = 4096;
        const uint CopyDisks = 64;
        const uint AsIfShared = 512;
        var flags = Live | PersistTarget | UndefineSource | AbortOnError
            | (settings.Mode == MigrationMode.Direct ? 0 : PeerToPeer)
            | (settings.Mode == MigrationMode.Tunnelled ? Tunnelled : 0)
            | (storage.Copies ? CopyDisks : 0)
            | (storage.IsProvedShared ? AsIfShared : 0);
        using var domain = LibvirtCalls.FindDomain(near, id) ?? throw new LibvirtFault(LibvirtCode.NoDomain, 0, "The VM is gone");
        using var list = new TypedList();
        if (settings.Mode != MigrationMode.Tunnelled && MigrationUri() is { } uri)
        {
            list.Add("migrate_uri", uri);
        }

        foreach (var disk in storage.Copied)
        {
            list.Add("migrate_disks", disk.Target);
        }

        migrate(domain, list, flags);
        return true;
    }

    /// <summary>Where memory goes; without a port, libvirt takes one of its own range.</summary>
    private string? MigrationUri()
    {
        var address = options.MigrationAddress is { } derive ? derive(target.Host) : MigrationHost(target.Host, options);
        return string.IsNullOrEmpty(address) ? null : $"tcp://{(address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address)}";
    }

    private static string? MigrationHost(HostEndpoint host, LibvirtOptions options)
    {
        var address = LibvirtAddress.Parse(host.LibvirtUri, options.AllowsUnprotected);
        return address is { Succeeded: true, Value.Host.Length: > 0 } ? address.Value.Host
            : Uri.CheckHostName(host.Address) is UriHostNameType.Unknown ? null
            : host.Address;
    }

    /// <summary>Tells how far it is, or ends it.</summary>
    private int Pulse(ConnectHandle near, bool giveUp, int most)
    {
        using var domain = LibvirtCalls.FindDomain(near, id);
        if (domain is null)
        {
            return most;
        }

        if (giveUp)
        {
            LibvirtCalls.Try(LibvirtNative.virDomainAbortJob(domain), LibvirtCode.OperationInvalid, LibvirtCode.OperationUnsupported, LibvirtCode.NoDomain);
            return most;
        }

        if (!LibvirtCalls.Try(LibvirtNative.virDomainGetJobStats(domain, out _, out var statistics, out var count, 0), LibvirtCode.OperationInvalid, LibvirtCode.NotSupported, LibvirtCode.NoDomain))
        {
            return most;
        }

        using var list = new TypedList(statistics, count);
        if (list.Get("data_total") is not { } total || total == 0 || list.Get("data_remaining") is not { } remaining)
        {
            return most;
        }

        const int Whole = 100;
        var percent = Math.Clamp(Whole - (int)(Math.Min(remaining, total) * (decimal)Whole / total), most, Whole - 1);
        progress?.Invoke(percent, string.Create(CultureInfo.InvariantCulture, $"{remaining >> 20} of {total >> 20} MiB remain to be sent to {to}."));
        return percent;
    }

    private async Task<HypervisorAnswer> ConcludeAsync(Seen here, MoveStorage storage, LibvirtFault? failed, string givenUp)
    {
        var name = here.Reading.Definition.Name;
        var (stays, unsure) = await SeenAsync(source);
        var (arrived, dark) = await SeenAsync(target);
        if (arrived is { State: not DomainState.ShutOff } && stays is null or { State: DomainState.ShutOff })
        {
            if (unsure.Length > 0)
            {
                return Answers.Done($"{name} is on {to}; {from} does not answer, look whether it still has its definition.");
            }

            if (stays is not null)
            {
                await UndefineSourceAsync(here.Reading, CancellationToken.None);
            }

            var left = await storage.CleanSourceAsync();
            progress?.Invoke(100, $"It is on {to}.");
            return Answers.Done($"{name} moved from {from} to {to}.{(givenUp.Length > 0 ? " It was there before it could be given up." : "")}{left}");
        }

        var why = failed?.Message.TrimEnd('.') ?? "libvirt said it was moved, and it was not";
        if (stays is not null)
        {
            if (arrived is null && dark.Length == 0)
            {
                await storage.CleanTargetAsync();
            }

            return Word(failed, $"{name} stays on {from}: {why}.");
        }

        return unsure.Length > 0 || dark.Length > 0
            ? new HypervisorAnswer(HypervisorResult.Unreachable, $"Moving {name} failed: {why}. Where it is cannot be told now: {(unsure.Length > 0 ? from : to)} does not answer.")
            : Answers.Failed($"Moving {name} failed: {why}. {(arrived is null ? $"Neither {from} nor {to} has it running." : $"It is on {to}, off.")}");
    }

    private static HypervisorAnswer Word(LibvirtFault? failed, string sentence) => failed switch
    {
        { IsSilence: true } => new HypervisorAnswer(HypervisorResult.Unreachable, sentence),
        { IsLackOfCapacity: true } => Answers.NoCapacity(sentence),
        { Code: LibvirtCode.UnsafeMigration or LibvirtCode.CpuIncompatible or LibvirtCode.Unsupported or LibvirtCode.OperationUnsupported } => Answers.Unsuited(sentence),
        _ => Answers.Failed(sentence),
    };

    private static string Words(TimeSpan span) => span.TotalMinutes >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} minutes")
        : string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} seconds");

    private Task<bool> UndefineSourceAsync(DomainReading reading, CancellationToken ct) => source.CallAsync(
        connect =>
        {
            using var domain = LibvirtCalls.FindDomain(connect, reading.Definition.Id);
            if (domain is not null && DomainStates.Read(domain) == DomainState.ShutOff)
            {
                DomainCalls.Undefine(domain);
            }

            return true;
        },
        ct);

    private async Task<(Seen? Seen, string Dark)> SeenAsync(LibvirtConnection connection)
    {
        try
        {
            return (await LookAsync(connection, CancellationToken.None), "");
        }
        catch (LibvirtFault fault)
        {
            return (null, fault.Message);
        }
    }

    private Task<Seen?> LookAsync(LibvirtConnection connection, CancellationToken ct) => connection.CallAsync(
        connect =>
        {
            using var domain = LibvirtCalls.FindDomain(connect, id);
            return domain is not null && DomainStates.Read(domain) is { } state ? new Seen(DomainCalls.Read(domain), state) : null;
        },
        ct);

    private sealed record Seen(DomainReading Reading, DomainState State);
}
