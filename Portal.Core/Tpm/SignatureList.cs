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
    public static SignatureList? Read(ReadOnlyMemory<byte> bytes)
    {
        if (Entries(bytes) is not { } entries)
            return null;
        var certificates = entries.Count(e => e.Type == UefiGuids.X509);
        return new(certificates, entries.Count - certificates, Tell(entries));
    }

    /// <summary>Every entry, in order; null when the bytes are no signature lists.</summary>
    public static IReadOnlyList<SignatureEntry>? Entries(ReadOnlyMemory<byte> bytes)
    {
        var found = new List<SignatureEntry>();
        while (!bytes.IsEmpty)
        {
            if (bytes.Length < ListHeader)
                return null;
            var reader = new TpmReader(bytes.Span[..ListHeader], littleEndian: true);
            var type = new Guid(reader.Take(16));
            uint listSize = reader.U32(), headerSize = reader.U32(), entrySize = reader.U32();
            if (listSize < ListHeader || listSize > bytes.Length || headerSize > listSize - ListHeader || entrySize <= OwnerSize)
                return null;
            var entries = bytes[(ListHeader + (int)headerSize)..(int)listSize];
            if (entries.Length % entrySize != 0)
                return null;
            for (; !entries.IsEmpty; entries = entries[(int)entrySize..])
                found.Add(new(type, entries[..(int)entrySize]));
            bytes = bytes[(int)listSize..];
        }
        return found;
    }

    /// <summary>The first entries, one line each, and how many more there are.</summary>
    public static IReadOnlyList<string> Tell(IReadOnlyList<SignatureEntry> entries)
    {
        var lines = entries.Take(MaxLines).Select(e => Entry(e.Type, e.Content.Span)).ToList();
        if (entries.Count > lines.Count)
            lines.Add($"and {entries.Count - lines.Count} more");
        return lines;
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

/// <summary>An entry of a signature list.</summary>
/// <param name="Type">What it is: a certificate, a hash, or another thing UEFI names by GUID.</param>
/// <param name="Content">Its owner and its data.</param>
internal readonly record struct SignatureEntry(Guid Type, ReadOnlyMemory<byte> Content)
{
    /// <summary>The same for equal entries.</summary>
    public string Key => $"{Type:N}{Convert.ToHexStringLower(Content.Span)}";
}
