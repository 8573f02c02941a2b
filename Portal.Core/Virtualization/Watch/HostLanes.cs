using Microsoft.Extensions.Logging;

namespace Portal.Core.Virtualization.Watch;

/// <summary>Something there is to do about a host.</summary>
internal abstract record HostErrand
{
    /// <summary>Its hypervisor answers, or does not.</summary>
    public sealed record Connected(ConnectionEvent Event) : HostErrand;

    /// <summary>Something happened to a VM there.</summary>
    public sealed record Happened(DomainEvent Event) : HostErrand;

    /// <summary>It is to be described, and everything on it looked at.</summary>
    public sealed record LookAtAll : HostErrand;

    /// <summary>One VM on it is to be looked at.</summary>
    public sealed record LookAt(Guid VirtualMachineId) : HostErrand;
}

/// <summary>
/// Errands about hosts: those of one host one after the other, in the order they came, those of different hosts beside each other. A host that is
/// slow, or frozen, keeps nobody waiting but itself.
/// </summary>
/// <param name="work">Takes all that waits for a host, in order.</param>
/// <param name="log">Where a fault is told.</param>
/// <param name="ct">Ends everything.</param>
internal sealed partial class HostLanes(Func<Guid, IReadOnlyList<HostErrand>, CancellationToken, Task> work, ILogger log, CancellationToken ct)
{
    private readonly Lock turn = new();
    private readonly Dictionary<Guid, Lane> lanes = [];

    /// <summary>Adds an errand; returns at once.</summary>
    public void Post(Guid hostId, HostErrand errand)
    {
        lock (turn)
        {
            if (!lanes.TryGetValue(hostId, out var lane))
            {
                lanes[hostId] = lane = new Lane();
            }

            lane.Waiting.Add(errand);
            lane.Running ??= Task.Run(() => RunAsync(hostId, lane), CancellationToken.None);
        }
    }

    /// <summary>Waits until nothing runs any more; for when everything was ended.</summary>
    public Task EndAsync()
    {
        lock (turn)
        {
            return Task.WhenAll(lanes.Values.Select(l => l.Running ?? Task.CompletedTask));
        }
    }

    private async Task RunAsync(Guid hostId, Lane lane)
    {
        while (Next(hostId, lane) is { } errands)
        {
            try
            {
                await work(hostId, errands, ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                // The portal ends; what waits is looked at when it starts.
            }
            catch (Exception fault)
            {
                Failed(log, hostId, fault);
            }
        }
    }

    private List<HostErrand>? Next(Guid hostId, Lane lane)
    {
        lock (turn)
        {
            if (lane.Waiting.Count == 0 || ct.IsCancellationRequested)
            {
                lanes.Remove(hostId);
                return null;
            }

            var taken = lane.Waiting;
            lane.Waiting = [];
            return taken;
        }
    }

    [LoggerMessage(303, LogLevel.Warning, "Keeping up with host {Host} failed; its next event or look makes it good")]
    private static partial void Failed(ILogger log, Guid host, Exception fault);

    private sealed class Lane
    {
        public List<HostErrand> Waiting { get; set; } = [];

        public Task? Running { get; set; }
    }
}
