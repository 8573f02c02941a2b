using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Portal.E2E.Peers.Outside;

/// <summary>A real HTTPS server on this machine, with the way to talk to it that a portal would be given.</summary>
internal sealed class TlsServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private TlsServer(WebApplication app) => this.app = app;

    /// <summary>Where it answers.</summary>
    public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single().Replace("127.0.0.1", "localhost", StringComparison.Ordinal));

    /// <summary>Starts one that answers every request with a handler.</summary>
    /// <param name="certificate">What it shows.</param>
    /// <param name="clients">Whose client certificates it lets in; null asks for none.</param>
    /// <param name="needsClient">Whether a client without a certificate is kept out by TLS already.</param>
    /// <param name="handle">Answers.</param>
    public static async Task<TlsServer> StartAsync(X509Certificate2 certificate, ServerAuthority? clients, bool needsClient, RequestDelegate handle)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = 128 << 20;
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
            {
                https.ServerCertificate = certificate;
                https.ClientCertificateMode = clients is null ? ClientCertificateMode.NoCertificate : needsClient ? ClientCertificateMode.RequireCertificate : ClientCertificateMode.AllowCertificate;
                https.ClientCertificateValidation = (shown, _, _) => clients is not null && IsVouchedFor(shown, clients);
            }));
        });
        var app = builder.Build();
        app.Run(handle);
        await app.StartAsync();
        return new TlsServer(app);
    }

    public async ValueTask DisposeAsync()
    {
        using var impatient = new CancellationTokenSource(TimeSpan.Zero);
        await app.StopAsync(impatient.Token);
        await app.DisposeAsync();
    }

    private static bool IsVouchedFor(X509Certificate2 shown, ServerAuthority clients)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.Add(clients.Certificate);
        return chain.Build(shown);
    }
}
