using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Attestation;

/// <summary>Whoever holds the bundle can check it without the portal.</summary>
public sealed class EvidenceBundleTests
{
    [Fact]
    public async Task Bundle_HoldsWhatItTakesToCheckTheQuote()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var host = await pool.HostAsync("kvm-a01");

        var file = TrustedPool.Expect(await pool.Get<EvidenceBundle>().ExecuteAsync(TrustedPool.Auditor, host.Id, pool.Ct));

        var parts = Unpack(file.Content);
        using var key = AttestationKey.Accept(parts["ak.tpmt"]).Value;
        var values = SerializedPcrs.Parse(parts["pcrs.bin"]).Value;
        var selection = PcrSelection.Of(TpmAlgorithm.Sha256, [.. values.Bank(TpmAlgorithm.Sha256)!.Pcrs]);
        Assert.Null(QuoteCheck.Verify(key, parts["quote.msg"], parts["quote.sig"], parts["nonce.txt"], selection, values).Refusal);
        using var rsa = RSA.Create();
        rsa.ImportFromPem(Encoding.ASCII.GetString(parts["ak.pem"]));
        var signature = TpmtSignature.Parse(parts["quote.sig"]).Value;
        Assert.True(rsa.VerifyData(parts["quote.msg"], signature.Rsa.Span, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        Assert.StartsWith("evidence-kvm-a01-", file.FileName, StringComparison.Ordinal);
        Assert.Contains("tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -g sha256", Encoding.UTF8.GetString(parts["README.txt"]), StringComparison.Ordinal);
        Assert.Contains("\"verdict\": \"Trusted\"", Encoding.UTF8.GetString(parts["result.json"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bundle_NonceIsBoundAsItsReadmeSays()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var host = await pool.HostAsync("kvm-a01");

        var parts = Unpack(TrustedPool.Expect(await pool.Get<EvidenceBundle>().ExecuteAsync(TrustedPool.Auditor, host.Id, pool.Ct)).Content);

        var bound = Encoding.UTF8.GetString(parts["README.txt"]).Split("printf '%s' '")[1].Split('\'')[0];
        var digest = SHA256.HashData([.. parts["nonce-random.bin"], .. Encoding.ASCII.GetBytes(bound)]);
        Assert.Equal(Encoding.ASCII.GetString(parts["nonce.txt"]), Convert.ToHexStringLower(digest)[..32]);
    }

    [Fact]
    public async Task Bundle_WithoutEvidence_IsRefused()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1, enrol: false);

        var outcome = await pool.Get<EvidenceBundle>().ExecuteAsync(TrustedPool.Auditor, (await pool.HostAsync("kvm-a01")).Id, pool.Ct);

        Assert.Equal("evidence.none", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Bundle_ForWhoMayNotRead_IsRefused_AndTold()
    {
        await using var pool = await TrustedPool.StartAsync(hosts: 1);
        var nobody = Caller.With(new Person("test", "mallory", "mallory"));

        var outcome = await pool.Get<EvidenceBundle>().ExecuteAsync(nobody, (await pool.HostAsync("kvm-a01")).Id, pool.Ct);

        Assert.Equal("access.denied", outcome.Refusal?.Code);
        Assert.Contains("mallory may not read this", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    private static Dictionary<string, byte[]> Unpack(byte[] zip)
    {
        using var archive = new ZipArchive(new MemoryStream(zip));
        return archive.Entries.ToDictionary(e => e.FullName, e =>
        {
            using var stream = e.Open();
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            return memory.ToArray();
        });
    }
}
