using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Agents;

public sealed class AgentConnectionsTests : IAsyncLifetime
{
    private static readonly IPNetwork[] Networks = [IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("::1/128")];

    private TrustedPool pool = null!;
    private Guid host;

    public async ValueTask InitializeAsync()
    {
        pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration(Networks));
        host = (await pool.HostAsync("kvm-a01")).Id;
    }

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Fact]
    public async Task AnAgentThatRegisteredAnotherCertificate_IsNotAskedOverTheConnectionOfTheOld()
    {
        using var old = new SmallAgent(IPAddress.Loopback);
        using var other = new SmallAgent(IPAddress.Loopback);
        await RegisterAsync("127.0.0.1", old.Port, old.Certificate);
        Assert.Equal(HttpStatusCode.OK, await AskAsync());

        await RegisterAsync("127.0.0.1", old.Port, other.Certificate);

        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);
    }

    [Fact]
    public async Task AnAgentThatMoved_IsNotAskedAtItsOldAddress()
    {
        using var agent = new SmallAgent(IPAddress.Loopback);
        await RegisterAsync("127.0.0.1", agent.Port, agent.Certificate);
        Assert.Equal(HttpStatusCode.OK, await AskAsync());

        await RegisterAsync("127.0.0.2", agent.Port, agent.Certificate);

        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);
    }

    [Fact]
    public async Task AnUnchangedAgent_IsAskedOverOneConnection()
    {
        using var agent = new SmallAgent(IPAddress.Loopback);
        await RegisterAsync("127.0.0.1", agent.Port, agent.Certificate);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK, 1), (await AskAsync(), await AskAsync(), agent.Connections));
    }

    [Fact]
    public async Task AnAgentWithAnAddressOfVersion6_IsReached()
    {
        using var agent = new SmallAgent(IPAddress.IPv6Loopback);
        await RegisterAsync("::1", agent.Port, agent.Certificate);

        Assert.Equal(HttpStatusCode.OK, await AskAsync());
        Assert.Contains($"Host: [::1]:{agent.Port}", agent.LastRequest, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task AnAgentThatDoesNotTellItsVersionNow_IsSilentAndNotForged()
    {
        using var agent = new SmallAgent(IPAddress.Loopback) { Status = "503 Service Unavailable" };
        await RegisterAsync("127.0.0.1", agent.Port, agent.Certificate);

        Assert.Contains("503", Assert.IsType<ChannelAnswer.Silent>(await QuoteAsync(null)).Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, typeof(ChannelAnswer.ListTooLong))]
    [InlineData(41, typeof(ChannelAnswer.ListTooLong))]
    [InlineData(null, typeof(ChannelAnswer.Garbled))]
    public async Task AnAnswerLongerThanIsRead_IsTheListsFaultWhereItWasAskedFor(int? measurementsFrom, Type expected)
    {
        using var agent = new SmallAgent(IPAddress.Loopback) { LengthOfQuotes = KeylimeAgentChannel.LongestWithMeasurements + 1 };
        await RegisterAsync("127.0.0.1", agent.Port, agent.Certificate);

        Assert.IsType(expected, await QuoteAsync(measurementsFrom));
    }

    private async Task<ChannelAnswer> QuoteAsync(int? measurementsFrom)
    {
        var channel = new KeylimeAgentChannel(pool.Get<AgentContacts>(), pool.Get<AgentConnections>());
        return await channel.QuoteAsync(new HostEndpoint(host, "kvm-a01", "127.0.0.1", null), new QuoteRequest(new string('a', 32), 0x000B, [0, 10], true) { MeasurementsFrom = measurementsFrom }, pool.Ct);
    }

    private async Task<HttpStatusCode> AskAsync()
    {
        var contact = pool.Get<AgentContacts>().Of(host)!;
        return (await pool.Get<AgentConnections>().GetAsync(host, contact, "/version", 1 << 10, null, pool.Ct)).Status;
    }

    private async Task RegisterAsync(string address, int port, byte[] certificate)
    {
        await using var db = pool.Database();
        await db.RegisteredAttesters.ExecuteDeleteAsync(pool.Ct);
        db.RegisteredAttesters.Add(new RegisteredAttester
        {
            AgentId = "3f7c",
            EndorsementKey = [],
            EndorsementHash = "",
            AttestationKey = [],
            KeyName = "",
            ServerCertificate = certificate,
            Address = address,
            Port = port,
            SeenFrom = address,
            FirstSeenAt = pool.Time.GetUtcNow(),
            LastSeenAt = pool.Time.GetUtcNow(),
            Status = RegistrationStatus.Enrolled,
            HostId = host,
        });
        await db.SaveChangesAsync(pool.Ct);
        pool.Get<IChangeFeed>().Publish(Change.Of(ChangeTopic.Attester));
    }

    /// <summary>An HTTPS server that answers everything with its version and keeps its connections.</summary>
    private sealed class SmallAgent : IDisposable
    {
        private readonly X509Certificate2 certificate = Make();
        private readonly TcpListener listener;
        private readonly CancellationTokenSource stop = new();
        private int connections;

        public SmallAgent(IPAddress address)
        {
            listener = new TcpListener(address, 0);
            listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public byte[] Certificate => certificate.RawData;

        public int Connections => Volatile.Read(ref connections);

        public string LastRequest { get; private set; } = "";

        public string Status { get; init; } = "200 OK";

        /// <summary>Said of a quote; none is sent.</summary>
        public int? LengthOfQuotes { get; init; }

        public void Dispose()
        {
            stop.Cancel();
            listener.Dispose();
            stop.Dispose();
            certificate.Dispose();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    var client = await listener.AcceptTcpClientAsync(stop.Token);
                    Interlocked.Increment(ref connections);
                    _ = AnswerAsync(client);
                }
            }
            catch (Exception closed) when (closed is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                // The test is over.
            }
        }

        private async Task AnswerAsync(TcpClient client)
        {
            using (client)
            {
                try
                {
                    await using var tls = new SslStream(client.GetStream());
                    await tls.AuthenticateAsServerAsync(
                        new SslServerAuthenticationOptions { ServerCertificate = certificate, ClientCertificateRequired = true, RemoteCertificateValidationCallback = (_, _, _, _) => true },
                        stop.Token);
                    using var reader = new StreamReader(tls);
                    var request = new List<string>();
                    while (await reader.ReadLineAsync(stop.Token) is { } line)
                    {
                        request.Add(line);
                        if (line.Length == 0)
                        {
                            LastRequest = string.Join('\n', request);
                            request.Clear();
                            await tls.WriteAsync(Encoding.ASCII.GetBytes(Answer()), stop.Token);
                        }
                    }
                }
                catch (Exception ended) when (ended is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException or ObjectDisposedException)
                {
                    // The portal closed or refused the connection.
                }
            }
        }

        private string Answer()
        {
            const string Version = """{"results":{"supported_version":"2.2"}}""";
            return LengthOfQuotes is { } length && LastRequest.Contains("/quotes/", StringComparison.Ordinal)
                ? $"HTTP/1.1 {Status}\r\nContent-Length: {length}\r\n\r\n"
                : $"HTTP/1.1 {Status}\r\nContent-Length: {Version.Length}\r\n\r\n{Version}";
        }

        private static X509Certificate2 Make()
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var made = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
            return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        }
    }
}
