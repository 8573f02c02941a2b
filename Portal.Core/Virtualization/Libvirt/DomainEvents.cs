using System.Threading.Channels;
using Portal.Core.Virtualization.Libvirt.Interop;

namespace Portal.Core.Virtualization.Libvirt;

/// <summary>
/// Turns what a host's libvirt tells into events of the port, in order. Where the event does not say what became of the domain, the host is asked.
/// Source of the numbers: <c>virDomainEventType</c>, https://libvirt.org/html/libvirt-libvirt-domain.html.
/// </summary>
internal sealed class DomainEvents
{
    private const int Backlog = 4096;
    private const int Defined = 0;
    private const int Undefined = 1;
    private const int Started = 2;
    private const int Suspended = 3;
    private const int Resumed = 4;
    private const int Stopped = 5;
    private const int Shutdown = 6;
    private const int Slept = 7;
    private const int Crashed = 8;
    private const int MigratedIn = 1;
    private const int MigratedOut = 3;
    private const int StoppedByGuest = 0;
    private const int StoppedBySomebody = 1;
    private const int StoppedByCrash = 2;
    private const int StoppedByFailure = 5;

    private readonly Guid hostId;
    private readonly LibvirtConnection connection;
    private readonly Action<HypervisorEvent> tell;
    private readonly Channel<LifecycleEvent> noted = Channel.CreateBounded<LifecycleEvent>(new BoundedChannelOptions(Backlog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    public DomainEvents(Guid hostId, LibvirtConnection connection, Action<HypervisorEvent> tell, CancellationToken ct)
    {
        (this.hostId, this.connection, this.tell) = (hostId, connection, tell);
        _ = Task.Run(() => TellAsync(ct), ct);
    }

    /// <summary>Takes an event on libvirt's own thread.</summary>
    public void Note(LifecycleEvent happened) => noted.Writer.TryWrite(happened);

    private async Task TellAsync(CancellationToken ct)
    {
        try
        {
            await foreach (var happened in noted.Reader.ReadAllAsync(ct))
            {
                if (happened.Event is Started or Stopped or Undefined)
                {
                    connection.ShutdownsAsked.Forget(happened.Id);
                }

                try
                {
                    tell(new DomainEvent(hostId, happened.Id, await StateAsync(happened, ct), Cause(happened)));
                }
                catch (LibvirtFault)
                {
                    // It does not answer; that is told, and everything looked at when it answers again.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The host is let go of.
        }
    }

    /// <summary>A machine that arrives is paused until it is wholly there.</summary>
    private async Task<DomainState?> StateAsync(LifecycleEvent happened, CancellationToken ct) => happened switch
    {
        { Event: Started, Detail: MigratedIn } => DomainState.Paused,
        { Event: Started or Resumed } => DomainState.Running,
        { Event: Suspended or Slept } => DomainState.Paused,
        { Event: Shutdown } => DomainState.ShuttingDown,
        _ => await connection.CallAsync(
            connect =>
            {
                using var domain = LibvirtCalls.FindDomain(connect, happened.Id);
                return domain is null ? null : DomainStates.Read(domain);
            },
            ct),
    };

    private static DomainCause Cause(LifecycleEvent happened) => happened switch
    {
        { Event: Crashed } or { Event: Stopped, Detail: StoppedByCrash or StoppedByFailure } => DomainCause.Crashed,
        { Event: Shutdown } or { Event: Stopped, Detail: StoppedByGuest or StoppedBySomebody } => DomainCause.Ended,
        { Event: Stopped, Detail: MigratedOut } or { Event: Started or Suspended or Resumed, Detail: MigratedIn } => DomainCause.Migrated,
        _ => DomainCause.Ordinary,
    };
}

/// <summary>States as libvirt numbers them (<c>virDomainState</c>).</summary>
internal static class DomainStates
{
    /// <summary>The state now; null when the domain vanished while it was asked.</summary>
    public static DomainState? Read(DomainHandle domain)
    {
        const int Paused = 3;
        const int ShuttingDown = 4;
        const int ShutOff = 5;
        const int Crashed = 6;
        const int Slept = 7;
        return LibvirtCalls.Try(LibvirtNative.virDomainGetState(domain, out var state, out _, 0), LibvirtCode.NoDomain)
            ? state switch
            {
                Paused or Slept or Crashed => DomainState.Paused,
                ShuttingDown => DomainState.ShuttingDown,
                ShutOff => DomainState.ShutOff,
                _ => DomainState.Running,
            }
            : null;
    }
}
