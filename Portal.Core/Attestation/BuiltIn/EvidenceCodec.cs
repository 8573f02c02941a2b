using System.Security.Cryptography;
using System.Text.Json;

namespace Portal.Core.Attestation.BuiltIn;

/// <summary>Evidence as it is stored, and back.</summary>
internal static class EvidenceCodec
{
    public static EvidenceRecord Write(AttestationSubject subject, Evidence evidence, Nonce nonce, IReadOnlyList<Guid> operations, DateTimeOffset issuedAt)
    {
        var record = new EvidenceRecord
        {
            // The latest evidence of a host has the host's own id; kept copies get their own.
            Id = subject.Host.Id,
            HostId = subject.Host.Id,
            IssuedAt = issuedAt,
            Purpose = subject.Purpose,
            NonceRandom = nonce.Random,
            Nonce = nonce.Text,
            Operations = string.Join(',', operations),
            AttestationKey = subject.AttestationKey ?? [],
            Quote = evidence.Quote,
            Signature = evidence.Signature,
            Bank = evidence.Bank,
            Pcrs = JsonSerializer.Serialize(evidence.Pcrs.OrderBy(p => p.Key).ToDictionary(p => p.Key, p => Convert.ToHexStringLower(p.Value))),
            EventLogDigest = evidence.EventLog is { } log ? Convert.ToHexStringLower(SHA256.HashData(log)) : null,
            Digest = "",
        };
        record.Digest = Digest(record.Quote, record.Signature, record.Pcrs, record.EventLogDigest);
        return record;
    }

    public static Evidence Read(EvidenceRecord record, byte[]? eventLog)
    {
        var pcrs = JsonSerializer.Deserialize<Dictionary<int, string>>(record.Pcrs) ?? [];
        return new Evidence(record.Quote, record.Signature, (ushort)record.Bank, pcrs.ToDictionary(p => p.Key, p => Convert.FromHexString(p.Value)), eventLog);
    }

    /// <summary>
    /// Digest of what a boot measured, bank and PCR values: equal for two quotes of an unchanged host, whatever its log says beside them.
    /// Without PCR 10, which grows with every file the running host uses.
    /// </summary>
    public static string MeasurementDigest(EvidenceRecord record)
    {
        var pcrs = JsonSerializer.Deserialize<SortedDictionary<int, string>>(record.Pcrs) ?? [];
        return Digest(BitConverter.GetBytes(record.Bank), [], pcrs.Remove(Tpm.ImaList.Pcr) ? JsonSerializer.Serialize(pcrs) : record.Pcrs, null);
    }

    private static string Digest(byte[] quote, byte[] signature, string pcrs, string? logDigest)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, quote);
        Append(hash, signature);
        Append(hash, System.Text.Encoding.ASCII.GetBytes(pcrs));
        Append(hash, System.Text.Encoding.ASCII.GetBytes(logDigest ?? ""));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Each part with its length before it, so that parts cannot be shifted against each other.</summary>
    private static void Append(IncrementalHash hash, byte[] part)
    {
        hash.AppendData(BitConverter.GetBytes(part.Length));
        hash.AppendData(part);
    }
}
