using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Steps;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>
/// Reacts to hosts that lose trust, by their cluster's policy. Follows the change feed and the clock, and decides by what is so, not by what
/// it heard: what fell while nobody looked is found at the next look, and nothing is reacted to twice.
/// </summary>
public sealed partial class Reactions : BackgroundService, IWatchMachines
{
    private const int MostLooks = 8;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(500);
    private static readonly ChangeTopic[] Topics = [ChangeTopic.Attestation, ChangeTopic.Host, ChangeTopic.VirtualMachine, ChangeTopic.Cluster, ChangeTopic.Operation];

    private readonly ReactionLedger ledger;
    private readonly IDbContextFactory<PortalDbContext> contexts;
    private readonly VmStore store;
    private readonly AuditLog audit;
    private readonly IChangeFeed feed;
    private readonly TimeProvider time;
    private readonly ILogger<Reactions> log;
    private readonly SemaphoreSlim turn = new(1, 1);
    private int machinesMoved = 1;

    internal Reactions(ReactionLedger ledger, IDbContextFactory<PortalDbContext> contexts, VmStore store, AuditLog audit, IChangeFeed feed, TimeProvider time, ILogger<Reactions> log) =>
        (this.ledger, this.contexts, this.store, this.audit, this.feed, this.time, this.log) = (ledger, contexts, store, audit, feed, time, log);

    /// <summary>Looks once and does what follows. Returns when something becomes due by the clock alone; null when nothing does.</summary>
    public async Task<DateTimeOffset?> LookAsync(CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        try
        {
            var released = await ledger.ReleaseAsync(ct);
            var scene = await ledger.ReadAsync(ct);
            for (var looks = 0; looks < MostLooks && ReactionRules.Decide(scene) is { Count: > 0 } decisions; looks++)
            {
                foreach (var decision in decisions)
                {
                    await ledger.CarryOutAsync(decision, ct);
                }

                scene = await ledger.ReadAsync(ct);
            }

            await ledger.NudgeAsync(Interlocked.Exchange(ref machinesMoved, 0) == 1, ct);
            return new[] { released, ReactionRules.NextDue(scene) }.Min();
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>
    /// A VM that requires trust was seen running on a host that is not effectively trusted: it was started behind the portal's back. An alarm and
    /// a mark; where the host was found untrusted and its cluster evacuates, the VM is moved or what is done instead. A host that merely cannot
    /// be checked now is an alarm and nothing more.
    /// </summary>
    /// <param name="vmId">The VM.</param>
    /// <param name="ct">Cancels.</param>
    public async Task MachineStartedAsync(Guid vmId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.VirtualMachines.AsNoTracking().SingleOrDefaultAsync(v => v.Id == vmId, ct) is not { TrustLevel: TrustLevel.Trusted, HostId: { } hostId } vm)
        {
            return;
        }

        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == hostId, ct);
        var revision = await db.Clusters.Where(c => c.Id == host.ClusterId).Select(c => c.PolicyRevision).SingleAsync(ct);
        if (await db.Hosts.Where(h => h.Id == hostId).AnyAsync(EffectiveTrust.Of(db, time.GetUtcNow(), DateTimeOffset.UnixEpoch, revision), ct))
        {
            return;
        }

        var verdict = await db.Attestations.Where(a => a.HostId == hostId).Select(a => (Verdict?)a.Verdict).SingleOrDefaultAsync(ct);
        if (verdict == Verdict.Trusted)
        {
            audit.Add(db, Person.Portal, "vm.host_unchecked", new AuditTarget("vm", vm.Id, vm.Name), $"'{vm.Name}' requires trust and was started on {host.Name} behind the portal's back; whether that is trusted cannot be said now.", AuditSeverity.Alarm);
            await db.SaveChangesAsync(ct);
        }
        else if (vm is not { UntrustedSince: not null, UntrustedUntil: null })
        {
            // Where whoever saw it start marked it, it was told already.
            await store.MarkIfUntrustedAsync(db, vm, hostId, ct);
        }

        feed.Publish(Change.Of(ChangeTopic.VirtualMachine, vmId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        if (verdict == Verdict.Untrusted)
        {
            await ledger.EvacuateOneAsync(vm, hostId, ct);
        }
    }

    /// <inheritdoc/>
    Task IWatchMachines.StartedWithoutGateAsync(Guid vmId, CancellationToken ct) => MachineStartedAsync(vmId, ct);

    /// <inheritdoc/>
    Task IWatchMachines.WentDownAsync(Guid vmId, DomainCause cause, CancellationToken ct) => Task.CompletedTask;

    /// <inheritdoc/>
    public override void Dispose()
    {
        turn.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var heard = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        using var subscription = feed.Subscribe(change =>
        {
            if (change.Topic is ChangeTopic.VirtualMachine or ChangeTopic.Host)
            {
                Interlocked.Exchange(ref machinesMoved, 1);
            }

            if (Topics.Contains(change.Topic))
            {
                heard.Writer.TryWrite(true);
            }
        });
        while (!stoppingToken.IsCancellationRequested)
        {
            var due = await LookSafelyAsync(stoppingToken);
            var patience = due is { } at && at - time.GetUtcNow() < Pause ? at - time.GetUtcNow() : Pause;
            await WaitAsync(heard.Reader, patience, stoppingToken);
            await Task.Delay(Settle, time, stoppingToken);
        }
    }

    private async Task<DateTimeOffset?> LookSafelyAsync(CancellationToken ct)
    {
        try
        {
            return await LookAsync(ct);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            LookFailed(log, fault);
            return null;
        }
    }

    private async Task WaitAsync(ChannelReader<bool> heard, TimeSpan atMost, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(atMost > TimeSpan.Zero ? atMost : TimeSpan.Zero, time);
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
        try
        {
            await heard.ReadAsync(waiting.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Time is up: it looks by the clock.
        }
    }

    [LoggerMessage(321, LogLevel.Error, "Looking which hosts lost trust failed; trying again")]
    private static partial void LookFailed(ILogger log, Exception fault);
}
