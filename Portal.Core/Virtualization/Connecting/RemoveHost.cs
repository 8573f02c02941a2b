using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Core.Virtualization.Connecting;

/// <summary>Removes a host from the portal. Nothing on the machine is touched.</summary>
/// <param name="desk">Permission, transaction, audit.</param>
public sealed class RemoveHost(ClusterDesk desk)
{
    /// <summary>
    /// Removes it with its connection, its attester and all that was attested of it. It must be in maintenance, or never reached, and no VM placed on it.
    /// Needs <see cref="Permission.ManageHosts"/>. Refusals: <c>host.remove.state</c>, <c>host.remove.vms</c>, <c>host.not_found</c>.
    /// </summary>
    public Task<Outcome<Done>> ExecuteAsync(Caller caller, Guid hostId, CancellationToken ct) =>
        desk.RunAsync(caller, Permission.ManageHosts, ConnectionSteps.Unread(hostId, null), step => AttemptAsync(step, hostId), ct);

    private static async Task<Outcome<Done>> AttemptAsync(ClusterStep step, Guid hostId)
    {
        if (await step.FindHostAsync(hostId) is not { } host)
        {
            return Refusal.NotFound(ConnectionSteps.Kind, hostId.ToString());
        }

        if (host.State != HostState.Maintenance && !IsUnreached(host))
        {
            return ConnectionRefusals.InUse(host.Name);
        }

        var vms = await step.Db.VirtualMachines.CountAsync(v => v.HostId == hostId || v.TargetHostId == hostId, step.Ct);
        if (vms > 0)
        {
            return ConnectionRefusals.HasVms(host.Name, vms);
        }

        // A VM that was placed here meanwhile holds a reference: the database refuses and we look again.
        step.Db.Hosts.Remove(host);
        step.Audit("host.removed", $"{step.Person.Name} removed the host {host.Name}{(host.LibvirtUri is { } uri ? $" with its libvirt at {uri}" : "")}. What runs on it runs on, unseen.");
        step.Tell(hostId);
        step.Changes.Add(Change.Of(ChangeTopic.Attester));
        step.Changes.Add(Change.Of(ChangeTopic.Attestation, hostId));
        return Done.Value;
    }

    /// <summary>Whether its hypervisor never answered.</summary>
    private static bool IsUnreached(Host host) => host is { State: HostState.NonResponsive, PhysicalMemory: 0 };
}
