using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Storage;

namespace Portal.Core.Simulation;

/// <summary>What the menu of a simulated host offers. Each is audited; what changes a boot takes effect when the host reboots.</summary>
/// <param name="state">The simulated world.</param>
/// <param name="attesters">Its attesters.</param>
/// <param name="contexts">The portal's database, whose row of the host follows what the host says of itself.</param>
/// <param name="access">Who may.</param>
/// <param name="audit">The audit.</param>
/// <param name="feed">Who listens.</param>
/// <param name="time">Our clock.</param>
public sealed class SimulatedHostActions(
    SimulationState state,
    SimulatedAttesterChannel attesters,
    IDbContextFactory<PortalDbContext> contexts,
    AccessControl access,
    AuditLog audit,
    IChangeFeed feed,
    TimeProvider time)
{
    /// <summary>Installs the next firmware. Refused with <c>simulation.newest</c> when there is none.</summary>
    public Task<Outcome<Done>> UpdateFirmwareAsync(Caller caller, Guid hostId, bool reboot, CancellationToken ct) =>
        UpdateAsync(caller, hostId, HostChanges.NextFirmware, "firmware", reboot, ct);

    /// <summary>Adds signatures to those the firmware revokes (dbx).</summary>
    public Task<Outcome<Done>> UpdateRevocationsAsync(Caller caller, Guid hostId, bool reboot, CancellationToken ct) =>
        UpdateAsync(caller, hostId, HostChanges.NextRevocations, "list of revoked signatures", reboot, ct);

    /// <summary>Installs the next kernel. Refused with <c>simulation.newest</c> when there is none.</summary>
    public Task<Outcome<Done>> UpdateKernelAsync(Caller caller, Guid hostId, bool reboot, CancellationToken ct) =>
        UpdateAsync(caller, hostId, HostChanges.NextKernel, "kernel", reboot, ct);

    /// <summary>Installs the next GRUB. Refused with <c>simulation.newest</c> when there is none.</summary>
    public Task<Outcome<Done>> UpdateBootLoaderAsync(Caller caller, Guid hostId, bool reboot, CancellationToken ct) =>
        UpdateAsync(caller, hostId, HostChanges.NextBootLoader, "boot loader", reboot, ct);

    /// <summary>Installs again what the host had when new, and reboots.</summary>
    public Task<Outcome<Done>> RestoreAsync(Caller caller, Guid hostId, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.restored",
        host => Rebooted(host with { Installed = host.Original }, "was restored to what it had when new and rebooted"),
        ct);

    /// <summary>Reboots: the TPM counts a reset, its clock starts anew, running VMs are off.</summary>
    public Task<Outcome<Done>> RebootAsync(Caller caller, Guid hostId, CancellationToken ct) =>
        DoAsync(caller, hostId, "simulation.rebooted", host => Rebooted(host, "rebooted"), ct);

    /// <summary>Runs a program that no system brings: its kernel measures it, and it stays measured until the host reboots.</summary>
    public Task<Outcome<Done>> RunProgramAsync(Caller caller, Guid hostId, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.program",
        host => HostChange.Of(host with { StrangePrograms = host.StrangePrograms + 1 }, "ran a program nobody approved"),
        ct);

    /// <summary>The attestation agent answers nothing any more.</summary>
    public Task<Outcome<Done>> GoSilentAsync(Caller caller, Guid hostId, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.silent",
        host => host.AgentSilent ? HostChange.None : HostChange.Of(host with { AgentSilent = true }, "went silent: its attestation agent answers nothing"),
        ct);

    /// <summary>The attestation agent answers again.</summary>
    public Task<Outcome<Done>> ComeBackAsync(Caller caller, Guid hostId, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.back",
        host => host.AgentSilent ? HostChange.Of(host with { AgentSilent = false }, "came back: its attestation agent answers") : HostChange.None,
        ct);

    /// <summary>The hypervisor does not answer any more; its VMs run on.</summary>
    public Task<Outcome<Done>> StopHypervisorAsync(Caller caller, Guid hostId, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.hypervisor.stopped",
        host => host.HypervisorUnreachable ? HostChange.None : HostChange.Of(host with { HypervisorUnreachable = true }, "stopped answering as hypervisor"),
        ct);

    /// <summary>The hypervisor answers again, and tells of all its VMs.</summary>
    public Task<Outcome<Done>> StartHypervisorAsync(Caller caller, Guid hostId, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.hypervisor.started",
        host => host.HypervisorUnreachable ? HostChanges.HypervisorBack(host, state.DomainsOf(host.Name)) : HostChange.None,
        ct);

    /// <summary>Makes a host's attester dishonest, or honest again. Forgotten at the next start of the portal.</summary>
    public Task<Outcome<Done>> MisbehaveAsync(Caller caller, Guid hostId, Fault? fault, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.fault",
        host =>
        {
            attesters.Inject(host.Name, fault);
            return HostChange.Of(host, fault is { } how ? $"attests dishonestly from now on ({how})" : "attests honestly again");
        },
        ct);

    private Task<Outcome<Done>> UpdateAsync(Caller caller, Guid hostId, Func<SimulatedHost, SimulatedHost?> next, string what, bool reboot, CancellationToken ct) => DoAsync(
        caller,
        hostId,
        "simulation.updated",
        host => next(host) switch
        {
            null => Refusal.Conflict("simulation.newest", $"{host.Name} has the newest {what} already.", "Restore it to what it had when new, then update again."),
            { } updated when reboot => Rebooted(updated, $"got another {what} and rebooted"),
            { } updated => HostChange.Of(updated, $"got another {what}; it boots it next time"),
        },
        ct);

    private HostChange Rebooted(SimulatedHost host, string sentence) =>
        HostChanges.Rebooted(host, state.DomainsOf(host.Name), time.GetUtcNow(), sentence);

    private async Task<Outcome<Done>> DoAsync(Caller caller, Guid hostId, string @event, Func<SimulatedHost, Outcome<HostChange>> decide, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var row = await db.Hosts.SingleOrDefaultAsync(h => h.Id == hostId, ct);
        var target = new AuditTarget("host", hostId, row?.Name ?? hostId.ToString());
        if (await access.DemandAsync(caller, Permission.Simulate, target, ct) is { } denied)
        {
            return denied;
        }

        if (row is null)
        {
            return Refusal.NotFound("host", hostId.ToString());
        }

        if (state.Find(row.Endpoint) is not { } found)
        {
            return Refusal.Conflict("simulation.not_simulated", $"{row.Name} is not a simulated host.", "Choose a simulated host; a real one is changed on its console.");
        }

        state.Learn(row.Endpoint);
        var outcome = state.Change<Outcome<HostChange>>(() =>
        {
            var decided = decide(state.Find(found.Name) ?? found);
            return (decided, decided.Succeeded ? decided.Value.Changes : []);
        });
        if (!outcome.Succeeded)
        {
            return outcome.Refusal;
        }

        if (outcome.Value is { Sentence: not "" } change)
        {
            row.Hardware = (state.Find(found.Name) ?? found).Hardware;
            audit.Add(db, caller.Person, @event, target, $"Simulated host {row.Name} {change.Sentence}.");
            await db.SaveChangesAsync(ct);
            feed.Publish(Change.Of(ChangeTopic.Host, hostId));
            feed.Publish(Change.Of(ChangeTopic.Audit));
        }

        return Done.Value;
    }
}
