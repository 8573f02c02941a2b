using System.Globalization;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>Recorded evidence: quotes of a software TPM, two boots of a virtual machine, boot logs of real machines.</summary>
internal static class Fixture
{
    public static byte[] Tpm(string name) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Tpm", name));

    public static byte[] Log(string name) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", "EventLogs", name));

    public static byte[] VmLog(int boot) => Tpm($"vm-ovmf-boot{boot}/eventlog.bin");

    public static AttestationKey Key(string name) => AttestationKey.Accept(Tpm(name)).Value;

    /// <summary>The PCRs of the recorded quotes.</summary>
    public static PcrSelection Recorded(TpmAlgorithm bank) => PcrSelection.Of(bank, 0, 1, 2, 3, 4, 5, 6, 7, 10);

    /// <summary>All values a boot of the virtual machine had, by bank and PCR.</summary>
    public static Dictionary<(TpmAlgorithm Bank, int Pcr), string> VmPcrs(int boot) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Tpm", $"vm-ovmf-boot{boot}", "pcrs.txt"))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(parts => parts.Length == 3)
            .ToDictionary(
                parts => (TpmAlgorithmFacts.HashNamed(parts[0]), int.Parse(parts[1], CultureInfo.InvariantCulture)),
                parts => parts[2]);

    /// <summary>One recorded quote with all that its check needs.</summary>
    public static RecordedQuote Quote(string name) => name switch
    {
        "rsa-sha256" => Recorded(name, "ak-rsa.pub", "q-rsa-sha256", TpmAlgorithm.Sha256, serialized: true),
        "rsa-sha256.v" => Recorded(name, "ak-rsa.pub", "q-rsa-sha256.v", TpmAlgorithm.Sha256, serialized: false),
        "rsa-sha1" => Recorded(name, "ak-rsa.pub", "q-rsa-sha1", TpmAlgorithm.Sha1, serialized: true),
        "ecc-sha256" => Recorded(name, "ak-ecc.pub", "q-ecc-sha256", TpmAlgorithm.Sha256, serialized: true),
        "ecc-sha256.v" => Recorded(name, "ak-ecc.pub", "q-ecc-sha256.v", TpmAlgorithm.Sha256, serialized: false),
        "vm-boot1" => Vm(1),
        "vm-boot2" => Vm(2),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such quote"),
    };

    private static RecordedQuote Recorded(string name, string key, string file, TpmAlgorithm bank, bool serialized)
    {
        var values = serialized
            ? SerializedPcrs.Parse(Tpm($"{file}.pcrs.serialized"))
            : PcrValues.FromConcatenated(Recorded(bank), Tpm($"{file}.pcrs.values"));
        var nonce = Convert.FromHexString(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Tpm", "nonce.hex")).Trim());
        return new(name, Tpm(key), Tpm($"{file}.msg"), Tpm($"{file}.sig"), nonce, Recorded(bank), values.Value);
    }

    private static RecordedQuote Vm(int boot)
    {
        var folder = $"vm-ovmf-boot{boot}";
        var message = Tpm($"{folder}/q.msg");
        var quote = TpmsAttest.Parse(message).Value;
        return new($"vm-boot{boot}", Tpm($"{folder}/ak.pub"), message, Tpm($"{folder}/q.sig"), quote.ExtraData.ToArray(),
            quote.Selection, SerializedPcrs.Parse(Tpm($"{folder}/q.pcrs")).Value);
    }
}

/// <summary>A quote, its key, nonce and values; change one of them and check again.</summary>
internal sealed record RecordedQuote(
    string Name, byte[] Key, byte[] Message, byte[] Signature, byte[] Nonce, PcrSelection Requested, PcrValues Values)
{
    public TpmResult<VerifiedQuote> Check()
    {
        using var key = AttestationKey.Accept(Key).Value;
        return Check(key);
    }

    public TpmResult<VerifiedQuote> Check(AttestationKey key) =>
        QuoteCheck.Verify(key, Message, Signature, Nonce, Requested, Values);

    /// <summary>Code of the refusal, or null when the quote verifies.</summary>
    public TpmRefusalCode? Refused() => Check().Refusal?.Code;
}
