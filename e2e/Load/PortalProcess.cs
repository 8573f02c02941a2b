using System.Diagnostics;
using System.Diagnostics.Tracing;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Diagnostics.NETCore.Client;

namespace Portal.E2E.Load;

/// <summary>The published portal as a process of its own, with a simulated fleet and data that go with it.</summary>
internal sealed partial class PortalProcess : IAsyncDisposable
{
    private const string Runtime = "Microsoft-Windows-DotNETRuntime";

    // The runtime collects in full when a session with this keyword begins.
    private const long CollectNow = 0x800000;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly TemporaryFolder folder = new();
    private readonly TaskCompletionSource<Uri> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HttpClient http = new();
    private readonly Process process;

    private PortalProcess(string file, int hosts)
    {
        var start = new ProcessStartInfo("dotnet", [file]) { RedirectStandardOutput = true, WorkingDirectory = folder.Path };
        start.Environment["ASPNETCORE_URLS"] = "http://127.0.0.1:0";
        start.Environment["ConnectionStrings__Portal"] = $"Data Source={folder.File("portal.db")}";
        start.Environment["Portal__Simulation__Hosts"] = hosts.ToString(CultureInfo.InvariantCulture);
        process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Hear(line.Data ?? "");
        process.Start();
        process.BeginOutputReadLine();
    }

    /// <summary>Portal.dll as published into the repository's artifacts; null when it was not.</summary>
    public static string? File { get; } = Find();

    public Uri Address => listening.Task.Result;

    /// <summary>Starts it and waits until its hosts are attested.</summary>
    public static async Task<PortalProcess> StartAsync(int hosts, CancellationToken ct)
    {
        var portal = new PortalProcess(File ?? throw new InvalidOperationException("There is no published portal."), hosts);
        try
        {
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(portal.listening.Task, portal.ready.Task).WaitAsync(Patience, ct);
            await Console.Error.WriteLineAsync($"       a portal with {hosts:N0} hosts was ready in {clock.Elapsed.TotalSeconds:0} s");
            return portal;
        }
        catch
        {
            await portal.DisposeAsync();
            throw;
        }
    }

    /// <summary>Managed objects alive, in MiB: the least of some full collections, for a round may run meanwhile.</summary>
    public async Task<double> HeapMiBAsync(CancellationToken ct)
    {
        var least = double.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            await CollectAsync(ct);
            var metrics = await http.GetStringAsync(new Uri(Address, "/metrics"), ct);
            var alive = Sum(HeapSize().Matches(metrics)) - Sum(Fragmentation().Matches(metrics));
            least = Math.Min(least, alive / (1 << 20));
        }

        return least;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync(CancellationToken.None);
        process.Dispose();
        http.Dispose();
        folder.Dispose();
    }

    private async Task CollectAsync(CancellationToken ct)
    {
        var client = new DiagnosticsClient(process.Id);
        using var session = await client.StartEventPipeSessionAsync([new EventPipeProvider(Runtime, EventLevel.Informational, CollectNow)], requestRundown: false, token: ct);
        var events = session.EventStream.CopyToAsync(Stream.Null, ct);
        await session.StopAsync(ct);
        await events;
    }

    private void Hear(string line)
    {
        if (ListensOn().Match(line) is { Success: true } match)
        {
            listening.TrySetResult(new Uri(match.Groups["address"].Value));
        }

        if (line.Contains("its story has begun", StringComparison.Ordinal))
        {
            ready.TrySetResult();
        }
    }

    private static double Sum(MatchCollection found) => found.Sum(m => double.Parse(m.Groups["bytes"].ValueSpan, CultureInfo.InvariantCulture));

    private static string? Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var file = Path.Combine(at.FullName, "artifacts", "portal", "Portal.dll");
            if (System.IO.File.Exists(file))
            {
                return file;
            }
        }

        return null;
    }

    [GeneratedRegex(@"listens on (?<address>https?://[^\s,]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ListensOn();

    [GeneratedRegex(@"^dotnet_gc_last_collection_heap_size_bytes\{[^}]*\} (?<bytes>\d+)", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex HeapSize();

    [GeneratedRegex(@"^dotnet_gc_last_collection_heap_fragmentation_size_bytes\{[^}]*\} (?<bytes>\d+)", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Fragmentation();
}
