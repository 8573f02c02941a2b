using System.Diagnostics;
using System.Globalization;
using CsCheck;

namespace Portal.Tests.Tpm;

/// <summary>Bytes nobody wrote: noise, and recordings cut and changed. PORTAL_FUZZ_ITERATIONS sets how many.</summary>
internal static class Mutations
{
    public static int Iterations { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("PORTAL_FUZZ_ITERATIONS"), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : Usual;

    private const int Usual = 1500;

    public static Gen<byte[]> Noise { get; } = Gen.Byte.Array[0, 400];

    public static Gen<(int Kind, double Place, int Size, byte Value)[]> Edits { get; } =
        Gen.Select(Gen.Int[0, 5], Gen.Double[0, 1], Gen.Int[1, 40], Gen.Byte).Array[0, 4];

    /// <summary>Bytes to read one input, and milliseconds, that no input may need.</summary>
    private const long MostMemory = 64L << 20;
    private const int LongestRead = 100;

    /// <summary>
    /// Reads each input within bounds of memory and, where counts are long, of time: an input that took long is read again, so that a busy machine is
    /// not taken for a slow parser.
    /// </summary>
    public static Action<byte[]> Bounded(Action<byte[]> read) => bytes =>
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var began = Stopwatch.GetTimestamp();
        read(bytes);
        var took = Stopwatch.GetElapsedTime(began);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostMemory);
        for (var again = 0; IsLong && again < 5 && took.TotalMilliseconds > LongestRead; again++)
        {
            began = Stopwatch.GetTimestamp();
            read(bytes);
            took = Stopwatch.GetElapsedTime(began);
        }

        if (IsLong && took.TotalMilliseconds > LongestRead)
            Assert.Fail($"{took.TotalMilliseconds:0} ms for {Convert.ToHexStringLower(bytes)}");
    };

    /// <summary>Whether more was asked for than every build runs.</summary>
    private static bool IsLong => Iterations > Usual;

    public static Gen<byte[]> Of(byte[][] recordings) => Gen.Select(Gen.OneOf(recordings), Edits, Edited);

    /// <summary>Reads noise, recordings changed and cut anywhere.</summary>
    public static void NoiseCutsAndMutations(byte[][] recordings, Action<byte[]> read)
    {
        Noise.Sample(Bounded(read), iter: Iterations);
        Of(recordings).Sample(Bounded(read), iter: Iterations);
        EveryCut(recordings, read);
    }

    /// <summary>Every beginning of every recording, the whole included.</summary>
    public static void EveryCut(byte[][] recordings, Action<byte[]> read)
    {
        read = Bounded(read);
        foreach (var recording in recordings)
        {
            for (var length = 0; length <= recording.Length; length++)
                read(recording[..length]);
        }
    }

    public static byte[] Edited(byte[] bytes, (int Kind, double Place, int Size, byte Value)[] edits)
    {
        var changed = bytes.ToList();
        foreach (var (kind, place, size, value) in edits)
        {
            if (changed.Count == 0)
                break;
            var at = (int)(place * (changed.Count - 1));
            var length = Math.Min(size, changed.Count - at);
            switch (kind)
            {
                case 0:
                    changed[at] = value;
                    break;
                case 1:
                    changed[at] ^= (byte)(1 << (value % 8));
                    break;
                case 2:
                    changed.RemoveRange(at, length);
                    break;
                case 3:
                    changed.InsertRange(at, Enumerable.Repeat(value, size));
                    break;
                case 4:
                    changed.RemoveRange(at, changed.Count - at);
                    break;
                default:
                    for (var i = 0; i < Math.Min(4, length); i++)
                        changed[at + i] = 0xFF;
                    break;
            }
        }
        return [.. changed];
    }
}
