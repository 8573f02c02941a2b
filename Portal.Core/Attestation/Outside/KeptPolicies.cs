using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>What a server decides by.</summary>
public enum KeptPolicyKind
{
    /// <summary>Files a host may use: a runtime policy of Keylime's.</summary>
    Runtime,

    /// <summary>What a host's boot log may hold: a refstate of Keylime's.</summary>
    MeasuredBoot,

    /// <summary>Registers that the firmware extends: a BIOS MLE of OpenAttestation's.</summary>
    FirmwareWhiteList,

    /// <summary>Registers of the measured launch: a VMM MLE of OpenAttestation's.</summary>
    HypervisorWhiteList,
}

/// <summary>A policy that a server keeps under a name, whoever wrote it.</summary>
/// <param name="Key">See <see cref="ServerPolicy.Key"/>.</param>
/// <param name="Kind">What it decides.</param>
/// <param name="Name">Its name there, made harmless.</param>
public sealed record KeptPolicy(string Key, KeptPolicyKind Kind, string Name)
{
    /// <summary>What can never be seen from outside of policies of this kind; empty where there is no such thing. Source: keylime issue 1932.</summary>
    public string Warning => Kind == KeptPolicyKind.MeasuredBoot
        ? "With measured_boot_policy_name = accept-all the verifier looks at no such policy, and with measured_boot_evaluate = once only at a host's first attestation. Neither can be seen from here: look at its configuration."
        : "";
}

/// <summary>Lists what a server keeps; a client of a kind of server that can is this too. Calls may throw <see cref="ServerException"/>.</summary>
public interface IPolicyList
{
    /// <summary>Every policy with a name of its own; not those of single attesters.</summary>
    Task<IReadOnlyList<KeptPolicy>> PoliciesAsync(CancellationToken ct);
}

/// <summary>A policy on a server, and whether it is ours.</summary>
/// <param name="Policy">As the server lists it.</param>
/// <param name="Cluster">The cluster whose approved baselines it is; null for one that somebody else keeps there.</param>
public sealed record PolicyOnServer(KeptPolicy Policy, string? Cluster);

/// <summary>Lists the policies a server keeps beside what the portal had it keep.</summary>
/// <param name="contexts">The database.</param>
/// <param name="clients">Clients of servers.</param>
public sealed class ServerPolicies(IDbContextFactory<PortalDbContext> contexts, ServerClients clients)
{
    /// <summary>Ours first, then by kind and name. Refusals: <c>service.not_found</c>, <c>service.failed</c>.</summary>
    public async Task<Outcome<IReadOnlyList<PolicyOnServer>>> ListAsync(Guid serverId, CancellationToken ct)
    {
        IReadOnlyList<KeptPolicy> kept;
        try
        {
            if (await clients.OfAsync(serverId, ct) is not { } client)
            {
                return ServerRefusals.NotFound(serverId);
            }

            kept = client is IPolicyList list ? await list.PoliciesAsync(ct) : [];
        }
        catch (ServerException fault)
        {
            return new Refusal("service.failed", RefusalKind.Unavailable, fault.Message, fault.Remedy);
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var ours = (await db.PublishedPolicies.AsNoTracking().Where(p => p.ServerId == serverId && p.HostId == null)
            .Join(db.Clusters, p => p.ClusterId, c => c.Id, (p, c) => new { p.Key, c.Name }).ToListAsync(ct)).ToLookup(p => p.Key, p => p.Name, StringComparer.Ordinal);
        return Outcome.Of<IReadOnlyList<PolicyOnServer>>([.. kept
            .Select(p => new PolicyOnServer(p, ours[p.Key].FirstOrDefault()))
            .OrderBy(p => p.Cluster is null).ThenBy(p => p.Policy.Kind).ThenBy(p => p.Policy.Name, StringComparer.OrdinalIgnoreCase)]);
    }
}
