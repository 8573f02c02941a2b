using System.Net;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Profiles;

namespace Portal.Agents;

/// <summary>
/// Listens where agents register. A server of its own, so that nothing of the portal answers here and agents' ports answer nothing of the portal;
/// narrow limits, because anybody may knock.
/// </summary>
/// <param name="settings">Where.</param>
/// <param name="registrar">What takes registrations.</param>
/// <param name="tickets">Takes tickets.</param>
/// <param name="authority">Vouches for the certificate of the TLS port.</param>
/// <param name="log">For operators.</param>
internal sealed partial class RegistrarListener(
    RegistrarSettings settings,
    Registrar registrar,
    EnrolmentTickets tickets,
    AgentAuthority authority,
    ILogger<RegistrarListener> log) : BackgroundService
{
    private const int PerMinuteAndSender = 120;
    private const int MostConnections = 512;
    private const int LongestBody = 64 << 10;
    private static readonly TimeSpan Tidying = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var app = Build();
        try
        {
            await app.StartAsync(stoppingToken);
            Listens(log, string.Join(", ", app.Urls));
        }
        catch (IOException fault)
        {
            // The portal's own work goes on; who waits for registrations reads why there are none.
            CannotListen(log, settings.Address, settings.HttpPort, settings.HttpsPort, fault);
            return;
        }

        using var timer = new PeriodicTimer(Tidying);
        do
        {
            try
            {
                await registrar.ForgetAsync(stoppingToken);
                await tickets.ForgetAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                TidyingFailed(log, fault);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [], ApplicationName = typeof(RegistrarListener).Assembly.GetName().Name });
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(registrar);
        builder.Services.AddSingleton(tickets);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(Configure);
        builder.Services.AddRateLimiter(options =>
        {
            options.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            options.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context => RateLimitPartition.GetFixedWindowLimiter(
                RegistrarApi.SenderOf(context),
                _ => new FixedWindowRateLimiterOptions { PermitLimit = PerMinuteAndSender, Window = TimeSpan.FromMinutes(1), QueueLimit = 0 }));
        });
        var app = builder.Build();
        app.UseRateLimiter();
        RegistrarApi.Map(app);
        TicketApi.Map(app);
        return app;
    }

    private void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = LongestBody;
        kestrel.Limits.MaxConcurrentConnections = MostConnections;
        kestrel.Limits.MaxRequestHeadersTotalSize = 8 << 10;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30);
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));
        var address = IPAddress.Parse(settings.Address);
        if (settings.HttpPort != 0)
        {
            kestrel.Listen(address, settings.HttpPort, listen => listen.Protocols = HttpProtocols.Http1);
        }

        if (settings.HttpsPort != 0)
        {
            kestrel.Listen(address, settings.HttpsPort, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.UseHttps(https => https.ServerCertificateSelector = (_, _) => authority.ServerCertificateFor(settings.Address, settings.Face.Address));
            });
        }
    }

    [LoggerMessage(1301, LogLevel.Information, "Agents register at {Addresses}")]
    private static partial void Listens(ILogger log, string addresses);

    [LoggerMessage(1302, LogLevel.Error, "Agents cannot register: {Address} ports {HttpPort} and {HttpsPort} cannot be listened on")]
    private static partial void CannotListen(ILogger log, string address, int httpPort, int httpsPort, Exception fault);

    [LoggerMessage(1303, LogLevel.Warning, "Old registrations could not be removed; the next try is in an hour")]
    private static partial void TidyingFailed(ILogger log, Exception fault);
}
