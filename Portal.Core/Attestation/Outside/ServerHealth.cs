using System.Collections.Concurrent;

namespace Portal.Core.Attestation.Outside;

/// <summary>How a server does, as far as this process has seen since it started.</summary>
/// <param name="LastAnswerAt">When it last answered a poll.</param>
/// <param name="LastEvidenceAt">When it last had new evidence of any host.</param>
/// <param name="FailingSince">Since when polls fail; null while they do not.</param>
/// <param name="Fault">Why the last poll failed; empty when it did not.</param>
/// <param name="Remedy">What to do about that.</param>
/// <param name="Lag">How long the last answered poll took.</param>
/// <param name="ErrorRate">Share of the last <see cref="ServerHealth.Remembered"/> polls that failed, 0 to 1.</param>
/// <param name="ClockSkew">How far its clock is ahead of ours; null when it does not say.</param>
/// <param name="NextAt">When it is polled next.</param>
public sealed record ServerStanding(
    DateTimeOffset? LastAnswerAt,
    DateTimeOffset? LastEvidenceAt,
    DateTimeOffset? FailingSince,
    string Fault,
    string Remedy,
    TimeSpan? Lag,
    double ErrorRate,
    TimeSpan? ClockSkew,
    DateTimeOffset? NextAt)
{
    /// <summary>Nothing was seen yet.</summary>
    public static ServerStanding Unseen { get; } = new(null, null, null, "", "", null, 0, null, null);

    /// <summary>Whether it is down: it failed at least twice in a row.</summary>
    public bool IsDown { get; init; }
}

/// <summary>Remembers how servers do. In memory: after a restart it is known again after a poll.</summary>
/// <param name="time">Our clock.</param>
public sealed class ServerHealth(TimeProvider time)
{
    /// <summary>Polls behind the error rate.</summary>
    public const int Remembered = 100;

    /// <summary>Failed polls in a row before a server is called down: one lost answer is no alarm.</summary>
    public const int FailuresToBeDown = 2;

    private readonly ConcurrentDictionary<Guid, Entry> entries = new();

    /// <summary>How a server does.</summary>
    public ServerStanding Of(Guid serverId) => entries.TryGetValue(serverId, out var entry) ? entry.Standing : ServerStanding.Unseen;

    /// <summary>Every server that was polled.</summary>
    public IReadOnlyList<(Guid ServerId, ServerStanding Standing)> All => [.. entries.Select(e => (e.Key, e.Value.Standing))];

    /// <summary>A poll was answered. True when it was down until now.</summary>
    internal bool Answered(Guid serverId, TimeSpan took, bool hadEvidence, TimeSpan? skew) => Of(serverId, entry => entry.Answered(time.GetUtcNow(), took, hadEvidence, skew));

    /// <summary>A poll failed. True when it is down only from now.</summary>
    internal bool Failed(Guid serverId, ServerException fault) => Of(serverId, entry => entry.Failed(time.GetUtcNow(), fault));

    /// <summary>When it is polled next.</summary>
    internal void Next(Guid serverId, DateTimeOffset at) => Of(serverId, entry => entry.Next(at));

    /// <summary>The server is gone.</summary>
    internal void Forget(Guid serverId) => entries.TryRemove(serverId, out _);

    private bool Of(Guid serverId, Func<Entry, bool> change)
    {
        var entry = entries.GetOrAdd(serverId, static _ => new Entry());
        lock (entry)
        {
            return change(entry);
        }
    }

    private sealed class Entry
    {
        private readonly Queue<bool> failures = new();
        private int inARow;

        public ServerStanding Standing { get; private set; } = ServerStanding.Unseen;

        public bool Answered(DateTimeOffset now, TimeSpan took, bool hadEvidence, TimeSpan? skew)
        {
            var wasDown = Standing.IsDown;
            inARow = 0;
            Remember(false);
            Standing = Standing with
            {
                LastAnswerAt = now,
                LastEvidenceAt = hadEvidence ? now : Standing.LastEvidenceAt,
                FailingSince = null,
                Fault = "",
                Remedy = "",
                Lag = took,
                ErrorRate = Rate,
                ClockSkew = skew,
                IsDown = false,
            };
            return wasDown;
        }

        public bool Failed(DateTimeOffset now, ServerException fault)
        {
            var wasDown = Standing.IsDown;
            inARow++;
            Remember(true);
            Standing = Standing with
            {
                FailingSince = Standing.FailingSince ?? now,
                Fault = fault.Message,
                Remedy = fault.Remedy,
                ErrorRate = Rate,
                IsDown = inARow >= FailuresToBeDown,
            };
            return Standing.IsDown && !wasDown;
        }

        public bool Next(DateTimeOffset at)
        {
            Standing = Standing with { NextAt = at };
            return false;
        }

        private double Rate => failures.Count(f => f) / (double)failures.Count;

        private void Remember(bool failed)
        {
            failures.Enqueue(failed);
            if (failures.Count > Remembered)
            {
                failures.Dequeue();
            }
        }
    }
}
