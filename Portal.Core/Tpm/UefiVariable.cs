using System.Globalization;

namespace Portal.Core.Tpm;

/// <summary>
/// A UEFI variable as an event claims it. Source: TCG PC Client Platform Firmware Profile, "UEFI_VARIABLE_DATA".
/// </summary>
/// <param name="Vendor">Who defines the name.</param>
/// <param name="Name">The variable's name, made safe to show.</param>
/// <param name="Value">Its value.</param>
public sealed record UefiVariable(Guid Vendor, string Name, ReadOnlyMemory<byte> Value)
{
    private const int HeaderSize = 32;

    /// <summary>Null when the event data is no variable.</summary>
    internal static UefiVariable? Read(ReadOnlyMemory<byte> data)
    {
        if (data.Length < HeaderSize)
            return null;
        var reader = new TpmReader(data.Span, littleEndian: true);
        var vendor = new Guid(reader.Take(16));
        ulong nameLength = reader.U64(), valueLength = reader.U64();
        var room = (ulong)reader.Remaining;
        if (nameLength > room / 2 || valueLength != room - 2 * nameLength)
            return null;
        return new(vendor, ClaimedText.FromUtf16(reader.Take(2 * (long)nameLength)), data[(HeaderSize + 2 * (int)nameLength)..]);
    }

    /// <summary>The value as text, and more lines when it is a list of keys and hashes.</summary>
    internal (string Text, IReadOnlyList<string> Details) Describe()
    {
        var value = Value.Span;
        if (value.IsEmpty)
            return ("empty", []);
        if (Name is "SecureBoot" or "SetupMode" or "DeployedMode" or "AuditMode" && value.Length == 1)
            return (value[0] switch { 0 => "off", 1 => "on", _ => ClaimedText.Hex(value) }, []);
        if (Name is "BootOrder" && value.Length % 2 == 0)
            return (BootOrder(value), []);
        if (IsBootOption && LoadOption(value) is { } option)
            return (option, []);
        if (SignatureList.Read(Value) is { } list)
            return ($"{Count(list.Certificates, "certificate")}, {Count(list.Hashes, "hash", "hashes")}", list.Lines);
        if (SignatureList.ReadSingle(value) is { } subject)
            return (subject, []);
        return (ClaimedText.TextOrHex(value), []);
    }

    private bool IsBootOption =>
        Name.Length == 8 && Name.StartsWith("Boot", StringComparison.Ordinal) && Name.AsSpan(4).IndexOfAnyExcept("0123456789ABCDEFabcdef") < 0;

    private static string BootOrder(ReadOnlySpan<byte> value)
    {
        const int shown = 16;
        var reader = new TpmReader(value, littleEndian: true);
        var order = new List<string>();
        while (reader.Remaining > 0 && order.Count < shown)
            order.Add(reader.U16().ToString("X4", CultureInfo.InvariantCulture));
        if (reader.Remaining > 0)
            order.Add("…");
        return string.Join(", ", order);
    }

    /// <summary>Source: UEFI Specification, "EFI_LOAD_OPTION".</summary>
    private static string? LoadOption(ReadOnlySpan<byte> value)
    {
        var reader = new TpmReader(value, littleEndian: true);
        reader.U32();
        var pathLength = reader.U16();
        var rest = value[Math.Min(6, value.Length)..];
        var end = 0;
        while (end + 1 < rest.Length && (rest[end] | rest[end + 1]) != 0)
            end += 2;
        if (reader.Failed || end + 2 + pathLength > rest.Length)
            return null;
        var path = DevicePath.Read(rest.Slice(end + 2, pathLength));
        return $"\"{ClaimedText.FromUtf16(rest[..end])}\" {path.File ?? path.Text}";
    }

    private static string Count(int count, string one, string? many = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? one : many ?? one + "s")}");
}
