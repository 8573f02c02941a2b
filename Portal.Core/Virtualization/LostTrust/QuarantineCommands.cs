using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.LostTrust;

/// <summary>Keeps VMs that require trust away from a host, because a person wants it so. Those that run there stay.</summary>
/// <param name="desk">What commands on clusters and their hosts share.</param>
public sealed class QuarantineHost(ClusterDesk desk)
{
    /// <summary>
    /// From now on the host takes no VM that requires trust, until a person releases it, or until it lost trust, was trusted again and its cluster's
    /// policy ends the quarantine. Nothing changes for one in quarantine already. Needs <see cref="Permission.ManageHosts"/>. Refusal: <c>host.not_found</c>.
    /// </summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid hostId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, new AuditTarget("host", hostId, hostId.ToString()), step => AttemptAsync(step, hostId), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Guid hostId)
    {
        if (await step.Db.Hosts.SingleOrDefaultAsync(h => h.Id == hostId, step.Ct) is not { } host)
        {
            return Refusal.NotFound("host", hostId.ToString());
        }

        step.About(new AuditTarget("host", host.Id, host.Name));
        if (host.QuarantinedSince is not null)
        {
            return Done.Value;
        }

        host.QuarantinedSince = step.Now;
        step.Audit("host.quarantined", $"{step.Person.Name} put host {host.Name} in quarantine: it takes no virtual machine that requires trust.");
        step.Changes.Add(Change.Of(ChangeTopic.Host, hostId));
        return Done.Value;
    }
}

/// <summary>Ends a host's quarantine, because a person says so.</summary>
/// <param name="desk">What commands on clusters and their hosts share.</param>
public sealed class ReleaseHost(ClusterDesk desk)
{
    /// <summary>
    /// The host takes VMs that require trust again; only one that is effectively trusted at this moment. Nothing changes for one that is in no
    /// quarantine. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>host.not_found</c>, <c>host.release.untrusted</c>.
    /// </summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid hostId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, new AuditTarget("host", hostId, hostId.ToString()), step => AttemptAsync(step, hostId), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Guid hostId)
    {
        var db = step.Db;
        if (await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, step.Ct) is not { } host)
        {
            return Refusal.NotFound("host", hostId.ToString());
        }

        step.About(new AuditTarget("host", host.Id, host.Name));
        if (host.QuarantinedSince is null)
        {
            return Done.Value;
        }

        var revision = await db.Clusters.Where(c => c.Id == host.ClusterId).Select(c => c.PolicyRevision).SingleAsync(step.Ct);
        var trusted = db.Hosts.Where(h => h.Id == hostId).Where(EffectiveTrust.Of(db, step.Now, DateTimeOffset.UnixEpoch, revision));
        if (!await trusted.AnyAsync(step.Ct))
        {
            return Refusal.Conflict("host.release.untrusted", $"Host {host.Name} is not trusted and fresh now.", "Attest it, or see on its Attestation tab why it is not; it can be released once it is.");
        }

        step.Audit("host.released", $"{step.Person.Name} released host {host.Name}: it takes virtual machines that require trust again.");
        step.OnCommit(async () => await trusted.ExecuteUpdateAsync(set => set.SetProperty(h => h.QuarantinedSince, (DateTimeOffset?)null), step.Ct) == 1);
        step.Changes.Add(Change.Of(ChangeTopic.Host, hostId));
        return Done.Value;
    }
}
