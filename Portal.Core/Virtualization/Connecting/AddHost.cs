using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>Adds a host by the URI of its libvirt. It takes no VMs until it was reached for the first time.</summary>
/// <param name="desk">Permission, transaction, audit.</param>
/// <param name="rules">What may be said of the way to it.</param>
/// <param name="secrets">Protects private keys.</param>
public sealed class AddHost(ClusterDesk desk, ConnectionRules rules, IHypervisorSecrets secrets)
{
    /// <summary>What a host nobody has reached yet says of itself.</summary>
    public const string NotReachedYet = "The portal has not reached its hypervisor yet.";

    /// <summary>The host.</summary>
    /// <param name="Name">Unique name.</param>
    /// <param name="ClusterId">Where it goes.</param>
    /// <param name="Connection">How its libvirt is reached and known.</param>
    /// <param name="SignIn">What signs the portal in; null where the address takes none.</param>
    /// <param name="Address">Name or IP address people and agents know it by; null takes it from the URI.</param>
    public sealed record Input(string Name, Guid ClusterId, ConnectionWords Connection, HypervisorSignIn? SignIn = null, string? Address = null);

    /// <summary>
    /// Adds it and returns its id. Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>host.name.*</c>, <c>host.libvirt_uri.*</c>,
    /// <c>host.authority</c>, <c>host.ssh_host_key</c>, <c>host.client_certificate*</c>, <c>host.private_key</c>, <c>host.address</c>, <c>cluster.not_found</c>.
    /// </summary>
    public Task<Outcome<Guid>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, ConnectionSteps.Unread(null, input.Name.Trim()), step => AttemptAsync(step, input), ct);

    private async Task<Outcome<Guid>> AttemptAsync(ClusterStep step, Input input)
    {
        var name = input.Name.Trim();
        if (HostNames.Fault(name) is { } fault)
        {
            return fault;
        }

        var address = rules.Check(input.Connection);
        if (!address.Succeeded)
        {
            return address.Refusal;
        }

        if (rules.Fault(address.Value, input.SignIn) is { } wrong)
        {
            return wrong;
        }

        var place = input.Address?.Trim() is { Length: > 0 } given ? given : address.Value.Host.Length > 0 ? address.Value.Host : "localhost";
        if (Uri.CheckHostName(place) == UriHostNameType.Unknown)
        {
            return ConnectionRefusals.Address();
        }

        if (await step.Db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Id == input.ClusterId, step.Ct) is not { } cluster)
        {
            return Refusal.NotFound("cluster", input.ClusterId.ToString());
        }

        if (await step.Db.Hosts.AnyAsync(h => h.Name == name, step.Ct))
        {
            return ConnectionRefusals.NameTaken(name);
        }

        var words = ConnectionRules.Trimmed(address.Value, input.Connection);
        var host = new Host { Name = name, Address = place, LibvirtUri = words.LibvirtUri, ClusterId = cluster.Id, State = HostState.NonResponsive, StateReason = NotReachedYet, Cpus = 0, Memory = 0 };
        if (await step.TakenAsync(words.LibvirtUri, host.Id) is { } taken)
        {
            return taken;
        }

        step.Db.Hosts.Add(host);
        step.Db.HypervisorConnections.Add(new HypervisorConnection
        {
            HostId = host.Id,
            Authority = words.Authority,
            SshHostKey = words.SshHostKey,
            ClientCertificate = address.Value.NeedsCertificates ? input.SignIn?.Certificate ?? "" : "",
            ProtectedKey = (address.Value.NeedsCertificates || address.Value.NeedsHostKey) && input.SignIn is { } signIn ? secrets.Protect(signIn.PrivateKey) : null,
        });
        step.About(new AuditTarget(ConnectionSteps.Kind, host.Id, host.Name));
        step.Audit("host.added", $"{step.Person.Name} added the host {name} to {cluster.Name}, with its libvirt at {words.LibvirtUri}{Known(words)}.");
        step.Tell(host.Id);
        return host.Id;
    }

    private static string Known(ConnectionWords words) => ConnectionRules.FingerprintOf(words.SshHostKey) is { } print ? $", known by its SSH host key {print}"
        : words.Authority.Length > 0 ? ", known by a pinned certificate authority"
        : "";
}
