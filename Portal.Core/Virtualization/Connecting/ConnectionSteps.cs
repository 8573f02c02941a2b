using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>What commands on hosts' connections read and say.</summary>
internal static class ConnectionSteps
{
    public const string Kind = "host";

    public static AuditTarget Unread(Guid? id, string? name) => new(Kind, id, name is { Length: > 0 and <= HostNames.Longest } ? name : id?.ToString() ?? Kind);

    public static async Task<Host?> FindHostAsync(this ClusterStep step, Guid id)
    {
        var host = await step.Db.Hosts.SingleOrDefaultAsync(h => h.Id == id, step.Ct);
        if (host is not null)
        {
            step.About(new AuditTarget(Kind, host.Id, host.Name));
        }

        return host;
    }

    public static Task<HypervisorConnection?> FindConnectionAsync(this ClusterStep step, Guid hostId) => step.Db.HypervisorConnections.SingleOrDefaultAsync(c => c.HostId == hostId, step.Ct);

    public static Task<ConnectionProposal?> FindProposalAsync(this ClusterStep step, Guid hostId) => step.Db.ConnectionProposals.SingleOrDefaultAsync(p => p.HostId == hostId, step.Ct);

    /// <summary>Whether another host is reached by the URI.</summary>
    public static async Task<Refusal?> TakenAsync(this ClusterStep step, string uri, Guid hostId) =>
        await step.Db.Hosts.Where(h => h.LibvirtUri == uri && h.Id != hostId).Select(h => h.Name).FirstOrDefaultAsync(step.Ct) is { } other ? ConnectionRefusals.UriTaken(other) : null;

    public static void Tell(this ClusterStep step, Guid hostId) => step.Changes.Add(Change.Of(ChangeTopic.Host, hostId));

    public static bool IsBy(this ConnectionProposal proposal, Person person) => person.Is(new Person(proposal.Issuer, proposal.Subject, proposal.PersonName));

    public static ConnectionWords Words(this ConnectionProposal proposal) => new(proposal.LibvirtUri, proposal.Authority, proposal.SshHostKey);

    public static ConnectionWords Words(Host host, HypervisorConnection? connection) => new(host.LibvirtUri ?? "", connection?.Authority ?? "", connection?.SshHostKey ?? "");

    public static string Story(ConnectionWords before, ConnectionWords after)
    {
        var said = new List<string>();
        if (before.LibvirtUri != after.LibvirtUri)
        {
            said.Add($"libvirt at {before.LibvirtUri} → {after.LibvirtUri}");
        }

        if (before.Authority != after.Authority)
        {
            said.Add("another certificate authority");
        }

        if (before.SshHostKey != after.SshHostKey)
        {
            said.Add(ConnectionRules.FingerprintOf(after.SshHostKey) is { } print ? $"another SSH host key, {print}" : "no SSH host key");
        }

        return string.Join(", ", said);
    }
}
