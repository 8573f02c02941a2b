using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>A measurement as a kernel would list it, in both forms, with the digests it extends; written without the code under test.</summary>
internal sealed record Measured(string Template, string Hash, byte[] Digest, string Path, byte[]? Last = null, bool IsViolation = false)
{
    public static Measured File(string path, byte fill) => new("ima-ng", "sha256", [.. Enumerable.Repeat(fill, 32)], path);

    public byte[] Name => Encoding.UTF8.GetBytes(Path);

    /// <summary>What the list holds as template data.</summary>
    public byte[] Fields => Template == "ima"
        ? [.. Digest, .. Sized(Name)]
        : [.. Sized([.. Encoding.ASCII.GetBytes(Hash), (byte)':', 0, .. Digest]), .. Sized([.. Name, 0]), .. Last is null ? [] : Sized(Last)];

    /// <summary>What is hashed.</summary>
    public byte[] Hashed => Template == "ima" ? [.. Digest, .. Name, .. new byte[256 - Name.Length]] : Fields;

    private byte[] TemplateDigest => IsViolation ? new byte[20] : SHA1.HashData(Hashed);

    public byte[] Binary() =>
    [
        .. U32(10), .. TemplateDigest, .. Sized(Encoding.ASCII.GetBytes(Template)), .. Template == "ima" ? [] : U32(Fields.Length), .. Fields,
    ];

    public string Text()
    {
        var digest = Template == "ima" ? Convert.ToHexStringLower(Digest) : $"{Hash}:{Convert.ToHexStringLower(Digest)}";
        var last = Last is null ? "" : $" {Convert.ToHexStringLower(Last)}";
        return $"10 {Convert.ToHexStringLower(TemplateDigest)} {Template} {digest} {Path}{last}\n";
    }

    public byte[] Extend(byte[] pcr) => pcr.Length == 32
        ? SHA256.HashData([.. pcr, .. IsViolation ? Enumerable.Repeat((byte)0xFF, 32).ToArray() : SHA256.HashData(Hashed)])
        : SHA384.HashData([.. pcr, .. IsViolation ? Enumerable.Repeat((byte)0xFF, 48).ToArray() : SHA384.HashData(Hashed)]);

    private static byte[] Sized(byte[] bytes) => [.. U32(bytes.Length), .. bytes];

    private static byte[] U32(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }
}

/// <summary>Lists, and quotes that vouch for them.</summary>
internal static class ImaBench
{
    public const uint Boot = 5;

    /// <summary>The first entry of a boot whose PCR n holds n in every byte.</summary>
    public static Measured Aggregate(TpmAlgorithm bank = TpmAlgorithm.Sha256) => bank == TpmAlgorithm.Sha256
        ? new("ima-ng", "sha256", SHA256.HashData(Firmware(32)), "boot_aggregate")
        : new("ima-ng", "sha384", SHA384.HashData(Firmware(48)), "boot_aggregate");

    public static byte[] Binary(IEnumerable<Measured> entries) => [.. entries.SelectMany(entry => entry.Binary())];

    public static byte[] Text(IEnumerable<Measured> entries) => Encoding.UTF8.GetBytes(string.Concat(entries.Select(entry => entry.Text())));

    public static ImaList List(params Measured[] entries) => ImaList.ParseBinary(Binary(entries)).Value;

    /// <summary>PCR 10 after all entries.</summary>
    public static byte[] Pcr(IEnumerable<Measured> entries, int size = 32) => entries.Aggregate(new byte[size], (pcr, entry) => entry.Extend(pcr));

    /// <summary>A quote over PCR 0 to 10; PCR n up to 9 holds n in every byte.</summary>
    public static VerifiedQuote Quote(byte[] pcr10, uint reset = Boot, uint restart = 0)
    {
        var bank = pcr10.Length == 32 ? TpmAlgorithm.Sha256 : TpmAlgorithm.Sha384;
        return Quote(PcrSelection.Of(bank, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), [.. Firmware(pcr10.Length), .. pcr10], reset, restart);
    }

    public static VerifiedQuote Quote(PcrSelection selection, byte[] joined, uint reset = Boot, uint restart = 0)
    {
        var attest = SoftwareTpm.Attest(TpmAlgorithm.Sha256, [1], selection, joined);
        // Behind the magic, the type, the signer, the nonce of one byte and the clock.
        BinaryPrimitives.WriteUInt32BigEndian(attest.AsSpan(4 + 2 + 36 + 3 + 8), reset);
        BinaryPrimitives.WriteUInt32BigEndian(attest.AsSpan(4 + 2 + 36 + 3 + 12), restart);
        return new(TpmsAttest.Parse(attest).Value, PcrValues.FromConcatenated(selection, joined).Value);
    }

    /// <summary>What a recorded boot's TPM quoted, with another value in PCR 10.</summary>
    public static VerifiedQuote Recorded(int boot, byte[] pcr10, uint reset)
    {
        var quoted = Fixture.Quote($"vm-boot{boot}").Check().Value.Values.Bank(TpmAlgorithm.Sha256)!;
        return Quote(PcrSelection.Of(TpmAlgorithm.Sha256, [.. quoted.Pcrs]), [.. quoted.Pcrs.SelectMany(pcr => pcr == 10 ? pcr10 : quoted.Get(pcr)!)], reset);
    }

    private static byte[] Firmware(int size) => [.. Enumerable.Range(0, 10).SelectMany(pcr => Enumerable.Repeat((byte)pcr, size))];
}
