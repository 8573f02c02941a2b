using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization.Watch;

/// <summary>What a host's row says of the host itself: whether it answers, what it is made of, how much it has for VMs.</summary>
/// <param name="contexts">The database.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
internal sealed class HostStanding(IDbContextFactory<PortalDbContext> contexts, AuditLog audit, IChangeFeed feed)
{
    /// <summary>It answers: up again, unless somebody set it aside.</summary>
    public async Task AnswersAsync(HostEndpoint host, string sentence, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var back = await db.Hosts.Where(h => h.Id == host.Id && h.State == HostState.NonResponsive)
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.Up).SetProperty(h => h.StateReason, ""), ct);
        var told = back + await db.Hosts.Where(h => h.Id == host.Id && (h.State == HostState.Maintenance || h.State == HostState.PreparingForMaintenance) && h.StateReason != "")
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.StateReason, ""), ct);
        if (back == 1)
        {
            audit.Add(db, Person.Portal, "host.answers", TargetOf(host), $"The hypervisor of {host.Name} answers: {sentence}");
            await db.SaveChangesAsync(ct);
        }

        await transaction.CommitAsync(ct);
        Tell(host.Id, told > 0, back > 0);
    }

    /// <summary>It does not answer. Its VMs keep the status they had: nobody knows better. One on its way to maintenance stays on it: its operation waits.</summary>
    public async Task SilentAsync(HostEndpoint host, string sentence, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var fell = await db.Hosts.Where(h => h.Id == host.Id && h.State == HostState.Up)
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.NonResponsive).SetProperty(h => h.StateReason, sentence), ct);
        var told = fell + await db.Hosts.Where(h => h.Id == host.Id && h.StateReason != sentence).ExecuteUpdateAsync(set => set.SetProperty(h => h.StateReason, sentence), ct);
        if (fell == 1)
        {
            var vms = await db.VirtualMachines.CountAsync(v => v.HostId == host.Id, ct);
            var kept = vms switch
            {
                0 => "",
                1 => " The virtual machine placed there is shown as it was last; what it does now is not known.",
                _ => $" The {vms} virtual machines placed there are shown as they were last; what they do now is not known.",
            };
            audit.Add(db, Person.Portal, "host.not_answering", TargetOf(host), $"The hypervisor of {host.Name} does not answer: {sentence}{kept}", AuditSeverity.Alarm);
            await db.SaveChangesAsync(ct);
        }

        await transaction.CommitAsync(ct);
        Tell(host.Id, told > 0, fell > 0);
    }

    /// <summary>Takes what the host says of itself into its row: CPUs, memory, hardware, storage pools.</summary>
    public async Task DescribeAsync(HostEndpoint host, HypervisorDescription described, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        if (await db.Hosts.SingleOrDefaultAsync(h => h.Id == host.Id, ct) is not { } row)
        {
            return;
        }

        var before = row.Hardware.Uuid;
        var hardware = Merged(row.Hardware, described.Hardware);
        if (!Same(row.Hardware, hardware))
        {
            row.Hardware = hardware;
        }

        row.PhysicalMemory = described.Memory;
        var changed = db.ChangeTracker.HasChanges();
        var audited = before.Length > 0 && !string.Equals(before, hardware.Uuid, StringComparison.OrdinalIgnoreCase);
        if (audited)
        {
            audit.Add(
                db, Person.Portal, "host.hardware.changed", TargetOf(host), $"Another machine answers as {host.Name}: its UUID is {hardware.Uuid} now, it was {before}.", AuditSeverity.Alarm);
        }

        var (pools, left) = await PoolsAsync(db, host, described.Pools, ct);
        await db.SaveChangesAsync(ct);
        changed |= pools;
        var cpus = Math.Max(1, described.Cpus);
        changed |= await db.Hosts.Where(h => h.Id == host.Id && h.Cpus != (h.CpusClaimed > cpus * Host.CpuOvercommit ? (h.CpusClaimed + Host.CpuOvercommit - 1) / Host.CpuOvercommit : cpus))
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.Cpus, h => h.CpusClaimed > cpus * Host.CpuOvercommit ? (h.CpusClaimed + Host.CpuOvercommit - 1) / Host.CpuOvercommit : cpus), ct) == 1;
        changed |= await FitAsync(db, host.Id, ct);
        await transaction.CommitAsync(ct);
        Tell(host.Id, changed, audited || left);
    }

    /// <summary>Sets what is left for the portal's VMs by <see cref="HostCapacity"/>, never below what they claim already; tells whether that changed. The caller commits.</summary>
    public static async Task<bool> FitAsync(PortalDbContext db, Guid hostId, CancellationToken ct)
    {
        var physical = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.PhysicalMemory).SingleOrDefaultAsync(ct);
        if (physical == 0)
        {
            // It did not say; its row says what it was given.
            return false;
        }

        var foreign = await db.ForeignMachines.Where(m => m.HostId == hostId && m.Status != VirtualMachineStatus.Down && m.Status != VirtualMachineStatus.Unknown).SumAsync(m => m.Memory, ct);
        var memory = HostCapacity.ForMachines(physical, foreign);
        return await db.Hosts.Where(h => h.Id == hostId && h.Memory != (h.MemoryClaimed > memory ? h.MemoryClaimed : memory))
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.Memory, h => h.MemoryClaimed > memory ? h.MemoryClaimed : memory), ct) == 1;
    }

    /// <summary>Takes over the pools; a disk that a VM's id names and no VM owns was left by an operation that broke off, and is told once.</summary>
    private async Task<(bool Changed, bool Left)> PoolsAsync(PortalDbContext db, HostEndpoint host, IReadOnlyList<StoragePool> said, CancellationToken ct)
    {
        var known = await db.HostPools.Where(p => p.HostId == host.Id).ToDictionaryAsync(p => p.Name, StringComparer.Ordinal, ct);
        var left = false;
        foreach (var pool in said.DistinctBy(p => p.Name, StringComparer.Ordinal))
        {
            if (!known.Remove(pool.Name, out var row))
            {
                db.HostPools.Add(row = new HostPool { HostId = host.Id, Name = pool.Name, Kind = "", IsShared = false, Capacity = 0, Available = 0 });
            }

            var toldOf = JsonSerializer.Deserialize<HashSet<string>>(row.Volumes) ?? [];
            foreach (var volume in pool.Volumes.Where(v => !toldOf.Contains(v)))
            {
                left |= await TellOfDiskAsync(db, host, pool.Name, volume, ct);
            }

            (row.Kind, row.IsShared, row.Capacity, row.Available, row.Volumes) = (pool.Kind, pool.IsShared, pool.Capacity, pool.Available, JsonSerializer.Serialize(pool.Volumes));
        }

        db.HostPools.RemoveRange(known.Values);
        return (db.ChangeTracker.HasChanges(), left);
    }

    private async Task<bool> TellOfDiskAsync(PortalDbContext db, HostEndpoint host, string pool, string volume, CancellationToken ct)
    {
        if (!Guid.TryParseExact(Path.GetFileNameWithoutExtension(volume), "D", out var id) || await db.VirtualMachines.AnyAsync(v => v.Id == id, ct))
        {
            return false;
        }

        var made = await db.Operations.AsNoTracking().Where(o => o.TargetId == id && o.TargetKind == "vm" && o.EndedAt != null).OrderByDescending(o => o.CreatedAt).FirstOrDefaultAsync(ct);
        if (made is null)
        {
            return false;
        }

        audit.Add(
            db,
            Person.Portal,
            "disk.left_behind",
            TargetOf(host),
            $"The pool {pool} of {host.Name} holds the disk {volume} of '{made.TargetName}', a virtual machine there is none of any more: '{made.Title}' left it. Nothing uses it; remove it on the host if nobody needs it.",
            AuditSeverity.Alarm);
        return true;
    }

    /// <summary>What a host does not say any more, or leaves to others to say, stays as it was known.</summary>
    private static HostHardware Merged(HostHardware known, HostHardware said) => new()
    {
        Manufacturer = Either(said.Manufacturer, known.Manufacturer),
        ProductName = Either(said.ProductName, known.ProductName),
        Version = Either(said.Version, known.Version),
        SerialNumber = Either(said.SerialNumber, known.SerialNumber),
        Uuid = Either(said.Uuid, known.Uuid),
        Family = Either(said.Family, known.Family),
        BiosVendor = Either(said.BiosVendor, known.BiosVendor),
        BiosVersion = Either(said.BiosVersion, known.BiosVersion),
        BiosDate = Either(said.BiosDate, known.BiosDate),
        Board = Either(said.Board, known.Board),
        Hypervisor = Either(said.Hypervisor, known.Hypervisor),
        NotOffered = said.NotOffered,
        CpuModel = Either(said.CpuModel, known.CpuModel),
        OperatingSystem = Either(said.OperatingSystem, known.OperatingSystem),
        Kernel = Either(said.Kernel, known.Kernel),
    };

    private static bool Same(HostHardware one, HostHardware other) => JsonSerializer.Serialize(one) == JsonSerializer.Serialize(other);

    private static string Either(string said, string known) => said.Length > 0 ? said : known;

    private static AuditTarget TargetOf(HostEndpoint host) => new("host", host.Id, host.Name);

    private void Tell(Guid hostId, bool changed, bool audited)
    {
        if (changed)
        {
            feed.Publish(Change.Of(ChangeTopic.Host, hostId));
        }

        if (audited)
        {
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }
    }
}
