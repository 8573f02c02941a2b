using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation.Hypervisors;

/// <summary>Tells every listener what happens to VMs and hosts. A listener that falls behind loses the oldest; it has to look at the world now and then anyway.</summary>
internal sealed class DomainEvents
{
    private const int Backlog = 4096;

    private readonly ConcurrentDictionary<Channel<HypervisorEvent>, bool> listeners = new();

    public void Publish(HypervisorEvent happened)
    {
        foreach (var listener in listeners.Keys)
        {
            listener.Writer.TryWrite(happened);
        }
    }

    /// <summary>Listens from the moment of the call until cancelled or no longer read.</summary>
    /// <param name="first">Told before anything else.</param>
    /// <param name="ct">Ends it.</param>
    public IAsyncEnumerable<HypervisorEvent> Listen(Func<IEnumerable<HypervisorEvent>> first, CancellationToken ct)
    {
        var channel = Channel.CreateBounded<HypervisorEvent>(new BoundedChannelOptions(Backlog)
        {
            FullMode = BoundedChannelFullMode.DropOldest,
            SingleReader = true,
        });
        listeners[channel] = true;
        ct.Register(() => listeners.TryRemove(channel, out _));
        return Read(channel, first, ct);
    }

    private async IAsyncEnumerable<HypervisorEvent> Read(Channel<HypervisorEvent> channel, Func<IEnumerable<HypervisorEvent>> first, [EnumeratorCancellation] CancellationToken ct)
    {
        try
        {
            foreach (var told in first())
            {
                yield return told;
            }

            await foreach (var happened in channel.Reader.ReadAllAsync(ct))
            {
                yield return happened;
            }
        }
        finally
        {
            listeners.TryRemove(channel, out _);
        }
    }
}
