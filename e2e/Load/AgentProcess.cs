using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Tpm;

namespace Portal.E2E.Load;

/// <summary>An agent as the verifier has to know it.</summary>
/// <param name="Id">The simulated host's id.</param>
/// <param name="Name">Its name.</param>
/// <param name="Key">Its attestation key, TPMT_PUBLIC.</param>
/// <param name="Port">Where it listens.</param>
internal sealed record ServedAgent(Guid Id, string Name, byte[] Key, int Port);

/// <summary>What a process of agents says when it is ready.</summary>
/// <param name="Certificate">The certificate all of them serve with, DER.</param>
/// <param name="Agents">The agents.</param>
internal sealed record ServedAgents(byte[] Certificate, IReadOnlyList<ServedAgent> Agents);

/// <summary>
/// Many agents in one process, apart from the verifier's: each on a port of its own, over mutual TLS, in keylime's messages, with software TPMs
/// that sign real quotes and event logs of some hundred events.
/// </summary>
internal sealed class AgentProcess : IDisposable
{
    /// <summary>The argument by which this program serves agents.</summary>
    public const string Argument = "serve-agents";

    private readonly Process process;

    private AgentProcess(Process process, ServedAgents served) => (this.process, Served) = (process, served);

    public ServedAgents Served { get; }

    /// <summary>Starts agents that let in whom an authority vouches for.</summary>
    public static async Task<AgentProcess> StartAsync(int number, string authorityPem, CancellationToken ct)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(AgentProcess).Assembly.Location, Argument, number.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        try
        {
            await process.StandardInput.WriteAsync(authorityPem.AsMemory(), ct);
            process.StandardInput.Close();
            var line = await process.StandardOutput.ReadLineAsync(ct) ?? throw new InvalidOperationException("The agents ended before they listened.");
            return new AgentProcess(process, JsonSerializer.Deserialize<ServedAgents>(line)!);
        }
        catch
        {
            process.Kill();
            process.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        process.Kill();
        process.Dispose();
    }

    /// <summary>The agents' side: says on one line what it serves, then serves until it is killed.</summary>
    public static async Task<int> ServeAsync(int number)
    {
        using var authority = X509Certificate2.CreateFromPem(await Console.In.ReadToEndAsync());
        using var folder = new TemporaryFolder();
        var services = new ServiceCollection();
        services.AddSimulation(new SimulationOptions { Hosts = number, Clusters = 1 }, folder.File("simulation.db"));
        await using var world = services.BuildServiceProvider();
        var hosts = world.GetRequiredService<SimulatedFleet>().Hosts.Select(h => new HostEndpoint(h.Id, h.Name, h.Address, null)).ToList();
        var channel = world.GetRequiredService<SimulatedAttesterChannel>();
        await channel.WarmUpAsync(default);

        using var certificate = MakeCertificate();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => hosts.ForEach(_ => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
        {
            https.ServerCertificate = certificate;
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (shown, _, _) => shown.Issuer == authority.Subject;
        }))));
        var byPort = new Dictionary<int, HostEndpoint>();
        await using var app = builder.Build();
        app.MapGet("/version", () => Results.Json(new { code = 200, status = "Success", results = new { supported_version = "2.2" } }));
        app.MapGet("/v2.2/quotes/integrity", async (HttpContext context, string nonce, string mask) =>
            await context.Response.WriteAsJsonAsync(await AnswerAsync(channel, byPort[context.Connection.LocalPort], nonce, mask)));
        await app.StartAsync();
        var ports = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(a => new Uri(a).Port);
        var agents = new List<ServedAgent>();
        foreach (var (host, port) in hosts.Zip(ports))
        {
            byPort[port] = host;
            agents.Add(new ServedAgent(host.Id, host.Name, (await channel.IdentifyAsync(host, default))!.AttestationKey, port));
        }

        Console.WriteLine(JsonSerializer.Serialize(new ServedAgents(certificate.RawData, agents)));
        await Task.Delay(Timeout.InfiniteTimeSpan);
        return 0;
    }

    private static async Task<object> AnswerAsync(SimulatedAttesterChannel channel, HostEndpoint host, string nonce, string mask)
    {
        var bits = uint.Parse(mask.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) | 1u << 16;
        var request = new QuoteRequest(nonce, (ushort)TpmAlgorithm.Sha256, [.. Enumerable.Range(0, 24).Where(p => (bits >> p & 1) != 0)], WithEventLog: true);
        var evidence = ((ChannelAnswer.Answered)await channel.QuoteAsync(host, request, default)).Evidence;
        var bank = PcrBank.Create(TpmAlgorithm.Sha256, evidence.Pcrs.Select(p => KeyValuePair.Create(p.Key, (ReadOnlyMemory<byte>)p.Value))).Value;
        var quote = $"r{Convert.ToBase64String(evidence.Quote)}:{Convert.ToBase64String(evidence.Signature)}:{Convert.ToBase64String(SerializedPcrs.Write(PcrValues.Of(bank)))}";
        return new { code = 200, status = "Success", results = new { quote, hash_alg = "sha256", mb_measurement_list = Convert.ToBase64String(evidence.EventLog!) } };
    }

    private static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=agents", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
