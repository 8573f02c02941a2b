using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Changes;

namespace Portal.Core.Audit;

/// <summary>Seals soon after anything was committed, and verifies the whole chain at start and four times a day.</summary>
/// <param name="chain">The chain.</param>
/// <param name="feed">Tells when something was committed.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">Where trouble is told.</param>
public sealed partial class AuditSealing(AuditChain chain, IChangeFeed feed, TimeProvider time, ILogger<AuditSealing> log) : BackgroundService
{
    // Rows of a process that died before it could tell, and of other replicas.
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BetweenVerifications = TimeSpan.FromHours(6);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // One waiting signal is enough: sealing takes all there is.
        var signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        using var subscription = feed.Subscribe(_ => signals.Writer.TryWrite(true));
        await using var timer = time.CreateTimer(_ => signals.Writer.TryWrite(true), null, TimeSpan.Zero, Longest);
        var verifyAt = time.GetUtcNow();
        try
        {
            await foreach (var signal in signals.Reader.ReadAllAsync(stoppingToken))
            {
                verifyAt = await WorkAsync(verifyAt, stoppingToken);
                // A busy fleet commits hundreds of times a second; a few batches a second seal it all.
                await Task.Delay(Shortest, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping; rows not yet sealed are sealed at the next start.
        }
    }

    private async Task<DateTimeOffset> WorkAsync(DateTimeOffset verifyAt, CancellationToken ct)
    {
        try
        {
            await chain.SealAsync(ct);
            if (time.GetUtcNow() >= verifyAt)
            {
                await chain.VerifyAsync(ct);
                return time.GetUtcNow() + BetweenVerifications;
            }
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // The database is away or busy; the timer comes round again.
            Failed(log, fault);
        }

        return verifyAt;
    }

    [LoggerMessage(114, LogLevel.Error, "Sealing or verifying the audit failed; it is tried again")]
    private static partial void Failed(ILogger log, Exception fault);
}
