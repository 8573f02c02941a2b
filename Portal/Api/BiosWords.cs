using Portal.Core.Inventory;

namespace Portal.Api;

/// <summary>oVirt's words for board and firmware together. The exact machine type, where there is one, travels as <c>custom_emulated_machine</c>.</summary>
internal static class BiosWords
{
    public const string Field = "bios.type";

    private const string Q35 = "q35";
    private const string I440Fx = "pc";

    /// <summary>The word; null for a combination oVirt has none for.</summary>
    public static string? Of(string machineType, GuestFirmware firmware) => (Board(machineType), firmware) switch
    {
        ("", GuestFirmware.Bios) => "cluster_default",
        (I440Fx, GuestFirmware.Bios) => "i440fx_sea_bios",
        (Q35, GuestFirmware.Bios) => "q35_sea_bios",
        ("" or Q35, GuestFirmware.Uefi) => "q35_ovmf",
        ("" or Q35, GuestFirmware.SecureBoot) => "q35_secure_boot",
        _ => null,
    };

    /// <summary>Board and firmware of a word; null for a word that is none.</summary>
    public static (string MachineType, GuestFirmware Firmware)? Parse(string word) => word.ToLowerInvariant() switch
    {
        "cluster_default" => ("", GuestFirmware.Bios),
        "i440fx_sea_bios" => (I440Fx, GuestFirmware.Bios),
        "q35_sea_bios" => (Q35, GuestFirmware.Bios),
        "q35_ovmf" => (Q35, GuestFirmware.Uefi),
        "q35_secure_boot" => (Q35, GuestFirmware.SecureBoot),
        _ => null,
    };

    /// <summary>Whether two machine types are of one board, whatever their versions.</summary>
    public static bool AreAlike(string one, string other) => Board(one) is var board && board is Q35 or I440Fx && board == Board(other);

    private static string Board(string machineType) => machineType switch
    {
        "" => "",
        _ when machineType.StartsWith(Q35, StringComparison.Ordinal) || machineType.StartsWith("pc-q35", StringComparison.Ordinal) => Q35,
        I440Fx => I440Fx,
        _ when machineType.StartsWith("pc-i440fx", StringComparison.Ordinal) => I440Fx,
        _ => "other",
    };
}
