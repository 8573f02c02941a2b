using System.Security.Cryptography;
using System.Text;

namespace Portal.Core.Simulation.Boot;

/// <summary>Algorithm ids of the TCG registry that the simulation writes.</summary>
internal static class TcgAlgorithm
{
    public const ushort Rsa = 0x0001;
    public const ushort Sha1 = 0x0004;
    public const ushort Sha256 = 0x000B;
    public const ushort Sha384 = 0x000C;
    public const ushort Null = 0x0010;
    public const ushort RsaSsa = 0x0014;
    public const ushort EcDsa = 0x0018;
    public const ushort Ecc = 0x0023;

    public static int DigestSize(ushort bank) => Hash(bank, []).Length;

    public static byte[] Hash(ushort bank, ReadOnlySpan<byte> bytes) => bank switch
    {
        Sha256 => SHA256.HashData(bytes),
        Sha384 => SHA384.HashData(bytes),
        Sha1 => LegacySha1(bytes),
        _ => throw new ArgumentOutOfRangeException(nameof(bank), bank, "The simulation has no such bank."),
    };

    // Only the simulated faults speak SHA-1, so that its refusal can be tested.
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5350", Justification = "A fault to be refused.")]
    private static byte[] LegacySha1(ReadOnlySpan<byte> bytes) => SHA1.HashData(bytes);
}

/// <summary>Event types of the TCG PC Client Platform Firmware Profile, section 10.4.1.</summary>
internal static class TcgEventType
{
    public const uint PostCode = 0x1;
    public const uint NoAction = 0x3;
    public const uint Separator = 0x4;
    public const uint CrtmContents = 0x7;
    public const uint CrtmVersion = 0x8;
    public const uint CpuMicrocode = 0x9;
    public const uint PlatformConfigFlags = 0xA;
    public const uint CompactHash = 0xC;
    public const uint Ipl = 0xD;
    public const uint NonHostInfo = 0x11;
    public const uint VariableDriverConfig = 0x8000_0001;
    public const uint VariableBoot = 0x8000_0002;
    public const uint BootServicesApplication = 0x8000_0003;
    public const uint BootServicesDriver = 0x8000_0004;
    public const uint Gpt = 0x8000_0006;
    public const uint Action = 0x8000_0007;
    public const uint FirmwareBlob2 = 0x8000_000A;
    public const uint HandoffTables2 = 0x8000_000B;
    public const uint VariableAuthority = 0x8000_00E0;
}

/// <summary>One measurement.</summary>
/// <param name="Pcr">Where to.</param>
/// <param name="Type">TCG event type.</param>
/// <param name="Measured">The bytes whose digest is extended.</param>
/// <param name="Data">What the log says of it.</param>
/// <param name="Label">What a person calls it.</param>
internal sealed record BootEvent(int Pcr, uint Type, byte[] Measured, byte[] Data, string Label)
{
    /// <summary>Whether it changes its PCR; an EV_NO_ACTION never does.</summary>
    public bool IsExtended => Type != TcgEventType.NoAction;

    /// <summary>An event whose digest is over its own data.</summary>
    public static BootEvent OfData(int pcr, uint type, byte[] data, string label) => new(pcr, type, data, data, label);

    /// <summary>Four zero bytes: the end of what firmware measures into the PCR.</summary>
    public static BootEvent Separator(int pcr) => OfData(pcr, TcgEventType.Separator, new byte[4], "Separator");

    /// <summary>The content of a simulated file or ROM: short, and unlike that of any other.</summary>
    public static byte[] Content(params ReadOnlySpan<string> words) => Encoding.UTF8.GetBytes($"simulated\n{string.Join('\n', words)}\n");
}
