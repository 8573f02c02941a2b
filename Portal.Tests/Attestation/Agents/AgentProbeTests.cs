using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Tests.Attestation.Registration;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Agents;

/// <summary>The check of an agent against a real TLS server that is right, or wrong in one way.</summary>
public sealed class AgentProbeTests : IAsyncLifetime
{
    private readonly X509Certificate2 certificate = MakeCertificate();
    private readonly RegisteringHost host = new("3f7c") { Address = "127.0.0.1" };
    private TrustedPool pool = null!;
    private WebApplication? agent;
    private int asked;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (agent is not null)
        {
            await agent.DisposeAsync();
        }

        await pool.DisposeAsync();
        host.Dispose();
        certificate.Dispose();
    }

    [Fact]
    public async Task AnAgentThatIsRight_IsGoodInEveryStep()
    {
        await StartAsync();

        var lines = await CheckAsync();

        Assert.Equal(Enum.GetValues<ProbeStep>(), lines.Select(l => l.Step));
        Assert.All(lines, l => Assert.Equal((l.Step, ProbeResult.Good, ""), (l.Step, l.Result, l.Remedy)));
        Assert.Contains("2.2", lines[(int)ProbeStep.Version].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhoMayNot_MakesThePortalConnectToNobody()
    {
        await StartAsync();

        var outcome = await pool.Get<AgentProbe>().ExecuteAsync(TrustedPool.Author, await RegisterAsync(), pool.Ct);

        Assert.Equal(RefusalKind.Forbidden, outcome.Refusal?.Kind);
        Assert.Equal(0, asked);
        Assert.Contains("access.denied", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ANetworkThatIsNotListed_IsNotConnectedTo()
    {
        await StartAsync(networks: "10.0.0.0/8");

        var line = await FirstFaultAsync();

        Assert.Equal((ProbeStep.Network, "127.0.0.1 lies in none of 10.0.0.0/8."), (line.Step, line.Sentence));
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task ANameThatDoesNotExist_IsSaidSo()
    {
        await StartAsync();
        host.Address = "no-such-host.invalid";

        Assert.Equal(ProbeStep.Name, (await FirstFaultAsync()).Step);
    }

    [Fact]
    public async Task APortNobodyListensOn_IsSaidSo()
    {
        await StartAsync();
        await agent!.DisposeAsync();

        var line = await FirstFaultAsync();

        Assert.Equal((ProbeStep.Port, $"Nothing listens on port {host.Port}."), (line.Step, line.Sentence));
    }

    [Fact]
    public async Task AnotherCertificate_IsNotSpokenTo()
    {
        await StartAsync();
        using var other = MakeCertificate();
        host.ServerCertificate = other.ExportCertificatePem();

        var line = await FirstFaultAsync();

        Assert.Equal((ProbeStep.Certificate, "It shows another certificate than the one it registered with."), (line.Step, line.Sentence));
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task ProgramWithoutTls_IsSaidSo()
    {
        await StartAsync();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        host.Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var check = CheckAsync();
        using (var client = await listener.AcceptTcpClientAsync(pool.Ct))
        {
            await client.GetStream().WriteAsync("220 mail.example ESMTP\r\n"u8.ToArray(), pool.Ct);
        }

        Assert.Equal((ProbeStep.Certificate, "It does not speak TLS here, or none the portal speaks."), FirstFault(await check));
    }

    [Fact]
    public async Task AnAgentThatTrustsAnotherAuthority_DoesNotLetUsIn()
    {
        using var other = MakeCertificate();
        await StartAsync(trusts: other.RawData);

        var line = await FirstFaultAsync();

        Assert.Equal((ProbeStep.Admission, "Give it the portal's CA as trusted_client_ca, and restart it."), (line.Step, line.Remedy));
    }

    [Theory]
    [InlineData("""{"results":{"supported_version":"1.0"}}""", 200)]
    [InlineData("nonsense", 200)]
    [InlineData("", 404)]
    public async Task AVersionWeDoNotSpeak_IsSaidSo_AndTheClockIsLookedAtAllTheSame(string answer, int status)
    {
        await StartAsync(answer: answer, status: status);

        var lines = await CheckAsync();

        Assert.Equal((ProbeResult.Wrong, ProbeResult.Good), (lines[(int)ProbeStep.Version].Result, lines[(int)ProbeStep.Clock].Result));
    }

    [Theory]
    [InlineData(301, ProbeResult.Wrong, "Its clock is 301 s ahead of the portal's.")]
    [InlineData(-301, ProbeResult.Wrong, "Its clock is 301 s behind the portal's.")]
    [InlineData(-300, ProbeResult.Good, "Its clock is 300 s behind the portal's.")]
    [InlineData(null, ProbeResult.NotKnown, "It does not say what time it is, and a quote of a TPM cannot.")]
    public async Task AClockThatIsOff_IsSaidByHowMuch(int? seconds, ProbeResult result, string sentence)
    {
        await StartAsync(clock: seconds);

        var line = (await CheckAsync())[(int)ProbeStep.Clock];

        Assert.Equal((result, sentence), (line.Result, line.Sentence));
    }

    [Fact]
    public async Task ARefusedAttester_IsNotConnectedTo()
    {
        await StartAsync();
        var id = await RegisterAsync();
        TrustedPool.Expect(await pool.Get<DismissAttester>().RefuseAsync(TrustedPool.Administrator, id, pool.Ct));

        Assert.Equal("attester.not_waiting", (await pool.Get<AgentProbe>().ExecuteAsync(TrustedPool.Administrator, id, pool.Ct)).Refusal?.Code);
        Assert.Equal(0, asked);
    }

    private async Task StartAsync(string networks = "127.0.0.0/8", byte[]? trusts = null, string answer = """{"results":{"supported_version":"2.2"}}""", int status = 200, int? clock = 0)
    {
        pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([IPNetwork.Parse(networks)]));
        using var ours = X509Certificate2.CreateFromPem(pool.Get<AgentAuthority>().Published());
        var trusted = trusts ?? ours.RawData;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
        {
            https.ServerCertificate = certificate;
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (shown, _, _) => IsVouchedFor(shown, trusted, pool.Time.GetUtcNow());
        })));
        agent = builder.Build();
        agent.MapGet("/version", async context =>
        {
            Interlocked.Increment(ref asked);
            context.Response.StatusCode = status;
            context.Response.Headers.Date = clock is { } seconds ? pool.Time.GetUtcNow().AddSeconds(seconds).ToString("R") : "nonsense";
            await context.Response.WriteAsync(answer);
        });
        await agent.StartAsync(pool.Ct);
        host.Port = new Uri(agent.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
        host.ServerCertificate = certificate.ExportCertificatePem();
    }

    private async Task<Guid> RegisterAsync() => TrustedPool.Expect(await host.RegisterAsync(pool.Get<Registrar>())).Id;

    private async Task<IReadOnlyList<ProbeLine>> CheckAsync() => TrustedPool.Expect(await pool.Get<AgentProbe>().ExecuteAsync(TrustedPool.Administrator, await RegisterAsync(), pool.Ct));

    private async Task<ProbeLine> FirstFaultAsync()
    {
        var lines = await CheckAsync();
        var fault = lines.First(l => l.Result == ProbeResult.Wrong);
        Assert.All(lines.Where(l => l.Step < fault.Step), l => Assert.Equal(ProbeResult.Good, l.Result));
        Assert.All(lines.Where(l => l.Step > fault.Step), l => Assert.Equal((ProbeResult.NotKnown, "Not reached."), (l.Result, l.Sentence)));
        Assert.NotEmpty(fault.Remedy);
        return fault;
    }

    private static (ProbeStep Step, string Sentence) FirstFault(IReadOnlyList<ProbeLine> lines)
    {
        var fault = lines.First(l => l.Result == ProbeResult.Wrong);
        return (fault.Step, fault.Sentence);
    }

    private static bool IsVouchedFor(X509Certificate2 shown, byte[] authority, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = now.LocalDateTime;
        chain.ChainPolicy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificate(authority));
        return chain.Build(shown);
    }

    private static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
