using System.Globalization;
using System.Runtime.InteropServices;

namespace Portal.E2E.Load;

/// <summary>What the figures were measured on, and how busy it was.</summary>
internal static class Machine
{
    public static async Task<string> DescribeAsync(CancellationToken ct)
    {
        var cpu = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
        var load = (await File.ReadAllTextAsync("/proc/loadavg", ct)).Split(' ');
        return $"{cpu}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, {await OpenSsl.VersionAsync(ct)}; "
            + $"load average {load[0]} (1 min), {load[1]} (5 min); {DateTimeOffset.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}";
    }

    /// <summary>Processor time of this process so far: user and system, all threads, garbage collection included.</summary>
    public static TimeSpan Cpu => Environment.CpuUsage.TotalTime;

    /// <summary>Resident memory of this process, in MiB.</summary>
    public static double ResidentMiB => Environment.WorkingSet / (double)(1 << 20);

    /// <summary>Managed objects alive after a full collection, in MiB.</summary>
    public static double HeapMiB()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return GC.GetTotalMemory(forceFullCollection: false) / (double)(1 << 20);
    }

    /// <summary>The value below which a share of the samples lies.</summary>
    public static double Percentile(double[] samples, double share)
    {
        Array.Sort(samples);
        return samples[Math.Min(samples.Length - 1, (int)(samples.Length * share))];
    }
}
