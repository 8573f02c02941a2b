using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Portal.E2E.Peers.Bootstrap;

/// <summary>
/// A machine to prepare: this one's system in a mount namespace, under a layer that vanishes, with stand-ins for a package manager, systemd,
/// firewalld and a TPM's files. Its network is this machine's.
/// </summary>
internal sealed class HostMachine : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("portal-machine-").FullName;
    private readonly Process holder;
    private Process? sshd;

    private HostMachine() => holder = Start("unshare", "--mount", "sh", Path.Combine(AppContext.BaseDirectory, "Bootstrap", "machine.sh"), folder);

    /// <summary>Where its sshd listens, once it does.</summary>
    public int SshPort { get; private set; }

    private string Root => $"{folder}/root";

    private string Outside => string.Create(CultureInfo.InvariantCulture, $"/proc/{holder.Id}/root{folder}");

    /// <summary>Starts it; skips the test where it cannot be.</summary>
    public static async Task<HostMachine> StartAsync()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root" || !File.Exists("/usr/sbin/sshd") || !File.Exists("/usr/bin/busybox"))
        {
            Assert.Skip("A machine to prepare needs root, overlayfs and the Debian packages openssh-server and busybox.");
        }

        var machine = new HostMachine();
        using var patience = new CancellationTokenSource(Patience);
        if (await machine.holder.StandardOutput.ReadLineAsync(patience.Token) != "ready")
        {
            var why = await machine.holder.StandardError.ReadToEndAsync(patience.Token);
            await machine.DisposeAsync();
            throw new InvalidOperationException($"The machine did not start: {why}");
        }

        return machine;
    }

    /// <summary>Runs something in it as root.</summary>
    public async Task<(int ExitCode, string Output)> RunAsync(string input, params string[] command)
    {
        using var process = Start("nsenter", ["--target", holder.Id.ToString(CultureInfo.InvariantCulture), "--mount", "chroot", Root, .. command]);
        using var patience = new CancellationTokenSource(Patience);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        try
        {
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output + await errors);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    /// <summary>Runs shell commands in it that must succeed.</summary>
    public async Task<string> DoAsync(string commands)
    {
        var (exitCode, output) = await RunAsync("", "sh", "-ec", commands);
        return exitCode == 0 ? output : throw new InvalidOperationException($"{commands} ended with {exitCode}: {output}");
    }

    public bool Has(string path) => File.Exists($"{Outside}/root{path}") || Directory.Exists($"{Outside}/root{path}");

    public string Read(string path) => File.ReadAllText($"{Outside}/root{path}");

    /// <summary>Every file that differs from this machine's own system, with its content, mode and owner, but for what only lives while it runs.</summary>
    public IReadOnlyList<string> Snapshot() =>
    [
        .. Directory.EnumerateFiles($"{Outside}/up", "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None })
            .Where(file => !file.Contains("/up/tmp/", StringComparison.Ordinal) && !file.Contains("/up/var/log/", StringComparison.Ordinal) && !file.EndsWith("/up/etc/.pwd.lock", StringComparison.Ordinal))
            .Select(Describe)
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Starts an sshd in it, on loopback, with a configuration and a host key of its own.</summary>
    /// <param name="environment">Variables its sessions have, NAME=value.</param>
    /// <param name="port">Where; any free port otherwise.</param>
    public async Task ListenAsync(string environment = "", int? port = null)
    {
        await StopSshAsync();
        await DoAsync("rm -f /run/hostkey /run/hostkey.pub; ssh-keygen -q -t ed25519 -N '' -f /run/hostkey");
        SshPort = port ?? FreePort();
        await DoAsync($"""
            cat >/run/sshd_config <<END
            ListenAddress 127.0.0.1
            Port {SshPort}
            HostKey /run/hostkey
            PidFile none
            UsePAM no
            PermitRootLogin yes
            PasswordAuthentication yes
            AuthorizedKeysFile /run/authorized
            StrictModes no
            {(environment.Length > 0 ? $"SetEnv {environment}" : "")}
            END
            """);
        sshd = Start("nsenter", "--target", holder.Id.ToString(CultureInfo.InvariantCulture), "--mount", "chroot", Root, "/usr/sbin/sshd", "-D", "-e", "-f", "/run/sshd_config");
        await Eventually.TrueAsync(async () =>
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, SshPort, TestContext.Current.CancellationToken);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }, "sshd to listen");
    }

    public async ValueTask DisposeAsync()
    {
        await StopSshAsync();
        if (!holder.HasExited)
        {
            holder.StandardInput.Close();
            using var patience = new CancellationTokenSource(Patience);
            await holder.WaitForExitAsync(patience.Token);
        }

        holder.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private async Task StopSshAsync()
    {
        if (sshd is { } running)
        {
            sshd = null;
            if (!running.HasExited)
            {
                running.Kill(entireProcessTree: true);
            }

            await running.WaitForExitAsync();
            running.Dispose();
        }
    }

    private static string Describe(string file)
    {
        var info = new FileInfo(file);
        var mode = Convert.ToString((int)info.UnixFileMode, toBase: 8);
        var content = info.LinkTarget is { } target ? $"-> {target}"
            : info.Attributes.HasFlag(FileAttributes.Device) ? "gone"
            : Convert.ToHexStringLower(SHA256.HashData(ReadOrNothing(file)));
        return $"{file[(file.IndexOf("/up/", StringComparison.Ordinal) + 3)..]} {mode} {content}";
    }

    private static byte[] ReadOrNothing(string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (IOException)
        {
            // What is gone from the layer below stands here as a device nobody can open.
            return Encoding.ASCII.GetBytes("gone");
        }
        catch (UnauthorizedAccessException)
        {
            return Encoding.ASCII.GetBytes("gone");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
    }
}
