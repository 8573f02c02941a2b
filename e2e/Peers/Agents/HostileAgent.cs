using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Portal.E2E.Peers.Agents;

/// <summary>How an agent misbehaves once it is asked for a quote.</summary>
public enum Hostility
{
    /// <summary>Accepts the connection and says nothing.</summary>
    Mute,

    /// <summary>Answers the TLS handshake with noise.</summary>
    TlsNoise,

    /// <summary>Sends a header byte by byte, without end.</summary>
    SlowHeader,

    /// <summary>Sends a body byte by byte, without end.</summary>
    SlowBody,

    /// <summary>Sends a body as fast as it can, without end.</summary>
    EndlessBody,

    /// <summary>Announces and sends an event log of 100 MB.</summary>
    HugeLog,
}

/// <summary>An agent on a socket of its own that keeps none of the rules. One may stand for many hosts.</summary>
internal sealed class HostileAgent : IAsyncDisposable
{
    private const int HugeBody = 140_000_000;
    private static readonly TimeSpan Drip = TimeSpan.FromMilliseconds(100);

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource closing = new();
    private readonly ConcurrentBag<Task> connections = [];
    private readonly X509Certificate2 certificate;
    private readonly Hostility hostility;
    private readonly Task accepting;
    private int hanging;
    private long mostSent;

    public HostileAgent(Hostility hostility)
    {
        this.hostility = hostility;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        listener.Start(1024);
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public byte[] Certificate => certificate.RawData;

    /// <summary>Connections it keeps somebody waiting on at this moment.</summary>
    public int Hanging => Volatile.Read(ref hanging);

    /// <summary>The most bytes of a body that one connection took.</summary>
    public long MostSent => Interlocked.Read(ref mostSent);

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        listener.Dispose();
        await accepting;
        await Task.WhenAll(connections);
        certificate.Dispose();
        closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync(closing.Token);
                connections.Add(Task.Run(() => MistreatAsync(client)));
            }
        }
        catch (Exception over) when (over is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The listener is closed.
        }
    }

    private async Task MistreatAsync(TcpClient client)
    {
        using (client)
        {
            Interlocked.Increment(ref hanging);
            try
            {
                await MistreatAsync(client.GetStream(), closing.Token);
            }
            catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException or SocketException or System.Security.Authentication.AuthenticationException)
            {
                // Whoever asked had enough.
            }
            finally
            {
                Interlocked.Decrement(ref hanging);
            }
        }
    }

    private async Task MistreatAsync(NetworkStream plain, CancellationToken ct)
    {
        if (hostility == Hostility.Mute)
        {
            await UntilGoneAsync(plain, ct);
            return;
        }

        if (hostility == Hostility.TlsNoise)
        {
            await plain.WriteAsync(RandomNumberGenerator.GetBytes(4096), ct);
            await UntilGoneAsync(plain, ct);
            return;
        }

        await using var tls = new SslStream(plain);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, ct);
        while (await RequestAsync(tls, ct) is { Length: > 0 } request)
        {
            if (request.Contains("/version", StringComparison.Ordinal))
            {
                const string Version = "{\"results\":{\"supported_version\":\"2.2\"}}";
                await WriteAsync(tls, $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Version.Length}\r\n\r\n{Version}", ct);
                continue;
            }

            await MisanswerAsync(tls, ct);
        }
    }

    private Task MisanswerAsync(SslStream tls, CancellationToken ct) => hostility switch
    {
        Hostility.SlowHeader => DripAsync(tls, "HTTP/1.1 200 OK\r\nX-Slow: ", ct),
        Hostility.SlowBody => DripAsync(tls, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", ct),
        Hostility.EndlessBody => FloodAsync(tls, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", long.MaxValue, ct),
        Hostility.HugeLog => FloodAsync(tls, $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {HugeBody}\r\n\r\n{{\"results\":{{\"mb_measurement_list\":\"", HugeBody, ct),
        var other => throw new InvalidOperationException($"{other} has no answer."),
    };

    private static async Task DripAsync(SslStream tls, string head, CancellationToken ct)
    {
        await WriteAsync(tls, head, ct);
        while (true)
        {
            await WriteAsync(tls, "x", ct);
            await Task.Delay(Drip, ct);
        }
    }

    private async Task FloodAsync(SslStream tls, string head, long length, CancellationToken ct)
    {
        await WriteAsync(tls, head, ct);
        var piece = new byte[16 << 10];
        Array.Fill(piece, (byte)'A');
        for (long sent = 0; sent < length; sent += piece.Length)
        {
            await tls.WriteAsync(piece, ct);
            var most = sent + piece.Length;
            for (var known = MostSent; most > known && Interlocked.CompareExchange(ref mostSent, most, known) != known; known = MostSent)
            {
            }
        }
    }

    private static async Task<string> RequestAsync(SslStream tls, CancellationToken ct)
    {
        var (read, buffer) = (new StringBuilder(), new byte[4096]);
        while (!read.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var count = await tls.ReadAsync(buffer, ct);
            if (count == 0)
            {
                return "";
            }

            read.Append(Encoding.ASCII.GetString(buffer, 0, count));
        }

        return read.ToString();
    }

    private static async Task UntilGoneAsync(NetworkStream plain, CancellationToken ct)
    {
        var buffer = new byte[4096];
        while (await plain.ReadAsync(buffer, ct) > 0)
        {
        }
    }

    private static Task WriteAsync(SslStream tls, string text, CancellationToken ct) => tls.WriteAsync(Encoding.ASCII.GetBytes(text), ct).AsTask();
}
