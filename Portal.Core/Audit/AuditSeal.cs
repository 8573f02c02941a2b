using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Portal.Core.Audit;

/// <summary>
/// What a seal is computed over: HMAC-SHA-256 (RFC 2104) of a row, its place and the seal before. Every field is preceded by its length, so no
/// two rows have the same bytes.
/// </summary>
internal static class AuditSeal
{
    public const int Size = SHA256.HashSizeInBytes;

    private const int Absent = -1;

    private static ReadOnlySpan<byte> RowMark => "portal audit row 1"u8;

    private static ReadOnlySpan<byte> HeadMark => "portal audit head 1"u8;

    /// <summary>The seal of the row before the first.</summary>
    public static byte[] Start { get; } = new byte[Size];

    public static byte[] OfRow(byte[] key, long sequence, byte[] before, AuditEntry row)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        mac.AppendData(RowMark);
        mac.AppendData(before);
        Append(mac, sequence);
        Append(mac, row.Id);
        // What the database keeps of an instant: microseconds.
        Append(mac, (row.At.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);
        Append(mac, (long)row.Severity);
        Append(mac, row.Issuer);
        Append(mac, row.Subject);
        Append(mac, row.PersonName);
        Append(mac, row.Event);
        Append(mac, row.TargetKind);
        Append(mac, row.TargetId?.ToString("N"));
        Append(mac, row.TargetName);
        Append(mac, row.Sentence);
        Append(mac, row.Detail);
        return mac.GetHashAndReset();
    }

    public static byte[] OfHead(byte[] key, long sequence, byte[] seal)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        mac.AppendData(HeadMark);
        Append(mac, sequence);
        mac.AppendData(seal);
        return mac.GetHashAndReset();
    }

    private static void Append(IncrementalHash mac, long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        mac.AppendData(bytes);
    }

    private static void Append(IncrementalHash mac, string? text)
    {
        if (text is null)
        {
            Append(mac, Absent);
            return;
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        Append(mac, bytes.Length);
        mac.AppendData(bytes);
    }
}

/// <summary>The newest seal, kept apart from the rows and sealed itself: rows missing at the end show.</summary>
internal sealed record AuditHead(long Sequence, byte[] Seal)
{
    public static AuditHead None { get; } = new(0, AuditSeal.Start);

    public string ToText(byte[] key) =>
        $"{Sequence}:{Convert.ToHexStringLower(Seal)}:{Convert.ToHexStringLower(AuditSeal.OfHead(key, Sequence, Seal))}";

    /// <summary>The head a text tells of; null when the text is not ours.</summary>
    public static AuditHead? Parse(string text, byte[] key)
    {
        if (text.Split(':') is not [var number, var seal, var mac]
            || !long.TryParse(number, out var sequence)
            || !TryHex(seal, out var sealBytes)
            || !TryHex(mac, out var macBytes))
        {
            return null;
        }

        return CryptographicOperations.FixedTimeEquals(macBytes, AuditSeal.OfHead(key, sequence, sealBytes)) ? new AuditHead(sequence, sealBytes) : null;
    }

    private static bool TryHex(string text, out byte[] bytes)
    {
        bytes = new byte[AuditSeal.Size];
        return text.Length == AuditSeal.Size * 2 && Convert.FromHexString(text, bytes, out _, out _) is System.Buffers.OperationStatus.Done;
    }
}
