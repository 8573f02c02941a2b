using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Keylime;
using Portal.Profiles;

namespace Portal.Agents;

/// <summary>
/// Listens for notices of Keylime verifiers, on a port of its own with mutual TLS. A notice only has the verifier read before its turn: whoever
/// could forge one would gain a question that is asked anyway.
/// </summary>
/// <param name="settings">Where.</param>
/// <param name="hook">Takes notices.</param>
/// <param name="authority">Vouches for our certificate.</param>
/// <param name="log">For operators.</param>
internal sealed partial class WebhookListener(WebhookSettings settings, KeylimeHook hook, AgentAuthority authority, ILogger<WebhookListener> log) : BackgroundService
{
    private const int MostConnections = 64;

    /// <summary>Where it listens, once it does.</summary>
    public Uri? Address { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var app = Build();
        try
        {
            await app.StartAsync(stoppingToken);
            Address = new Uri(app.Urls.First());
            Listens(log, Address);
        }
        catch (IOException fault)
        {
            // The portal's own work goes on: verifiers are polled in any case.
            CannotListen(log, settings.Address, settings.Port, fault);
            return;
        }

        await Task.Delay(Timeout.Infinite, stoppingToken).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [], ApplicationName = typeof(WebhookListener).Assembly.GetName().Name });
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(Configure);
        var app = builder.Build();
        app.Run(TakeAsync);
        return app;
    }

    private void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = KeylimeNotice.Longest;
        kestrel.Limits.MaxConcurrentConnections = MostConnections;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30);
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));
        kestrel.Listen(IPAddress.Parse(settings.Address), settings.Port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.UseHttps(https =>
            {
                https.ServerCertificateSelector = (_, _) => authority.ServerCertificateFor(settings.Address, settings.PublicAddress.Length > 0 ? settings.PublicAddress : settings.Address);
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;

                // Whose it is, is looked at with each notice: the verifiers a site has change while this listens.
                https.AllowAnyClientCertificate();
            });
        });
    }

    private async Task TakeAsync(HttpContext http)
    {
        var ct = http.RequestAborted;
        var servers = http.Connection.ClientCertificate is { } certificate ? await hook.VouchedForAsync(certificate, ct) : [];
        if (servers.Count == 0)
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            Unknown(log, http.Connection.RemoteIpAddress);
            return;
        }

        if (!HttpMethods.IsPost(http.Request.Method))
        {
            http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }

        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, ct);
        if (KeylimeNotice.Parse(body.GetBuffer().AsSpan(0, (int)body.Length)) is not { } notice)
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        Told(log, notice.Type, notice.AgentId);
        hook.Tell(servers);
        http.Response.StatusCode = StatusCodes.Status200OK;
    }

    [LoggerMessage(1311, LogLevel.Information, "Notices of Keylime verifiers are taken at {Address}")]
    private static partial void Listens(ILogger log, Uri address);

    [LoggerMessage(1312, LogLevel.Error, "Notices of Keylime verifiers cannot be taken: {Address} port {Port} cannot be listened on")]
    private static partial void CannotListen(ILogger log, string address, int port, Exception fault);

    [LoggerMessage(1313, LogLevel.Warning, "{Sender} sent a notice with a certificate that no configured verifier's authority vouches for")]
    private static partial void Unknown(ILogger log, IPAddress? sender);

    [LoggerMessage(1314, LogLevel.Information, "Keylime tells of a {Type} of agent {Agent}; its verifier is read now")]
    private static partial void Told(ILogger log, string type, string agent);
}
