using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>How trying to begin with a VM ended.</summary>
internal enum Departure
{
    /// <summary>Its operation is recorded and holds it.</summary>
    Begun,

    /// <summary>Something else took hold of it, or it is not as it was.</summary>
    Changed,

    /// <summary>As many VMs of the host move as may.</summary>
    NoRoom,
}

/// <summary>
/// Records what an evacuation does with a VM as an ordinary operation. Its id follows from the evacuation, the VM and the attempt: recorded
/// twice it is the same one, and after a crash the evacuation finds it again.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="services">Where the runner is found, which itself knows the evacuation's steps.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class Departures(IDbContextFactory<PortalDbContext> contexts, IServiceProvider services, IChangeFeed feed, TimeProvider time)
{
    private const int FallbackNumber = -1;

    private OperationRunner Runner => (OperationRunner)services.GetService(typeof(OperationRunner))!;

    /// <summary>The operation that moves the VM, at the nth attempt.</summary>
    public static Guid MoveId(Guid evacuation, Guid machine, int attempt) => IdOf(evacuation, machine, attempt);

    /// <summary>The operation that does with the VM what is done when it can be moved nowhere.</summary>
    public static Guid FallbackId(Guid evacuation, Guid machine) => IdOf(evacuation, machine, FallbackNumber);

    /// <summary>Takes hold of the VM and records its move, unless as many of the host's VMs move already as may, by whomever.</summary>
    public Task<Departure> BeginMoveAsync(Guid id, VirtualMachine vm, int atOnce, Person person, CancellationToken ct) =>
        BeginAsync(id, vm, VirtualMachineOperations.Migrate, "Migrate", atOnce, person, ct);

    /// <summary>Takes hold of the VM and records what is done instead.</summary>
    public Task<Departure> BeginFallbackAsync(Guid id, VirtualMachine vm, EvacuationFallback fallback, Person person, CancellationToken ct) => fallback switch
    {
        EvacuationFallback.Pause => BeginAsync(id, vm, VirtualMachineOperations.Suspend, "Suspend", null, person, ct),
        EvacuationFallback.ShutDown => BeginAsync(id, vm, VirtualMachineOperations.Shutdown, "Shut down", null, person, ct),
        EvacuationFallback.Leave => throw new InvalidOperationException("A VM that is left where it is needs no operation."),
    };

    /// <summary>Runs a recorded operation to its end, or joins whoever runs it.</summary>
    public Task RunAsync(Guid id, CancellationToken ct) => Runner.RunAsync(id, ct);

    private async Task<Departure> BeginAsync(Guid id, VirtualMachine vm, string kind, string verb, int? atOnce, Person person, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (atOnce is { } most && await MovingAsync(db, vm.HostId!.Value, ct) >= most)
        {
            return Departure.NoRoom;
        }

        var held = await db.VirtualMachines.Where(v => v.Id == vm.Id && v.OperationId == null && v.Status == vm.Status && v.HostId == vm.HostId)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.OperationId, id), ct);
        if (held != 1)
        {
            return Departure.Changed;
        }

        var work = new VmWork
        {
            VirtualMachineId = vm.Id,
            Name = vm.Name,
            ClusterId = vm.ClusterId,
            Definition = VmOperations.DefinitionOf(vm),
            SourceHostId = vm.HostId,
            HostId = vm.HostId,
            StatusBefore = vm.Status,
        };
        db.Operations.Add(VmOperations.New(Runner, kind, id, $"{verb} virtual machine {vm.Name}", vm, work, person, time.GetUtcNow()));
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vm.Id));
        feed.Publish(Change.Of(ChangeTopic.Operation, id));
        return Departure.Begun;
    }

    private static Task<int> MovingAsync(PortalDbContext db, Guid hostId, CancellationToken ct) => db.VirtualMachines
        .Where(v => v.HostId == hostId && v.OperationId != null)
        .CountAsync(v => db.Operations.Any(o => o.Id == v.OperationId && o.Kind == VirtualMachineOperations.Migrate), ct);

    private static Guid IdOf(Guid evacuation, Guid machine, int number)
    {
        Span<byte> named = stackalloc byte[36];
        evacuation.TryWriteBytes(named);
        machine.TryWriteBytes(named[16..]);
        BinaryPrimitives.WriteInt32BigEndian(named[32..], number);
        return new Guid(SHA256.HashData(named).AsSpan(0, 16), bigEndian: true);
    }
}
