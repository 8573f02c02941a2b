using Microsoft.EntityFrameworkCore;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside.Publishing;

/// <summary>How what a server keeps differs from what is approved for one cluster.</summary>
/// <param name="Server">The server.</param>
/// <param name="PolicyRevision">The policy revision looked at.</param>
/// <param name="Refusal">Why what is approved cannot be published; null when it can.</param>
/// <param name="Wanted">Everything the server is to keep.</param>
/// <param name="Writes">What differs.</param>
/// <param name="Drifted">Titles of what we had verified and is other now, although nothing else was approved since.</param>
/// <param name="Overwritten">Titles of what we had verified and is other now, where something else is approved since: it is written anew in any case.</param>
internal sealed record PublicationLook(
    AttestationServer Server,
    long PolicyRevision,
    Refusal? Refusal,
    IReadOnlyList<ServerPolicy> Wanted,
    IReadOnlyList<PolicyWrite> Writes,
    IReadOnlyList<string> Drifted,
    IReadOnlyList<string> Overwritten);

/// <summary>Compares what servers keep with what is approved.</summary>
/// <param name="contexts">The database.</param>
/// <param name="clients">Clients of servers.</param>
/// <param name="policies">Policies of clusters.</param>
internal sealed class PublicationReader(IDbContextFactory<PortalDbContext> contexts, ServerClients clients, PolicyReader policies)
{
    private const int AtOnce = 8;

    /// <summary>Looks; null when the cluster does not have the portal keep its policies on that server, or one of both is gone.</summary>
    /// <exception cref="ServerException">The server could not be read.</exception>
    public async Task<PublicationLook?> LookAsync(Guid clusterId, Guid serverId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await policies.OfAsync(clusterId, ct) is not { } policy
            || policy.Services.Of(serverId) is not { Keeper: PolicyKeeper.Portal }
            || await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, ct) is not { } server
            || await clients.OfAsync(serverId, ct) is not { } client)
        {
            return null;
        }

        var required = policy.Set with { Revisions = [.. policy.Set.Revisions.Where(r => policy.Set.RequiredKinds.HasFlag(r.Kind))] };
        var scope = await ClusterScope.ReadAsync(db, server, policy, null, ct);
        Outcome<IReadOnlyList<ServerPolicy>> wanted = Missing(required) is { } missing ? missing : client.Wanted(required, scope.Hosts);
        if (!wanted.Succeeded)
        {
            return new PublicationLook(server, policy.Set.PolicyRevision, wanted.Refusal, [], [], [], []);
        }

        var names = scope.Hosts.ToDictionary(h => h.HostId, h => h.Name);
        var all = wanted.Value.Select(w => w.HostId is { } host ? w with { NameThere = names[host] } : w).ToList();

        // What concerned one host alone is left to it once it is not ours any more.
        var published = await db.PublishedPolicies.AsNoTracking().Where(p => p.ServerId == serverId && p.ClusterId == clusterId).ToListAsync(ct);
        var leftovers = published.Where(p => p.HostId is null && !all.Exists(w => w.Key == p.Key));
        var keys = all.Select(w => (w.Key, w.Title, After: (string?)w.Content)).Concat(leftovers.Select(p => (p.Key, p.Title, After: (string?)null))).ToList();
        var pinned = client is IPinsHosts pins ? pins.Pinned(scope.Hosts) : [];
        var present = await ReadAsync(client, [.. keys.Select(k => k.Key), .. pinned.Select(p => p.Key)], ct);
        foreach (var pin in pinned)
        {
            if ((published.Find(p => p.Key == pin.Key)?.Content ?? present[pin.Key]) is { } content)
            {
                all.Add(pin with { Content = content, NameThere = names[pin.HostId!.Value] });
                keys.Add((pin.Key, pin.Title, content));
            }
        }

        var writes = keys.Where(k => present[k.Key] != k.After).Select(k => new PolicyWrite(k.Key, k.Title, present[k.Key], k.After)).ToList();
        var edited = writes.Where(w => published.Exists(p => p.Key == w.Key && p.Content != w.Before)).ToLookup(w => published.Exists(p => p.Key == w.Key && p.Content == w.After), w => w.Title);
        return new PublicationLook(server, policy.Set.PolicyRevision, null, all, writes, [.. edited[true]], [.. edited[false]]);
    }

    /// <summary>Nothing is trusted by absence: a kind that is required and has no baseline would be no condition at all there.</summary>
    private static Refusal? Missing(ApprovedSet set)
    {
        var missing = PolicyWords.KindsIn(set.RequiredKinds).Where(kind => !set.Revisions.Any(r => r.Kind == kind)).Aggregate(BaselineKinds.None, (all, kind) => all | kind);
        return missing == BaselineKinds.None
            ? null
            : Refusal.Conflict(
                "publish.no_baseline",
                $"The cluster requires {PolicyWords.Kinds(missing)}, and no such baseline is approved for it.",
                "Write or capture one and have it approved by somebody who did not write it.");
    }

    private static async Task<Dictionary<string, string?>> ReadAsync(IServerClient client, IReadOnlyList<string> keys, CancellationToken ct)
    {
        var read = new Dictionary<string, string?>(keys.Count, StringComparer.Ordinal);
        foreach (var some in keys.Chunk(AtOnce))
        {
            var contents = await Task.WhenAll(some.Select(key => client.ReadPolicyAsync(key, ct)));
            foreach (var (key, content) in some.Zip(contents))
            {
                read[key] = content;
            }
        }

        return read;
    }
}
