using System.Text;

namespace Portal.Core.Simulation.Boot;

/// <summary>What the firmware measures, in the order it does: itself, its configuration, option ROMs, Secure Boot, and who was let in.</summary>
internal static class FirmwareEvents
{
    public static readonly Guid EfiPartition = Seeded.Guid("efi system partition");

    /// <summary>Everything up to the separators, which end what the firmware says before it starts a boot loader.</summary>
    public static IEnumerable<BootEvent> BeforeBoot(FirmwareRecipe recipe)
    {
        var platform = Platform.Of(recipe.Model);
        return
        [
            .. Locality(platform),
            .. Code(platform, recipe),
            .. Configuration(platform, recipe),
            .. SecureBoot(platform, recipe),
            .. OptionRoms(platform),
            .. platform.Configuration.Select(text => BootEvent.OfData(6, TcgEventType.CompactHash, Encoding.ASCII.GetBytes(text + "\0"), text)),
            BootEvent.OfData(4, TcgEventType.Action, Encoding.ASCII.GetBytes("Calling EFI Application from Boot Option"), "Boot option called"),
            .. Enumerable.Range(0, 8).Select(BootEvent.Separator),
        ];
    }

    /// <summary>The entry of db that let shim in.</summary>
    public static BootEvent ShimAuthority() =>
        BootEvent.OfData(7, TcgEventType.VariableAuthority, UefiBytes.Variable(UefiBytes.ImageSecurity, "db", SecureBootKeys.ShimAuthority), "Secure Boot: db entry that vouches for shim");

    /// <summary>The partitions of the disk the machine boots from.</summary>
    public static BootEvent PartitionTable() =>
        BootEvent.OfData(5, TcgEventType.Gpt, UefiBytes.PartitionTable(Seeded.Guid("system disk"), EfiPartition), "Partition table");

    /// <summary>The firmware takes its leave.</summary>
    public static IEnumerable<BootEvent> ExitBootServices() =>
        new[] { "Exit Boot Services Invocation", "Exit Boot Services Returned with Success" }
            .Select(text => BootEvent.OfData(5, TcgEventType.Action, Encoding.ASCII.GetBytes(text), text));

    private static IEnumerable<BootEvent> Locality(Platform platform) => platform.StartupLocality == 0
        ? []
        : [BootEvent.OfData(0, TcgEventType.NoAction, [.. Encoding.ASCII.GetBytes("StartupLocality\0"), platform.StartupLocality], "Startup locality")];

    private static IEnumerable<BootEvent> Code(Platform platform, FirmwareRecipe recipe)
    {
        yield return new BootEvent(0, TcgEventType.CrtmContents, BootEvent.Content("crtm", platform.Model, recipe.Version), Encoding.ASCII.GetBytes("Measured S-CRTM\0"), $"S-CRTM of firmware {recipe.Version}");
        yield return BootEvent.OfData(0, TcgEventType.CrtmVersion, Encoding.Unicode.GetBytes(recipe.Version + "\0"), $"Firmware version {recipe.Version}");
        foreach (var volume in platform.Volumes)
        {
            yield return new BootEvent(
                0,
                TcgEventType.FirmwareBlob2,
                BootEvent.Content("volume", platform.Model, volume.Name, recipe.Version),
                UefiBytes.FirmwareBlob(volume.Name, volume.Base, volume.Length),
                $"{volume.Name} of firmware {recipe.Version}");
        }

        yield return new BootEvent(0, TcgEventType.PostCode, BootEvent.Content("acpi", platform.Model, recipe.Version), Encoding.ASCII.GetBytes("ACPI DATA"), $"ACPI tables of firmware {recipe.Version}");
        yield return BootEvent.OfData(0, TcgEventType.NonHostInfo, Encoding.ASCII.GetBytes($"{platform.Vendor} management controller\0"), "Management controller");
    }

    private static IEnumerable<BootEvent> Configuration(Platform platform, FirmwareRecipe recipe)
    {
        yield return new BootEvent(1, TcgEventType.CpuMicrocode, BootEvent.Content("microcode", platform.CpuModel, recipe.Version), Encoding.ASCII.GetBytes("CPU Microcode\0"), "CPU microcode");
        yield return new BootEvent(1, TcgEventType.HandoffTables2, BootEvent.Content("smbios", platform.Model, recipe.Version), UefiBytes.SmbiosTable("SmbiosTable"), "SMBIOS");
        yield return new BootEvent(1, TcgEventType.PlatformConfigFlags, BootEvent.Content("setup", platform.Model), Encoding.ASCII.GetBytes("Setup\0"), "Firmware settings");
        yield return BootVariable("BootOrder", [0, 0, 1, 0, 2, 0]);
        yield return BootVariable("Boot0000", UefiBytes.LoadOption("Red Hat Enterprise Linux", UefiBytes.DiskFilePath(EfiPartition, @"\EFI\redhat\shimx64.efi")));
        yield return BootVariable("Boot0001", UefiBytes.LoadOption("UEFI PXE", UefiBytes.OptionRomPath(2, 0x2000)));
        yield return BootVariable("Boot0002", UefiBytes.LoadOption("UEFI Shell", UefiBytes.ShimFilePath(@"\EFI\tools\shell.efi")));
    }

    private static IEnumerable<BootEvent> SecureBoot(Platform platform, FirmwareRecipe recipe)
    {
        yield return Policy(UefiBytes.GlobalVariable, "SecureBoot", [1]);
        yield return Policy(UefiBytes.GlobalVariable, "PK", SecureBootKeys.PlatformKey(platform.Vendor));
        yield return Policy(UefiBytes.GlobalVariable, "KEK", SecureBootKeys.KeyExchangeKeys(platform.Vendor));
        yield return Policy(UefiBytes.ImageSecurity, "db", SecureBootKeys.Allowed(platform.Vendor));
        yield return Policy(UefiBytes.ImageSecurity, "dbx", SecureBootKeys.Forbidden(recipe.Revocations));
    }

    private static IEnumerable<BootEvent> OptionRoms(Platform platform) => platform.OptionRoms.Select(rom => new BootEvent(
        2,
        TcgEventType.BootServicesDriver,
        BootEvent.Content("option rom", rom.Name, rom.Version),
        UefiBytes.ImageLoad(0x6B00_0000 + (rom.Device * 0x10_0000UL), rom.Length, UefiBytes.OptionRomPath(rom.Device, rom.Length)),
        $"Option ROM {rom.Name} {rom.Version}"));

    private static BootEvent Policy(Guid vendor, string name, byte[] data) =>
        BootEvent.OfData(7, TcgEventType.VariableDriverConfig, UefiBytes.Variable(vendor, name, data), $"Secure Boot: {name}");

    // The profile has the digest of EV_EFI_VARIABLE_BOOT over the variable's data alone.
    private static BootEvent BootVariable(string name, byte[] data) =>
        new(1, TcgEventType.VariableBoot, data, UefiBytes.Variable(UefiBytes.GlobalVariable, name, data), name);
}
