using System.Security.Cryptography;
using Portal.Core.Attestation;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation.Attesters;

/// <summary>What a TPM says of itself in every quote.</summary>
internal sealed record TpmMoment(ulong Clock, uint ResetCount, uint RestartCount, bool Safe, ulong Firmware)
{
    public static TpmMoment Of(SimulatedHost host, BootImage image, DateTimeOffset now) => new(
        (ulong)Math.Max(0, (now - host.BootedAt).TotalMilliseconds),
        host.ResetCount,
        host.RestartCount,
        Safe: true,
        image.Platform.TpmFirmware);
}

/// <summary>Everything a quote is made of.</summary>
/// <param name="Image">The boot it tells of.</param>
/// <param name="Key">Who signs.</param>
/// <param name="Moment">Clock and counters.</param>
/// <param name="Nonce">extraData.</param>
/// <param name="Bank">Which bank.</param>
/// <param name="Pcrs">Which PCRs.</param>
/// <param name="Hash">The hash that is signed, and over the PCR values.</param>
internal sealed record QuotePlan(BootImage Image, SimulatedKey Key, TpmMoment Moment, byte[] Nonce, ushort Bank, IReadOnlyList<int> Pcrs, ushort Hash)
{
    /// <summary>Programs that ran beside those of the system.</summary>
    public int StrangePrograms { get; init; }

    /// <summary>What the kernel measured.</summary>
    public RuntimeImage Runtime => StrangePrograms == 0 ? Image.Runtime : Image.Runtime.After(Enumerable.Range(1, StrangePrograms).Select(SystemFiles.Strange));
}

/// <summary>TPM2_Quote: the attestation structure and its signature (TPM 2.0 Part 2, 10.12; Part 3, 18.4).</summary>
internal static class SimulatedTpm
{
    private const uint GeneratedValue = 0xFF54_4347;
    private const ushort AttestQuote = 0x8018;
    private const int PcrSelectBytes = 3;
    private const int ImaPcr = 10;

    /// <summary>Longest qualifyingData a TPM of SHA-256 is sure to take: a TPMT_HA.</summary>
    public const int LongestNonce = 34;

    public static Evidence Quote(QuotePlan plan, byte[]? eventLog)
    {
        var values = new Dictionary<int, byte[]>(plan.Pcrs.Count);
        foreach (var index in plan.Pcrs)
        {
            // A bank that is not allocated quotes nothing, as a real TPM clears the selection.
            if ((index == ImaPcr ? plan.Runtime.Pcr(plan.Bank) : plan.Image.Pcr(plan.Bank, index)) is { } value)
            {
                values[index] = value;
            }
        }

        return Sign(plan, values, eventLog);
    }

    public static Evidence Sign(QuotePlan plan, Dictionary<int, byte[]> values, byte[]? eventLog)
    {
        var attest = Attest(plan, values);
        return new Evidence(attest, plan.Key.Sign(attest, plan.Hash), plan.Bank, values, eventLog);
    }

    private static byte[] Attest(QuotePlan plan, Dictionary<int, byte[]> values)
    {
        var selection = new byte[PcrSelectBytes];
        using var digest = IncrementalHash.CreateHash(plan.Hash == TcgAlgorithm.Sha1 ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256);
        foreach (var (index, value) in values.OrderBy(v => v.Key))
        {
            selection[index / 8] |= (byte)(1 << (index % 8));
            digest.AppendData(value);
        }

        return StructureWriter.BigEndian()
            .UInt32(GeneratedValue)
            .UInt16(AttestQuote)
            .Sized(QualifiedName(plan.Key))
            .Sized(plan.Nonce)
            .UInt64(plan.Moment.Clock).UInt32(plan.Moment.ResetCount).UInt32(plan.Moment.RestartCount).Byte(plan.Moment.Safe ? (byte)1 : (byte)0)
            .UInt64(plan.Moment.Firmware)
            .UInt32(1).UInt16(plan.Bank).Byte(PcrSelectBytes).Bytes(selection)
            .Sized(digest.GetHashAndReset())
            .ToArray();
    }

    /// <summary>The signer's name qualified by its parent's: here a storage key in the endorsement hierarchy.</summary>
    private static byte[] QualifiedName(SimulatedKey key)
    {
        byte[] parent = [0x40, 0x00, 0x00, 0x0B];
        return StructureWriter.BigEndian().UInt16(TcgAlgorithm.Sha256).Bytes(SHA256.HashData([.. parent, .. key.Name])).ToArray();
    }
}
