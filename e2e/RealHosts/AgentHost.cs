using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Portal.E2E;

/// <summary>
/// A host with a running software TPM and an agent that speaks keylime's pull protocol: it registers over HTTP, has tpm2_activatecredential answer
/// the challenge, and serves quotes of tpm2_quote over mutual TLS, its own key measured into PCR 16.
/// </summary>
internal sealed class AgentHost : IAsyncDisposable
{
    private const string AttestationHandle = "0x81010002";
    private const string PublicKey = "-----BEGIN PUBLIC KEY-----\nof the agent\n-----END PUBLIC KEY-----\n";

    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly X509Certificate2 certificate = MakeCertificate();
    private WebApplication? app;
    private int port;

    private AgentHost(string id, SoftwareTpm tpm) => (Id, Tpm, Answering, Kernel, Boot) = (id, tpm, tpm, new RunningKernel(tpm), new MeasuredBoot(tpm));

    public string Id { get; set; }

    public SoftwareTpm Tpm { get; }

    /// <summary>Public area of the attestation key, TPMT_PUBLIC: the file has its length before it.</summary>
    public byte[] AttestationKey => Tpm.Read("ak.pub")[2..];

    /// <summary>The agent's server certificate, DER.</summary>
    public byte[] Certificate => certificate.RawData;

    /// <summary>Where it listens.</summary>
    public int Port => port;

    /// <summary>The TPM that answers; another host's when its state was carried here.</summary>
    public SoftwareTpm Answering { get; set; }

    /// <summary>What runs on the host.</summary>
    public RunningKernel Kernel { get; }

    /// <summary>What booted the host; its log goes with quotes once there is one.</summary>
    public MeasuredBoot Boot { get; }

    /// <summary>From which entry the measurement list was asked for, request by request; null where it was not.</summary>
    public List<int?> AskedFrom { get; } = [];

    /// <summary>What the agent answers instead of a quote; null for the quote.</summary>
    public Func<HttpContext, Task>? Instead { get; set; }

    /// <summary>The version the agent says it speaks.</summary>
    public string Version { get; init; } = "2.2";

    /// <summary>Makes the TPM and its attestation key. The agent does not listen yet.</summary>
    public static async Task<AgentHost> CreateAsync(string id, string? makers = null)
    {
        var tpm = makers is null ? new SoftwareTpm() : new SoftwareTpm(makers);
        tpm.RequireOrSkip();
        await tpm.InitializeAsync();
        var host = new AgentHost(id, tpm);
        await tpm.RunAsync("tpm2_readpublic", "-c", SoftwareTpm.RsaEndorsement, "-o", "ek.pub");
        await host.MakeAttestationKeyAsync();
        return host;
    }

    /// <summary>The system is installed anew: the old attestation key is gone, a new one is made.</summary>
    public async Task ReinstallAsync()
    {
        await Tpm.RunAsync("tpm2_evictcontrol", "-c", AttestationHandle);
        await MakeAttestationKeyAsync();
    }

    /// <summary>Begins to serve, for whoever shows a certificate of one of these authorities.</summary>
    public async Task ListenAsync(string authoritiesPem, CancellationToken ct)
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPem(authoritiesPem);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen => listen.UseHttps(https =>
        {
            https.ServerCertificate = certificate;
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (shown, _, _) => IsVouchedFor(shown, trusted);
        })));
        app = builder.Build();
        app.MapGet("/version", () => Results.Json(new { code = 200, status = "Success", results = new { supported_version = Version } }));
        app.MapGet($"/v{Version}/quotes/integrity", QuoteAsync);
        await app.StartAsync(ct);
        port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
    }

    /// <summary>The agent is killed.</summary>
    public async Task FallSilentAsync()
    {
        if (app is { } running)
        {
            app = null;
            await running.DisposeAsync();
        }
    }

    /// <summary>Measures something as firmware does.</summary>
    /// <returns>The PCR's value after it, hexadecimal.</returns>
    public async Task<string> MeasureAsync(int pcr, string what)
    {
        await Tpm.RunAsync("tpm2_pcrextend", $"{pcr}:sha256={Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(what)))}");
        await Tpm.RunAsync("tpm2_pcrread", $"sha256:{pcr}", "-o", "pcr.bin");
        return Convert.ToHexStringLower(Tpm.Read("pcr.bin"));
    }

    /// <summary>Registers and answers the challenge.</summary>
    /// <returns>The status of the last answer.</returns>
    public async Task<int> RegisterAsync(HttpClient registrar, CancellationToken ct, string version = "v2.2")
    {
        var ekcert = await CertificateAsync();
        using var registered = await registrar.PostAsJsonAsync(
            $"/{version}/agents/{Id}",
            new
            {
                ekcert = ekcert is null ? null : Convert.ToBase64String(ekcert),
                ek_tpm = Convert.ToBase64String(Tpm.Read("ek.pub")),
                aik_tpm = Convert.ToBase64String(Tpm.Read("ak.pub")),
                mtls_cert = certificate.ExportCertificatePem(),
                ip = "127.0.0.1",
                port,
            },
            ct);
        if (!registered.IsSuccessStatusCode)
        {
            return (int)registered.StatusCode;
        }

        var body = await registered.Content.ReadFromJsonAsync<JsonElement>(ct);
        Tpm.Write("cred.blob", Convert.FromBase64String(body.GetProperty("results").GetProperty("blob").GetString()!));
        var secret = await ActivateAsync();
        var tag = HMACSHA384.HashData(Encoding.ASCII.GetBytes(Convert.ToBase64String(secret)), Encoding.UTF8.GetBytes(Id));
        using var activated = await registrar.PutAsJsonAsync($"/{version}/agents/{Id}/activate", new { auth_tag = Convert.ToHexStringLower(tag) }, ct);
        return (int)activated.StatusCode;
    }

    public async ValueTask DisposeAsync()
    {
        await FallSilentAsync();
        await Tpm.DisposeAsync();
        certificate.Dispose();
        turn.Dispose();
    }

    private async Task MakeAttestationKeyAsync()
    {
        await Tpm.RunAsync("tpm2_createak", "-C", SoftwareTpm.RsaEndorsement, "-c", "ak.ctx", "-G", "rsa", "-g", "sha256", "-s", "rsassa", "-u", "ak.pub", "-n", "ak.name");
        await Tpm.RunAsync("tpm2_evictcontrol", "-c", "ak.ctx", AttestationHandle);
    }

    /// <summary>The certificate of the RSA endorsement key; null when the TPM was made without.</summary>
    private async Task<byte[]?> CertificateAsync()
    {
        var (exitCode, _, _) = await Tpm.TryAsync("tpm2_nvread", "-C", "o", "-o", "ekcert.der", "0x01c00002");
        return exitCode == 0 ? Tpm.Read("ekcert.der") : null;
    }

    private async Task<byte[]> ActivateAsync()
    {
        await Tpm.RunAsync("tpm2_startauthsession", "--policy-session", "-S", "policy.ctx");
        await Tpm.TryAsync("tpm2_policysecret", "-S", "policy.ctx", "-c", "e");
        await Tpm.RunAsync("tpm2_activatecredential", "-c", AttestationHandle, "-C", SoftwareTpm.RsaEndorsement, "-i", "cred.blob", "-o", "secret", "-P", "session:policy.ctx");
        await Tpm.TryAsync("tpm2_flushcontext", "--loaded-session");
        return Tpm.Read("secret");
    }

    private async Task QuoteAsync(HttpContext context, string nonce, string mask, [FromQuery(Name = "ima_ml_entry")] int? entry)
    {
        if (Instead is { } instead)
        {
            await instead(context);
            return;
        }

        await turn.WaitAsync(context.RequestAborted);
        try
        {
            var bits = uint.Parse(mask.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) | 1u << 16;
            var pcrs = string.Join(',', Enumerable.Range(0, 24).Where(p => (bits >> p & 1) != 0));
            await Answering.RunAsync("tpm2_pcrreset", "16");
            await Answering.RunAsync("tpm2_pcrextend", $"16:sha256={Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(PublicKey)))}");
            await Answering.RunAsync("tpm2_quote", "-c", AttestationHandle, "-l", $"sha256:{pcrs}", "-q", Convert.ToHexStringLower(Encoding.ASCII.GetBytes(nonce)), "-m", "q.msg", "-s", "q.sig", "-o", "q.pcrs", "-F", "serialized", "-g", "sha256");
            var quote = $"r{Convert.ToBase64String(Answering.Read("q.msg"))}:{Convert.ToBase64String(Answering.Read("q.sig"))}:{Convert.ToBase64String(Answering.Read("q.pcrs"))}";
            AskedFrom.Add(entry);
            var results = new Dictionary<string, object> { ["quote"] = quote, ["hash_alg"] = "sha256", ["enc_alg"] = "rsa", ["sign_alg"] = "rsassa", ["pubkey"] = PublicKey };
            if (Boot.Log is { Length: > 0 } log)
            {
                results["mb_measurement_list"] = Convert.ToBase64String(log);
            }

            if ((bits >> 10 & 1) != 0)
            {
                var (first, text) = Kernel.From(entry ?? 0);
                (results["ima_measurement_list"], results["ima_measurement_list_entry"]) = (text, first);
            }

            await context.Response.WriteAsJsonAsync(new { code = 200, status = "Success", results }, context.RequestAborted);
        }
        finally
        {
            turn.Release();
        }
    }

    private static bool IsVouchedFor(X509Certificate2 shown, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        return chain.Build(shown);
    }

    private static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
