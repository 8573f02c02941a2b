using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Explains what hosts measured: stored evidence beside the revisions approved now.</summary>
/// <param name="contexts">The database.</param>
/// <param name="service">Appraises it again.</param>
/// <param name="policies">Policies of clusters.</param>
public sealed class HostExplanations(IDbContextFactory<PortalDbContext> contexts, IAttestationService service, PolicyReader policies)
{
    /// <summary>The explanation of a host's latest evidence; null when it has none, or there is no such host.</summary>
    public async Task<HostExplanation?> OfAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var cluster = await db.Hosts.Where(h => h.Id == hostId).Select(h => (Guid?)h.ClusterId).SingleOrDefaultAsync(ct);
        if (cluster is null || await policies.OfAsync(cluster.Value, ct) is not { } policy
            || await MeasurementStore.EvidenceAsync(db, [hostId], policy.Set, ct).SingleOrDefaultAsync(ct) is not { } stored)
        {
            return null;
        }

        // What failed a check when it came stays failed, though a later look (without the clock of then) would pass it.
        var failure = stored.Record.Failure is { } code
            ? AttestationDirectory.Findings(await db.Attestations.Where(a => a.HostId == hostId).Select(a => a.Findings).SingleOrDefaultAsync(ct)).FirstOrDefault(f => f.Code == code)
            : null;
        var report = service.Reappraise(stored, policy);
        var explanation = new EvidenceExplainer(EvidenceCodec.Read(stored.Record, stored.EventLog), report, failure, policy.Set).Explain(stored.Record);
        return report.Checked?.Log is { } log && failure is null
            ? explanation with { Changes = await ApprovedEvents.ChangesAsync(db, hostId, log, explanation.Findings, explanation.Bank, ct) }
            : explanation;
    }

    /// <summary>Up to <paramref name="most"/> trusted hosts of the same cluster, to compare with; by name.</summary>
    public async Task<IReadOnlyList<string>> ComparableAsync(Guid hostId, int most, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Hosts
            .Where(h => h.Id != hostId && db.Hosts.Any(me => me.Id == hostId && me.ClusterId == h.ClusterId)
                && db.Attestations.Any(a => a.HostId == h.Id && a.Verdict == Verdict.Trusted && a.EvidenceDigest != null))
            .OrderBy(h => h.Name).Select(h => h.Name).Take(most).ToListAsync(ct);
    }
}
