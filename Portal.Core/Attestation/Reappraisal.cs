using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Appraises stored evidence again, page by page, and heals rows that a crash left under an old policy revision.</summary>
/// <param name="contexts">The database.</param>
/// <param name="service">Who verifies.</param>
/// <param name="policies">Policies of clusters.</param>
/// <param name="ledger">Applies the outcome.</param>
public sealed class Reappraisal(IDbContextFactory<PortalDbContext> contexts, IAttestationService service, PolicyReader policies, AttestationLedger ledger) : IReappraisal
{
    private const int PageSize = 256;

    private readonly SemaphoreSlim one = new(1, 1);

    /// <inheritdoc/>
    public async Task RequestAsync(IReadOnlyList<Guid> clusterIds, ReappraisalCause cause, CancellationToken ct)
    {
        // The change is committed: whoever asked may go away, the work is still to be done.
        await one.WaitAsync(CancellationToken.None);
        try
        {
            foreach (var cluster in clusterIds)
            {
                await ClusterAsync(cluster, cause, CancellationToken.None);
            }
        }
        finally
        {
            one.Release();
        }
    }

    /// <summary>Appraises rows of a cluster that were reached under another policy revision than its present one. Returns how many; none while another re-appraisal runs, which is not waited for.</summary>
    public async Task<int> HealAsync(Guid clusterId, CancellationToken ct)
    {
        if (!await one.WaitAsync(TimeSpan.Zero, ct))
        {
            return 0;
        }

        try
        {
            return await ClusterAsync(clusterId, ReappraisalCause.PolicyChanged, ct);
        }
        finally
        {
            one.Release();
        }
    }

    private async Task<int> ClusterAsync(Guid clusterId, ReappraisalCause cause, CancellationToken ct)
    {
        if (await policies.OfAsync(clusterId, ct) is not { Services.HasBuiltIn: true } policy)
        {
            return 0;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var outdated = await db.Attestations
            .Where(a => a.PolicyRevision != policy.Set.PolicyRevision && a.EvidenceDigest != null
                && !db.ServiceAttestations.Any(w => w.HostId == a.HostId && w.ServiceId == ServiceSet.BuiltInId && w.PolicyRevision == policy.Set.PolicyRevision)
                && db.Hosts.Any(h => h.Id == a.HostId && h.ClusterId == clusterId))
            .Select(a => a.HostId)
            .ToListAsync(ct);
        foreach (var page in outdated.Chunk(PageSize))
        {
            var reports = new List<AttestationReport>(page.Length);
            await foreach (var stored in MeasurementStore.EvidenceAsync(db, page, policy.Set, ct))
            {
                reports.Add(service.Reappraise(stored, policy));
            }

            await ledger.ApplyAsync(reports, cause, ct);
        }

        return outdated.Count;
    }
}
