using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Portal.E2E;

/// <summary>The published portal as a process of its own, on a free port of this machine, with data of its own.</summary>
internal sealed partial class RunningPortal : IAsyncDisposable
{
    private static int count;

    private readonly Process process;
    private readonly Log log;
    private readonly TaskCompletionSource<Uri> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningPortal(string folder, IReadOnlyDictionary<string, string> settings, Uri? address)
    {
        Folder = folder;
        log = new Log($"portal-{Environment.ProcessId}-{Interlocked.Increment(ref count).ToString(CultureInfo.InvariantCulture)}.log");
        var start = StartInfo(folder, settings);
        start.Environment.TryAdd("ASPNETCORE_URLS", address?.ToString() ?? "http://127.0.0.1:0");
        process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Hear(line.Data);
        process.ErrorDataReceived += (_, line) => Hear(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Where its data is.</summary>
    public string Folder { get; }

    /// <summary>The portal's database.</summary>
    public string Database => Path.Combine(Folder, "portal.db");

    /// <summary>The simulated world, which is not the portal's.</summary>
    public string SimulationDatabase => Path.Combine(Folder, "portal.simulation.db");

    /// <summary>Where it listens.</summary>
    public Uri Address => listening.Task.Result;

    /// <summary>What it said, all of it.</summary>
    public string Said => log.Text;

    /// <summary>Starts it, in Demo unless told otherwise, and waits until it is ready to be asked.</summary>
    /// <param name="folder">Where its data is or is to be.</param>
    /// <param name="settings">Further settings, as environment variables.</param>
    /// <param name="address">Where to listen, for one that comes back; any free port otherwise.</param>
    public static async Task<RunningPortal> StartAsync(string folder, IReadOnlyDictionary<string, string>? settings = null, Uri? address = null)
    {
        var portal = new RunningPortal(folder, settings ?? new Dictionary<string, string>(), address);
        try
        {
            await portal.ReadyAsync();
            return portal;
        }
        catch
        {
            await portal.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs it to its end, for a portal that is expected to refuse to start.</summary>
    public static async Task<(int ExitCode, string Said)> RunToEndAsync(string folder, IReadOnlyDictionary<string, string> settings)
    {
        var ct = TestContext.Current.CancellationToken;
        using var run = Process.Start(StartInfo(folder, settings))!;
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
            deadline.CancelAfter(Eventually.Patience);
            var (output, errors) = (run.StandardOutput.ReadToEndAsync(deadline.Token), run.StandardError.ReadToEndAsync(deadline.Token));
            await run.WaitForExitAsync(deadline.Token);
            return (run.ExitCode, await output + await errors);
        }
        finally
        {
            if (!run.HasExited)
            {
                run.Kill();
            }
        }
    }

    /// <summary>SIGKILL: it has no chance to tidy up.</summary>
    public async Task KillAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        process.Dispose();
        log.Dispose();
    }

    private static ProcessStartInfo StartInfo(string folder, IReadOnlyDictionary<string, string> settings)
    {
        // Started from where its data is, not from where it lies: users do that too.
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(PublishedPortal.File);
        foreach (var inherited in start.Environment.Keys.Where(IsOurs).ToList())
        {
            start.Environment.Remove(inherited);
        }

        start.Environment["ConnectionStrings__Portal"] = $"Data Source={Path.Combine(folder, "portal.db")}";
        start.Environment["DOTNET_NOLOGO"] = "1";
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        return start;
    }

    private static bool IsOurs(string variable) =>
        variable.StartsWith("ASPNETCORE_", StringComparison.OrdinalIgnoreCase)
        || variable.StartsWith("Portal__", StringComparison.OrdinalIgnoreCase)
        || variable.StartsWith("ConnectionStrings__", StringComparison.OrdinalIgnoreCase)
        || variable.Equals("DOTNET_ENVIRONMENT", StringComparison.OrdinalIgnoreCase);

    private async Task ReadyAsync()
    {
        var ct = TestContext.Current.CancellationToken;
        var ended = process.WaitForExitAsync(ct);
        var first = await Task.WhenAny(listening.Task, ended).WaitAsync(Eventually.Patience, ct);
        Assert.True(first == listening.Task, $"The portal ended before it listened:\n{Said}");
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
        using var client = new HttpClient(handler);
        await Eventually.TrueAsync(
            async () => (await client.GetAsync(new Uri(Address, "/healthz/ready"), ct)).IsSuccessStatusCode,
            "the portal to be ready",
            () => Said);
    }

    private void Hear(string? line)
    {
        if (line is null)
        {
            return;
        }

        log.Add(line);
        if (ListensOn().Match(line) is { Success: true } match)
        {
            listening.TrySetResult(new Uri(match.Groups["address"].Value));
        }
    }

    [GeneratedRegex(@"listens on (?<address>https?://\S+?),?(\s|$)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ListensOn();

    /// <summary>What the portal says, in memory and in a file that outlives the tests.</summary>
    private sealed class Log : IDisposable
    {
        private readonly Lock turn = new();
        private readonly List<string> lines = [];
        private readonly StreamWriter file;

        public Log(string name)
        {
            var folder = Path.Combine(PublishedPortal.Repository ?? AppContext.BaseDirectory, "artifacts", "results", "logs");
            Directory.CreateDirectory(folder);
            file = new StreamWriter(Path.Combine(folder, name)) { AutoFlush = true };
        }

        public string Text
        {
            get
            {
                using var mine = turn.EnterScope();
                return string.Join('\n', lines);
            }
        }

        public void Add(string line)
        {
            using var mine = turn.EnterScope();
            lines.Add(line);
            file.WriteLine(line);
        }

        public void Dispose()
        {
            using var mine = turn.EnterScope();
            file.Dispose();
        }
    }
}
