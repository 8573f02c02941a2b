using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Storage;

namespace Portal.Core.Simulation;

/// <summary>What happens to the demo fleet once its hosts are enrolled and trusted: a boot loader and a firmware change, and a host falls silent.</summary>
/// <param name="fleet">The simulated hosts.</param>
/// <param name="state">The simulated world, which remembers that the story began.</param>
/// <param name="actions">What can happen to a host.</param>
/// <param name="contexts">The portal's database, which knows the hosts by id.</param>
public sealed class DemoStory(SimulatedFleet fleet, SimulationState state, SimulatedHostActions actions, IDbContextFactory<PortalDbContext> contexts)
{
    private const string Note = "story";

    private static readonly Caller Narrator = Caller.With(Person.Portal, Role.Administrator);

    /// <summary>Whether it began, at this start or an earlier one.</summary>
    public bool HasBegun => state.File.Note(Note) is not null;

    /// <summary>Lets it happen, once in the life of the simulation's file. Call it after the first round of attestation; hosts not in the inventory are left out.</summary>
    public async Task BeginAsync(CancellationToken ct)
    {
        if (HasBegun)
        {
            return;
        }

        foreach (var host in fleet.Hosts.Where(h => fleet.PartOf(h.Name) != DemoPart.Trusted))
        {
            await PlayAsync(host, ct);
        }

        state.Change<bool>(() => (true, [new FileChange.Noted(Note, "begun")]));
    }

    private async Task PlayAsync(SimulatedHost host, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Name == host.Name, ct) is not { } row)
        {
            return;
        }

        // After a start that was cut short, what already happened does not happen again.
        var isNew = host.Installed == host.Original;
        switch (fleet.PartOf(host.Name))
        {
            case DemoPart.BootLoaderChanged when isNew:
                await actions.UpdateBootLoaderAsync(Narrator, row.Id, reboot: true, ct);
                break;
            case DemoPart.FirmwareChanged when isNew:
                await actions.UpdateFirmwareAsync(Narrator, row.Id, reboot: true, ct);
                break;
            case DemoPart.GoesSilent:
                await actions.GoSilentAsync(Narrator, row.Id, ct);
                break;
            case DemoPart.BootLoaderChanged or DemoPart.FirmwareChanged or DemoPart.Trusted or DemoPart.NeverEnrolled:
                break;
        }
    }
}
