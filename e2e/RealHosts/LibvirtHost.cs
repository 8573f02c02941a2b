using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portal.E2E;

/// <summary>
/// A host of its own on this machine: a libvirtd of one session with its own folders, UUID, host name, ports and storage pool, running QEMU. VMs outlive
/// a daemon that is killed, as on any host; <see cref="DisposeAsync"/> ends them all.
/// </summary>
internal sealed class LibvirtHost : IAsyncDisposable
{
    private const int MigrationPorts = 8;

    private static readonly string[] Programs = ["libvirtd", "qemu-system-x86_64", "qemu-img", "virsh", "setpriv", "unshare"];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Nobody = "65534";

    private readonly string folder;
    private readonly int port;
    private readonly int migrationPort;
    private readonly string log;
    private Process? daemon;

    private LibvirtHost(string name, string folder)
    {
        (Name, this.folder, port, migrationPort, log) = (name, folder, FreePort(), FreeMigrationPort(), Path.Combine(folder, "libvirtd.log"));
    }

    public string Name { get; }

    /// <summary>How the portal reaches it.</summary>
    public string Uri => string.Create(CultureInfo.InvariantCulture, $"qemu+tcp://127.0.0.1:{port}/session");

    /// <summary>Folder of its storage pool, named <c>default</c>.</summary>
    public string Pool => Path.Combine(folder, "pool");

    /// <summary>The daemon's process id.</summary>
    public int DaemonId => int.Parse(File.ReadAllText(Path.Combine(folder, "run", "libvirtd.pid")), CultureInfo.InvariantCulture);

    /// <summary>What is missing on this machine, in a sentence; null when nothing is.</summary>
    public static string? Missing =>
        Programs.FirstOrDefault(p => !Installed(p)) is { } missing ? $"{missing} is not installed (Debian packages libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients, qemu-system-x86, qemu-utils)."
        : Environment.IsPrivilegedProcess ? null
        : "Hosts with host names of their own need root.";

    /// <summary>Makes a host in a folder that does not exist yet, and starts its daemon.</summary>
    public static async Task<LibvirtHost> StartAsync(string name, string folder, CancellationToken ct)
    {
        var host = new LibvirtHost(name, folder);
        try
        {
            host.Prepare();
            await host.StartDaemonAsync(ct);
            await host.VirshAsync("pool-define-as", "default", "dir", "--target", host.Pool);
            await host.VirshAsync("pool-start", "default");
            await host.VirshAsync("pool-autostart", "default");
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the daemon, the first time or after it was killed.</summary>
    public async Task StartDaemonAsync(CancellationToken ct)
    {
        var start = new ProcessStartInfo("unshare") { UseShellExecute = false, WorkingDirectory = folder };
        foreach (var argument in new[]
        {
            "--uts", "sh", "-c", $"hostname {Name}; exec \"$@\" >>{log} 2>&1", "--",
            "setpriv", "--reuid", Nobody, "--regid", Nobody, "--clear-groups", "libvirtd", "--listen", "-f", At("libvirtd.conf"), "--pid-file", At("run/libvirtd.pid"),
        })
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment.Clear();
        foreach (var (key, value) in new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
            ["HOME"] = At("home"),
            ["XDG_CONFIG_HOME"] = At("config"),
            ["XDG_CACHE_HOME"] = At("cache"),
            ["XDG_DATA_HOME"] = At("data"),
            ["XDG_RUNTIME_DIR"] = At("run"),
            ["TMPDIR"] = At("tmp"),
        })
        {
            start.Environment[key] = value;
        }

        daemon = Process.Start(start) ?? throw new InvalidOperationException("libvirtd did not start.");
        for (var waited = Stopwatch.StartNew(); ; await Task.Delay(100, ct))
        {
            if ((await TryVirshAsync("version")).ExitCode == 0)
            {
                return;
            }

            if (daemon.HasExited || waited.Elapsed > Patience)
            {
                throw new InvalidOperationException($"libvirtd of {Name} does not answer: {await File.ReadAllTextAsync(log, ct)}");
            }
        }
    }

    /// <summary>SIGKILL: the daemon has no chance to tidy up; its VMs run on.</summary>
    public async Task KillDaemonAsync()
    {
        if (daemon is { HasExited: false } running)
        {
            running.Kill();
            await running.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>The daemon stops answering without going away, as on a machine that is stuck.</summary>
    public void Freeze() => Signal("STOP");

    public void Thaw() => Signal("CONT");

    /// <summary>What libvirt itself says, over a connection that is not the portal's. Fails when virsh does.</summary>
    public async Task<string> VirshAsync(params string[] arguments)
    {
        var (exitCode, output, error) = await TryVirshAsync(arguments);
        return exitCode == 0 ? output : throw new InvalidOperationException($"virsh {string.Join(' ', arguments)} on {Name} ended with {exitCode}: {error}");
    }

    /// <summary>What libvirt itself says; it may refuse.</summary>
    public Task<(int ExitCode, string Output, string Error)> TryVirshAsync(params string[] arguments) => RunAsync("virsh", ["-q", "-c", Uri, .. arguments]);

    /// <summary>Names of running VMs, by libvirt's own word.</summary>
    public async Task<IReadOnlyList<string>> RunningAsync() => Lines(await VirshAsync("list", "--name", "--state-running"));

    /// <summary>Names of all VMs, by libvirt's own word.</summary>
    public async Task<IReadOnlyList<string>> DefinedAsync() => Lines(await VirshAsync("list", "--name", "--all"));

    public async ValueTask DisposeAsync()
    {
        if (daemon is not null)
        {
            if (!daemon.HasExited)
            {
                Thaw();
                await KillDaemonAsync();
            }

            daemon.Dispose();
        }

        // QEMU and swtpm of this host's VMs are those that run with its folder in their arguments.
        foreach (var id in Ours())
        {
            await RunAsync("kill", ["-KILL", id.ToString(CultureInfo.InvariantCulture)]);
        }

        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private IEnumerable<int> Ours()
    {
        foreach (var process in Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(n => int.TryParse(n, out _)))
        {
            string arguments;
            try
            {
                arguments = File.ReadAllText($"/proc/{process}/cmdline");
            }
            catch (IOException)
            {
                continue;
            }

            if (arguments.Contains(folder + "/", StringComparison.Ordinal) && (arguments.StartsWith("/usr/bin/qemu-", StringComparison.Ordinal) || arguments.StartsWith("/usr/bin/swtpm", StringComparison.Ordinal)))
            {
                yield return int.Parse(process!, CultureInfo.InvariantCulture);
            }
        }
    }

    private void Prepare()
    {
        foreach (var part in new[] { "home", "config/libvirt", "cache", "data", "run", "tmp", "pool" })
        {
            Directory.CreateDirectory(At(part));
        }

        File.WriteAllText(At("libvirtd.conf"), string.Create(CultureInfo.InvariantCulture, $"""
            listen_tls=0
            listen_tcp=1
            listen_addr="127.0.0.1"
            tcp_port="{port}"
            auth_tcp="none"
            auth_unix_rw="none"
            host_uuid="{Guid.NewGuid()}"
            """));
        File.WriteAllText(At("config/libvirt/qemu.conf"), string.Create(CultureInfo.InvariantCulture, $"""
            security_driver="none"
            stdio_handler="file"
            migration_port_min={migrationPort}
            migration_port_max={migrationPort + MigrationPorts - 1}
            """));
        using var own = Process.Start("chown", ["-R", $"{Nobody}:{Nobody}", folder]);
        own.WaitForExit();
    }

    private void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", DaemonId.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    private string At(string part) => Path.Combine(folder, part);

    private static IReadOnlyList<string> Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(string program, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException late)
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end.", late);
        }
    }

    private static bool Installed(string program) =>
        "/usr/sbin:/usr/bin:/sbin:/bin".Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static int nextMigrationPort = 49152 + (Environment.ProcessId % 64 * 64);

    /// <summary>Hosts of one machine must not share ports for migrations.</summary>
    private static int FreeMigrationPort() => Interlocked.Add(ref nextMigrationPort, MigrationPorts) - MigrationPorts;
}
