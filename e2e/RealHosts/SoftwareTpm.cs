using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Portal.E2E;

/// <summary>
/// A real software TPM (swtpm) with fresh state in a directory of its own, driven by tpm2-tools. It leaves its factory with two endorsement
/// keys, <see cref="RsaEndorsement"/> and <see cref="EccEndorsement"/>. When the programs are not installed, <see cref="RequireOrSkip"/> says what is missing.
/// </summary>
public sealed partial class SoftwareTpm : IAsyncDisposable
{
    private static readonly string[] s_programs = ["swtpm", "swtpm_setup", "tpm2_createek", "tpm2_createak", "tpm2_quote", "tpm2_checkquote", "tpm2_activatecredential", "tpm2_eventlog", "openssl"];
    /// <summary>Handle of the RSA-2048 endorsement key. Source: TCG TPM v2.0 Provisioning Guidance, "Reserved Handles".</summary>
    public const string RsaEndorsement = "0x81010001";

    /// <summary>Handle of the P-384 endorsement key swtpm makes.</summary>
    public const string EccEndorsement = "0x81010016";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("portal-swtpm-");
    private readonly string? _missing = s_programs.FirstOrDefault(program => !IsInstalled(program));
    private readonly string? _makers;
    private Process? _swtpm;
    private int _port;

    /// <summary>A TPM without certificates.</summary>
    public SoftwareTpm()
    {
    }

    /// <summary>A TPM whose endorsement keys a local authority of swtpm's tools certifies, kept in a folder that several TPMs may share.</summary>
    internal SoftwareTpm(string makers) => _makers = makers;

    /// <summary>How tpm2-tools reach it, for programs of another machine.</summary>
    public string Connection => $"swtpm:host=127.0.0.1,port={_port}";

    /// <summary>Ends what needs a TPM when there is none; in tests that is a skip.</summary>
    public void RequireOrSkip()
    {
        if (Missing is { } missing)
        {
            Skip(missing);
            throw new InvalidOperationException(missing);
        }
    }

    static partial void Skip(string why);

    /// <summary>What is missing on this machine, in a sentence; null when nothing is.</summary>
    public string? Missing => _missing is null ? null : $"{_missing} is not installed (Debian packages swtpm, swtpm-tools, tpm2-tools and openssl).";

    public async ValueTask InitializeAsync()
    {
        if (_missing is not null)
            return;
        var state = Directory.CreateDirectory(PathOf("state")).FullName;
        string[] certified = _makers is null ? ["--createek"] : ["--create-ek-cert", "--config", WriteSetup(_makers)];
        var (exitCode, output, error) = await TryAsync("swtpm_setup", ["--tpm2", "--tpmstate", state, .. certified, "--pcr-banks", "-"]);
        if (exitCode != 0)
            throw new InvalidOperationException($"swtpm_setup ended with {exitCode}: {output} {error}");
        await PowerOnAsync();
    }

    /// <summary>Starts the TPM with the state it has.</summary>
    public async Task PowerOnAsync()
    {
        var state = PathOf("state");
        // Another program may take the ports between finding and using them.
        for (var attempt = 0; attempt < 10; attempt++)
        {
            _port = FreePortPair();
            _swtpm = Start("swtpm", "socket", "--tpm2", "--tpmstate", $"dir={state}",
                "--server", $"type=tcp,port={_port},bindaddr=127.0.0.1", "--ctrl", $"type=tcp,port={_port + 1},bindaddr=127.0.0.1",
                "--flags", "not-need-init,startup-clear");
            if (await AnswersAsync())
                return;
            await StopAsync();
        }
        throw new InvalidOperationException("swtpm found no free ports.");
    }

    /// <summary>Takes the power away, in good order or not, and gives it back: the host was booted again.</summary>
    public async Task RebootAsync(bool inOrder = true)
    {
        if (inOrder)
            await RunAsync("tpm2_shutdown", "--clear");
        await StopAsync();
        await PowerOnAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _directory.Delete(recursive: true);
    }

    /// <summary>Absolute path of a file in the TPM's directory, where the tools run.</summary>
    public string PathOf(string file) => Path.Combine(_directory.FullName, file);

    public byte[] Read(string file) => File.ReadAllBytes(PathOf(file));

    public void Write(string file, byte[] content) => File.WriteAllBytes(PathOf(file), content);

    /// <summary>Runs a tool that must succeed and gives what it printed; then frees the TPM's few slots, as no resource manager does.</summary>
    public async Task<string> RunAsync(string program, params string[] arguments)
    {
        var (exitCode, output, error) = await TryAsync(program, arguments);
        if (exitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {exitCode}: {error}");
        await TryAsync("tpm2_flushcontext", "--transient-object");
        return output;
    }

    /// <summary>Runs a tool that may fail.</summary>
    public async Task<(int ExitCode, string Output, string Error)> TryAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        using var patience = new CancellationTokenSource(s_patience);
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var error = process.StandardError.ReadToEndAsync(patience.Token);
        try
        {
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException late)
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end.", late);
        }
    }

    private Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _directory.FullName,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["TPM2TOOLS_TCTI"] = Connection;
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
    }

    private string WriteSetup(string makers)
    {
        File.WriteAllLines(PathOf("localca.conf"), [$"statedir = {makers}", $"signingkey = {makers}/signkey.pem", $"issuercert = {makers}/issuercert.pem", $"certserial = {makers}/certserial"]);
        File.WriteAllLines(PathOf("localca.options"), ["--platform-manufacturer Works", "--platform-version 1", "--platform-model Bench"]);
        File.WriteAllLines(PathOf("setup.conf"),
        [
            "create_certs_tool = swtpm_localca", $"create_certs_tool_config = {PathOf("localca.conf")}",
            $"create_certs_tool_options = {PathOf("localca.options")}", "active_pcr_banks = sha256",
        ]);
        return PathOf("setup.conf");
    }

    private async Task<bool> AnswersAsync()
    {
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < s_patience && _swtpm is { HasExited: false };)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, _port + 1);
                return !_swtpm.HasExited;
            }
            catch (SocketException)
            {
                await Task.Delay(20);
            }
        }
        return false;
    }

    private async Task StopAsync()
    {
        if (_swtpm is null)
            return;
        if (!_swtpm.HasExited)
            _swtpm.Kill();
        await _swtpm.WaitForExitAsync();
        _swtpm.Dispose();
        _swtpm = null;
    }

    /// <summary>The tools expect the control channel one port above the commands.</summary>
    private static int FreePortPair()
    {
        while (true)
        {
            using var first = new TcpListener(IPAddress.Loopback, 0);
            first.Start();
            var port = ((IPEndPoint)first.LocalEndpoint).Port;
            using var second = new TcpListener(IPAddress.Loopback, Math.Min(port + 1, IPEndPoint.MaxPort));
            try
            {
                second.Start();
                return port;
            }
            catch (SocketException)
            {
                // The neighbour is taken; look for another pair.
            }
        }
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}
