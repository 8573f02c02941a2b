namespace Portal.Core.Access;

/// <summary>One sign-in, shared by every page that was opened with it. Over once its person signed out or its time is up, and never again not.</summary>
public sealed class Session
{
    private readonly CancellationTokenSource ended;
    private readonly TimeProvider time;

    internal Session(string id, DateTimeOffset ends, TimeProvider time)
    {
        (Id, Ends, this.time) = (id, ends, time);
        var left = ends - time.GetUtcNow();
        ended = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, time);
    }

    /// <summary>Random; stands in the cookie.</summary>
    public string Id { get; }

    /// <summary>When it is over whatever happens.</summary>
    public DateTimeOffset Ends { get; }

    /// <summary>Cancelled at the moment the person signs out, in any page of theirs, or its time is up.</summary>
    public CancellationToken Ended => ended.Token;

    /// <summary>Whether nothing may be done in its name any more.</summary>
    public bool IsOver => ended.IsCancellationRequested || time.GetUtcNow() >= Ends;

    internal void End() => ended.Cancel();
}

/// <summary>A session whose person signed out; kept until it would have ended by itself, so that a copy of its cookie is worth nothing.</summary>
public sealed class EndedSession
{
    /// <summary>The session.</summary>
    public required string Id { get; init; }

    /// <summary>When it would have ended by itself.</summary>
    public required DateTimeOffset Ends { get; init; }
}
