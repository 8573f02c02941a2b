using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Portal.Core.Inventory;

namespace Portal.E2E;

/// <summary>
/// A host: a real libvirtd with real QEMU in a folder of its own, with its own host UUID, host name, sockets and storage pool <c>default</c>, run by
/// nobody where the tests run as root. Only processes it started itself are ever ended, by their ids.
/// </summary>
internal sealed class LibvirtDaemon : IAsyncDisposable
{
    private const string Nobody = "65534";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder;
    private readonly int firstMigrationPort;
    private Process? process;

    /// <summary>A host that is not started.</summary>
    /// <param name="folder">Its own; the path must be short, for sockets lie in it.</param>
    /// <param name="name">Its name.</param>
    /// <param name="firstMigrationPort">First of 40 ports VMs' memory and disks arrive at.</param>
    public LibvirtDaemon(string folder, string name, int firstMigrationPort)
    {
        (this.folder, this.firstMigrationPort) = (folder, firstMigrationPort);
        Port = FreePort();
        Host = new Host
        {
            Name = name,
            Address = "127.0.0.1",
            LibvirtUri = string.Create(CultureInfo.InvariantCulture, $"qemu+tcp://127.0.0.1:{Port}/session"),
            ClusterId = Guid.Empty,
            Cpus = 2,
            Memory = 4L << 30,
        };
    }

    /// <summary>The host as the portal would have it.</summary>
    public Host Host { get; }

    public int Port { get; }

    public HostEndpoint Endpoint => Host.Endpoint;

    /// <summary>Its own socket, for a second opinion.</summary>
    public string SocketUri => $"qemu+unix:///session?socket={folder}/run/libvirt/libvirt-sock";

    /// <summary>The folder of its pool.</summary>
    public string Pool => $"{folder}/pool";

    /// <summary>What it says, for tests that fail.</summary>
    public string Log => File.Exists($"{folder}/log") ? File.ReadAllText($"{folder}/log") : "";

    /// <summary>Where it listens with TLS; 0 for nowhere.</summary>
    public int TlsPort { get; init; }

    /// <summary>What else its configuration says.</summary>
    public string Configuration { get; init; } = "";

    private static bool IsRoot => Environment.UserName == "root";

    /// <summary>What is missing on this machine, in a sentence; null when nothing is.</summary>
    public static string? Missing { get; } =
        OperatingSystem.IsLinux() && Array.TrueForAll(["/usr/sbin/libvirtd", "/usr/bin/virsh", "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-img", "/usr/bin/swtpm"], File.Exists)
            ? null
            : "Real hosts need the Debian packages libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients, qemu-system-x86, qemu-utils and swtpm-tools.";

    /// <summary>Skips the test where it cannot run.</summary>
    public static void RequireOrSkip()
    {
        if (Missing is { } missing)
        {
            Assert.Skip(missing);
        }
    }

    /// <summary>Starts it, again if it was killed; its VMs, if they live, are found again.</summary>
    public async Task StartAsync()
    {
        var isNew = !Directory.Exists(folder);
        foreach (var part in new[] { "home", "config/libvirt", "cache", "data", "run", "tmp", "pool" })
        {
            Directory.CreateDirectory($"{folder}/{part}");
        }

        if (isNew)
        {
            Configure();
        }

        await OwnAsync();
        File.Delete($"{folder}/run/libvirtd.pid");
        process = Launch();
        await Eventually.TrueAsync(async () => (await TryVirshAsync("uri")).ExitCode == 0, $"libvirtd of {Host.Name} to answer", () => Log, Patience);
        if (isNew)
        {
            await VirshAsync("pool-define-as", "default", "dir", "--target", Pool);
        }

        if (!(await VirshAsync("pool-list", "--name")).Split('\n').Contains("default"))
        {
            await VirshAsync("pool-start", "default");
        }
    }

    /// <summary>Asks it through a connection of our own; must succeed.</summary>
    public async Task<string> VirshAsync(params string[] command)
    {
        var (exitCode, output) = await TryVirshAsync(command);
        return exitCode == 0 ? output.Trim() : throw new InvalidOperationException($"virsh {string.Join(' ', command)} ended with {exitCode}: {output}");
    }

    /// <summary>Names of VMs that run, by its own word.</summary>
    public async Task<IReadOnlyList<string>> RunningAsync() => Lines(await VirshAsync("list", "--name", "--state-running"));

    /// <summary>Names of VMs that run or are paused, by its own word.</summary>
    public async Task<IReadOnlyList<string>> ActiveAsync() => Lines(await VirshAsync("list", "--name"));

    /// <summary>Names of all VMs it knows.</summary>
    public async Task<IReadOnlyList<string>> DefinedAsync() => Lines(await VirshAsync("list", "--name", "--all"));

    /// <summary>Kills it at once; its VMs live on.</summary>
    public async Task KillAsync()
    {
        process!.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Stops it from doing anything: it neither answers nor goes away.</summary>
    public Task FreezeAsync() => SignalAsync("-STOP");

    public Task ThawAsync() => SignalAsync("-CONT");

    public bool HasEnded => process is { HasExited: true };

    /// <summary>Process ids of the machines that run here.</summary>
    public IReadOnlyList<int> Machines()
    {
        var run = $"{folder}/run/libvirt/qemu/run";
        return !Directory.Exists(run) ? [] : [.. Directory.EnumerateFiles(run, "*.pid", SearchOption.AllDirectories).Select(file => int.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture))];
    }

    /// <summary>Process id of one machine.</summary>
    public int Machine(string name) => int.Parse(File.ReadAllText($"{folder}/run/libvirt/qemu/run/{name}.pid"), CultureInfo.InvariantCulture);

    /// <summary>Makes an image of 16 MiB in its pool that begins with the word.</summary>
    public async Task MakeImageAsync(string name, string word)
    {
        var raw = $"{folder}/tmp/{name}.raw";
        await File.WriteAllTextAsync(raw, word);
        using (var file = File.OpenWrite(raw))
        {
            file.SetLength(16 << 20);
        }

        await RunAsync("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, $"{Pool}/{name}");
        File.Delete(raw);
        await OwnAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (process is { HasExited: false } running)
        {
            await ThawAsync();
            running.Kill();
            await running.WaitForExitAsync();
        }

        foreach (var machine in Machines())
        {
            try
            {
                using var left = Process.GetProcessById(machine);
                left.Kill();
            }
            catch (ArgumentException)
            {
                // Ended by itself.
            }
        }

        process?.Dispose();
    }

    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var (exitCode, output) = await TryAsync(program, arguments);
        return exitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {exitCode}: {output}");
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task<(int ExitCode, string Output)> TryAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C";
        using var running = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        running.StandardInput.Close();
        using var patience = new CancellationTokenSource(Patience);
        var (output, errors) = (running.StandardOutput.ReadToEndAsync(patience.Token), running.StandardError.ReadToEndAsync(patience.Token));
        try
        {
            await running.WaitForExitAsync(patience.Token);
            return (running.ExitCode, await output + await errors);
        }
        finally
        {
            if (!running.HasExited)
            {
                running.Kill();
            }
        }
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private Task<(int ExitCode, string Output)> TryVirshAsync(params string[] command) => TryAsync("virsh", ["--quiet", "--connect", SocketUri, .. command]);

    private async Task SignalAsync(string signal) => await RunAsync("kill", signal, process!.Id.ToString(CultureInfo.InvariantCulture));

    /// <summary>Everything in its folder is nobody's.</summary>
    private async Task OwnAsync()
    {
        if (IsRoot)
        {
            await RunAsync("chown", "-R", $"{Nobody}:{Nobody}", folder);
        }
    }

    private void Configure()
    {
        File.WriteAllText(
            $"{folder}/libvirtd.conf",
            string.Create(CultureInfo.InvariantCulture, $"""
            listen_tls = {(TlsPort > 0 ? 1 : 0)}
            tls_port = "{TlsPort}"
            listen_tcp = 1
            listen_addr = "127.0.0.1"
            tcp_port = "{Port}"
            auth_tcp = "none"
            auth_unix_rw = "none"
            host_uuid = "{Guid.NewGuid()}"
            {Configuration}
            """));
        File.WriteAllText(
            $"{folder}/config/libvirt/qemu.conf",
            string.Create(CultureInfo.InvariantCulture, $"""
            security_driver = "none"
            stdio_handler = "file"
            migration_port_min = {firstMigrationPort}
            migration_port_max = {firstMigrationPort + 39}
            """));
    }

    /// <summary>With an environment and a host name of its own. Every program of the chain becomes the next, so the id is the daemon's.</summary>
    private Process Launch()
    {
        string[] environment =
        [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", $"HOME={folder}/home", $"XDG_CONFIG_HOME={folder}/config", $"XDG_CACHE_HOME={folder}/cache",
            $"XDG_DATA_HOME={folder}/data", $"XDG_RUNTIME_DIR={folder}/run", $"TMPDIR={folder}/tmp",
        ];
        string[] namespaces = IsRoot ? ["--uts"] : ["--user", "--map-root-user", "--uts"];
        string[] drop = IsRoot ? ["setpriv", "--reuid", Nobody, "--regid", Nobody, "--clear-groups"] : [];
        var start = new ProcessStartInfo("env", [
            "-i", .. environment, "unshare", .. namespaces, "sh", "-c", "hostname \"$0\"; log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", Host.Name, $"{folder}/log", .. drop,
            "libvirtd", "--listen", "-f", $"{folder}/libvirtd.conf", "--pid-file", $"{folder}/run/libvirtd.pid",
        ]) { UseShellExecute = false };
        return Process.Start(start) ?? throw new InvalidOperationException("libvirtd did not start.");
    }
}
