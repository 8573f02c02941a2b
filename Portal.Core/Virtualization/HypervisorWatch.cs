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
/// Keeps the portal's word about VMs true: looks at every host at start, then follows events. VMs that an operation holds are the operation's;
/// when it lets go of one, that one is looked at, for events that came meanwhile were not noted.
/// </summary>
/// <param name="hypervisors">All adapters.</param>
/// <param name="contexts">The database.</param>
/// <param name="audit">Where changes behind our back are told.</param>
/// <param name="feed">Who listens.</param>
/// <param name="store">Marks VMs that run where they may not.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
internal sealed partial class HypervisorWatch(
    Hypervisors hypervisors,
    IDbContextFactory<PortalDbContext> contexts,
    AuditLog audit,
    IChangeFeed feed,
    Steps.VmStore store,
    TimeProvider time,
    ILogger<HypervisorWatch> log) : BackgroundService
{
    private const int MostAtOnce = 100;

    private static readonly TimeSpan BackOff = TimeSpan.FromSeconds(5);

    /// <summary>One look or one event at a time: what a host said earlier never comes after what it said later.</summary>
    private readonly SemaphoreSlim turn = new(1);

    public override void Dispose()
    {
        turn.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var moved = Channel.CreateUnbounded<Guid>(new UnboundedChannelOptions { SingleReader = true });
        using var subscription = feed.Subscribe(change =>
        {
            foreach (var id in change.Topic == ChangeTopic.Operation ? change.Ids : [])
            {
                moved.Writer.TryWrite(id);
            }
        });
        await Task.WhenAll([LookAfterOperationsAsync(moved.Reader, stoppingToken), .. hypervisors.All.Select(adapter => FollowAsync(adapter, stoppingToken))]);
    }

    private async Task LookAfterOperationsAsync(ChannelReader<Guid> moved, CancellationToken ct)
    {
        while (await moved.WaitToReadAsync(ct))
        {
            var ids = new HashSet<Guid>();
            while (ids.Count < MostAtOnce && moved.TryRead(out var id))
            {
                ids.Add(id);
            }

            try
            {
                await LookAtReleasedAsync(ids, ct);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                LookFailed(log, fault);
            }
        }
    }

    private async Task LookAtReleasedAsync(HashSet<Guid> operations, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var released = await db.Operations.AsNoTracking()
            .Where(o => operations.Contains(o.Id) && o.EndedAt != null)
            .Join(db.VirtualMachines.Where(v => v.OperationId == null), o => o.TargetId, v => v.Id, (_, v) => v)
            .Join(db.Hosts, v => v.HostId, h => h.Id, (v, h) => new { v.Id, Host = new HostEndpoint(h.Id, h.Name, h.Address, h.LibvirtUri) })
            .ToListAsync(ct);
        foreach (var vm in released)
        {
            await LookAsync(hypervisors.Of(vm.Host), vm.Host, vm.Id, ct);
        }
    }

    private async Task FollowAsync(IHypervisor adapter, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            try
            {
                // Listening begins before the look around, so that nothing falls between them.
                var events = adapter.EventsAsync(ct).GetAsyncEnumerator(ct);
                await using (events)
                {
                    var next = events.MoveNextAsync();
                    await LookAroundAsync(adapter, ct);
                    while (await next)
                    {
                        if (events.Current is DomainEvent happened)
                        {
                            await NoteAsync(happened, ct);
                        }

                        next = events.MoveNextAsync();
                    }
                }

                return;
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                Lost(log, fault);
                await Task.Delay(BackOff, time, ct);
            }
        }
    }

    private async Task LookAroundAsync(IHypervisor adapter, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var placed = await db.VirtualMachines.AsNoTracking()
            .Where(v => v.HostId != null && v.OperationId == null)
            .Join(db.Hosts, v => v.HostId, h => h.Id, (v, h) => new { v.Id, Host = new HostEndpoint(h.Id, h.Name, h.Address, h.LibvirtUri) })
            .ToListAsync(ct);
        foreach (var vm in placed.Where(v => adapter.Reaches(v.Host)))
        {
            await LookAsync(adapter, vm.Host, vm.Id, ct);
        }
    }

    private async Task LookAsync(IHypervisor adapter, HostEndpoint host, Guid vmId, CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        try
        {
            var answer = await adapter.FindAsync(host, vmId, ct);
            if (answer.Reached)
            {
                await NoteAsync(vmId, host.Id, answer.Domain?.State, ct);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task NoteAsync(DomainEvent happened, CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        try
        {
            await NoteAsync(happened.VirtualMachineId, happened.HostId, happened.State, ct);
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task NoteAsync(Guid vmId, Guid hostId, DomainState? state, CancellationToken ct)
    {
        var status = state switch
        {
            DomainState.Running => VirtualMachineStatus.Up,
            DomainState.ShuttingDown => VirtualMachineStatus.PoweringDown,
            DomainState.ShutOff => VirtualMachineStatus.Down,
            DomainState.Paused => VirtualMachineStatus.Paused,
            null => VirtualMachineStatus.Unknown,
        };
        await using var db = await contexts.CreateDbContextAsync(ct);
        var vm = await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == vmId && v.HostId == hostId && v.OperationId == null, ct);
        if (vm is null || vm.Status == status)
        {
            return;
        }

        var changed = await db.VirtualMachines.Where(v => v.Id == vmId && v.HostId == hostId && v.OperationId == null && v.Status == vm.Status)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.Status, status), ct);
        if (changed == 1)
        {
            audit.Add(db, Person.Portal, "vm.seen", new AuditTarget("vm", vmId, vm.Name), $"'{vm.Name}' is now {VmOperations.Words(status)}; it was {VmOperations.Words(vm.Status)}.");
            await db.SaveChangesAsync(ct);
            if (status == VirtualMachineStatus.Up && vm.TrustLevel == TrustLevel.Trusted)
            {
                // Started by somebody else: no gate was passed.
                await store.MarkIfUntrustedAsync(db, vm, hostId, ct);
            }

            feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vmId));
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }
    }

    [LoggerMessage(301, LogLevel.Warning, "Following a hypervisor's events failed; starting over")]
    private static partial void Lost(ILogger log, Exception fault);

    [LoggerMessage(302, LogLevel.Warning, "Looking at a VM after its operation failed; its next event or operation makes it good")]
    private static partial void LookFailed(ILogger log, Exception fault);
}
