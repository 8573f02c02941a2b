using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>Says what a server calls a host. A host that had another name there loses that server's word at once.</summary>
/// <param name="desk">What commands share.</param>
public sealed class BindHost(ClusterDesk desk)
{
    /// <summary>Longest name of a host on a server, in characters.</summary>
    public const int LongestName = 255;

    /// <summary>The binding.</summary>
    /// <param name="ServerId">The server.</param>
    /// <param name="HostId">The host.</param>
    /// <param name="Name">The server's name for it; null takes the name away.</param>
    public sealed record Input(Guid ServerId, Guid HostId, string? Name);

    /// <summary>Binds. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>service.not_found</c>, <c>host.not_found</c>, <c>service.host.*</c>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, new AuditTarget("host", input.HostId, input.HostId.ToString()), step => AttemptAsync(step, input), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Input input)
    {
        var (db, serverId, hostId) = (step.Db, input.ServerId, input.HostId);
        if (await db.AttestationServers.AsNoTracking().SingleOrDefaultAsync(s => s.Id == serverId, step.Ct) is not { } server)
        {
            return ServerRefusals.NotFound(serverId);
        }

        if (await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, step.Ct) is not { } host)
        {
            return Refusal.NotFound("host", hostId.ToString());
        }

        step.About(new AuditTarget("host", host.Id, host.Name));
        var name = input.Name?.Trim();
        if (name is not null && !IsName(name))
        {
            return ServerRefusals.HostName();
        }

        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == host.ClusterId, step.Ct);
        if (name is not null && cluster.Policy.Services.Of(serverId) is null)
        {
            return ServerRefusals.HostNotThere(cluster.Name, server.Name);
        }

        // OpenAttestation does not tell names apart by case.
        var (lower, ignoresCase) = (name?.ToLowerInvariant(), server.Type == ServiceType.OpenAttestation);
        if (name is not null && await db.HostsOnServers.Where(b => b.ServerId == serverId && b.HostId != hostId)
            .Where(b => b.Name == name || (ignoresCase && b.Name.ToLower() == lower))
            .Join(db.Hosts, b => b.HostId, h => h.Id, (b, h) => h.Name).FirstOrDefaultAsync(step.Ct) is { } other)
        {
            return ServerRefusals.HostNameTaken(name, other);
        }

        return await SetAsync(step, server, host, name);
    }

    private static async Task<Outcome<Done>> SetAsync(ClusterStep step, AttestationServer server, Host host, string? name)
    {
        var bound = await step.Db.HostsOnServers.SingleOrDefaultAsync(b => b.ServerId == server.Id && b.HostId == host.Id, step.Ct);
        if (bound?.Name == name)
        {
            return Done.Value;
        }

        if (bound is not null && name is null)
        {
            step.Db.HostsOnServers.Remove(bound);
        }
        else if (bound is not null)
        {
            (bound.Name, bound.BoundAt, bound.BoundBy) = (name!, step.Now, step.Person.Name);
        }
        else
        {
            step.Db.HostsOnServers.Add(new HostOnServer { ServerId = server.Id, HostId = host.Id, Name = name!, BoundAt = step.Now, BoundBy = step.Person.Name });
        }

        step.Audit(
            "service.host.bound",
            (bound, name) switch
            {
                (null, _) => $"{step.Person.Name} said that {server.Name} calls host {host.Name} '{name}'.",
                (_, null) => $"{step.Person.Name} said that {server.Name} does not know host {host.Name} any more; it was '{bound.Name}'.",
                _ => $"{step.Person.Name} said that {server.Name} calls host {host.Name} '{name}' and not the name it had.",
            });
        step.OnCommit(async () =>
        {
            if (bound is not null)
            {
                await ServiceReset.ForgetAsync(step.Db, h => h.Id == host.Id, step.Ct);
            }

            await CompareAsync(step, server.Id, host);
            return true;
        });

        step.Changes.Add(Change.Of(ChangeTopic.Service, server.Id));
        step.Changes.Add(Change.Of(ChangeTopic.Attestation, host.Id));
        return Done.Value;
    }

    /// <summary>What the server keeps for the host under this name is not known to be what is approved: its word counts once it was read, which is done soon.</summary>
    private static async Task CompareAsync(ClusterStep step, Guid serverId, Host host)
    {
        await step.Db.PublishedPolicies.Where(p => p.ServerId == serverId && p.HostId == host.Id).ExecuteDeleteAsync(step.Ct);
        await step.Db.Publications.Where(p => p.ServerId == serverId && p.ClusterId == host.ClusterId)
            .ExecuteUpdateAsync(set => set.SetProperty(p => p.CheckedAt, (DateTimeOffset?)null), step.Ct);
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= LongestName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or ':');
}

/// <summary>An attester on a server, and whose it may be.</summary>
/// <param name="Attester">As the server lists it.</param>
/// <param name="HostId">The host it is bound to, if one.</param>
/// <param name="HostName">That host's name.</param>
/// <param name="ProposedId">A host of the server's clusters that it likely is: same name, or same address. Nothing counts until somebody confirms it.</param>
/// <param name="ProposedName">That host's name.</param>
public sealed record AttesterOnServer(ServerAttester Attester, Guid? HostId, string? HostName, Guid? ProposedId, string? ProposedName);

/// <summary>Lists what a server knows beside what we know, with proposals.</summary>
/// <param name="contexts">The database.</param>
/// <param name="clients">Clients of servers.</param>
public sealed class ServerAttesters(IDbContextFactory<PortalDbContext> contexts, ServerClients clients)
{
    /// <summary>Every attester the server knows, waiting ones first, then by name. Refusals: <c>service.not_found</c>, <c>service.failed</c>.</summary>
    public async Task<Outcome<IReadOnlyList<AttesterOnServer>>> ListAsync(Guid serverId, CancellationToken ct)
    {
        IReadOnlyList<ServerAttester> listed;
        try
        {
            if (await clients.OfAsync(serverId, ct) is not { } client)
            {
                return ServerRefusals.NotFound(serverId);
            }

            listed = await client.AttestersAsync(ct);
        }
        catch (ServerException fault)
        {
            return new Refusal("service.failed", RefusalKind.Unavailable, fault.Message, fault.Remedy);
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        var clusters = (await db.Clusters.AsNoTracking().ToListAsync(ct)).Where(c => c.Policy.Services.Of(serverId) is not null).Select(c => c.Id).ToList();
        var hosts = await db.Hosts.AsNoTracking().Where(h => clusters.Contains(h.ClusterId)).Select(h => new { h.Id, h.Name, h.Address, h.Hardware.Uuid }).ToListAsync(ct);
        var bound = await db.HostsOnServers.AsNoTracking().Where(b => b.ServerId == serverId)
            .Join(db.Hosts, b => b.HostId, h => h.Id, (b, h) => new { b.Name, h.Id, Host = h.Name }).ToDictionaryAsync(b => b.Name, ct);
        var free = hosts.Where(h => !bound.Values.Any(b => b.Id == h.Id)).ToList();
        return Outcome.Of<IReadOnlyList<AttesterOnServer>>([.. listed
            .OrderBy(a => a.IsEnrolled).ThenBy(a => a.Name, StringComparer.OrdinalIgnoreCase)
            .Select(a =>
            {
                var of = bound.GetValueOrDefault(a.Name);
                var likely = of is not null ? null : free.Find(h =>
                    Same(h.Name, a.Name) || Same(h.Uuid, a.Name) || (a.Address.Length > 0 && (Same(HostOf(h.Address), HostOf(a.Address)) || Same(h.Name, HostOf(a.Address)))));
                return new AttesterOnServer(a, of?.Id, of?.Host, likely?.Id, likely?.Name);
            })]);
    }

    private static bool Same(string ours, string theirs) => ours.Length > 0 && string.Equals(ours, theirs, StringComparison.OrdinalIgnoreCase);

    /// <summary>The host of an address with or without scheme and port.</summary>
    private static string HostOf(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Host.Length > 0 ? uri.Host
        : Uri.TryCreate($"x://{address}", UriKind.Absolute, out var bare) ? bare.Host
        : address;
}
