using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Storage;
using Portal.Core.Virtualization.Evacuation;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>Reads what reactions are decided by and writes what was decided: each decision one transaction that looks again whether it still holds.</summary>
/// <param name="contexts">The database.</param>
/// <param name="runner">Knows the steps.</param>
/// <param name="queue">Runs evacuations.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
internal sealed class ReactionLedger(IDbContextFactory<PortalDbContext> contexts, OperationRunner runner, OperationQueue queue, AuditLog audit, IChangeFeed feed, TimeProvider time)
{
    /// <summary>What is so now.</summary>
    public async Task<ReactionScene> ReadAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = await db.HostReactions.AsNoTracking().ToListAsync(ct);
        var clusters = (await db.Clusters.AsNoTracking().ToListAsync(ct)).ToDictionary(c => c.Id, c => new ReactingCluster(c.Id, c.Name, 0, c.Reaction));
        var concerned = rows.Select(r => r.ClusterId).Concat(clusters.Values.Where(c => c.Policy.Kind == ReactionKind.Evacuate).Select(c => c.Id)).ToHashSet();
        if (concerned.Count == 0)
        {
            return new ReactionScene(time.GetUtcNow(), clusters, new Dictionary<Guid, FallenHost>(), rows, []);
        }

        var hosts = await db.Hosts.Where(h => concerned.Contains(h.ClusterId)).GroupBy(h => h.ClusterId).Select(g => new { g.Key, Hosts = g.Count() }).ToListAsync(ct);
        foreach (var counted in hosts)
        {
            clusters[counted.Key] = clusters[counted.Key] with { Hosts = counted.Hosts };
        }

        return new ReactionScene(time.GetUtcNow(), clusters, await FallenAsync(db, concerned, ct), rows, await OperationsAsync(db, rows, ct));
    }

    /// <summary>Carries a decision out, if it still holds.</summary>
    public async Task CarryOutAsync(ReactionDecision decision, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var row = await db.HostReactions.SingleOrDefaultAsync(r => r.HostId == decision.HostId, ct);
        var operation = decision switch
        {
            ReactionDecision.Begin begin when row is null => Nothing(() => db.HostReactions.Add(Row(begin.Host))),
            ReactionDecision.End when row is not null => Nothing(() => db.HostReactions.Remove(row)),
            ReactionDecision.Wait wait when row is not null => Nothing(() => row.Sentence = wait.Sentence),
            ReactionDecision.Hold hold when row is { State: ReactionState.Waiting } => Nothing(() => Hold(db, row, hold)),
            ReactionDecision.Finish finish when row is not null => Nothing(() => Finish(db, row, finish)),
            ReactionDecision.GoOn goOn when row is { State: ReactionState.Acting } => Nothing(() => Set(row, ReactionState.Acting, null, goOn.Sentence)),
            ReactionDecision.Act act when row is { State: ReactionState.Waiting } or { State: ReactionState.Acting, OperationId: null } => await ActAsync(db, row, act, ct),
            _ => null,
        };
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, decision.HostId));
        feed.Publish(Change.Of(ChangeTopic.Audit));
        if (operation is { } begun)
        {
            feed.Publish(Change.Of(ChangeTopic.Operation, begun));
            await queue.EnqueueAsync(begun, ct);
        }
    }

    /// <summary>Hosts in quarantine that have been trusted for as long as their cluster asks: the quarantine ends. Returns when the next one is due.</summary>
    public async Task<DateTimeOffset?> ReleaseAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var waiting = await db.Hosts.AsNoTracking()
            .Where(h => h.QuarantinedSince != null)
            .Join(db.Attestations.Where(a => a.Verdict == Verdict.Trusted && a.VerifiedAt <= now && a.ValidUntil > now), h => h.Id, a => a.HostId, (h, a) => new { Host = h, a.VerdictSince })
            .Join(db.Clusters, w => w.Host.ClusterId, c => c.Id, (w, c) => new { w.Host, w.VerdictSince, Cluster = c })
            .ToListAsync(ct);

        // A host that a person put there while it was trusted stays, until a person lets it out or it fell and rose again.
        var due = waiting
            .Where(w => w.Cluster.Reaction.Kind >= ReactionKind.Quarantine && w.VerdictSince > w.Host.QuarantinedSince)
            .Select(w => (w.Host, At: w.VerdictSince!.Value + w.Cluster.Reaction.ReleaseAfter))
            .ToList();
        foreach (var (host, _) in due.Where(d => d.At <= now))
        {
            await ReleaseAsync(host, ct);
        }

        return due.Where(d => d.At > now).Select(d => (DateTimeOffset?)d.At).Min();
    }

    /// <summary>One VM was started on an untrusted host behind the portal's back: it is moved, if the reaction to that host is done with. One under way sees to it by itself; one that is held moves nobody.</summary>
    public async Task EvacuateOneAsync(VirtualMachine vm, Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == hostId, ct);
        var policy = (await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == host.ClusterId, ct)).Reaction;
        var row = await db.HostReactions.SingleOrDefaultAsync(r => r.HostId == hostId && r.State == ReactionState.Done, ct);
        if (row is null || policy.Kind != ReactionKind.Evacuate || !await IsFallenAsync(db, hostId, ct) || await OpenAsync(db, hostId, ct) is not null)
        {
            return;
        }

        var work = EvacuationOperations.Work(host, policy, EvacuationPurpose.TrustLost) with { OnlyVirtualMachineId = vm.Id };
        var operation = EvacuationOperations.New(runner, work, $"Move {vm.Name} away from {host.Name}", Person.Portal, time.GetUtcNow());
        db.Operations.Add(operation);
        Set(row, ReactionState.Acting, operation.Id, $"'{vm.Name}' was started there behind the portal's back and is moved away.");
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, hostId));
        feed.Publish(Change.Of(ChangeTopic.Operation, operation.Id));
        await queue.EnqueueAsync(operation.Id, ct);
    }

    /// <summary>Operations that empty hosts and wait for something are entered again: all of them when machines or hosts changed, otherwise those somebody asked to cancel.</summary>
    public async Task NudgeAsync(bool all, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var open = await db.Operations
            .Where(o => (o.Kind == EvacuationOperations.Evacuate || o.Kind == EvacuationOperations.Maintenance) && o.State == OperationState.Running && (all || o.CancelRequested))
            .Select(o => o.Id)
            .ToListAsync(ct);
        foreach (var id in open)
        {
            await queue.EnqueueAsync(id, ct);
        }
    }

    private static IQueryable<Host> Fallen(PortalDbContext db) => db.Hosts.Where(h =>
        (h.State == HostState.Up || h.State == HostState.NonResponsive) && db.Attestations.Any(a => a.HostId == h.Id && a.Verdict == Verdict.Untrusted));

    private static Task<bool> IsFallenAsync(PortalDbContext db, Guid hostId, CancellationToken ct) => Fallen(db).AnyAsync(h => h.Id == hostId, ct);

    private static async Task<Dictionary<Guid, FallenHost>> FallenAsync(PortalDbContext db, HashSet<Guid> clusters, CancellationToken ct)
    {
        var hosts = await Fallen(db).Where(h => clusters.Contains(h.ClusterId))
            .Join(db.Attestations, h => h.Id, a => a.HostId, (h, a) => new { h.Id, h.Name, h.ClusterId, a.VerdictSince })
            .ToListAsync(ct);
        var fallen = new Dictionary<Guid, FallenHost>();
        foreach (var host in hosts)
        {
            var machines = await EvacuationDesk.RequiringTrust(db, host.Id).Select(v => v.Id).ToListAsync(ct);
            fallen[host.Id] = new FallenHost(host.Id, host.Name, host.ClusterId, host.VerdictSince ?? DateTimeOffset.UnixEpoch, machines);
        }

        return fallen;
    }

    private static async Task<List<ReactionOperation>> OperationsAsync(PortalDbContext db, List<HostReaction> rows, CancellationToken ct)
    {
        var named = rows.Where(r => r is { State: ReactionState.Acting, OperationId: not null }).Select(r => r.OperationId!.Value).ToList();
        var found = await db.Operations.AsNoTracking().Where(o => o.Kind == EvacuationOperations.Evacuate && (o.EndedAt == null || named.Contains(o.Id))).ToListAsync(ct);
        return found.ConvertAll(o =>
        {
            var work = EvacuationOperations.WorkOf(o);
            var says = o.Failure ?? OperationRunner.Read(o).LastOrDefault(s => s.Sentence.Length > 0)?.Sentence ?? "";
            return new ReactionOperation(o.Id, o.TargetId, o.State, o.CancelRequested, says, work.ReasonWentAway, work.OnlyVirtualMachineId is not null, work.Machines.Select(m => m.Id).ToHashSet());
        });
    }

    private async Task<Guid?> ActAsync(PortalDbContext db, HostReaction row, ReactionDecision.Act act, CancellationToken ct)
    {
        // The verdict may have changed since it was decided, or another replica may have decided the same.
        if (!await IsFallenAsync(db, row.HostId, ct))
        {
            return null;
        }

        var open = await OpenAsync(db, row.HostId, ct);
        if (open is { } joined)
        {
            if (joined == act.Joined)
            {
                Set(row, ReactionState.Acting, joined, "Virtual machines that require trust are being moved away.");
            }

            return null;
        }

        if (act.Joined is not null)
        {
            return null;
        }

        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == row.HostId, ct);
        var operation = EvacuationOperations.New(runner, EvacuationOperations.Work(host, act.Policy, EvacuationPurpose.TrustLost), $"Evacuate host {host.Name}", Person.Portal, time.GetUtcNow());
        db.Operations.Add(operation);
        Set(row, ReactionState.Acting, operation.Id, "Virtual machines that require trust are being moved away.");
        var count = act.Host.Machines.Count;
        audit.Add(db, Person.Portal, "host.evacuating", new AuditTarget("host", host.Id, host.Name), $"Host {host.Name} lost trust: {(count == 1 ? "1 virtual machine that requires" : $"{count} virtual machines that require")} trust {(count == 1 ? "is" : "are")} moved away.");
        return operation.Id;
    }

    private static Task<Guid?> OpenAsync(PortalDbContext db, Guid hostId, CancellationToken ct) => db.Operations
        .Where(o => o.Kind == EvacuationOperations.Evacuate && o.TargetId == hostId && o.EndedAt == null)
        .Select(o => (Guid?)o.Id)
        .FirstOrDefaultAsync(ct);

    private void Hold(PortalDbContext db, HostReaction row, ReactionDecision.Hold hold)
    {
        Set(row, ReactionState.Held, null, hold.Sentence);
        if (hold.IsFirst)
        {
            audit.Add(db, Person.Portal, "reaction.held", new AuditTarget("cluster", hold.Cluster.Id, hold.Cluster.Name), $"Evacuation is held: {hold.Sentence}", AuditSeverity.Alarm);
        }
    }

    private void Finish(PortalDbContext db, HostReaction row, ReactionDecision.Finish finish)
    {
        Set(row, ReactionState.Done, row.OperationId, finish.Sentence);
        if (finish.IsTold)
        {
            audit.Add(db, Person.Portal, "host.evacuated", new AuditTarget("host", row.HostId, finish.Name), $"The evacuation of {finish.Name} ended. {finish.Sentence}");
        }
    }

    private async Task ReleaseAsync(Host host, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var (id, since, now) = (host.Id, host.QuarantinedSince, time.GetUtcNow());
        var released = await db.Hosts
            .Where(h => h.Id == id && h.QuarantinedSince == since && db.Attestations.Any(a => a.HostId == id && a.Verdict == Verdict.Trusted && a.VerifiedAt <= now && a.ValidUntil > now))
            .ExecuteUpdateAsync(set => set.SetProperty(h => h.QuarantinedSince, (DateTimeOffset?)null), ct);
        if (released == 1)
        {
            audit.Add(db, Person.Portal, "host.released", new AuditTarget("host", id, host.Name), Quarantine.Released(host.Name));
            await db.SaveChangesAsync(ct);
        }

        await transaction.CommitAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Host, id));
        feed.Publish(Change.Of(ChangeTopic.Audit));
    }

    private HostReaction Row(FallenHost host) => new() { HostId = host.Id, ClusterId = host.ClusterId, FellAt = host.UntrustedSince, Since = time.GetUtcNow() };

    private void Set(HostReaction row, ReactionState state, Guid? operation, string sentence) =>
        (row.State, row.Since, row.OperationId, row.Sentence) = (state, time.GetUtcNow(), operation, sentence);

    private static Guid? Nothing(Action change)
    {
        change();
        return null;
    }
}
