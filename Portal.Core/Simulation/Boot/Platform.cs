using System.Collections.Immutable;

namespace Portal.Core.Simulation.Boot;

/// <summary>A volume of firmware code, measured into PCR 0.</summary>
internal sealed record FirmwareVolume(string Name, ulong Base, ulong Length);

/// <summary>An add-in card whose option ROM is measured into PCR 2.</summary>
internal sealed record OptionRom(string Name, string Version, byte Device, ulong Length);

/// <summary>A hardware model as its vendor builds it. Names are plausible, contents are made up.</summary>
internal sealed record Platform
{
    /// <summary>SMBIOS manufacturer.</summary>
    public required string Vendor { get; init; }

    /// <summary>SMBIOS product name; unique.</summary>
    public required string Model { get; init; }

    /// <summary>CPU model name.</summary>
    public required string CpuModel { get; init; }

    /// <summary>Logical CPUs.</summary>
    public required int Cpus { get; init; }

    /// <summary>Memory for VMs in bytes, at least.</summary>
    public required long Memory { get; init; }

    /// <summary>Firmware versions, oldest first; the first is the one a new host has.</summary>
    public required ImmutableArray<string> FirmwareVersions { get; init; }

    /// <summary>Release dates of <see cref="FirmwareVersions"/>, as the vendor writes them.</summary>
    public required ImmutableArray<string> FirmwareDates { get; init; }

    /// <summary>TPM firmware version as it stands in every quote.</summary>
    public required ulong TpmFirmware { get; init; }

    /// <summary>Locality of TPM2_Startup: 0, or 3 when the CRTM runs before it; then PCR 0 does not start at zero.</summary>
    public byte StartupLocality { get; init; }

    /// <summary>Algorithm ids of the banks the firmware measures into; SHA-256 always.</summary>
    public ImmutableArray<ushort> Banks { get; init; } = [TcgAlgorithm.Sha256];

    public required ImmutableArray<FirmwareVolume> Volumes { get; init; }

    public required ImmutableArray<OptionRom> OptionRoms { get; init; }

    /// <summary>What the vendor measures into PCR 6, if anything.</summary>
    public ImmutableArray<string> Configuration { get; init; } = [];

    /// <summary>The models a fleet is made of.</summary>
    public static ImmutableArray<Platform> Catalogue { get; } =
    [
        new()
        {
            Vendor = "Dell Inc.",
            Model = "PowerEdge R760",
            CpuModel = "Intel(R) Xeon(R) Gold 6430",
            Cpus = 128,
            Memory = 512L << 30,
            FirmwareVersions = ["2.19.1", "2.20.0", "2.21.1"],
            FirmwareDates = ["03/14/2025", "06/20/2025", "09/05/2025"],
            TpmFirmware = 0x0007_0002_0005_0001,
            Volumes =
            [
                new("Boot Guard ACM", 0xFFD0_0000, 0x4_0000),
                new("PEI Volume", 0xFFA0_0000, 0x30_0000),
                new("DXE Volume", 0xFE80_0000, 0x120_0000),
                new("Backup Volume", 0xFE00_0000, 0x80_0000),
            ],
            OptionRoms =
            [
                new("PERC H965i", "8.8.0.0", 0, 0x3_B400),
                new("BCM57508 100GbE", "22.91.7", 2, 0x2_1800),
                new("BOSS-N1", "2.1.13.2025", 5, 0x1_0200),
            ],
            Configuration = ["Dell Configuration Information 1", "Dell Configuration Information 2"],
        },
        new()
        {
            Vendor = "HPE",
            Model = "ProLiant DL380 Gen11",
            CpuModel = "Intel(R) Xeon(R) Platinum 8462Y+",
            Cpus = 128,
            Memory = 384L << 30,
            FirmwareVersions = ["U54 2.10", "U54 2.16", "U54 2.20"],
            FirmwareDates = ["01/17/2025", "05/23/2025", "08/29/2025"],
            TpmFirmware = 0x0001_0202_0000_0000,
            StartupLocality = 3,
            Banks = [TcgAlgorithm.Sha256, TcgAlgorithm.Sha384],
            Volumes =
            [
                new("Silicon Root of Trust", 0xFFF0_0000, 0x1_0000),
                new("System ROM PEI", 0xFFB0_0000, 0x28_0000),
                new("System ROM DXE", 0xFF00_0000, 0xA0_0000),
            ],
            OptionRoms =
            [
                new("MR416i-p Gen11", "52.26.3", 1, 0x4_0600),
                new("MCX631432AS 25GbE", "26.41.1000", 3, 0x2_4000),
            ],
        },
        new()
        {
            Vendor = "Lenovo",
            Model = "ThinkSystem SR650 V3",
            CpuModel = "Intel(R) Xeon(R) Gold 6426Y",
            Cpus = 64,
            Memory = 256L << 30,
            FirmwareVersions = ["ESE122T-3.10", "ESE124V-3.20", "ESE126X-3.30"],
            FirmwareDates = ["02/11/2025", "06/03/2025", "09/18/2025"],
            TpmFirmware = 0x0007_0055_0009_2C00,
            Volumes =
            [
                new("LXPM Boot Block", 0xFFC0_0000, 0x8_0000),
                new("UEFI PEI Volume", 0xFFA8_0000, 0x18_0000),
                new("UEFI DXE Volume", 0xFE90_0000, 0x110_0000),
            ],
            OptionRoms =
            [
                new("RAID 940-16i", "7.26.04.00", 0, 0x3_9000),
                new("E810-DA4 25GbE", "4.60", 4, 0x2_8A00),
            ],
        },
    ];

    /// <summary>A model of the catalogue by name.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static Platform Of(string model) =>
        Catalogue.FirstOrDefault(p => string.Equals(p.Model, model, StringComparison.Ordinal))
        ?? throw new ArgumentException($"No simulated hardware model is called '{model}'.", nameof(model));
}
