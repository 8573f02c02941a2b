using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>What became of a change of a host.</summary>
/// <param name="HostId">The host.</param>
/// <param name="Effect">In force, or waiting for a second person.</param>
/// <param name="ProposalId">The proposal that waits, if one does.</param>
public sealed record HostChange(Guid HostId, PolicyEffect Effect, Guid? ProposalId = null);

/// <summary>
/// Changes a host, and gives a hypervisor to one that has none. Its name and what signs us in change at once; another address, authority or SSH host
/// key only with a second person: whoever answers there runs the VMs.
/// </summary>
/// <param name="desk">Permission, transaction, audit.</param>
/// <param name="rules">What may be said of the way to it.</param>
/// <param name="secrets">Protects private keys.</param>
public sealed class EditHost(ClusterDesk desk, ConnectionRules rules, IHypervisorSecrets secrets)
{
    /// <summary>The wanted settings.</summary>
    /// <param name="HostId">The host.</param>
    /// <param name="AgainstVersion">The version of its connection the person looked at; 0 for none.</param>
    /// <param name="Name">Its name.</param>
    /// <param name="Connection">How its libvirt is to be reached and known; null leaves that alone, or leaves it without.</param>
    /// <param name="SignIn">A new certificate and key of ours; null keeps those there are.</param>
    public sealed record Input(Guid HostId, long AgainstVersion, string Name, ConnectionWords? Connection, HypervisorSignIn? SignIn = null);

    /// <summary>Changes, and proposes where that takes two people. Needs <see cref="Permission.ManageHosts"/>. Refusals: those of <see cref="AddHost"/>, <c>host.meanwhile</c>, <c>host.proposal.waiting</c>, <c>host.sign_in.later</c>.</summary>
    public Task<Outcome<HostChange>> ExecuteAsync(Caller caller, Input input, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, ConnectionSteps.Unread(input.HostId, null), step => AttemptAsync(step, input), ct);

    private async Task<Outcome<HostChange>> AttemptAsync(ClusterStep step, Input input)
    {
        if (await step.FindHostAsync(input.HostId) is not { } host)
        {
            return Refusal.NotFound(ConnectionSteps.Kind, input.HostId.ToString());
        }

        var name = input.Name.Trim();
        if (HostNames.Fault(name) is { } fault)
        {
            return fault;
        }

        var connection = await step.FindConnectionAsync(host.Id);
        if ((connection?.Version ?? 0) != input.AgainstVersion)
        {
            return ConnectionRefusals.Meanwhile(host.Name);
        }

        if (name != host.Name && await step.Db.Hosts.AnyAsync(h => h.Name == name && h.Id != host.Id, step.Ct))
        {
            return ConnectionRefusals.NameTaken(name);
        }

        var way = await WayAsync(step, host, connection, input);
        if (!way.Succeeded)
        {
            return way.Refusal;
        }

        var renamed = Rename(step, host, name);
        var effect = way.Value is { } wanted ? Connect(step, host, connection, wanted, input.SignIn) : new HostChange(host.Id, PolicyEffect.Unchanged);
        return renamed && effect.Effect == PolicyEffect.Unchanged ? effect with { Effect = PolicyEffect.InForce } : effect;
    }

    /// <summary>What of the connection is to change; null when nothing is.</summary>
    private async Task<Outcome<Way?>> WayAsync(ClusterStep step, Host host, HypervisorConnection? connection, Input input)
    {
        var before = ConnectionSteps.Words(host, connection);
        var wanted = input.Connection ?? (host.LibvirtUri is null || input.SignIn is null ? null : before);
        if (wanted is null)
        {
            return (Way?)null;
        }

        if (wanted.LibvirtUri.Trim().Length == 0 && host.LibvirtUri is not null)
        {
            return ConnectionRefusals.NoUri(host.Name);
        }

        if (host.LibvirtUri is null && HasOtherHypervisor(host))
        {
            return ConnectionRefusals.NotReachedOtherwise(host.Name);
        }

        var address = rules.Check(wanted);
        if (!address.Succeeded)
        {
            return address.Refusal;
        }

        var way = new Way(before, ConnectionRules.Trimmed(address.Value, wanted), connection is null || host.LibvirtUri is null, address.Value.NeedsCertificates);
        var kept = rules.Check(before);
        var otherKind = kept.Succeeded && kept.Value.Transport != address.Value.Transport;
        if (way.Moves && otherKind && input.SignIn is not null)
        {
            return ConnectionRefusals.SignInLater(host.Name);
        }

        if ((way.IsFirst || input.SignIn is not null) && rules.Fault(address.Value, input.SignIn) is { } wrong)
        {
            return wrong;
        }

        if (await step.TakenAsync(way.After.LibvirtUri, host.Id) is { } taken)
        {
            return taken;
        }

        var waiting = await step.FindProposalAsync(host.Id);
        if (way.Moves && waiting is not null && waiting.AgainstVersion == connection?.Version)
        {
            return ConnectionRefusals.ProposalWaiting(waiting);
        }

        if (way.Moves && waiting is not null)
        {
            step.Db.ConnectionProposals.Remove(waiting);
        }

        return way;
    }

    /// <summary>Agents' and bare addresses name no hypervisor; any other scheme is an adapter's.</summary>
    private static bool HasOtherHypervisor(Host host) => host.Address.Contains(':', StringComparison.Ordinal)
        && !host.Address.StartsWith("agent:", StringComparison.Ordinal)
        && Uri.CheckHostName(host.Address) == UriHostNameType.Unknown;

    private static bool Rename(ClusterStep step, Host host, string name)
    {
        if (name == host.Name)
        {
            return false;
        }

        step.Audit("host.renamed", $"{step.Person.Name} renamed the host {host.Name}: it is {name} now.");
        host.Name = name;
        step.Tell(host.Id);
        return true;
    }

    private HostChange Connect(ClusterStep step, Host host, HypervisorConnection? connection, Way way, HypervisorSignIn? signIn)
    {
        if (way.IsFirst)
        {
            return First(step, host, connection, way, signIn);
        }

        var signed = SignIn(connection!, way, signIn);
        if (signed)
        {
            connection!.Version++;
            step.Audit("host.sign_in.changed", $"{step.Person.Name} gave the portal another key to sign in to the libvirt of {host.Name} with.");
            step.Tell(host.Id);
        }

        return way.Moves ? Propose(step, host, connection!, way)
            : new HostChange(host.Id, signed ? PolicyEffect.InForce : PolicyEffect.Unchanged);
    }

    private HostChange First(ClusterStep step, Host host, HypervisorConnection? connection, Way way, HypervisorSignIn? signIn)
    {
        if (connection is null)
        {
            step.Db.HypervisorConnections.Add(connection = new HypervisorConnection { HostId = host.Id });
        }
        else
        {
            connection.Version++;
        }

        (host.LibvirtUri, connection.Authority, connection.SshHostKey) = (way.After.LibvirtUri, way.After.Authority, way.After.SshHostKey);
        (host.State, host.StateReason) = (host.State == HostState.Maintenance ? HostState.Maintenance : HostState.NonResponsive, AddHost.NotReachedYet);
        SignIn(connection, way, signIn);
        step.Audit("host.connected", $"{step.Person.Name} gave the host {host.Name} a hypervisor: its libvirt at {way.After.LibvirtUri}.");
        step.Tell(host.Id);
        return new HostChange(host.Id, PolicyEffect.InForce);
    }

    private bool SignIn(HypervisorConnection connection, Way way, HypervisorSignIn? signIn)
    {
        if (signIn is null)
        {
            return false;
        }

        (connection.ClientCertificate, connection.ProtectedKey) = (way.TakesCertificate ? signIn.Certificate : "", secrets.Protect(signIn.PrivateKey));
        return true;
    }

    private static HostChange Propose(ClusterStep step, Host host, HypervisorConnection connection, Way way)
    {
        var proposal = new ConnectionProposal
        {
            HostId = host.Id,
            AgainstVersion = connection.Version,
            LibvirtUri = way.After.LibvirtUri,
            Authority = way.After.Authority,
            SshHostKey = way.After.SshHostKey,
            Issuer = step.Person.Issuer,
            Subject = step.Person.Subject,
            PersonName = step.Person.Name,
            At = step.Now,
        };
        step.Db.ConnectionProposals.Add(proposal);
        step.Audit("host.connection.proposed", $"{step.Person.Name} proposed for the host {host.Name}: {ConnectionSteps.Story(way.Before, way.After)}.");
        step.Tell(host.Id);
        return new HostChange(host.Id, PolicyEffect.WaitsForSecondPerson, proposal.Id);
    }

    private sealed record Way(ConnectionWords Before, ConnectionWords After, bool IsFirst, bool TakesCertificate)
    {
        public bool Moves => !IsFirst && Before != After;
    }
}
