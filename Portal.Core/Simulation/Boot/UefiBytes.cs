namespace Portal.Core.Simulation.Boot;

/// <summary>Structures of the UEFI specification as event data carries them.</summary>
internal static class UefiBytes
{
    public static readonly Guid GlobalVariable = new("8be4df61-93ca-11d2-aa0d-00e098032b8c");
    public static readonly Guid ImageSecurity = new("d719b2cb-3d3a-4596-a3bc-dad00e67656f");
    public static readonly Guid ShimLock = new("605dab50-e046-4300-abb6-3dd810dd8b23");

    private static readonly Guid X509 = new("a5c059a1-94e4-4aa7-87b5-ab155c2bf072");
    private static readonly Guid Sha256 = new("c1c41626-504c-4092-aca9-41f936934328");
    private static readonly Guid EfiSystemPartition = new("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    private static readonly Guid LinuxFileSystem = new("0fc63daf-8483-4772-8e79-3d69d8477de4");

    /// <summary>UEFI_VARIABLE_DATA: vendor, lengths in characters and bytes, name without its NUL, data.</summary>
    public static byte[] Variable(Guid vendor, string name, ReadOnlySpan<byte> data) =>
        StructureWriter.LittleEndian().Guid(vendor).UInt64((ulong)name.Length).UInt64((ulong)data.Length).Utf16(name).Bytes(data).ToArray();

    /// <summary>EFI_SIGNATURE_LIST of one X.509 certificate.</summary>
    public static byte[] CertificateList(Guid owner, ReadOnlySpan<byte> certificate)
    {
        var signatureSize = (uint)(16 + certificate.Length);
        return StructureWriter.LittleEndian()
            .Guid(X509).UInt32(28 + signatureSize).UInt32(0).UInt32(signatureSize)
            .Guid(owner).Bytes(certificate).ToArray();
    }

    /// <summary>EFI_SIGNATURE_LIST of SHA-256 digests, as dbx holds them.</summary>
    public static byte[] DigestList(Guid owner, IReadOnlyCollection<byte[]> digests)
    {
        const uint SignatureSize = 16 + 32;
        var list = StructureWriter.LittleEndian().Guid(Sha256).UInt32(28 + (SignatureSize * (uint)digests.Count)).UInt32(0).UInt32(SignatureSize);
        foreach (var digest in digests)
        {
            list.Guid(owner).Bytes(digest);
        }

        return list.ToArray();
    }

    /// <summary>EFI_SIGNATURE_DATA: the one entry of db that vouched for an image.</summary>
    public static byte[] SignatureData(Guid owner, ReadOnlySpan<byte> certificate) =>
        StructureWriter.LittleEndian().Guid(owner).Bytes(certificate).ToArray();

    /// <summary>UEFI_IMAGE_LOAD_EVENT: where an image was loaded, and its device path.</summary>
    public static byte[] ImageLoad(ulong location, ulong length, ReadOnlySpan<byte> devicePath) =>
        StructureWriter.LittleEndian().UInt64(location).UInt64(length).UInt64(0).UInt64((ulong)devicePath.Length).Bytes(devicePath).ToArray();

    /// <summary>UEFI_PLATFORM_FIRMWARE_BLOB2: description, base, length.</summary>
    public static byte[] FirmwareBlob(string description, ulong start, ulong length) =>
        StructureWriter.LittleEndian().Byte((byte)description.Length).Ascii(description).UInt64(start).UInt64(length).ToArray();

    /// <summary>UEFI_HANDOFF_TABLE_POINTERS2 with the one table that matters, SMBIOS 3.</summary>
    public static byte[] SmbiosTable(string description) =>
        StructureWriter.LittleEndian().Byte((byte)description.Length).Ascii(description)
            .UInt64(1).Guid(new Guid("f2fd1544-9794-4a2c-992e-e5bbcf20e394")).UInt64(0x6E9F_0000).ToArray();

    /// <summary>Device path of a file on the EFI system partition of the first NVMe disk.</summary>
    public static byte[] DiskFilePath(Guid partition, string path) =>
        Nodes(Pci(0), Nvme(), Partition(partition), FilePath(path), End);

    /// <summary>Device path shim gives to what it loads: the file alone.</summary>
    public static byte[] ShimFilePath(string path) => Nodes(FilePath(path), End);

    /// <summary>Device path of the option ROM of a PCI device.</summary>
    public static byte[] OptionRomPath(byte device, ulong length) =>
        Nodes(Pci(device), StructureWriter.LittleEndian().Byte(4).Byte(8).UInt16(24).UInt32(0).UInt64(0x4C00).UInt64(0x4C00 + length).ToArray(), End);

    /// <summary>EFI_LOAD_OPTION: active, description, device path.</summary>
    public static byte[] LoadOption(string description, byte[] devicePath) =>
        StructureWriter.LittleEndian().UInt32(1).UInt16((ushort)devicePath.Length).Utf16(description + "\0").Bytes(devicePath).ToArray();

    /// <summary>UEFI_GPT_DATA: header and the partitions in use.</summary>
    public static byte[] PartitionTable(Guid disk, Guid efiPartition)
    {
        var table = StructureWriter.LittleEndian()
            .Ascii("EFI PART").UInt32(0x0001_0000).UInt32(92).UInt32(0x5B1C_0E77).UInt32(0)
            .UInt64(1).UInt64(0x37E3_E92F).UInt64(34).UInt64(0x37E3_E90E)
            .Guid(disk).UInt64(2).UInt32(128).UInt32(128).UInt32(0x9A3D_11F2)
            .UInt64(3);
        Entry(EfiSystemPartition, efiPartition, 0x800, 0x12_C7FF, "EFI System Partition");
        Entry(LinuxFileSystem, Seeded.Guid("boot partition"), 0x12_C800, 0x32_C7FF, "boot");
        Entry(new Guid("e6d6d379-f507-44c2-a23c-238f2a3df928"), Seeded.Guid("lvm partition"), 0x32_C800, 0x37E3_E7FF, "lvm");
        return table.ToArray();

        void Entry(Guid type, Guid id, ulong first, ulong last, string name) =>
            table.Guid(type).Guid(id).UInt64(first).UInt64(last).UInt64(0).Utf16(name.PadRight(36, '\0'));
    }

    private static byte[] End => [0x7F, 0xFF, 4, 0];

    private static byte[] Pci(byte device) =>
        StructureWriter.LittleEndian().Byte(2).Byte(1).UInt16(12).UInt32(0x0A03_41D0).UInt32(0).Byte(1).Byte(1).UInt16(6).Byte(0).Byte(device).ToArray();

    private static byte[] Nvme() => StructureWriter.LittleEndian().Byte(3).Byte(23).UInt16(16).UInt32(1).UInt64(0x0053_C1A4_4B05_2500).ToArray();

    private static byte[] Partition(Guid partition) =>
        StructureWriter.LittleEndian().Byte(4).Byte(1).UInt16(42).UInt32(1).UInt64(0x800).UInt64(0x12_C000).Guid(partition).Byte(2).Byte(2).ToArray();

    private static byte[] FilePath(string path) =>
        StructureWriter.LittleEndian().Byte(4).Byte(4).UInt16((ushort)(4 + ((path.Length + 1) * 2))).Utf16(path + "\0").ToArray();

    private static byte[] Nodes(params ReadOnlySpan<byte[]> nodes) => [.. nodes.ToArray().SelectMany(n => n)];
}
