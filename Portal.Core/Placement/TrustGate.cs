using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Placement;

/// <summary>A host was claimed for a VM.</summary>
/// <param name="HostId">The host.</param>
/// <param name="HostName">Its name.</param>
/// <param name="DecisionId">The decision.</param>
/// <param name="Sentence">Where and why, in words.</param>
public sealed record GatePass(Guid HostId, string HostName, Guid DecisionId, string Sentence);

/// <summary>
/// The one enforcement point: no VM is created, started, resumed, rebooted or moved but through here. Decides on the snapshot, makes the
/// evidence fresh enough, then claims with one conditional update that checks capacity, state, quarantine and trust at once.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="placer">Filters and weighers.</param>
/// <param name="attest">For evidence that is too old.</param>
/// <param name="audit">Where every decision is told.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class TrustGate(
    IDbContextFactory<PortalDbContext> contexts,
    Placer placer,
    IAttestNow attest,
    AuditLog audit,
    IChangeFeed feed,
    TimeProvider time)
{
    /// <summary>How many hosts that only lack fresh evidence are asked again when nobody else will do.</summary>
    public const int SecondChances = 8;

    /// <summary>How long the gate waits for one host before it tries the others; only when none of them will do it waits to the end.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long after its admission a VM may start on the evidence it was admitted with, where the cluster allows none older than zero.</summary>
    public static readonly TimeSpan AdmissionToStart = TimeSpan.FromSeconds(30);

    /// <summary>Finds a host for a VM and claims it: sets the VM's target host, or where it is placed already and stays, confirms that one.</summary>
    /// <param name="request">The question; <see cref="PlacementRequest.VirtualMachineId"/> must be set.</param>
    /// <param name="vmName">The VM's name, for sentences.</param>
    /// <param name="operationId">The operation that holds the VM.</param>
    /// <param name="person">Who asked.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Outcome<GatePass>> AdmitAsync(PlacementRequest request, string vmName, Guid operationId, Person person, CancellationToken ct)
    {
        var entry = new GateEntry(request, vmName, operationId, person, time.GetUtcNow());
        var decision = await placer.DecideAsync(request, ct);
        var (late, awaited) = (new List<RefusedHost>(), new List<EligibleHost>());
        var secondChances = decision.Refused.Where(OnlyLacksEvidence).Take(SecondChances).Select(h => new EligibleHost(h.HostId, h.HostName, 0));
        foreach (var host in (await AnsweringFirstAsync(request, decision.Eligible, ct)).Concat(secondChances))
        {
            if (await TryAsync(entry, decision, host, late, awaited, ct) is { } pass)
            {
                return pass;
            }
        }

        foreach (var host in awaited)
        {
            if (await TryAsync(entry, decision, host, late, null, ct) is { } pass)
            {
                return pass;
            }
        }

        return await RefuseAsync(entry, decision, late, ct);
    }

    /// <summary>
    /// Whether a VM may start or arrive on a host it was admitted to, now: long after a crash, or under another policy, an admission
    /// is worth nothing. Asks the host again if its evidence is too old. The reason why not, or null.
    /// </summary>
    /// <param name="vm">The VM.</param>
    /// <param name="hostId">The host it was admitted to.</param>
    /// <param name="operationId">The operation; bound into the nonce if the host is asked again.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<HostReason?> WhyNotNowAsync(VirtualMachine vm, Guid hostId, Guid operationId, CancellationToken ct)
    {
        if (vm.TrustLevel == TrustLevel.Any)
        {
            return null;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == vm.ClusterId, ct);
        if (await FreshenAsync(db, cluster, hostId, operationId, () => OldestAtStart(cluster), ct) is { } why)
        {
            return why;
        }

        var quarantined = await db.Hosts.Where(h => h.Id == hostId).Select(h => h.QuarantinedSince).SingleOrDefaultAsync(ct);
        return quarantined is null ? null : QuarantineFilter.Reason(quarantined);
    }

    /// <summary>Whether a VM that requires trust may go on running on a host: false once the host is not trusted and fresh any more.</summary>
    public async Task<bool> StillTrustedAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        return await db.Attestations.AnyAsync(a => a.HostId == hostId && a.Verdict == Verdict.Trusted && a.VerifiedAt <= now && a.ValidUntil > now, ct);
    }

    private static bool OnlyLacksEvidence(RefusedHost host) => host.Reasons.All(r => TrustFilter.IsCurable(r.Code));

    /// <summary>Those that did not answer when they were asked last come last: trusted still, but likely to keep a start waiting.</summary>
    private async Task<IReadOnlyList<EligibleHost>> AnsweringFirstAsync(PlacementRequest request, IReadOnlyList<EligibleHost> hosts, CancellationToken ct)
    {
        if (request.TrustLevel == TrustLevel.Any || hosts.Count < 2)
        {
            return hosts;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var silent = await db.Attestations
            .Where(a => a.Outcome == CheckOutcome.AgentUnreachable && db.Hosts.Any(h => h.Id == a.HostId && h.ClusterId == request.ClusterId))
            .Select(a => a.HostId)
            .ToHashSetAsync(ct);
        return silent.Count == 0 ? hosts : [.. hosts.OrderBy(h => silent.Contains(h.HostId))];
    }

    /// <summary>Tries one host. With a list of awaited ones, a host that takes too long goes there instead.</summary>
    private async Task<GatePass?> TryAsync(GateEntry entry, PlacementDecision decision, EligibleHost host, List<RefusedHost> late, List<EligibleHost>? awaited, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == entry.Request.ClusterId, ct);
        if (entry.Request.TrustLevel == TrustLevel.Trusted)
        {
            using var patience = new CancellationTokenSource(awaited is null ? Timeout.InfiniteTimeSpan : Patience, time);
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
            try
            {
                if (await FreshenAsync(db, cluster, host.HostId, entry.OperationId, () => Oldest(cluster, entry), waiting.Token) is { } why)
                {
                    late.Add(new RefusedHost(host.HostId, host.HostName, [why]));
                    return null;
                }
            }
            catch (OperationCanceledException) when (awaited is not null && patience.IsCancellationRequested && !ct.IsCancellationRequested)
            {
                awaited.Add(host);
                return null;
            }
        }

        if (await ClaimAsync(db, cluster, entry, decision, host, late, ct) is { } pass)
        {
            feed.Publish(Change.Of(ChangeTopic.Host, host.HostId));
            feed.Publish(Change.Of(ChangeTopic.VirtualMachine, entry.VirtualMachineId));
            feed.Publish(Change.Of(ChangeTopic.Audit));
            return pass;
        }

        if (late.Count == 0 || late[^1].HostId != host.HostId)
        {
            late.Add(new RefusedHost(host.HostId, host.HostName, [new HostReason("claim.lost", "Its state, capacity or trust changed while this was decided.")]));
        }

        return null;
    }

    /// <summary>Makes sure the evidence is young enough, asking the host if it is not. The reason if that did not help.</summary>
    private async Task<HostReason?> FreshenAsync(PortalDbContext db, Cluster cluster, Guid hostId, Guid operationId, Func<DateTimeOffset> oldest, CancellationToken ct)
    {
        var row = await db.Attestations.AsNoTracking().SingleOrDefaultAsync(a => a.HostId == hostId, ct);
        if (IsGood(row, cluster, oldest()))
        {
            return null;
        }

        row = await attest.AttestAsync(hostId, AttestationPurpose.Gate, operationId, ct);
        return IsGood(row, cluster, oldest()) ? null : TrustFilter.Reason(row, cluster.PolicyRevision, time.GetUtcNow());
    }

    private bool IsGood(HostAttestation? row, Cluster cluster, DateTimeOffset oldest) =>
        row is { Verdict: Verdict.Trusted }
        && row.FreshnessAt(time.GetUtcNow()) == Freshness.Fresh
        && row.PolicyRevision == cluster.PolicyRevision
        && row.VerifiedAt >= oldest;

    /// <summary>Between admission and start, evidence the gate itself just asked for counts even where each start asks anew.</summary>
    private DateTimeOffset OldestAtStart(Cluster cluster)
    {
        var maxAge = cluster.Policy.MaxAgeAtStart;
        return ToMicroseconds(time.GetUtcNow() - (maxAge < AdmissionToStart ? AdmissionToStart : maxAge));
    }

    /// <summary>With a maximal age of zero only evidence asked for since the gate was entered counts.</summary>
    private DateTimeOffset Oldest(Cluster cluster, GateEntry entry)
    {
        var maxAge = cluster.Policy.MaxAgeAtStart;
        return ToMicroseconds(maxAge == TimeSpan.Zero ? entry.At : time.GetUtcNow() - maxAge);
    }

    private static DateTimeOffset ToMicroseconds(DateTimeOffset instant) => new(instant.UtcTicks - (instant.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);

    private async Task<GatePass?> ClaimAsync(PortalDbContext db, Cluster cluster, GateEntry entry, PlacementDecision decision, EligibleHost host, List<RefusedHost> late, CancellationToken ct)
    {
        var (request, now) = (entry.Request, time.GetUtcNow());
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var hosts = db.Hosts.Where(h => h.Id == host.HostId && h.ClusterId == request.ClusterId);
        hosts = request.Purpose.Stays() ? hosts.Where(h => h.State != HostState.NonResponsive) : hosts.Where(h => h.State == HostState.Up);
        if (request.TrustLevel == TrustLevel.Trusted)
        {
            hosts = hosts.Where(h => h.QuarantinedSince == null).Where(EffectiveTrust.Of(db, now, Oldest(cluster, entry), cluster.PolicyRevision));
        }

        var stays = request.CurrentHostId == host.HostId;
        var (cpus, memory) = stays ? (0, 0L) : (request.Cpus, request.Memory);
        var claimed = await hosts
            .Where(h => h.MemoryClaimed + memory <= h.Memory && h.CpusClaimed + cpus <= h.Cpus * Host.CpuOvercommit)
            .ExecuteUpdateAsync(set => set
                .SetProperty(h => h.MemoryClaimed, h => h.MemoryClaimed + memory)
                .SetProperty(h => h.CpusClaimed, h => h.CpusClaimed + cpus), ct);
        if (claimed != 1)
        {
            return null;
        }

        var vmId = entry.VirtualMachineId;
        var target = stays ? (Guid?)null : host.HostId;
        var held = await db.VirtualMachines
            .Where(v => v.Id == vmId && v.OperationId == entry.OperationId && v.TargetHostId == null && v.HostId == request.CurrentHostId)
            .ExecuteUpdateAsync(set => set.SetProperty(v => v.TargetHostId, target).SetProperty(v => v.DecisionId, decision.Id), ct);
        if (held != 1)
        {
            // The VM is not this operation's any more; nothing may be claimed for it.
            return null;
        }

        var chosen = decision with { Chosen = host, Refused = [.. late, .. decision.Refused] };
        var receipt = await ReceiptAsync(db, cluster, entry, chosen, now, ct);
        Store(db, entry, chosen, host.HostId, now);
        db.Receipts.Add(receipt);
        var sentence = Sentence(entry, chosen, receipt, now);
        audit.Add(db, entry.Person, "placement.decided", entry.Target, sentence, detail: JsonSerializer.Serialize(new { decision = decision.Id, receipt = receipt.Id }));
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new GatePass(host.HostId, host.HostName, decision.Id, sentence);
    }

    private static async Task<PlacementReceipt> ReceiptAsync(PortalDbContext db, Cluster cluster, GateEntry entry, PlacementDecision decision, DateTimeOffset now, CancellationToken ct)
    {
        var host = decision.Chosen!;
        var trusted = entry.Request.TrustLevel == TrustLevel.Trusted;
        var row = trusted ? await db.Attestations.AsNoTracking().SingleAsync(a => a.HostId == host.HostId, ct) : null;
        var evidence = trusted ? await db.Evidence.AsNoTracking().SingleOrDefaultAsync(e => e.Id == host.HostId, ct) : null;
        return new PlacementReceipt
        {
            VirtualMachineId = entry.VirtualMachineId,
            DecisionId = decision.Id,
            OperationId = entry.OperationId,
            At = now,
            Purpose = entry.Request.Purpose,
            HostId = host.HostId,
            HostName = host.HostName,
            TrustLevel = entry.Request.TrustLevel,
            Verdict = row?.Verdict.ToString() ?? "",
            VerifiedAt = row?.VerifiedAt,
            EvidenceDigest = row?.EvidenceDigest,
            Nonce = evidence?.Nonce,
            NonceRandom = evidence is null ? null : Convert.ToHexStringLower(evidence.NonceRandom),
            PolicyRevision = cluster.PolicyRevision,
            Baselines = row?.Matched ?? "[]",
        };
    }

    private async Task<Refusal> RefuseAsync(GateEntry entry, PlacementDecision decision, List<RefusedHost> late, CancellationToken ct)
    {
        var told = decision with { Refused = [.. late, .. decision.Refused] };
        var counts = told.Counts
            .Concat(late.SelectMany(h => h.Reasons).GroupBy(r => r.Code, StringComparer.Ordinal).Select(g => new ReasonCount(g.Key, LateWords(g.Key), g.Count())))
            .GroupBy(c => c.Code, StringComparer.Ordinal)
            .Select(g => g.First() with { Hosts = g.Sum(c => c.Hosts) })
            .OrderByDescending(c => c.Hosts)
            .ToList();
        told = told with { Counts = counts };
        var why = decision.Considered == 0 ? "the cluster has no host" : string.Join(", ", counts.Select(c => $"{c.Hosts} {c.Words}"));
        var refusal = entry.Request.Purpose.Stays() ? StaysOut(entry, told) : Refusal.Conflict(
            "placement.no_host",
            $"No host of {decision.Considered} can take '{entry.VmName}' with trust level {entry.Request.TrustLevel.ToString().ToLowerInvariant()}: {why}.",
            "Free or add capacity, bring hosts back to trust, or ask for less.");
        await using var db = await contexts.CreateDbContextAsync(ct);
        Store(db, entry, told, null, time.GetUtcNow());
        audit.Add(db, entry.Person, refusal.Code, entry.Target, refusal.Sentence, AuditSeverity.Refusal, JsonSerializer.Serialize(new { decision = decision.Id }));
        await db.SaveChangesAsync(ct);
        feed.Publish(Change.Of(ChangeTopic.Audit));
        return refusal;
    }

    /// <summary>Of a VM that goes nowhere only its own host's reasons matter.</summary>
    private static Refusal StaysOut(GateEntry entry, PlacementDecision told)
    {
        var host = told.Refused.FirstOrDefault(r => r.HostId == entry.Request.CurrentHostId);
        var doing = entry.Request.Purpose is PlacementPurpose.Resume ? "run on" : "be rebooted";
        return Refusal.Conflict(
            "placement.host_refused",
            $"'{entry.VmName}' may not {doing} on {host?.HostName ?? "its host"}: {(host is null ? "it is not among the hosts of its cluster." : string.Join(" ", host.Reasons.Select(r => r.Sentence)))}",
            "Bring that host back to trust, or move the virtual machine to one that qualifies.");
    }

    private string LateWords(string code) => code == "claim.lost" ? "changed while this was decided" : placer.Words(code);

    private static void Store(PortalDbContext db, GateEntry entry, PlacementDecision decision, Guid? hostId, DateTimeOffset now) => db.Decisions.Add(new DecisionRecord
    {
        // A refused attempt and a later, successful one of the same operation are two decisions.
        Id = decision.Id,
        VirtualMachineId = entry.VirtualMachineId,
        OperationId = entry.OperationId,
        At = now,
        Purpose = entry.Request.Purpose,
        HostId = hostId,
        Decision = JsonSerializer.Serialize(decision),
    });

    private static string Sentence(GateEntry entry, PlacementDecision decision, PlacementReceipt receipt, DateTimeOffset now)
    {
        var trust = receipt.VerifiedAt is { } verified ? $", trusted on evidence {Math.Max(0, (int)(now - verified).TotalSeconds)} s old" : "";
        return $"'{entry.VmName}' goes to {decision.Chosen!.HostName}{trust}; {decision.EligibleCount} of {decision.Considered} hosts were eligible.";
    }

    private sealed record GateEntry(PlacementRequest Request, string VmName, Guid OperationId, Person Person, DateTimeOffset At)
    {
        public Guid VirtualMachineId => Request.VirtualMachineId ?? throw new InvalidOperationException("The gate admits a VM, not a question.");

        public AuditTarget Target => new("vm", VirtualMachineId, VmName);
    }
}
