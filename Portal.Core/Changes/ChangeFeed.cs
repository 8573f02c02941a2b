using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Portal.Core.Changes;

/// <summary>What sort of thing changed.</summary>
public enum ChangeTopic
{
    /// <summary>A host's row, capacity or state.</summary>
    Host,

    /// <summary>A host's attestation.</summary>
    Attestation,

    /// <summary>A VM.</summary>
    VirtualMachine,

    /// <summary>An attester that registered itself.</summary>
    Attester,

    /// <summary>A cluster or its policy.</summary>
    Cluster,

    /// <summary>A template of VMs.</summary>
    Template,

    /// <summary>An attestation server, what it calls hosts, or what it keeps of ours.</summary>
    Service,

    /// <summary>A baseline or a revision of it.</summary>
    Baseline,

    /// <summary>An operation's state or progress.</summary>
    Operation,

    /// <summary>The audit.</summary>
    Audit,
}

/// <summary>Something committed. Carries no data: listeners query again what they show.</summary>
/// <param name="Topic">What sort.</param>
/// <param name="Ids">Which ones; empty means "any, look again".</param>
public sealed record Change(ChangeTopic Topic, IReadOnlyList<Guid> Ids)
{
    /// <summary>A change of the given things, or of any when none is named.</summary>
    public static Change Of(ChangeTopic topic, params IReadOnlyList<Guid> ids) => new(topic, ids);

    /// <summary>Whether the change may concern the thing.</summary>
    public bool Touches(Guid id) => Ids.Count == 0 || Ids.Contains(id);
}

/// <summary>Tells listeners that something was committed. Published after the commit, never before.</summary>
public interface IChangeFeed
{
    /// <summary>Tells everybody. Never throws; a listener's fault is its own.</summary>
    void Publish(Change change);

    /// <summary>Calls back on every change until disposed. The callback must return at once (queue, do not work).</summary>
    IDisposable Subscribe(Action<Change> listener);
}

/// <summary>The feed inside one process.</summary>
/// <param name="log">Where a listener's fault is told.</param>
public sealed partial class InProcessChangeFeed(ILogger<InProcessChangeFeed> log) : IChangeFeed
{
    private readonly ConcurrentDictionary<Subscription, Action<Change>> listeners = new();

    /// <inheritdoc/>
    public void Publish(Change change)
    {
        foreach (var listener in listeners.Values)
        {
            try
            {
                listener(change);
            }
            catch (Exception fault)
            {
                ListenerFailed(log, change.Topic, fault);
            }
        }
    }

    /// <inheritdoc/>
    public IDisposable Subscribe(Action<Change> listener)
    {
        var subscription = new Subscription(this);
        listeners[subscription] = listener;
        return subscription;
    }

    [LoggerMessage(101, LogLevel.Error, "A listener of the change feed failed on {Topic}")]
    private static partial void ListenerFailed(ILogger log, ChangeTopic topic, Exception fault);

    private sealed class Subscription(InProcessChangeFeed feed) : IDisposable
    {
        public void Dispose() => feed.listeners.TryRemove(this, out _);
    }
}
