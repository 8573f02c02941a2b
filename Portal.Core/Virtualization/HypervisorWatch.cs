using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;
using Portal.Core.Virtualization.Watch;

namespace Portal.Core.Virtualization;

/// <summary>
/// Keeps the portal's word about hosts and VMs true: follows what hypervisors tell, and looks at everything on a host when it begins to answer and
/// now and then after. Each host has its own turn. VMs that an operation holds are the operation's; when it lets go of one, that one is looked at,
/// for events that came meanwhile were not noted.
/// </summary>
/// <param name="hypervisors">All adapters.</param>
/// <param name="contexts">The database.</param>
/// <param name="standing">Rows of hosts.</param>
/// <param name="notes">Rows of VMs.</param>
/// <param name="strangers">Rows of machines that are not the portal's.</param>
/// <param name="strays">VMs that are not where they should be.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">For operators.</param>
internal sealed partial class HypervisorWatch(
    Hypervisors hypervisors,
    IDbContextFactory<PortalDbContext> contexts,
    HostStanding standing,
    MachineNotes notes,
    Strangers strangers,
    Strays strays,
    IChangeFeed feed,
    TimeProvider time,
    ILogger<HypervisorWatch> log) : BackgroundService
{
    /// <summary>How often a host that answers is described and looked at though it told of nothing.</summary>
    public static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(10);

    private const int MostAtOnce = 100;

    private static readonly TimeSpan BackOff = TimeSpan.FromSeconds(5);

    /// <summary>Hosts that answered last, as they told.</summary>
    private readonly ConcurrentDictionary<Guid, bool> answering = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var lanes = new HostLanes(RunAsync, log, stoppingToken);
        var moved = Channel.CreateUnbounded<Guid>(new UnboundedChannelOptions { SingleReader = true });
        using var subscription = feed.Subscribe(change =>
        {
            foreach (var id in change.Topic == ChangeTopic.Operation ? change.Ids : [])
            {
                moved.Writer.TryWrite(id);
            }
        });
        try
        {
            await Task.WhenAll([
                LookAfterOperationsAsync(lanes, moved.Reader, stoppingToken),
                LookNowAndThenAsync(lanes, stoppingToken),
                .. hypervisors.All.Select(adapter => FollowAsync(lanes, adapter, stoppingToken)),
            ]);
        }
        finally
        {
            await lanes.EndAsync();
        }
    }

    private async Task FollowAsync(HostLanes lanes, IHypervisor adapter, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            try
            {
                await foreach (var told in adapter.EventsAsync(ct))
                {
                    lanes.Post(told.HostId, told switch
                    {
                        ConnectionEvent connected => new HostErrand.Connected(connected),
                        DomainEvent happened => new HostErrand.Happened(happened),
                        _ => new HostErrand.LookAtAll(),
                    });
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

    private async Task LookNowAndThenAsync(HostLanes lanes, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        while (await timer.WaitForNextTickAsync(ct))
        {
            foreach (var host in answering.Keys)
            {
                lanes.Post(host, new HostErrand.LookAtAll());
            }
        }
    }

    private async Task LookAfterOperationsAsync(HostLanes lanes, ChannelReader<Guid> moved, CancellationToken ct)
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
                foreach (var (vm, host, source) in await ReleasedAsync(ids, ct))
                {
                    lanes.Post(host, new HostErrand.LookAt(vm));
                    if (source != host && await hypervisors.EndpointAsync(source, ct) is { } left)
                    {
                        // A host that did not see the end of a move may have kept something of the VM.
                        SettleBeside(vm, left, ct);
                    }
                }
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                LookFailed(log, fault);
            }
        }
    }

    private async Task<List<(Guid Vm, Guid Host, Guid Source)>> ReleasedAsync(HashSet<Guid> operations, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var released = await db.Operations.AsNoTracking()
            .Where(o => operations.Contains(o.Id) && o.EndedAt != null)
            .Join(db.VirtualMachines.Where(v => v.OperationId == null && v.HostId != null), o => o.TargetId, v => v.Id, (o, v) => new { v.Id, HostId = v.HostId!.Value, o.Kind, o.Data })
            .ToListAsync(ct);
        return released.ConvertAll(v => (v.Id, v.HostId, v.Kind == VirtualMachineOperations.Migrate ? JsonSerializer.Deserialize<VmWork>(v.Data)?.SourceHostId ?? v.HostId : v.HostId));
    }

    /// <summary>All that waits for one host. A look answers every event that came before it, but for why.</summary>
    private async Task RunAsync(Guid hostId, IReadOnlyList<HostErrand> errands, CancellationToken ct)
    {
        if (await hypervisors.EndpointAsync(hostId, ct) is not { } host)
        {
            answering.TryRemove(hostId, out _);
            return;
        }

        var connected = errands.OfType<HostErrand.Connected>().LastOrDefault()?.Event;
        if (connected is not null)
        {
            await ConnectedAsync(host, connected, ct);
        }

        if (connected?.Answers == true || (connected is null && errands.Any(e => e is HostErrand.LookAtAll)))
        {
            await LookAsync(host, errands.OfType<HostErrand.Happened>().Select(h => h.Event), ct);
            return;
        }

        foreach (var errand in errands)
        {
            await (errand switch
            {
                HostErrand.Happened happened => NoteAsync(host, happened.Event.VirtualMachineId, happened.Event.State, happened.Event.Cause, ct),
                HostErrand.LookAt one => LookAsync(host, one.VirtualMachineId, ct),
                _ => Task.CompletedTask,
            });
        }
    }

    private async Task ConnectedAsync(HostEndpoint host, ConnectionEvent connected, CancellationToken ct)
    {
        if (connected.Answers)
        {
            answering[host.Id] = true;
            await standing.AnswersAsync(host, connected.Sentence, ct);
        }
        else
        {
            answering.TryRemove(host.Id, out _);
            await standing.SilentAsync(host, connected.Sentence, ct);
        }
    }

    /// <summary>Everything on a host, against all that the portal has on record of it. Rows are read before the host is asked, so that what changed meanwhile is left alone.</summary>
    private async Task LookAsync(HostEndpoint host, IEnumerable<DomainEvent> before, CancellationToken ct)
    {
        var hypervisor = hypervisors.Of(host);
        var placed = await PlacedAsync(host.Id, ct);
        if (await hypervisor.ListAsync(host, ct) is not { } domains)
        {
            return;
        }

        var causes = before.GroupBy(e => e.VirtualMachineId).ToDictionary(g => g.Key, g => g.Last().Cause);
        var here = domains.DistinctBy(d => d.Definition.Id).ToDictionary(d => d.Definition.Id);
        foreach (var vm in placed.Where(v => v.HostId == host.Id))
        {
            await NotePlacedAsync(vm, host, here.GetValueOrDefault(vm.Id)?.State, causes.GetValueOrDefault(vm.Id), ct);
        }

        var rest = here.Keys.Except(placed.Select(v => v.Id)).ToList();
        var known = await KnownAsync(rest, ct);
        foreach (var id in rest.Where(known.Contains))
        {
            SettleBeside(id, host, ct);
        }

        await strangers.ReplaceAsync(hypervisor, host, [.. rest.Where(id => !known.Contains(id)).Select(id => here[id])], ct);
        if (await hypervisor.DescribeAsync(host, ct) is { } described)
        {
            await standing.DescribeAsync(host, described, ct);
        }
    }

    private async Task LookAsync(HostEndpoint host, Guid vmId, CancellationToken ct)
    {
        var vm = await FindAsync(vmId, ct);
        var answer = await hypervisors.Of(host).FindAsync(host, vmId, ct);
        if (vm?.HostId == host.Id && answer.Reached)
        {
            await NotePlacedAsync(vm, host, answer.Domain?.State, DomainCause.Ordinary, ct);
        }
    }

    private async Task NoteAsync(HostEndpoint host, Guid vmId, DomainState? state, DomainCause cause, CancellationToken ct)
    {
        switch (await FindAsync(vmId, ct))
        {
            case null:
                var hypervisor = hypervisors.Of(host);
                if (await hypervisor.FindAsync(host, vmId, ct) is { Reached: true } answer)
                {
                    await strangers.ReplaceAsync(hypervisor, host, vmId, answer.Domain, ct);
                }

                break;
            case { OperationId: not null }:
                break;
            case { } vm when vm.HostId == host.Id:
                // What was told may be from before the end of an operation: where the host says otherwise by now, it told that, too, or was asked when the operation let go.
                if (await hypervisors.Of(host).FindAsync(host, vmId, ct) is { Reached: true } now && now.Domain?.State == state)
                {
                    await NotePlacedAsync(vm, host, state, cause, ct);
                }

                break;
            case not null when state is not null:
                SettleBeside(vmId, host, ct);
                break;
            default:
                strays.Forget(vmId);
                break;
        }
    }

    /// <summary>Notes a VM where it is placed. One that left, and was seen arriving elsewhere before, is settled there.</summary>
    private async Task NotePlacedAsync(VirtualMachine vm, HostEndpoint host, DomainState? state, DomainCause cause, CancellationToken ct)
    {
        if (vm.OperationId is null && state is null or DomainState.ShutOff && strays.ArrivedAt(vm.Id) is { } arrived && await hypervisors.EndpointAsync(arrived, ct) is { } there)
        {
            SettleBeside(vm.Id, there, ct);
            return;
        }

        await notes.NoteAsync(vm, host, state, cause, ct);
    }

    /// <summary>Two hosts are asked, so it is done beside the turns of both: neither waits for the other.</summary>
    private void SettleBeside(Guid vmId, HostEndpoint host, CancellationToken ct) => _ = SettleAsync(vmId, host, ct);

    private async Task SettleAsync(Guid vmId, HostEndpoint host, CancellationToken ct)
    {
        try
        {
            await Task.Yield();
            await strays.SettleAsync(vmId, host, ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The portal ends; it is looked at when it starts.
        }
        catch (Exception fault)
        {
            LookFailed(log, fault);
        }
    }

    private async Task<VirtualMachine?> FindAsync(Guid vmId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == vmId, ct);
    }

    private async Task<List<VirtualMachine>> PlacedAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.VirtualMachines.AsNoTracking().Where(v => v.HostId == hostId || v.TargetHostId == hostId).ToListAsync(ct);
    }

    private async Task<HashSet<Guid>> KnownAsync(List<Guid> ids, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return ids.Count == 0 ? [] : await db.VirtualMachines.Where(v => ids.Contains(v.Id)).Select(v => v.Id).ToHashSetAsync(ct);
    }

    [LoggerMessage(301, LogLevel.Warning, "Following a hypervisor's events failed; starting over")]
    private static partial void Lost(ILogger log, Exception fault);

    [LoggerMessage(302, LogLevel.Warning, "Looking at a VM failed; its next event or operation makes it good")]
    private static partial void LookFailed(ILogger log, Exception fault);
}
