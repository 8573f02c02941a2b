using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation.Outside;

/// <summary>Adds a server. Nothing is asked of it until a cluster names it.</summary>
/// <param name="desk">What commands share.</param>
/// <param name="secrets">Protects private keys.</param>
public sealed class AddServer(ClusterDesk desk, ServerSecrets secrets)
{
    /// <summary>The server.</summary>
    /// <param name="Words">What it is and how it is reached.</param>
    /// <param name="Client">Our certificate for it; null for none.</param>
    public sealed record Input(ServerWords Words, ClientIdentity? Client);

    /// <summary>Adds it and returns its id. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>service.*</c>.</summary>
    public Task<Outcome<Guid>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ServerSteps.Unread(null, input.Words.Name), step => AttemptAsync(step, input), ct);

    private async Task<Outcome<Guid>> AttemptAsync(ClusterStep step, Input input)
    {
        var (words, client) = (input.Words, input.Client);
        if (ServerRules.Instance.Refusal(words) is { } invalid)
        {
            return invalid;
        }

        if (client is null ? words.Type == ServiceType.Keylime : !client.IsUsable())
        {
            return client is null ? ServerRefusals.ClientMissing() : ServerRefusals.ClientUnusable();
        }

        if (await step.Db.AttestationServers.AnyAsync(s => s.Name == words.Name, step.Ct))
        {
            return ServerRefusals.NameTaken(words.Name);
        }

        var server = new AttestationServer
        {
            Name = words.Name,
            Type = words.Type,
            Address = words.Endpoint.Address,
            RegistrarAddress = words.Endpoint.RegistrarAddress,
            Authority = words.Endpoint.Authority,
            ChecksName = words.Endpoint.ChecksName,
            PollSeconds = words.PollSeconds,
            TimeoutSeconds = words.TimeoutSeconds,
            ClientCertificate = client?.Certificate ?? "",
            ProtectedKey = client is null ? null : secrets.Protect(client.PrivateKey),
        };
        step.Db.AttestationServers.Add(server);
        step.About(ServerSteps.Target(server));
        step.Audit("service.added", $"{step.Person.Name} added the {ServiceTypes.Title(server.Type)} service {server.Name} at {server.Address}.");
        step.Changes.Add(Change.Of(ChangeTopic.Service, server.Id));
        return server.Id;
    }
}

/// <summary>What became of a change of a server.</summary>
/// <param name="ServerId">The server.</param>
/// <param name="Effect">In force, or waiting for a second person.</param>
/// <param name="ProposalId">The proposal that waits, if one does.</param>
public sealed record ServerChange(Guid ServerId, PolicyEffect Effect, Guid? ProposalId = null);

/// <summary>
/// Changes a server. Name, pace and our certificate at once; another address, authority or name check only with a second person: whoever
/// answers there decides which hosts are trusted.
/// </summary>
/// <param name="desk">What commands share.</param>
/// <param name="secrets">Protects private keys.</param>
public sealed class EditServer(ClusterDesk desk, ServerSecrets secrets)
{
    /// <summary>The wanted settings.</summary>
    /// <param name="ServerId">The server.</param>
    /// <param name="AgainstVersion">The version the person looked at.</param>
    /// <param name="Words">All of the wanted settings; the type cannot change.</param>
    /// <param name="Client">A new certificate of ours; null keeps the one there is.</param>
    public sealed record Input(Guid ServerId, long AgainstVersion, ServerWords Words, ClientIdentity? Client = null);

    /// <summary>Changes, and proposes where that takes two people. Needs <see cref="Permission.ManageClusters"/>. Refusals: <c>service.*</c>.</summary>
    public Task<Outcome<ServerChange>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ServerSteps.Unread(input.ServerId, null), step => AttemptAsync(step, input), ct);

    private async Task<Outcome<ServerChange>> AttemptAsync(ClusterStep step, Input input)
    {
        var (words, client) = (input.Words, input.Client);
        if (await step.FindServerAsync(input.ServerId) is not { } server)
        {
            return ServerRefusals.NotFound(input.ServerId);
        }

        if (ServerRules.Instance.Refusal(words with { Type = server.Type }) is { } invalid)
        {
            return invalid;
        }

        if (client?.IsUsable() == false)
        {
            return ServerRefusals.ClientUnusable();
        }

        if (server.Version != input.AgainstVersion)
        {
            return ServerRefusals.Meanwhile(server.Name);
        }

        if (words.Name != server.Name && await step.Db.AttestationServers.AnyAsync(s => s.Name == words.Name, step.Ct))
        {
            return ServerRefusals.NameTaken(words.Name);
        }

        var waiting = await step.Db.ServerProposals.SingleOrDefaultAsync(p => p.ServerId == server.Id, step.Ct);
        var moves = words.Endpoint != server.Endpoint;
        if (moves && waiting is not null && waiting.AgainstVersion == server.Version)
        {
            return ServerRefusals.ProposalWaiting(waiting);
        }

        var changed = Apply(step, server, words, client);
        return moves ? Propose(step, server, words.Endpoint, waiting) : new ServerChange(server.Id, changed ? PolicyEffect.InForce : PolicyEffect.Unchanged);
    }

    private bool Apply(ClusterStep step, AttestationServer server, ServerWords words, ClientIdentity? client)
    {
        var before = (server.Name, server.PollSeconds, server.TimeoutSeconds);
        if (before == (words.Name, words.PollSeconds, words.TimeoutSeconds) && client is null)
        {
            return false;
        }

        (server.Name, server.PollSeconds, server.TimeoutSeconds) = (words.Name, words.PollSeconds, words.TimeoutSeconds);
        if (client is not null)
        {
            (server.ClientCertificate, server.ProtectedKey) = (client.Certificate, secrets.Protect(client.PrivateKey));
        }

        server.Version++;
        step.Audit("service.changed", $"{step.Person.Name} changed the service {before.Name}{(client is null ? "" : ", with a new client certificate")}.");
        step.Changes.Add(Change.Of(ChangeTopic.Service, server.Id));
        return true;
    }

    private static ServerChange Propose(ClusterStep step, AttestationServer server, ServerEndpoint wanted, ServerProposal? outdated)
    {
        if (outdated is not null)
        {
            step.Db.ServerProposals.Remove(outdated);
        }

        var proposal = new ServerProposal
        {
            ServerId = server.Id,
            AgainstVersion = server.Version,
            Address = wanted.Address,
            RegistrarAddress = wanted.RegistrarAddress,
            Authority = wanted.Authority,
            ChecksName = wanted.ChecksName,
            Issuer = step.Person.Issuer,
            Subject = step.Person.Subject,
            PersonName = step.Person.Name,
            At = step.Now,
        };
        step.Db.ServerProposals.Add(proposal);
        step.Audit("service.change.proposed", $"{step.Person.Name} proposed for the service {server.Name}: {ServerSteps.Story(server.Endpoint, wanted)}.");
        step.Changes.Add(Change.Of(ChangeTopic.Service, server.Id));
        return new ServerChange(server.Id, PolicyEffect.WaitsForSecondPerson, proposal.Id);
    }
}

/// <summary>Decides on a proposed change of a server: a second person confirms it, anybody who may drops it.</summary>
/// <param name="desk">What commands share.</param>
/// <param name="reappraisal">Told after the commit.</param>
public sealed class DecideServerChange(ClusterDesk desk, IReappraisal reappraisal)
{
    /// <summary>
    /// Puts it in force and raises the policy revision of every cluster that names the server: what the other server said does not count.
    /// Needs <see cref="Permission.ManageClusters"/> and somebody else than the proposer. Refusals: <c>service.proposal.*</c>.
    /// </summary>
    public async Task<Outcome<ServerChange>> ConfirmAsync(Caller caller, Guid serverId, Guid proposalId, CancellationToken ct)
    {
        var raised = new List<Guid>();
        var outcome = await desk.RunAsync(caller, Permission.ManageClusters, ServerSteps.Unread(serverId, null), step => ConfirmAsync(step, serverId, proposalId, raised), ct);
        if (outcome.Succeeded && raised.Count > 0)
        {
            await reappraisal.RequestAsync(raised, ReappraisalCause.PolicyChanged, CancellationToken.None);
        }

        return outcome;
    }

    /// <summary>Drops it. Needs <see cref="Permission.ManageClusters"/>. Refusal: <c>service.proposal.not_found</c>.</summary>
    public Task<Outcome<ServerChange>> RejectAsync(Caller caller, Guid serverId, Guid proposalId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ServerSteps.Unread(serverId, null), step => RejectAsync(step, serverId, proposalId), ct);

    private static async Task<Outcome<ServerChange>> ConfirmAsync(ClusterStep step, Guid serverId, Guid proposalId, List<Guid> raised)
    {
        raised.Clear();
        if (await step.FindServerAsync(serverId) is not { } server)
        {
            return ServerRefusals.NotFound(serverId);
        }

        if (await step.Db.ServerProposals.SingleOrDefaultAsync(p => p.Id == proposalId && p.ServerId == serverId, step.Ct) is not { } proposal)
        {
            return ServerRefusals.ProposalGone();
        }

        if (proposal.IsBy(step.Person))
        {
            return ServerRefusals.OwnProposal(step.Person.Name);
        }

        if (proposal.AgainstVersion != server.Version)
        {
            return ServerRefusals.ProposalVoid(server.Name);
        }

        var story = ServerSteps.Story(server.Endpoint, proposal.Endpoint);
        if (server.Endpoint != proposal.Endpoint with { ChecksName = server.ChecksName })
        {
            // It may be another server: what the former one kept is not what this one was edited away from.
            step.OnCommit(async () =>
            {
                await step.Db.PublishedPolicies.Where(p => p.ServerId == serverId).ExecuteDeleteAsync(step.Ct);
                return true;
            });
        }

        (server.Address, server.RegistrarAddress, server.Authority, server.ChecksName) = (proposal.Address, proposal.RegistrarAddress, proposal.Authority, proposal.ChecksName);
        server.Version++;
        step.Db.ServerProposals.Remove(proposal);
        foreach (var cluster in await step.ClustersNamingAsync(serverId))
        {
            cluster.PolicyRevision++;
            raised.Add(cluster.Id);
            step.Changes.Add(Change.Of(ChangeTopic.Cluster, cluster.Id));
        }

        step.Audit("service.change.confirmed", $"{step.Person.Name} confirmed what {proposal.PersonName} proposed for the service {server.Name}: {story}.");
        step.Changes.Add(Change.Of(ChangeTopic.Service, serverId));
        return new ServerChange(serverId, PolicyEffect.InForce);
    }

    private static async Task<Outcome<ServerChange>> RejectAsync(ClusterStep step, Guid serverId, Guid proposalId)
    {
        if (await step.FindServerAsync(serverId) is not { } server)
        {
            return ServerRefusals.NotFound(serverId);
        }

        if (await step.Db.ServerProposals.SingleOrDefaultAsync(p => p.Id == proposalId && p.ServerId == serverId, step.Ct) is not { } proposal)
        {
            return ServerRefusals.ProposalGone();
        }

        step.Db.ServerProposals.Remove(proposal);
        var own = proposal.IsBy(step.Person);
        step.Audit(
            own ? "service.change.withdrawn" : "service.change.rejected",
            own ? $"{step.Person.Name} withdrew the change proposed for the service {server.Name}." : $"{step.Person.Name} rejected the change that {proposal.PersonName} proposed for the service {server.Name}.");
        step.Changes.Add(Change.Of(ChangeTopic.Service, serverId));
        return new ServerChange(serverId, PolicyEffect.Dropped);
    }
}

/// <summary>Removes a server that no cluster names.</summary>
/// <param name="desk">What commands share.</param>
public sealed class RemoveServer(ClusterDesk desk)
{
    /// <summary>Removes it, with its certificate and what it called hosts. Needs <see cref="Permission.ManageClusters"/>. Refusal: <c>service.named</c>.</summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid serverId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageClusters, ServerSteps.Unread(serverId, null), step => AttemptAsync(step, serverId), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Guid serverId)
    {
        if (await step.FindServerAsync(serverId) is not { } server)
        {
            return ServerRefusals.NotFound(serverId);
        }

        var naming = await step.ClustersNamingAsync(serverId);
        if (naming.Count > 0)
        {
            return ServerRefusals.Named(server.Name, naming.Select(c => c.Name));
        }

        step.Db.AttestationServers.Remove(server);
        step.Audit("service.removed", $"{step.Person.Name} removed the service {server.Name}.");
        step.Changes.Add(Change.Of(ChangeTopic.Service, serverId));
        return Done.Value;
    }
}

/// <summary>What commands on servers read and say.</summary>
internal static class ServerSteps
{
    public const string Kind = "service";

    public static AuditTarget Unread(Guid? id, string? name) => new(Kind, id, name is { Length: > 0 and <= ServerRules.LongestName } ? name : id?.ToString() ?? Kind);

    public static AuditTarget Target(AttestationServer server) => new(Kind, server.Id, server.Name);

    public static async Task<AttestationServer?> FindServerAsync(this ClusterStep step, Guid id)
    {
        var server = await step.Db.AttestationServers.SingleOrDefaultAsync(s => s.Id == id, step.Ct);
        if (server is not null)
        {
            step.About(Target(server));
        }

        return server;
    }

    public static async Task<List<Cluster>> ClustersNamingAsync(this ClusterStep step, Guid serverId) =>
        (await step.Db.Clusters.OrderBy(c => c.Name).ToListAsync(step.Ct)).FindAll(c => c.Policy.Services.Of(serverId) is not null);

    public static string Story(ServerEndpoint before, ServerEndpoint after)
    {
        var said = new List<string>();
        if (before.Address != after.Address)
        {
            said.Add($"address {before.Address} → {after.Address}");
        }

        if (before.RegistrarAddress != after.RegistrarAddress)
        {
            said.Add($"registrar {before.RegistrarAddress} → {after.RegistrarAddress}");
        }

        if (before.Authority != after.Authority)
        {
            said.Add("another certificate authority");
        }

        if (before.ChecksName != after.ChecksName)
        {
            said.Add(after.ChecksName ? "its certificate must name its host" : "its certificate need not name its host any more");
        }

        return string.Join(", ", said);
    }
}
