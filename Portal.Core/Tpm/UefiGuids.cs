namespace Portal.Core.Tpm;

/// <summary>Names of GUIDs that appear in boot logs. Sources: UEFI Specification; shim, README; EDK II.</summary>
internal static class UefiGuids
{
    public static readonly Guid X509 = new("a5c059a1-94e4-4aa7-87b5-ab155c2bf072");
    public static readonly Guid Sha256 = new("c1c41626-504c-4092-aca9-41f936934328");

    private static readonly Dictionary<Guid, string> s_names = new()
    {
        [new("8be4df61-93ca-11d2-aa0d-00e098032b8c")] = "EFI global",
        [new("d719b2cb-3d3a-4596-a3bc-dad00e67656f")] = "EFI image security",
        [new("605dab50-e046-4300-abb6-3dd810dd8b23")] = "shim",
        [new("77fa9abd-0359-4d32-bd60-28f4e78f784b")] = "Microsoft",
        [X509] = "certificate",
        [Sha256] = "SHA-256",
        [new("826ca512-cf10-4ac9-b187-be01496631bd")] = "SHA-1",
        [new("ff3e5307-9fd0-48c9-85f1-8ad56c701e01")] = "SHA-384",
        [new("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a")] = "SHA-512",
        [new("3c5766e8-269c-4e34-aa14-ed776e85b3b6")] = "RSA 2048 key",
        [new("3bd2a492-96c0-4079-b420-fcf98ef103ed")] = "certificate SHA-256",
        [new("eb9d2d31-2d88-11d3-9a16-0090273fc14d")] = "SMBIOS",
        [new("f2fd1544-9794-4a2c-992e-e5bbcf20e394")] = "SMBIOS 3",
        [new("eb9d2d30-2d88-11d3-9a16-0090273fc14d")] = "ACPI 1",
        [new("8868e871-e4f1-11d3-bc22-0080c73c8881")] = "ACPI 2",
        [new("5568e427-68fc-4f3d-ac74-ca555231cc68")] = "Linux initrd",
    };

    /// <summary>A known name, or the GUID itself.</summary>
    public static string Name(Guid guid) => s_names.GetValueOrDefault(guid) ?? guid.ToString();
}
