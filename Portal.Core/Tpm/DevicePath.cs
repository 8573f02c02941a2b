using System.Globalization;
using System.Text;

namespace Portal.Core.Tpm;

/// <summary>A UEFI device path as text. Source: UEFI Specification, "Device Path Nodes".</summary>
/// <param name="Text">All nodes, joined by slashes.</param>
/// <param name="File">The file part alone, such as <c>\EFI\redhat\grubx64.efi</c>; null when the path names no file.</param>
internal sealed record DevicePath(string Text, string? File)
{
    private const int NodeHeader = 4;
    private const int MaxNodes = 64;
    private const byte EndType = 0x7F;

    public static DevicePath Read(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        var file = new StringBuilder();
        for (var node = 0; node < MaxNodes && bytes.Length >= NodeHeader && bytes[0] != EndType; node++)
        {
            var length = bytes[2] | bytes[3] << 8;
            if (length < NodeHeader || length > bytes.Length)
            {
                Join(text, '/', "?");
                break;
            }
            var data = bytes[NodeHeader..length];
            if ((bytes[0], bytes[1]) == (4, 4))
            {
                var name = ClaimedText.FromUtf16(data);
                Join(file, '\\', name);
                Join(text, '/', name);
            }
            else
            {
                Join(text, '/', Node(bytes[0], bytes[1], data));
            }
            bytes = bytes[length..];
        }
        return new(Cut(text), file.Length == 0 ? null : Cut(file));
    }

    private static string Node(byte type, byte subtype, ReadOnlySpan<byte> data)
    {
        var reader = new TpmReader(data, littleEndian: true);
        return (type, subtype) switch
        {
            (1, 1) when data.Length == 2 => Line($"Pci({data[1]:x},{data[0]:x})"),
            (1, 4) when data.Length >= 16 => Line($"Hardware({UefiGuids.Name(new Guid(data[..16]))})"),
            (2, 1) when data.Length == 8 => Acpi(reader.U32(), reader.U32()),
            (3, 2) when data.Length == 4 => Line($"Scsi({reader.U16():x},{reader.U16():x})"),
            (3, 5) when data.Length == 2 => Line($"USB({data[0]:x},{data[1]:x})"),
            (3, 11) when data.Length >= 6 => Line($"MAC({Convert.ToHexStringLower(data[..6])})"),
            (3, 12) => "IPv4",
            (3, 13) => "IPv6",
            (3, 18) when data.Length == 6 => Line($"Sata({reader.U16():x})"),
            (3, 23) when data.Length >= 4 => Line($"NVMe({reader.U32():x})"),
            (3, 24) => $"Uri({ClaimedText.Guess(data) ?? ""})",
            (4, 1) when data.Length >= 36 => Line($"HD({reader.U32()},{new Guid(data.Slice(20, 16))})"),
            (4, 2) when data.Length >= 4 => Line($"CD({reader.U32()})"),
            (4, 3) when data.Length >= 16 => Line($"Media({UefiGuids.Name(new Guid(data[..16]))})"),
            (4, 6) when data.Length == 16 => Line($"FvFile({new Guid(data)})"),
            (4, 7) when data.Length == 16 => Line($"Fv({new Guid(data)})"),
            (4, 8) => "Offset",
            _ => Line($"Path({type:x},{subtype:x})"),
        };
    }

    private static string Acpi(uint hid, uint uid)
    {
        const uint pciRoot = 0x0A0341D0, pcieRoot = 0x0A0841D0;
        return hid is pciRoot or pcieRoot ? Line($"PciRoot({uid:x})") : Line($"Acpi({hid:x8},{uid:x})");
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static void Join(StringBuilder path, char separator, string part)
    {
        if (path.Length > 0 && path[^1] != separator && !part.StartsWith(separator))
            path.Append(separator);
        path.Append(part);
    }

    private static string Cut(StringBuilder path) => ClaimedText.Safe(path.ToString());
}
