using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Portal.Core.Attestation;

/// <summary>Commits reports in batches: one transaction for whatever waits, so that a fleet costs few commits and one host no delay.</summary>
/// <param name="ledger">Applies them.</param>
/// <param name="log">For operators.</param>
public sealed partial class ReportWriter(AttestationLedger ledger, ILogger<ReportWriter> log) : BackgroundService
{
    private const int Largest = 256;

    private readonly Channel<Waiting> queue = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(1024) { SingleReader = true });

    /// <summary>Returns when the report is committed; false when the cluster's policy changed meanwhile and the host is to be attested again.</summary>
    public async Task<bool> CommitAsync(AttestationReport report)
    {
        var waiting = new Waiting(report, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        await queue.Writer.WriteAsync(waiting);
        return await waiting.Committed.Task;
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var batch = new List<Waiting>(Largest);
        try
        {
            while (await queue.Reader.WaitToReadAsync(stoppingToken))
            {
                batch.Clear();
                var hosts = new HashSet<Guid>();
                while (batch.Count < Largest && queue.Reader.TryPeek(out var next) && hosts.Add(next.Report.HostId))
                {
                    batch.Add(next);
                    queue.Reader.TryRead(out _);
                }

                await CommitAsync(batch, stoppingToken);
            }
        }
        finally
        {
            queue.Writer.TryComplete();
            while (queue.Reader.TryRead(out var left))
            {
                left.Committed.TrySetCanceled(CancellationToken.None);
            }
        }
    }

    private async Task CommitAsync(List<Waiting> batch, CancellationToken ct)
    {
        try
        {
            var outdated = await ledger.ApplyAsync(batch.ConvertAll(w => w.Report), null, ct);
            batch.ForEach(w => w.Committed.TrySetResult(!outdated.Contains(w.Report.HostId)));
        }
        catch (Exception) when (batch.Count > 1 && !ct.IsCancellationRequested)
        {
            // One report may be what the database refuses; the others are not to pay for it.
            foreach (var waiting in batch)
            {
                await CommitAsync([waiting], ct);
            }
        }
        catch (Exception fault)
        {
            // A lost batch gives no trust: the rows stay as they were and run out; the next round asks again.
            NotCommitted(log, batch.Count, fault);
            batch.ForEach(w => w.Committed.TrySetException(fault));
        }
    }

    [LoggerMessage(401, LogLevel.Error, "{Count} attestation results could not be committed; the hosts are asked again in the next round")]
    private static partial void NotCommitted(ILogger log, int count, Exception fault);

    private sealed record Waiting(AttestationReport Report, TaskCompletionSource<bool> Committed);
}
