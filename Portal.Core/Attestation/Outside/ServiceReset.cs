using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>
/// When other services are asked about a host, or a server means another machine by its name, what was said before says nothing: trust ends at
/// once and has to be said anew. Distrust stays until somebody trusts it again.
/// </summary>
internal static class ServiceReset
{
    /// <summary>Forgets what services said of hosts. In the transaction of the change that made it void.</summary>
    public static async Task ForgetAsync(PortalDbContext db, Expression<Func<Host, bool>> which, CancellationToken ct)
    {
        var hosts = db.Hosts.Where(which).Select(h => h.Id);
        await db.ServiceAttestations.Where(w => hosts.Contains(w.HostId)).ExecuteDeleteAsync(ct);
        await db.BaselineMatches.Where(m => hosts.Contains(m.HostId)).ExecuteDeleteAsync(ct);
        await db.Attestations.Where(a => hosts.Contains(a.HostId) && a.Verdict == Verdict.Trusted).ExecuteUpdateAsync(
            set => set.SetProperty(a => a.Verdict, Verdict.None).SetProperty(a => a.Findings, "[]").SetProperty(a => a.Reason, "asked of other services now"), ct);

        // Not the evidence itself, and not when the host was asked: only what ties the verdict to them.
        await db.Attestations.Where(a => hosts.Contains(a.HostId)).ExecuteUpdateAsync(
            set => set
                .SetProperty(a => a.VerifiedAt, (DateTimeOffset?)null)
                .SetProperty(a => a.ValidUntil, (DateTimeOffset?)null)
                .SetProperty(a => a.ForgetAt, (DateTimeOffset?)null)
                .SetProperty(a => a.CheckedAt, (DateTimeOffset?)null)
                .SetProperty(a => a.StaleSince, (DateTimeOffset?)null)
                .SetProperty(a => a.FailingSince, (DateTimeOffset?)null)
                .SetProperty(a => a.Outcome, CheckOutcome.Queued)
                .SetProperty(a => a.EvidenceDigest, (string?)null)
                .SetProperty(a => a.MeasurementDigest, (string?)null)
                .SetProperty(a => a.Matched, "[]")
                .SetProperty(a => a.PolicyRevision, 0),
            ct);
    }
}
