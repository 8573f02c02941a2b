using System.Net;
using System.Net.Sockets;
using System.Text;
using Portal.Core.Attestation.BuiltIn.Agents;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Portal.Core.Attestation.BuiltIn.Bootstrap;

/// <summary>The key a host shows.</summary>
/// <param name="Kind">For example <c>ssh-ed25519</c>.</param>
/// <param name="Fingerprint">SHA-256, base64 without padding, as OpenSSH shows it after <c>SHA256:</c>.</param>
public sealed record ShownHostKey(string Kind, string Fingerprint)
{
    /// <summary>Type and base64, as <c>known_hosts</c> has it after the host's name; empty when the key was not shown whole.</summary>
    public string Line { get; init; } = "";
}

/// <summary>How a command on a host ended.</summary>
/// <param name="ExitCode">Its exit code; null when the connection ended before it did.</param>
internal sealed record CommandEnd(int? ExitCode);

/// <summary>Reaches hosts over SSH: only into the networks an administrator listed, and only by the host key a person confirmed.</summary>
/// <param name="networks">Where the portal may connect to.</param>
/// <param name="limits">How long things may take.</param>
public sealed class SshReach(AgentNetworks networks, PreparationLimits limits)
{
    /// <summary>
    /// The host key an address shows; nobody signs in. Refusals: <c>ssh.address</c>, <c>ssh.network</c>, <c>ssh.unreachable</c>.
    /// </summary>
    internal async Task<Outcome<ShownHostKey>> KeyAsync(string address, int port, CancellationToken ct)
    {
        var found = await FindAsync(address, port, ct);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        ShownHostKey? shown = null;
        using var client = new SshClient(Info(found.Value, port, "portal", new NoneAuthenticationMethod("portal")));
        client.HostKeyReceived += (_, key) => (shown, key.CanTrust) = (Of(key), false);
        var refusal = await ConnectAsync(client, address, port, ct);
        return shown is not null ? shown : refusal ?? Unreachable(address, port, "it showed no host key");
    }

    /// <summary>
    /// Signs in, if the host shows the confirmed key. Further refusals: <c>ssh.host_key.changed</c>, <c>ssh.denied</c>.
    /// </summary>
    internal async Task<Outcome<SshConnection>> OpenAsync(string address, int port, string fingerprint, SshCredentials credentials, CancellationToken ct)
    {
        var found = await FindAsync(address, port, ct);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        ShownHostKey? other = null;
        var client = new SshClient(Info(found.Value, port, credentials.User, credentials.Methods())) { KeepAliveInterval = TimeSpan.FromSeconds(15) };
        client.HostKeyReceived += (_, key) =>
        {
            var shown = Of(key);
            key.CanTrust = shown.Fingerprint == fingerprint;
            other = key.CanTrust ? null : shown;
        };
        var refusal = await ConnectAsync(client, address, port, ct);
        if (other is not null || refusal is not null)
        {
            client.Dispose();
            return other is not null ? Changed(address, port, fingerprint, other.Fingerprint) : refusal!;
        }

        return new SshConnection(client);
    }

    internal static Refusal Changed(string address, int port, string confirmed, string shown) => Refusal.Conflict(
        "ssh.host_key.changed",
        $"{address}:{port} shows another host key (SHA256:{shown}) than the one confirmed (SHA256:{confirmed}): it was installed anew, or somebody sits in between. Nobody was signed in.",
        "Compare the key at the host's console; if it is right, forget the old one and confirm the new one.");

    private async Task<Refusal?> ConnectAsync(SshClient client, string address, int port, CancellationToken ct)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(limits.Connect);
        try
        {
            await client.ConnectAsync(deadline.Token).WaitAsync(deadline.Token);
            return null;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return Unreachable(address, port, $"it did not answer within {limits.Connect.TotalSeconds:0} seconds");
        }
        catch (SshAuthenticationException)
        {
            return new Refusal("ssh.denied", RefusalKind.Forbidden, $"{address} does not let {client.ConnectionInfo.Username} in with this password or key.", "Check the user, and whether the host allows this way to sign in.");
        }
        catch (SocketException fault)
        {
            return Unreachable(address, port, fault.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => "nothing listens there",
                SocketError.HostUnreachable or SocketError.NetworkUnreachable => "there is no way to it",
                _ => "the connection failed",
            });
        }
        catch (SshOperationTimeoutException)
        {
            return Unreachable(address, port, $"it did not answer within {limits.Connect.TotalSeconds:0} seconds");
        }
        catch (Exception fault) when (fault is SshException or IOException or ObjectDisposedException or InvalidOperationException or ArgumentException or FormatException or OverflowException or IndexOutOfRangeException)
        {
            // What a stranger sends breaks a parser in many ways; all of them mean the same.
            return Unreachable(address, port, "what answers there does not speak SSH as it should");
        }
    }

    private async Task<Outcome<IPAddress>> FindAsync(string address, int port, CancellationToken ct)
    {
        if (Fault(address, port) is { } fault)
        {
            return fault;
        }

        try
        {
            // The address that was checked is the one connected to: a name is asked for once.
            return await networks.ResolveAsync(address, ct) is [var first, ..]
                ? first
                : Refusal.Conflict("ssh.network", $"{address} lies in no network the portal may connect to.", "An administrator lists networks in Portal:Registrar:Networks.");
        }
        catch (SocketException)
        {
            return Unreachable(address, port, "the name is not known");
        }
    }

    internal static Refusal? Fault(string address, int port) =>
        !HostScript.IsAddress(address) ? Refusal.Invalid("ssh.address", "address", "The address is no IP address or host name.", "Write it like 10.1.0.7 or kvm-01.example.org.")
        : port is < 1 or > ushort.MaxValue ? Refusal.Invalid("ssh.port", "port", "The port is no number from 1 to 65535.", "SSH listens on 22 unless told otherwise.")
        : null;

    private ConnectionInfo Info(IPAddress address, int port, string user, params AuthenticationMethod[] methods) =>
        new(address.ToString(), port, user, methods) { Timeout = limits.Connect, ChannelCloseTimeout = TimeSpan.FromSeconds(5), Encoding = Encoding.UTF8 };

    private static ShownHostKey Of(HostKeyEventArgs key) => new(Tpm.ClaimedText.Safe(key.HostKeyName, 64), key.FingerPrintSHA256.TrimEnd('=')) { Line = LineOf(key.HostKey) };

    /// <summary>A key names its own type first (RFC 4253, 6.6); the name a host shows may be that of a signature scheme.</summary>
    private static string LineOf(ReadOnlySpan<byte> key)
    {
        if (key.Length < sizeof(int))
        {
            return "";
        }

        var named = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(key);
        return named is > 0 and <= 64 && named < key.Length - sizeof(int) ? $"{Tpm.ClaimedText.Safe(Encoding.ASCII.GetString(key.Slice(sizeof(int), named)), 64)} {Convert.ToBase64String(key)}" : "";
    }

    private static Refusal Unreachable(string address, int port, string why) =>
        new("ssh.unreachable", RefusalKind.Unavailable, $"{address}:{port} is not reached: {why}.", "Check the address, the port and the way to it.");
}

/// <summary>A host we are signed in on.</summary>
/// <param name="client">The connection.</param>
internal sealed class SshConnection(SshClient client) : IDisposable
{
    /// <summary>Runs a command, feeds it and hands on what it says as it comes.</summary>
    /// <param name="command">The command, for the user's shell.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="hear">Takes what it says; false ends the connection.</param>
    /// <param name="ct">Ends the connection, not necessarily the command.</param>
    public async Task<CommandEnd> RunAsync(string command, ReadOnlyMemory<byte> input, Func<ReadOnlyMemory<byte>, bool> hear, CancellationToken ct)
    {
        using var run = client.CreateCommand(command);
        try
        {
            var ended = run.ExecuteAsync(ct);
            var reading = ReadAsync(run.OutputStream, hear, ct);
            await using (var feed = run.CreateInputStream())
            {
                await feed.WriteAsync(input, ct);
            }

            await reading;
            await ended;
            return new CommandEnd(run.ExitStatus);
        }
        catch (Exception fault) when (fault is SshException or IOException or ObjectDisposedException or SocketException or InvalidOperationException)
        {
            return new CommandEnd(null);
        }
    }

    public void Dispose()
    {
        try
        {
            client.Dispose();
        }
        catch (Exception fault) when (fault is SshException or IOException or SocketException or InvalidOperationException)
        {
            // It is gone already.
        }
    }

    private async Task ReadAsync(Stream output, Func<ReadOnlyMemory<byte>, bool> hear, CancellationToken ct)
    {
        var buffer = new byte[16 << 10];
        // The library's stream waits on a thread; not on ours.
        while (await Task.Run(() => output.Read(buffer), ct).WaitAsync(ct) is > 0 and var count)
        {
            if (!hear(buffer.AsMemory(0, count)))
            {
                Dispose();
                throw new IOException("The host says too much.");
            }
        }
    }
}
