using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Core.Tpm;

/// <summary>
/// The keys and hashes in PK, KEK, db, dbx and the like, as readable lines.
/// Source: UEFI Specification, "EFI_SIGNATURE_LIST" and "EFI_SIGNATURE_DATA".
/// </summary>
/// <param name="Certificates">How many certificates.</param>
/// <param name="Hashes">How many other entries, most of them hashes of images.</param>
/// <param name="Lines">The first entries, one line each.</param>
internal sealed record SignatureList(int Certificates, int Hashes, IReadOnlyList<string> Lines)
{
    public const int MaxLines = 64;

    private const int ListHeader = 28;
    private const int OwnerSize = 16;
    private const int MaxCertificate = 16 * 1024;

    /// <summary>Null when the bytes are no signature lists.</summary>
    public static SignatureList? Read(ReadOnlySpan<byte> bytes)
    {
        int certificates = 0, hashes = 0;
        var lines = new List<string>();
        while (!bytes.IsEmpty)
        {
            if (bytes.Length < ListHeader)
                return null;
            var reader = new TpmReader(bytes[..ListHeader], littleEndian: true);
            var type = new Guid(reader.Take(16));
            uint listSize = reader.U32(), headerSize = reader.U32(), entrySize = reader.U32();
            if (listSize < ListHeader || listSize > bytes.Length || headerSize > listSize - ListHeader || entrySize <= OwnerSize)
                return null;
            var entries = bytes[(ListHeader + (int)headerSize)..(int)listSize];
            if (entries.Length % entrySize != 0)
                return null;
            for (; !entries.IsEmpty; entries = entries[(int)entrySize..])
            {
                if (type == UefiGuids.X509)
                    certificates++;
                else
                    hashes++;
                if (lines.Count < MaxLines)
                    lines.Add(Entry(type, entries[..(int)entrySize]));
            }
            bytes = bytes[(int)listSize..];
        }
        if (certificates + hashes > lines.Count)
            lines.Add($"and {certificates + hashes - lines.Count} more");
        return new(certificates, hashes, lines);
    }

    /// <summary>One owner and certificate without a list around it, as authority events hold; null when it is none.</summary>
    public static string? ReadSingle(ReadOnlySpan<byte> bytes) =>
        bytes.Length > OwnerSize && Subject(bytes[OwnerSize..]) is { } subject ? subject : null;

    private static string Entry(Guid type, ReadOnlySpan<byte> entry)
    {
        var owner = UefiGuids.Name(new Guid(entry[..OwnerSize]));
        var data = entry[OwnerSize..];
        var text = type == UefiGuids.X509
            ? Subject(data) ?? "unreadable certificate"
            : $"{UefiGuids.Name(type)} {Convert.ToHexStringLower(data[..Math.Min(data.Length, TpmHash.MaxDigestSize)])}";
        return $"{text} (owner {owner})";
    }

    private static string? Subject(ReadOnlySpan<byte> certificate)
    {
        if (certificate.Length > MaxCertificate)
            return null;
        try
        {
            using var parsed = X509CertificateLoader.LoadCertificate(certificate);
            return ClaimedText.Safe(parsed.Subject);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
