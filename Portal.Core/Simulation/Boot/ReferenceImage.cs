using System.Collections.Immutable;

namespace Portal.Core.Simulation.Boot;

/// <summary>Which side of a boot a reference describes.</summary>
public enum ReferenceKind
{
    /// <summary>PCR 0, 2 and 7. PCR 3 holds nothing but its separator and would tell no host from another.</summary>
    Firmware,

    /// <summary>PCR 4, 8, 9 and 14.</summary>
    Hypervisor,
}

/// <summary>An event that a vendor's reference says a boot measures.</summary>
/// <param name="Pcr">Where to.</param>
/// <param name="EventType">TCG event type.</param>
/// <param name="Sha256">Digest, lower-case hexadecimal.</param>
/// <param name="Label">What a person calls it, with the version.</param>
/// <param name="Optional">Whether it may be absent.</param>
public sealed record ReferenceEvent(int Pcr, uint EventType, string Sha256, string Label, bool Optional);

/// <summary>What a vendor would publish of a firmware or of an operating system: the events to expect, in order within each PCR. PCR 1, 3, 5 and 6 are not covered.</summary>
/// <param name="Name">Short, of letters, digits, dots, hyphens and spaces: for example <c>PowerEdge R760 firmware 2.19.1</c>.</param>
/// <param name="Description">What it is made of, for example <c>RHEL 9.6 hypervisor: shim 15.8, GRUB 2.06-61, kernel 5.14.0-570.12.1</c>.</param>
/// <param name="Kind">Which side.</param>
/// <param name="Pcrs">The PCRs it covers, ascending.</param>
/// <param name="Events">The events of those PCRs.</param>
public sealed record ReferenceImage(string Name, string Description, ReferenceKind Kind, ImmutableArray<int> Pcrs, ImmutableArray<ReferenceEvent> Events)
{
    private static readonly ImmutableArray<int> FirmwarePcrs = [0, 2, 7];
    private static readonly ImmutableArray<int> HypervisorPcrs = [4, 8, 9, 14];

    /// <summary>What to expect of the firmware of a boot.</summary>
    public static ReferenceImage OfFirmware(BootRecipe recipe) => Of(recipe.Firmware.Name, recipe.Firmware.Description, ReferenceKind.Firmware, FirmwarePcrs, recipe);

    /// <summary>What to expect of the boot loader and kernel of a boot.</summary>
    public static ReferenceImage OfHypervisor(BootRecipe recipe) => Of(recipe.Hypervisor.Name, recipe.Hypervisor.Description, ReferenceKind.Hypervisor, HypervisorPcrs, recipe);

    private static ReferenceImage Of(string name, string description, ReferenceKind kind, ImmutableArray<int> pcrs, BootRecipe recipe) => new(
        name,
        description,
        kind,
        pcrs,
        [
            .. BootImage.Of(recipe).Events
                .Where(e => e.IsExtended && pcrs.Contains(e.Pcr))
                .Select(e => new ReferenceEvent(e.Pcr, e.Type, Convert.ToHexStringLower(TcgAlgorithm.Hash(TcgAlgorithm.Sha256, e.Measured)), e.Label, Optional: false)),
        ]);
}
