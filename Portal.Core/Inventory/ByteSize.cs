using System.Globalization;

namespace Portal.Core.Inventory;

/// <summary>Bytes in words. Binary units (IEC 80000-13): 1 GiB is 2^30 bytes.</summary>
public static class ByteSize
{
    private static readonly string[] Units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>For example <c>16 GiB</c> or <c>1.5 TiB</c>: at most one decimal, rounded down so that "free" is never overstated.</summary>
    public static string Text(long bytes)
    {
        var (value, unit) = ((double)Math.Max(0, bytes), 0);
        while (value >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(value * 10) / 10:0.#} {Units[unit]}");
    }
}
