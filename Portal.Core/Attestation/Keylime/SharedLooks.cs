namespace Portal.Core.Attestation.Keylime;

/// <summary>What a verifier said of all its agents.</summary>
/// <param name="Asked">When it was asked, by our clock.</param>
/// <param name="Skew">How far its clock is ahead of ours; null when it does not say.</param>
/// <param name="Answer">What it said.</param>
internal sealed record BulkLook(DateTimeOffset Asked, TimeSpan? Skew, BulkAnswer Answer);

/// <summary>
/// Lets many who wait for one host each share the questions: a verifier answers a dozen single questions a second, and one for all agents in the
/// time of a few.
/// </summary>
/// <param name="look">Asks for all agents.</param>
/// <param name="pause">Between two such questions.</param>
/// <param name="time">Our clock.</param>
internal sealed class SharedLooks(Func<CancellationToken, Task<BulkLook>> look, TimeSpan pause, TimeProvider time)
{
    /// <summary>More than this many are a crowd.</summary>
    private const int Few = 3;

    private readonly Lock gate = new();
    private int waiting;
    private Task<BulkLook>? last;
    private Task<BulkLook>? next;

    /// <summary>Waits with the others, until disposed of.</summary>
    public Place Join()
    {
        Interlocked.Increment(ref waiting);
        return new Place(this);
    }

    /// <summary>A look that begins after this call.</summary>
    private Task<BulkLook> NextAsync()
    {
        lock (gate)
        {
            return next ??= AfterAsync(last);
        }
    }

    private async Task<BulkLook> AfterAsync(Task<BulkLook>? before)
    {
        // Whoever comes until it begins shares it.
        await Task.Delay(before is null ? TimeSpan.Zero : pause, time).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        if (before is not null)
        {
            await before.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        Task<BulkLook> mine;
        lock (gate)
        {
            next = null;
            last = mine = look(CancellationToken.None);
        }

        return await mine;
    }

    /// <summary>One who waits.</summary>
    internal sealed class Place(SharedLooks looks) : IDisposable
    {
        /// <summary>Whether so many wait that they share.</summary>
        public bool IsCrowded => Volatile.Read(ref looks.waiting) > Few;

        /// <summary>A look that begins after this call, shared with whoever else waits.</summary>
        public Task<BulkLook> NextAsync(CancellationToken ct) => looks.NextAsync().WaitAsync(ct);

        public void Dispose() => Interlocked.Decrement(ref looks.waiting);
    }
}
