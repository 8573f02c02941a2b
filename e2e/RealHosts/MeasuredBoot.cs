using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Tpm;

namespace Portal.E2E;

/// <summary>
/// Boots a software TPM by a recorded event log: every digest of the log is extended, as firmware did when it was recorded. What is measured after
/// that is extended and logged in the same way.
/// </summary>
internal sealed class MeasuredBoot(SoftwareTpm tpm)
{
    private const uint Ipl = 0x0000000D;

    private readonly List<byte> log = [];
    private IReadOnlyList<TpmAlgorithm> banks = [];

    /// <summary>The event log as a kernel shows it; empty before a boot.</summary>
    public byte[] Log => [.. log];

    /// <summary>The firmware runs: the TPM must have just been powered on.</summary>
    public async Task RunAsync(byte[] recorded)
    {
        if (!EventLog.Parse(recorded).TryGet(out var parsed, out var refusal))
        {
            throw new InvalidOperationException(refusal.Message);
        }

        log.Clear();
        log.AddRange(recorded);
        banks = [.. parsed.Banks.Select(b => b.Algorithm)];
        foreach (var entry in parsed.Entries.Where(e => e.IsExtended).Chunk(16))
        {
            await tpm.RunAsync("tpm2_pcrextend", [.. entry.Select(e => $"{e.Pcr}:sha256={Convert.ToHexStringLower(Digest(e))}")]);
        }
    }

    /// <summary>A boot loader measures something and logs what it was.</summary>
    public async Task MeasureAsync(int pcr, string what)
    {
        var data = Encoding.UTF8.GetBytes(what + "\0");
        var digests = banks.Select(bank => (Bank: bank, Digest: Hash(bank, data))).ToList();
        await tpm.RunAsync("tpm2_pcrextend", $"{pcr}:sha256={Convert.ToHexStringLower(digests.Single(d => d.Bank == TpmAlgorithm.Sha256).Digest)}");
        Number((uint)pcr);
        Number(Ipl);
        Number((uint)digests.Count);
        foreach (var (bank, digest) in digests)
        {
            log.AddRange([(byte)bank, (byte)((ushort)bank >> 8)]);
            log.AddRange(digest);
        }

        Number((uint)data.Length);
        log.AddRange(data);
    }

    private void Number(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        log.AddRange(bytes);
    }

    private static byte[] Digest(EventLogEntry entry) =>
        entry.TryGetDigest(TpmAlgorithm.Sha256, out var digest) ? digest.ToArray() : throw new InvalidOperationException("The recorded log has no SHA-256 bank.");

    private static byte[] Hash(TpmAlgorithm bank, byte[] data) => bank switch
    {
        TpmAlgorithm.Sha256 => SHA256.HashData(data),
        TpmAlgorithm.Sha384 => SHA384.HashData(data),
        TpmAlgorithm.Sha512 => SHA512.HashData(data),
#pragma warning disable CA5350 // Logs carry this bank; nobody is trusted by it.
        TpmAlgorithm.Sha1 => SHA1.HashData(data),
#pragma warning restore CA5350
        _ => throw new InvalidOperationException($"The recorded log has a bank that nobody here can compute: {bank}."),
    };
}
