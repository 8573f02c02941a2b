using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;

namespace Portal.E2E.Peers.Outside;

/// <summary>The way to a server, against a real TLS server that is right, or wrong in one way.</summary>
public sealed class ServerWayTests : IAsyncLifetime
{
    private readonly ServerAuthority authority = new();
    private readonly ServerAuthority stranger = new("somebody else");
    private TlsServer? server;
    private TimeSpan ahead;
    private int asked;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        authority.Dispose();
        stranger.Dispose();
    }

    [Fact]
    public async Task AServerThatIsRight_IsGoodInEveryStep()
    {
        var connection = await StartAsync(authority.Server());

        var lines = await CheckAsync(connection);

        Assert.Equal(Enum.GetValues<ServerCheckStep>(), lines.Select(l => l.Step));
        Assert.All(lines, l => Assert.Equal((l.Step, ProbeResult.Good, ""), (l.Step, l.Result, l.Remedy)));
    }

    [Fact]
    public async Task ANameThatDoesNotExist_IsSaidSo()
    {
        var connection = await StartAsync(authority.Server());

        var line = await FirstFaultAsync(connection with { Address = new Uri("https://no-such-server.invalid:8881") });

        Assert.Equal((ServerCheckStep.Name, "The name no-such-server.invalid leads to no address."), (line.Step, line.Sentence));
    }

    [Fact]
    public async Task APortNobodyListensOn_IsSaidSo_OfTheRegistrarToo()
    {
        var connection = await StartAsync(authority.Server());
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();

        var line = await FirstFaultAsync(connection with { RegistrarAddress = new Uri($"https://localhost:{port}") });

        Assert.Equal((ServerCheckStep.Port, $"Registrar localhost:{port}: nothing listens there."), (line.Step, line.Sentence));
    }

    [Fact]
    public async Task ACertificateByAnotherAuthority_IsNotSpokenTo()
    {
        var line = await FirstFaultAsync(await StartAsync(stranger.Server()));

        Assert.Equal(ServerCheckStep.Certificate, line.Step);
        Assert.EndsWith("that no pinned authority issued.", line.Sentence, StringComparison.Ordinal);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task ACertificateForClientsOnly_IsNoServers()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var check = FirstFaultAsync(Connection(new Uri($"https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}")) with { ChecksName = false });
        using (await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken))
        {
            using var second = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await using var tls = new SslStream(second.GetStream());
            await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsServerAsync(authority.Client("localhost"), true, false));
        }

        var line = await check;
        Assert.Equal(ServerCheckStep.Certificate, line.Step);
        Assert.EndsWith("that is not for servers.", line.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ACertificateWithoutTheName_IsRefused_UnlessNamesAreNotLookedAt()
    {
        var connection = await StartAsync(authority.Server("keylime", named: false));

        var line = await FirstFaultAsync(connection);
        var without = await CheckAsync(connection with { ChecksName = false });

        Assert.Equal(ServerCheckStep.Certificate, line.Step);
        Assert.EndsWith("that does not name localhost.", line.Sentence, StringComparison.Ordinal);
        Assert.All(without, l => Assert.Equal(ProbeResult.Good, l.Result));
        Assert.Contains("its name is not looked at", without[(int)ServerCheckStep.Certificate].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnExpiredCertificate_IsSaidByItsDate()
    {
        var line = await FirstFaultAsync(await StartAsync(authority.Server(until: new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero))));

        Assert.Equal(ServerCheckStep.Expiry, line.Step);
        Assert.EndsWith("its certificate expired on 2026-01-31.", line.Sentence, StringComparison.Ordinal);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task OurCertificateThatEndsSoon_IsGood_AndWorthAWord()
    {
        var connection = await StartAsync(authority.Server());

        var line = (await CheckAsync(connection with { ClientCertificate = authority.Client(until: DateTimeOffset.UtcNow.AddDays(7)) }))[(int)ServerCheckStep.Expiry];

        Assert.Equal(ProbeResult.Good, line.Result);
        Assert.Contains("(our client certificate)", line.Sentence, StringComparison.Ordinal);
        Assert.NotEmpty(line.Remedy);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AServerThatDoesNotTakeOurCertificate_IsAMatterOfAuthorisation(bool withCertificate)
    {
        var connection = await StartAsync(authority.Server());

        var line = await FirstFaultAsync(connection with { ClientCertificate = withCertificate ? stranger.Client() : null }, notKnown: ServerCheckStep.Version);

        Assert.Equal(ServerCheckStep.Authorisation, line.Step);
        Assert.Contains(withCertificate ? "when it sees our client certificate" : "none is set", line.Sentence, StringComparison.Ordinal);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task AProgramWithoutTls_IsSaidSo()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var check = FirstFaultAsync(Connection(new Uri($"https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}")));
        using (await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken))
        {
            using var second = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await second.GetStream().WriteAsync("220 mail.example ESMTP\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        }

        Assert.Equal(ServerCheckStep.Certificate, (await check).Step);
    }

    [Fact]
    public async Task APortThatTakesConnectionsAndSaysNothing_IsNotWaitedForForEver()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        var line = await FirstFaultAsync(Connection(new Uri($"https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}")) with { Timeout = TimeSpan.FromMilliseconds(300) });

        Assert.Equal(ServerCheckStep.Certificate, line.Step);
        Assert.EndsWith("did not answer in time.", line.Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3600, ProbeResult.Wrong, "ahead of")]
    [InlineData(-3600, ProbeResult.Wrong, "behind")]
    [InlineData(-30, ProbeResult.Good, "behind")]
    public async Task AClockThatIsOff_IsSaid_AndTheQuestionIsAskedAllTheSame(int seconds, ProbeResult result, string word)
    {
        ahead = TimeSpan.FromSeconds(seconds);

        var lines = await CheckAsync(await StartAsync(authority.Server()));

        Assert.Equal(result, lines[(int)ServerCheckStep.Clock].Result);
        Assert.Contains(word, lines[(int)ServerCheckStep.Clock].Sentence, StringComparison.Ordinal);
        Assert.Equal(ProbeResult.Good, lines[(int)ServerCheckStep.Query].Result);
    }

    private async Task<ServerConnection> StartAsync(X509Certificate2 certificate)
    {
        server = await TlsServer.StartAsync(certificate, authority, needsClient: true, async context =>
        {
            Interlocked.Increment(ref asked);
            context.Response.Headers.Date = DateTimeOffset.UtcNow.Add(ahead).ToString("R");
            await context.Response.WriteAsync("{}");
        });
        return Connection(server.Address);
    }

    private ServerConnection Connection(Uri address) =>
        new(Guid.CreateVersion7(), "kl", address, null, [authority.Certificate], authority.Client(), ChecksName: true, TimeSpan.FromSeconds(10));

    private static async Task<List<ServerCheckLine>> CheckAsync(ServerConnection connection)
    {
        using var http = new ServerHttp(connection, TimeProvider.System);
        return await new ServerWay(connection, new OneQuestion(http, connection.Address), TimeProvider.System).CheckAsync(TestContext.Current.CancellationToken).ToListAsync();
    }

    private static async Task<ServerCheckLine> FirstFaultAsync(ServerConnection connection, ServerCheckStep? notKnown = null)
    {
        var lines = await CheckAsync(connection);
        var fault = lines.First(l => l.Result == ProbeResult.Wrong);
        Assert.Equal(Enum.GetValues<ServerCheckStep>(), lines.Select(l => l.Step));
        Assert.All(lines.Where(l => l.Step < fault.Step && l.Step != notKnown), l => Assert.Equal(ProbeResult.Good, l.Result));
        Assert.All(lines.Where(l => l.Step > fault.Step), l => Assert.Equal((ProbeResult.NotKnown, "Not reached."), (l.Result, l.Sentence)));
        Assert.NotEmpty(fault.Remedy);
        return fault;
    }

    /// <summary>A kind of server that has one thing to be asked.</summary>
    private sealed class OneQuestion(ServerHttp http, Uri address) : IServerQuestions
    {
        public Task<ServerAnswer> VersionAsync(CancellationToken ct) => AskAsync(ct);

        public Task<ServerAnswer> AuthorisationAsync(CancellationToken ct) => AskAsync(ct);

        public Task<ServerAnswer> QueryAsync(CancellationToken ct) => AskAsync(ct);

        private async Task<ServerAnswer> AskAsync(CancellationToken ct)
        {
            var reply = await http.SendAsync(HttpMethod.Get, address, null, 1 << 10, ct);
            return new ServerAnswer(ProbeResult.Good, "It answers.", "", reply.Date);
        }
    }
}
