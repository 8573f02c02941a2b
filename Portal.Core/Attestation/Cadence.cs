using System.Buffers.Binary;

namespace Portal.Core.Attestation;

/// <summary>
/// When a host's turn to be asked comes. Every host has an instant of its own within its cluster's interval, the same on every replica and
/// after every restart, so that a cluster is asked evenly over the interval and not all in one second.
/// </summary>
public static class Cadence
{
    /// <summary>The longest a silent host is left alone, unless its cluster's interval is longer.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(2);

    private const int SlicesPerInterval = 30;
    private static readonly TimeSpan ShortestSlice = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestSlice = TimeSpan.FromSeconds(10);

    /// <summary>How often to look whose turn has come.</summary>
    /// <param name="interval">The cluster's interval.</param>
    public static TimeSpan SliceOf(TimeSpan interval) =>
        TimeSpan.FromTicks(Math.Clamp(interval.Ticks / SlicesPerInterval, ShortestSlice.Ticks, LongestSlice.Ticks));

    /// <summary>A host's place within the interval: from zero to less than the interval, evenly spread over hosts.</summary>
    public static TimeSpan OffsetOf(Guid host, TimeSpan interval) =>
        TimeSpan.FromTicks((long)Math.BigMul(Mix(host), (ulong)interval.Ticks, out _));

    /// <summary>The last instant, not after now, at which it was the host's turn.</summary>
    public static DateTimeOffset LastTurn(Guid host, TimeSpan interval, DateTimeOffset now)
    {
        var since = (now - DateTimeOffset.UnixEpoch - OffsetOf(host, interval)).Ticks % interval.Ticks;
        return now - TimeSpan.FromTicks(since);
    }

    /// <summary>Whether a host is to be asked now: its turn came since it was asked last, and if it was silent then, it was left alone long enough.</summary>
    /// <param name="host">The host.</param>
    /// <param name="interval">The cluster's interval.</param>
    /// <param name="askedAt">When it was asked last; null for never.</param>
    /// <param name="silentSince">Since when it does not answer; null when it answered last.</param>
    /// <param name="now">Our clock.</param>
    public static bool IsDue(Guid host, TimeSpan interval, DateTimeOffset? askedAt, DateTimeOffset? silentSince, DateTimeOffset now)
    {
        // Asked in our future means that our clock went back: that says nothing.
        if (askedAt is not { } last || last > now)
        {
            return true;
        }

        var turn = LastTurn(host, interval, now);
        return turn > last && (silentSince is not { } silent || turn - last >= PauseAfter(last - silent, interval) - (interval / 2));
    }

    /// <summary>As long as it has been silent, so that the pauses double; never more than <see cref="LongestPause"/> or the interval.</summary>
    private static TimeSpan PauseAfter(TimeSpan silence, TimeSpan interval) =>
        TimeSpan.FromTicks(Math.Min(silence.Ticks, Math.Max(LongestPause.Ticks, interval.Ticks)));

    /// <summary>The finalizer of SplitMix64 over both halves of the id: ids made one after the other end far apart.</summary>
    private static ulong Mix(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes);
        return Scatter(Scatter(BinaryPrimitives.ReadUInt64LittleEndian(bytes)) ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));

        static ulong Scatter(ulong z)
        {
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
            z = (z ^ z >> 27) * 0x94D049BB133111EB;
            return z ^ z >> 31;
        }
    }
}
