using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Boot;
using Portal.Core.Tpm;

namespace Portal.E2E.Load;

/// <summary>What a simulated fleet ought to boot, as baselines.</summary>
internal static class References
{
    /// <summary>As a set in force, without a database.</summary>
    public static ApprovedSet Approved(SimulatedFleet fleet) => new(
        Guid.NewGuid(),
        1,
        BaselineKinds.Firmware | BaselineKinds.Hypervisor,
        [.. fleet.References.Select(r => new ApprovedRevision(Guid.NewGuid(), Guid.NewGuid(), NameOf(r), 1, KindOf(r), ContentOf(r)))]);

    public static BaselineKinds KindOf(ReferenceImage reference) => reference.Kind == ReferenceKind.Firmware ? BaselineKinds.Firmware : BaselineKinds.Hypervisor;

    public static string NameOf(ReferenceImage reference) => new([.. reference.Name.Split(':')[0].Where(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ' ')]);

    public static BaselineContent ContentOf(ReferenceImage reference) => new(
        (ushort)TpmAlgorithm.Sha256,
        [.. reference.Pcrs.Select(pcr => new PcrReference(pcr, [], [.. reference.Events.Where(e => e.Pcr == pcr).Select(e => new EventReference(e.EventType, [e.Sha256], "", e.Optional))]))],
        [],
        "");
}
