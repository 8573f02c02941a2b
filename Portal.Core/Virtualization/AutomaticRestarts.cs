using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization;

/// <summary>
/// Starts VMs again that went down without anybody asking for it, if they are to be. Only where their host answers and says that they are off: silence is no news of a VM.
/// The start is an ordinary one, in the portal's name, and passes the gate like any other. Those that went down together start in order of their priority.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="hypervisors">All adapters.</param>
/// <param name="change">Starts VMs.</param>
/// <param name="audit">Where it is told when restarts stop.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
public sealed partial class AutomaticRestarts(
    IDbContextFactory<PortalDbContext> contexts,
    Hypervisors hypervisors,
    ChangeVirtualMachine change,
    AuditLog audit,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<AutomaticRestarts> log) : BackgroundService, IWatchMachines
{
    /// <summary>How often a VM is restarted in a row; then a person has to look. A start by a person begins anew.</summary>
    public const int MostInARow = 3;

    /// <summary>How long others that went down at the same time are waited for, so that the most important starts first.</summary>
    public static readonly TimeSpan Gathering = TimeSpan.FromSeconds(1);

    private static readonly Caller Portal = Caller.With(Person.Portal, Role.Operator);

    private static readonly string[] PowerKinds =
    [
        VirtualMachineOperations.CreateAndStart, VirtualMachineOperations.Start, VirtualMachineOperations.Resume, VirtualMachineOperations.Reboot,
        VirtualMachineOperations.Shutdown, VirtualMachineOperations.Stop,
    ];

    private readonly Channel<Guid> down = Channel.CreateUnbounded<Guid>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>A VM was seen to go down unasked; it is started again soon if it is to be. Returns at once.</summary>
    /// <param name="vmId">The VM.</param>
    /// <param name="cause">Why it went down, as far as its hypervisor tells. One that left for another host did not go down, and one that was ended on purpose stays so.</param>
    /// <param name="ct">Cancels.</param>
    public async Task ConsiderAsync(Guid vmId, DomainCause cause, CancellationToken ct)
    {
        if (cause is not (DomainCause.Migrated or DomainCause.Ended))
        {
            await down.Writer.WriteAsync(vmId, ct);
        }
    }

    Task IWatchMachines.WentDownAsync(Guid vmId, DomainCause cause, CancellationToken ct) => ConsiderAsync(vmId, cause, ct);

    Task IWatchMachines.StartedWithoutGateAsync(Guid vmId, CancellationToken ct) => Task.CompletedTask;

    /// <summary>Starts again what may be, the most important first.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (await down.Reader.WaitToReadAsync(stoppingToken))
        {
            await Task.Delay(Gathering, time, stoppingToken);
            var together = new HashSet<Guid>();
            while (down.Reader.TryRead(out var id))
            {
                together.Add(id);
            }

            try
            {
                await RestartAsync(together, stoppingToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                Failed(log, together.Count, fault);
            }
        }
    }

    private async Task RestartAsync(HashSet<Guid> together, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var candidates = await db.VirtualMachines.AsNoTracking()
            .Where(v => together.Contains(v.Id) && v.RestartsAutomatically && v.Status == VirtualMachineStatus.Down && v.OperationId == null && v.HostId != null)
            .OrderByDescending(v => v.Priority).ThenBy(v => v.Name)
            .ToListAsync(ct);
        foreach (var vm in candidates)
        {
            if (!await WasAskedForAsync(db, vm, ct) && await IsOffAsync(vm, ct))
            {
                await RestartAsync(db, vm, ct);
            }
        }
    }

    private async Task RestartAsync(PortalDbContext db, VirtualMachine vm, CancellationToken ct)
    {
        if (vm.Restarts >= MostInARow)
        {
            audit.Add(
                db,
                Person.Portal,
                "vm.restart.given_up",
                new AuditTarget("vm", vm.Id, vm.Name),
                $"'{vm.Name}' went down again after {vm.Restarts} restarts in a row; it stays down until somebody starts it.",
                AuditSeverity.Alarm);
            await db.SaveChangesAsync(ct);
            feed.Publish(Change.Of(ChangeTopic.Audit));
            return;
        }

        // A refusal is audited by the command itself.
        var begun = await change.StartAsync(Portal, vm.Id, ct);
        if (begun.Succeeded)
        {
            Restarting(log, vm.Id, vm.Restarts + 1);
        }
    }

    /// <summary>Whether the last thing anybody asked of its power was to go down; an event of that may come late.</summary>
    private static async Task<bool> WasAskedForAsync(PortalDbContext db, VirtualMachine vm, CancellationToken ct)
    {
        var last = await db.Operations
            .Where(o => o.TargetId == vm.Id && PowerKinds.Contains(o.Kind) && o.State == Operations.OperationState.Succeeded)
            .OrderByDescending(o => o.CreatedAt)
            .Select(o => o.Kind)
            .FirstOrDefaultAsync(ct);
        return last is VirtualMachineOperations.Shutdown or VirtualMachineOperations.Stop;
    }

    private async Task<bool> IsOffAsync(VirtualMachine vm, CancellationToken ct) =>
        await hypervisors.EndpointAsync(vm.HostId!.Value, ct) is { } host
        && await hypervisors.Of(host).FindAsync(host, vm.Id, ct) is { Reached: true, Domain.State: DomainState.ShutOff };

    [LoggerMessage(321, LogLevel.Information, "VM {Id} went down unasked and is started again, time {Time} in a row")]
    private static partial void Restarting(ILogger log, Guid id, int time);

    [LoggerMessage(322, LogLevel.Error, "Restarting {Count} VMs that went down failed")]
    private static partial void Failed(ILogger log, int count, Exception fault);
}
