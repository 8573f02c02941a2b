using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Portal.Core.Virtualization;

namespace Portal.Core.Simulation.Hypervisors;

/// <summary>Tells every listener what happens to VMs. A listener that falls behind loses the oldest; it has to look at the world now and then anyway.</summary>
internal sealed class DomainEvents
{
    private const int Backlog = 4096;

    private readonly ConcurrentDictionary<Channel<DomainEvent>, bool> listeners = new();

    public void Publish(DomainEvent happened)
    {
        foreach (var listener in listeners.Keys)
        {
            listener.Writer.TryWrite(happened);
        }
    }

    /// <summary>Listens from the moment of the call until cancelled or no longer read.</summary>
    public IAsyncEnumerable<DomainEvent> Listen(CancellationToken ct)
    {
        var channel = Channel.CreateBounded<DomainEvent>(new BoundedChannelOptions(Backlog)
        {
            FullMode = BoundedChannelFullMode.DropOldest,
            SingleReader = true,
        });
        listeners[channel] = true;
        ct.Register(() => listeners.TryRemove(channel, out _));
        return Read(channel, ct);
    }

    private async IAsyncEnumerable<DomainEvent> Read(Channel<DomainEvent> channel, [EnumeratorCancellation] CancellationToken ct)
    {
        try
        {
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
