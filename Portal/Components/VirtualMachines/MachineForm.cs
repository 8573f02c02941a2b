using System.Globalization;
using Microsoft.AspNetCore.Components;
using Portal.Core.Inventory;

namespace Portal.Components.VirtualMachines;

/// <summary>What inputs of machines, be it a VM's or a template's, read and write.</summary>
internal static class MachineForm
{
    /// <summary>Boards to choose from; an exact type that is there already stays among them.</summary>
    public static IEnumerable<(string Type, string Words)> Boards(string present)
    {
        (string Type, string Words)[] known = [("", "The hypervisor's default"), ("q35", "Q35 (PCI Express)"), ("pc", "i440FX (older systems)")];
        return Array.Exists(known, k => k.Type == present) ? known : [.. known, (present, present)];
    }

    public static string Word(this GuestFirmware firmware) => firmware switch
    {
        GuestFirmware.Bios => "BIOS",
        GuestFirmware.Uefi => "UEFI",
        GuestFirmware.SecureBoot => "UEFI with Secure Boot",
    };

    public static string BoardWord(string machineType) => Boards(machineType).First(b => b.Type == machineType).Words;

    /// <summary>Where a disk is and what it began as, in words.</summary>
    public static string DiskWords(string pool, string image) => (pool, image) switch
    {
        ("", _) => "no disk in a storage pool",
        (_, "") => $"empty, in storage pool {pool}",
        _ => $"clone of {image} in storage pool {pool}",
    };

    public static string Text(ChangeEventArgs e) => e.Value as string ?? "";

    public static int? Whole(ChangeEventArgs e) => int.TryParse(e.Value as string, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : null;

    public static GuestFirmware? Firmware(ChangeEventArgs e) => Enum.TryParse<GuestFirmware>(e.Value as string, out var firmware) ? firmware : null;

    public static long? FromGib(ChangeEventArgs e) =>
        decimal.TryParse(e.Value as string, NumberStyles.Float, CultureInfo.InvariantCulture, out var gib) && Math.Abs(gib) < 1_000_000
            ? (long)decimal.Round(gib * (1L << 30))
            : null;

    public static string Gib(long bytes) => ((decimal)bytes / (1L << 30)).ToString("0.###", CultureInfo.InvariantCulture);
}
