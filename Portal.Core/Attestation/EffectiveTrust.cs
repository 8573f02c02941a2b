using System.Linq.Expressions;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>Whether a host may run a VM that requires trust: Trusted and Fresh and appraised under the cluster's policy of this moment.</summary>
public static class EffectiveTrust
{
    /// <summary>The rule as a condition of a query, so that a claim can carry it in its WHERE clause.</summary>
    /// <param name="db">The database.</param>
    /// <param name="now">Our clock.</param>
    /// <param name="oldest">Evidence must not be older than this.</param>
    /// <param name="policyRevision">The cluster's policy revision the caller decided under.</param>
    public static Expression<Func<Host, bool>> Of(PortalDbContext db, DateTimeOffset now, DateTimeOffset oldest, long policyRevision) =>
        host => db.Attestations.Any(a =>
            a.HostId == host.Id
            && a.Verdict == Verdict.Trusted
            && a.VerifiedAt <= now
            && a.ValidUntil > now
            && a.VerifiedAt >= oldest
            && a.PolicyRevision == policyRevision
            && db.Clusters.Any(c => c.Id == host.ClusterId && c.PolicyRevision == policyRevision));
}

/// <summary>Asks a host for evidence now and applies what comes of it.</summary>
public interface IAttestNow
{
    /// <summary>Attests one host. Joins a request for the same host that has not issued its nonce yet; the operation is bound into the nonce.</summary>
    /// <returns>The current row after the attempt was committed; null if the host is gone.</returns>
    Task<HostAttestation?> AttestAsync(Guid hostId, AttestationPurpose purpose, Guid? operationId, CancellationToken ct);
}
