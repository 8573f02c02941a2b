using System.Diagnostics.Metrics;
using Portal.Core.Attestation.Outside;
using Portal.Core.Changes;

namespace Portal.Telemetry;

/// <summary>Heartbeats of attestation servers as gauges, one series per server that a cluster names. Reading them asks nobody: a scrape never waits for the database.</summary>
internal sealed partial class ServiceMetrics : BackgroundService
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Portal.Attestation";

    private readonly ServiceDirectory directory;
    private readonly ServerHealth health;
    private readonly IChangeFeed feed;
    private readonly TimeProvider time;
    private readonly ILogger<ServiceMetrics> log;
    private readonly Meter meter;
    private volatile IReadOnlyList<Watched> watched = [];

    public ServiceMetrics(ServiceDirectory directory, ServerHealth health, IChangeFeed feed, IMeterFactory meters, TimeProvider time, ILogger<ServiceMetrics> log)
    {
        (this.directory, this.health, this.feed, this.time, this.log) = (directory, health, feed, time, log);
        meter = meters.Create(MeterName);
        meter.CreateObservableGauge("portal.attestation.service.up", () => Observe(s => s.IsDown ? 0 : 1), null, "1 while the server answers, 0 once it failed twice in a row");
        meter.CreateObservableGauge("portal.attestation.service.answer.age", () => Observe(s => Age(s.LastAnswerAt)), "s", "Time since the server answered last");
        meter.CreateObservableGauge("portal.attestation.service.evidence.age", () => Observe(s => Age(s.LastEvidenceAt)), "s", "Time since the server had new evidence of any host");
        meter.CreateObservableGauge("portal.attestation.service.lag", () => Observe(s => s.Lag?.TotalSeconds), "s", "How long the last answered poll took");
        meter.CreateObservableGauge("portal.attestation.service.error.ratio", () => Observe(s => s.ErrorRate), null, $"Share of the last {ServerHealth.Remembered} polls that failed");
    }

    public override void Dispose()
    {
        meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var changed = new SemaphoreSlim(1);
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic is ChangeTopic.Service or ChangeTopic.Cluster)
            {
                changed.Release();
            }
        });
        while (true)
        {
            await changed.WaitAsync(stoppingToken);
            while (await changed.WaitAsync(TimeSpan.Zero, stoppingToken))
            {
                // Many changes lead to one look.
            }

            try
            {
                watched = [.. (await directory.ListAsync(stoppingToken)).Where(r => !r.IsBuiltIn && r.Clusters.Count > 0).Select(r => new Watched(r.Id, r.Name, ServiceTypes.Word(r.Type)))];
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                ListingFailed(log, fault);
            }
        }
    }

    /// <summary>A value of every server that was polled since the portal started; none where there is no value yet.</summary>
    private IEnumerable<Measurement<double>> Observe(Func<ServerStanding, double?> value) =>
        from server in watched
        let standing = health.Of(server.Id)
        where standing.LastAnswerAt is not null || standing.FailingSince is not null
        let seen = value(standing)
        where seen is not null
        select new Measurement<double>(seen.Value, new("service", server.Name), new("type", server.Type));

    private double? Age(DateTimeOffset? at) => at is { } moment ? Math.Max(0, (time.GetUtcNow() - moment).TotalSeconds) : null;

    [LoggerMessage(2201, LogLevel.Warning, "Attestation services could not be listed for metrics; they are again with the next change")]
    private static partial void ListingFailed(ILogger log, Exception fault);

    private sealed record Watched(Guid Id, string Name, string Type);
}
