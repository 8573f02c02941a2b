using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>
/// Says, before a baseline is approved or retired or a trust policy changed, what that would do to each host of the clusters in scope: the stored evidence is appraised
/// again under the hypothetical policy, by the very code that does so afterwards. Changes nothing. A page of hosts is in memory at a time.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="access">Who may ask.</param>
/// <param name="approved">Approved revisions, real and hypothetical.</param>
/// <param name="service">Who verifies.</param>
/// <param name="time">Our clock.</param>
public sealed class ImpactPreview(
    IDbContextFactory<PortalDbContext> contexts, AccessControl access, ApprovedRevisions approved, IAttestationService service, TimeProvider time)
{
    private const int PageSize = 128;
    private const string NoEvidence = "it never sent evidence";

    /// <summary>What approving a revision would do. Needs <see cref="Permission.Read"/>; refuses a revision that does not exist (<c>revision.not_found</c>).</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="revisionId">The revision, in any state.</param>
    /// <param name="retirePrevious">Whether the approval would retire the earlier approved ones of its baseline.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Outcome<Impact>> IfApprovedAsync(Caller caller, Guid revisionId, bool retirePrevious, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, About(revisionId), ct) is { } refusal)
        {
            return refusal;
        }

        return await approved.IfApprovedAsync(revisionId, retirePrevious, ct) is { } hypothesis
            ? await ImpactAsync(hypothesis, ct)
            : Refusal.NotFound("revision", revisionId.ToString());
    }

    /// <summary>What retiring a revision would do. Needs <see cref="Permission.Read"/>. A revision that is not in force has no effect on anybody.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="revisionId">The revision.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Outcome<Impact>> IfRetiredAsync(Caller caller, Guid revisionId, CancellationToken ct) =>
        await access.DemandAsync(caller, Permission.Read, About(revisionId), ct) is { } refusal
            ? refusal
            : await ImpactAsync(new Hypothesis([], [revisionId]), ct);

    /// <summary>
    /// What another trust policy of a cluster would do once in force. Needs <see cref="Permission.Read"/>; refuses a cluster that does not exist
    /// (<c>cluster.not_found</c>) and a policy beyond the limits (<c>cluster.policy.*</c>). The policy in force has no effect on anybody.
    /// </summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="clusterId">The cluster.</param>
    /// <param name="policy">All of the wanted policy; fractions of a second are dropped.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Outcome<Impact>> IfPolicyAsync(Caller caller, Guid clusterId, TrustPolicy policy, CancellationToken ct)
    {
        if (await access.DemandAsync(caller, Permission.Read, new AuditTarget("cluster", clusterId, clusterId.ToString()), ct) is { } refusal)
        {
            return refusal;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == clusterId, ct) is not { } cluster
            || await approved.ForClusterAsync(clusterId, null, ct) is not { } set)
        {
            return Refusal.NotFound("cluster", clusterId.ToString());
        }

        if (TrustPolicyRules.Instance.Refusal(policy) is { } invalid)
        {
            return invalid;
        }

        var wanted = policy.InWholeSeconds();
        return await ImpactAsync(
            db,
            wanted == cluster.Policy
                ? []
                : [new Concerned(cluster.Name, new AppraisalPolicy(set with { RequiredKinds = wanted.RequiredKinds }, wanted.Lifetime, wanted.ForgetAfter) { Services = wanted.Services }, ReappraisalCause.PolicyChanged) { AsksOthers = !wanted.Services.Equals(cluster.Policy.Services) }],
            ct);
    }

    private static AuditTarget About(Guid revisionId) => new("baseline", null, revisionId.ToString());

    private async Task<Impact> ImpactAsync(Hypothesis hypothesis, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var concerned = new List<Concerned>();
        foreach (var cluster in await db.Clusters.AsNoTracking().OrderBy(c => c.Name).ToListAsync(ct))
        {
            var now = await approved.ForClusterAsync(cluster.Id, null, ct);
            var then = await approved.ForClusterAsync(cluster.Id, hypothesis, ct);
            if (now is not null && then is not null && !now.Revisions.Select(r => r.RevisionId).SequenceEqual(then.Revisions.Select(r => r.RevisionId)))
            {
                var cause = hypothesis.Also.Any(r => r.Content.AppliesTo(cluster.Id)) ? ReappraisalCause.BaselineApproved : ReappraisalCause.BaselineRetired;
                concerned.Add(new Concerned(cluster.Name, new AppraisalPolicy(then, cluster.Policy.Lifetime, cluster.Policy.ForgetAfter) { Services = cluster.Policy.Services }, cause));
            }
        }

        return await ImpactAsync(db, concerned, ct);
    }

    private async Task<Impact> ImpactAsync(PortalDbContext db, List<Concerned> concerned, CancellationToken ct)
    {
        var ids = concerned.ConvertAll(c => c.Policy.Set.ClusterId);
        var hosts = await db.Hosts.CountAsync(h => ids.Contains(h.ClusterId), ct);
        return new Impact(hosts, concerned.ConvertAll(c => c.ClusterName), HostsAsync(concerned, CancellationToken.None));
    }

    /// <summary>Cluster by cluster, by name within each.</summary>
    private async IAsyncEnumerable<HostImpact> HostsAsync(List<Concerned> clusters, [EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var cluster in clusters)
        {
            var last = "";
            while (true)
            {
                var page = await PageAsync(cluster, last, ct);
                foreach (var impact in page)
                {
                    yield return impact;
                }

                if (page.Count < PageSize)
                {
                    break;
                }

                last = page[^1].HostName;
            }
        }
    }

    private async Task<List<HostImpact>> PageAsync(Concerned cluster, string after, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusterId = cluster.Policy.Set.ClusterId;
#pragma warning disable CA1309, MA0001, MA0074 // Translated to SQL, where it is the database's own order by name.
        var hosts = await db.Hosts
            .Where(h => h.ClusterId == clusterId && string.Compare(h.Name, after) > 0)
#pragma warning restore CA1309, MA0001, MA0074
            .OrderBy(h => h.Name)
            .Take(PageSize)
            .Select(h => new { h.Id, h.Name })
            .ToListAsync(ct);
        var ids = hosts.ConvertAll(h => h.Id);
        var rows = await db.Attestations.AsNoTracking().Where(a => ids.Contains(a.HostId)).ToDictionaryAsync(a => a.HostId, ct);
        var reports = new Dictionary<Guid, AttestationReport>(hosts.Count);
        await foreach (var stored in MeasurementStore.EvidenceAsync(db, ids, cluster.Policy.Set, ct))
        {
            reports[stored.Record.Id] = service.Reappraise(stored, cluster.Policy);
        }

        var impacts = hosts.ConvertAll(h => Judge(h.Id) with { HostName = h.Name, ClusterName = cluster.ClusterName });
        return await WithMachinesAsync(db, impacts, ct);

        HostImpact Judge(Guid id) => (rows.GetValueOrDefault(id), reports.GetValueOrDefault(id)) switch
        {
            (null, _) => new HostImpact(id, "", "", ImpactEffect.CannotTell, TrustStatus.Unknown, TrustStatus.Unknown, NoEvidence),
            ({ } row, _) when cluster.AsksOthers => CannotTell(row, "other services are asked about it then, and all anew"),
            ({ } row, _) when !cluster.Policy.Services.HasBuiltIn => CannotTell(row, "its evidence stays with the attestation server"),
            ({ } row, { } report) when row.EvidenceDigest is not null => BesideOthers(cluster, Reappraised(row, report, cluster.Cause)),
            ({ } row, _) => WithoutEvidence(row),
        };
    }

    /// <summary>Where other services have to trust a host too, only what ours would say against it is certain.</summary>
    private static HostImpact BesideOthers(Concerned cluster, HostImpact impact) => cluster.Policy.Services.Count == 1 || impact.Effect is ImpactEffect.LosesTrust
        ? impact
        : impact with { Effect = ImpactEffect.CannotTell, After = impact.Before, Reason = "the built-in verifier would have nothing against it; the other services say for themselves" };

    private HostImpact CannotTell(HostAttestation row, string why)
    {
        var status = row.StatusAt(time.GetUtcNow());
        return new HostImpact(row.HostId, "", "", ImpactEffect.CannotTell, status, status, why);
    }

    /// <summary>What was never sent is not appraised again: the host stays what it is.</summary>
    private HostImpact WithoutEvidence(HostAttestation row)
    {
        var status = row.StatusAt(time.GetUtcNow());
        return row.FailedCheck is null
            ? new HostImpact(row.HostId, "", "", ImpactEffect.CannotTell, status, status, NoEvidence)
            : new HostImpact(row.HostId, "", "", ImpactEffect.Unchanged, status, status, StaysFailed(row));
    }

    /// <summary>The row is a copy nobody saves: what would be applied to it is applied, and read off.</summary>
    private HostImpact Reappraised(HostAttestation row, AttestationReport report, ReappraisalCause cause)
    {
        var now = time.GetUtcNow();
        var (verdict, status) = (row.Verdict, row.StatusAt(now));
        if (VerdictChange.Apply(row, report, cause, now).IsIgnored)
        {
            // Its row and its evidence were read on either side of a commit.
            return new HostImpact(row.HostId, "", "", ImpactEffect.CannotTell, status, status, "newer evidence came while this was worked out");
        }

        var then = row.StatusAt(now);
        var (effect, reason) = (verdict, row.Verdict) switch
        {
            (Verdict.Trusted, Verdict.Untrusted) => (ImpactEffect.LosesTrust, row.Reason),
            (_, Verdict.Trusted) when then == TrustStatus.Trusted && status != TrustStatus.Trusted => (ImpactEffect.GainsTrust, $"would match {Matched(row)}"),
            (Verdict.Trusted, Verdict.Trusted) when then != TrustStatus.Trusted => (ImpactEffect.CannotTell, "its last evidence would match as before, but is too old to count"),
            (_, Verdict.Trusted) when then != TrustStatus.Trusted => (ImpactEffect.CannotTell, "its last evidence would match, but is too old to count"),
            (_, Verdict.Trusted) => (ImpactEffect.Unchanged, $"matches {Matched(row)}"),
            _ when row.FailedCheck is not null => (ImpactEffect.Unchanged, StaysFailed(row)),
            _ => (ImpactEffect.Unchanged, row.Reason),
        };
        return new HostImpact(row.HostId, "", "", effect, status, then, reason);
    }

    private static string StaysFailed(HostAttestation row) => $"{row.Reason}; no baseline clears that";

    private static string Matched(HostAttestation row) => string.Join(" and ", JsonSerializer.Deserialize<List<string>>(row.Matched) ?? []);

    /// <summary>VMs that require trust, on the hosts that would lose it: those the loss would mark.</summary>
    private static async Task<List<HostImpact>> WithMachinesAsync(PortalDbContext db, List<HostImpact> impacts, CancellationToken ct)
    {
        var losing = impacts.Where(i => i.Effect is ImpactEffect.LosesTrust).Select(i => i.HostId).ToList();
        if (losing.Count == 0)
        {
            return impacts;
        }

        var machines = (await db.VirtualMachines
            .Where(AttestationLedger.LosingTheirHost(losing))
            .OrderBy(v => v.Name)
            .Select(v => new { Host = v.HostId!.Value, v.Id, v.Name })
            .ToListAsync(ct)).ToLookup(v => v.Host, v => new TouchedMachine(v.Id, v.Name));
        return impacts.ConvertAll(i => machines.Contains(i.HostId) ? i with { Machines = [.. machines[i.HostId]] } : i);
    }

    private sealed record Concerned(string ClusterName, AppraisalPolicy Policy, ReappraisalCause Cause)
    {
        /// <summary>Whether other services would be asked, or keep their policies otherwise.</summary>
        public bool AsksOthers { get; init; }
    }
}
