using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Placement;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Evacuation;

/// <summary>
/// Says how an evacuation stands. All of it is read from the VMs' rows and the records of the operations it began: what a crash interrupted
/// is found as it is, and nothing is begun twice.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="placer">Says whether another try is worth while.</param>
/// <param name="time">Our clock.</param>
internal sealed class EvacuationDesk(IDbContextFactory<PortalDbContext> contexts, Placer placer, TimeProvider time)
{
    /// <summary>A move that failed for a reason that may have passed is tried so often at once.</summary>
    public const int TriesAtOnce = 3;

    /// <summary>And so often in all, where it is waited for.</summary>
    public const int MostTries = 16;

    /// <summary>Time between tries that are not made at once.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(1);

    /// <summary>How long a VM waits for hosts that were trusted and cannot be checked just now, before it is treated as one that no host takes.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>VMs that require trust and run on a host, or may do so soon: those that leave when it loses trust.</summary>
    public static IQueryable<VirtualMachine> RequiringTrust(PortalDbContext db, Guid hostId) => db.VirtualMachines.Where(v =>
        (v.HostId == hostId || v.TargetHostId == hostId)
        && v.TrustLevel == TrustLevel.Trusted
        && (v.OperationId != null || v.Status == VirtualMachineStatus.Up || v.Status == VirtualMachineStatus.Paused));

    /// <summary>How it stands now; VMs it had not to do with before are noted in its data.</summary>
    public async Task<EvacuationLook> LookAsync(EvacuationWork work, Operation operation, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == work.HostId, ct);
        var verdict = await db.Attestations.Where(a => a.HostId == work.HostId).Select(a => (Verdict?)a.Verdict).SingleOrDefaultAsync(ct);
        var machines = await Concerned(db, work).AsNoTracking().OrderBy(v => v.Status == VirtualMachineStatus.Down).ThenByDescending(v => v.Priority).ThenBy(v => v.Name).ToListAsync(ct);
        var children = await ChildrenAsync(db, operation.Id, machines, ct);
        var known = work.Machines.Select(m => m.Id).ToHashSet();
        work.Machines.AddRange(machines.Where(m => m.HostId == work.HostId && !known.Contains(m.Id)).Select(m => new EvacuatedMachine(m.Id, m.Name)));
        var standings = new List<MachineStanding>();
        foreach (var machine in machines)
        {
            standings.Add(await StandingAsync(work, operation, machine, children, ct));
        }

        return new EvacuationLook(work, standings, EndsBecause(work, host, verdict));
    }

    private static IQueryable<VirtualMachine> Concerned(PortalDbContext db, EvacuationWork work) => work switch
    {
        { OnlyVirtualMachineId: { } only } => RequiringTrust(db, work.HostId).Where(v => v.Id == only),
        { Purpose: EvacuationPurpose.TrustLost } => RequiringTrust(db, work.HostId),
        _ => db.VirtualMachines.Where(v => v.HostId == work.HostId || v.TargetHostId == work.HostId),
    };

    private static async Task<Dictionary<Guid, Operation>> ChildrenAsync(PortalDbContext db, Guid evacuation, List<VirtualMachine> machines, CancellationToken ct)
    {
        var ids = machines.SelectMany(m => Enumerable.Range(0, MostTries).Select(n => Departures.MoveId(evacuation, m.Id, n)).Append(Departures.FallbackId(evacuation, m.Id))).ToList();
        return await db.Operations.AsNoTracking().Where(o => ids.Contains(o.Id)).ToDictionaryAsync(o => o.Id, ct);
    }

    private static string? EndsBecause(EvacuationWork work, Host? host, Verdict? verdict) => (work.Purpose, host?.State) switch
    {
        (_, null) => $"{work.HostName} is not among the hosts any more.",
        (EvacuationPurpose.Maintenance, HostState.PreparingForMaintenance) => null,
        (EvacuationPurpose.Maintenance, _) => $"{work.HostName} is not on its way to maintenance any more.",
        (_, HostState.Maintenance or HostState.PreparingForMaintenance) => $"{work.HostName} goes to maintenance: what is left moves with that.",
        _ when verdict == Verdict.Untrusted => null,
        _ => verdict == Verdict.Trusted ? $"{work.HostName} is trusted again." : $"{work.HostName} is not found untrusted any more.",
    };

    private async Task<MachineStanding> StandingAsync(EvacuationWork work, Operation operation, VirtualMachine vm, Dictionary<Guid, Operation> children, CancellationToken ct)
    {
        var tries = Enumerable.Range(0, MostTries).Select(n => children.GetValueOrDefault(Departures.MoveId(operation.Id, vm.Id, n))).TakeWhile(o => o is not null).Select(o => o!).ToList();
        var fallback = children.GetValueOrDefault(Departures.FallbackId(operation.Id, vm.Id));
        if (vm.OperationId is { } held)
        {
            return fallback?.Id == held || tries.Exists(o => o.Id == held)
                ? new MachineStanding(vm, MachineCase.InFlight, held)
                : new MachineStanding(vm, MachineCase.Busy, Sentence: "it is being changed by another operation.");
        }

        if (vm.Status is not (VirtualMachineStatus.Up or VirtualMachineStatus.Paused or VirtualMachineStatus.Down))
        {
            return vm.Status == VirtualMachineStatus.Unknown
                ? new MachineStanding(vm, MachineCase.Blocked, Sentence: "its host does not say what became of it.")
                : new MachineStanding(vm, MachineCase.Busy, Sentence: $"it is {VmOperations.Words(vm.Status)}.");
        }

        if (fallback is not null)
        {
            return new MachineStanding(vm, MachineCase.Stays, Sentence: fallback.State == OperationState.Succeeded ? Reason(tries) : fallback.Failure ?? Reason(tries));
        }

        return await NextAsync(work, operation, vm, tries, ct);
    }

    private async Task<MachineStanding> NextAsync(EvacuationWork work, Operation operation, VirtualMachine vm, List<Operation> tries, CancellationToken ct)
    {
        if (tries.Count == 0)
        {
            return Again();
        }

        var last = tries[^1];
        if (last.State == OperationState.Cancelled)
        {
            return new MachineStanding(vm, work.Purpose == EvacuationPurpose.TrustLost ? MachineCase.Stays : MachineCase.Blocked, Sentence: "somebody cancelled its move.");
        }

        var rested = work.Purpose == EvacuationPurpose.Maintenance && tries.Count < MostTries && last.EndedAt + RetryAfter <= time.GetUtcNow();
        if (last.FailureCode == NoHost)
        {
            var decision = await placer.DecideAsync(Request(vm), ct);
            if (decision.EligibleCount > 0 && (rested || (work.Purpose == EvacuationPurpose.TrustLost && tries.Count < TriesAtOnce)))
            {
                return Again();
            }

            return work.Purpose == EvacuationPurpose.TrustLost && WaitsForHosts(decision) && time.GetUtcNow() < operation.CreatedAt + Patience
                ? new MachineStanding(vm, MachineCase.Busy, Sentence: "hosts that could take it were trusted, but cannot be checked now.")
                : Cannot(work, vm, tries);
        }

        return tries.Count < TriesAtOnce || rested ? Again() : Cannot(work, vm, tries);

        MachineStanding Again() => new(vm, MachineCase.Move, Departures.MoveId(operation.Id, vm.Id, tries.Count));
    }

    private static MachineStanding Cannot(EvacuationWork work, VirtualMachine vm, List<Operation> tries) => (work.Purpose, vm.Status) switch
    {
        (EvacuationPurpose.Maintenance, VirtualMachineStatus.Down) => new MachineStanding(vm, MachineCase.Stays, Sentence: $"it is down and stays. {Reason(tries)}"),
        (EvacuationPurpose.Maintenance, _) => new MachineStanding(vm, MachineCase.Blocked, Sentence: Reason(tries)),
        (_, VirtualMachineStatus.Paused) => new MachineStanding(vm, MachineCase.Stays, Sentence: $"it stays paused. {Reason(tries)}"),
        _ when work.Fallback == EvacuationFallback.Leave => new MachineStanding(vm, MachineCase.Stays, Sentence: $"it is left running. {Reason(tries)}"),
        _ => new MachineStanding(vm, MachineCase.FallBack, Sentence: Reason(tries)),
    };

    private static string Reason(List<Operation> tries) =>
        tries.Count > 0 && tries[^1].Refusal is { } json && JsonSerializer.Deserialize<Refusal>(json) is { } refusal ? refusal.Sentence : "";

    /// <summary>Whether a host would do but for evidence that only silence keeps from being new.</summary>
    private static bool WaitsForHosts(PlacementDecision decision) => decision.Refused.Any(h => h.Reasons.All(r => TrustFilter.IsStale(r.Code)));

    private static PlacementRequest Request(VirtualMachine vm) => new()
    {
        ClusterId = vm.ClusterId,
        Cpus = vm.Cpus,
        Memory = vm.Memory,
        TrustLevel = vm.TrustLevel,
        Purpose = PlacementPurpose.Migrate,
        VirtualMachineId = vm.Id,
        CurrentHostId = vm.HostId,
        Storage = StorageNeed.Of(vm.Pool, vm.Image, vm.Disk),
    };

    private const string NoHost = "placement.no_host";
}
