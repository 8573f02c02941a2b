using System.Collections.Concurrent;
using Portal.Core.Changes;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>
/// Preparations under way in this process: what must never be written down, and what hosts say meanwhile. A portal that stops forgets it,
/// and the operation ends saying so.
/// </summary>
/// <param name="feed">Who watches.</param>
/// <param name="limits">How much is kept.</param>
/// <param name="time">Our clock.</param>
internal sealed class Preparations(IChangeFeed feed, PreparationLimits limits, TimeProvider time) : IPreparationsUnderWay, IDisposable
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(300);

    private readonly ConcurrentDictionary<Guid, Preparation> running = new();

    public void Begin(Guid operation, SshCredentials credentials)
    {
        // Should nobody ever run it, it is wiped all the same.
        var timer = time.CreateTimer(_ => End(operation), null, Longest, Timeout.InfiniteTimeSpan);
        running[operation] = new Preparation(credentials, new HostOutput(limits.Lines, credentials.Without), timer);
    }

    public Preparation? Find(Guid operation) => running.GetValueOrDefault(operation);

    /// <summary>What a host said so far; null when nothing runs here.</summary>
    public IReadOnlyList<string>? Lines(Guid operation) => Find(operation)?.Output.Lines;

    /// <summary>Tells who watches that there is more to see; not for every line.</summary>
    public void Tell(Guid operation, Preparation preparation)
    {
        var now = time.GetUtcNow();
        if (now - preparation.ToldAt >= Between)
        {
            preparation.ToldAt = now;
            feed.Publish(Change.Of(ChangeTopic.Operation, operation));
        }
    }

    /// <summary>Forgets and wipes.</summary>
    public void End(Guid operation)
    {
        if (running.TryRemove(operation, out var preparation))
        {
            preparation.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var operation in running.Keys)
        {
            End(operation);
        }
    }

    internal sealed class Preparation(SshCredentials credentials, HostOutput output, ITimer timer) : IDisposable
    {
        public SshCredentials Credentials => credentials;

        public HostOutput Output => output;

        public SshConnection? Connection { get; set; }

        public DateTimeOffset ToldAt { get; set; }

        public void Dispose()
        {
            timer.Dispose();
            Connection?.Dispose();
            credentials.Dispose();
        }
    }
}
