using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Portal.Core.Storage;
using Portal.Telemetry;
using Serilog;
using Serilog.Events;

namespace Portal;

/// <summary>What the portal says about itself: logs, metrics, health.</summary>
public static class TelemetryFeature
{
    private const string Ready = "ready";

    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        builder.Services.AddSerilog((_, logs) => logs
            .MinimumLevel.Information()
            .MinimumLevel.Override("Microsoft.AspNetCore", LogEventLevel.Warning)
            .MinimumLevel.Override("Microsoft.AspNetCore.DataProtection", LogEventLevel.Error)
            .MinimumLevel.Override("Microsoft.EntityFrameworkCore", LogEventLevel.Warning)
            .MinimumLevel.Override("OpenIddict", LogEventLevel.Warning)
            .MinimumLevel.Override("Quartz", LogEventLevel.Warning)
            .ReadFrom.Configuration(builder.Configuration)
            .Enrich.FromLogContext()
            .WriteTo.Console(formatProvider: System.Globalization.CultureInfo.InvariantCulture));
        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics
                .AddMeter("Portal.*", "System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Components", "Microsoft.AspNetCore.Components.Server.Circuits")
                .AddPrometheusExporter())
            .WithTracing(traces => traces.AddSource("Portal.*"));
        builder.Services.AddHealthChecks().AddCheck<DatabaseHealth>("database", tags: [Ready]);
    }

    public static void MapTelemetry(this WebApplication app)
    {
        app.MapPrometheusScrapingEndpoint("/metrics").AllowAnonymous();
        app.MapHealthChecks("/healthz/live", new() { Predicate = static _ => false }).AllowAnonymous();
        app.MapHealthChecks("/healthz/ready", new() { Predicate = static check => check.Tags.Contains(Ready) }).AllowAnonymous();
    }
}
