namespace Portal.Components.Shared;

/// <summary>Something many open pages look at: however many ask, and however often, it is asked for once in a while.</summary>
/// <typeparam name="T">Of what.</typeparam>
/// <param name="time">Our clock.</param>
/// <param name="ask">Asks anew. Its token never ends: others may wait for the answer, too.</param>
public sealed class Recent<T>(TimeProvider time, Func<CancellationToken, Task<T>> ask)
{
    // Less than pages wait after a change before they ask: what they get was asked for after the change.
    private static readonly TimeSpan Kept = LiveComponent.AtMostEvery * 0.9;

    private readonly Lock asking = new();
    private (DateTimeOffset At, Task<T> Answer)? last;

    /// <summary>The answer; not asked for longer ago than it counts.</summary>
    /// <param name="ct">Cancels the wait, not the question.</param>
    public Task<T> GetAsync(CancellationToken ct)
    {
        lock (asking)
        {
            var now = time.GetUtcNow();
            if (last is { } known && (now - known.At).Duration() < Kept && !known.Answer.IsFaulted)
            {
                return known.Answer.WaitAsync(ct);
            }

            var answer = ask(CancellationToken.None);
            last = (now, answer);
            return answer.WaitAsync(ct);
        }
    }
}
