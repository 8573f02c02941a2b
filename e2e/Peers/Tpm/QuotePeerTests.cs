using System.Security.Cryptography;
using Portal.Core.Tpm;

namespace Portal.E2E.Peers.Tpm;

/// <summary>
/// Quotes of a running TPM against our check, and tpm2_checkquote as second opinion; for RSA-PSS, whose padding tpm2_checkquote 5.4
/// does not set, openssl.
/// </summary>
public sealed class QuotePeerTests(SoftwareTpm tpm) : IClassFixture<SoftwareTpm>
{
    private static readonly PcrSelection s_requested = PcrSelection.Of(TpmAlgorithm.Sha256, 0, 1, 7, 16, 17, 23);

    [Theory]
    [InlineData("rsa", "rsassa", TpmAlgorithm.RsaSsa)]
    [InlineData("rsa", "rsapss", TpmAlgorithm.RsaPss)]
    [InlineData("ecc", "ecdsa", TpmAlgorithm.EcDsa)]
    public async Task Quote_OfAFreshKey_IsAcceptedWithThePcrsTheTpmHolds(string type, string scheme, TpmAlgorithm expected)
    {
        tpm.RequireOrSkip();
        var name = await CreateKeyAsync(type, scheme);
        using var key = AttestationKey.Accept(tpm.Read($"{name}.pub")).Value;
        Assert.Equal(tpm.Read($"{name}.name"), key.Name.ToArray());
        Assert.Equal(expected, key.Scheme);

        var measured = RandomNumberGenerator.GetBytes(32);
        await tpm.RunAsync("tpm2_pcrextend", $"16:sha256={Convert.ToHexStringLower(measured)}");
        var before = await QuoteAsync(name, scheme);
        await tpm.RunAsync("tpm2_pcrextend", $"16:sha256={Convert.ToHexStringLower(measured)}");
        var after = await QuoteAsync(name, scheme);

        var verified = after.Check(key).Value;
        Assert.True(before.Check(key).IsAccepted);
        Assert.True(scheme == "rsapss" ? await OpenSslAcceptsPssAsync(name, after) : await PeerAcceptsAsync(name, after));
        Assert.Equal(TpmRefusalCode.PcrDigestMismatch, (after with { Values = before.Values }).Check(key).Refusal?.Code);
        Assert.Equal(after.Nonce, verified.Attest.ExtraData.ToArray());
        // What the TPM extended is what our arithmetic extends.
        var expectedValue = before.Values.Bank(TpmAlgorithm.Sha256)!.Get(16)!;
        Assert.True(TpmHash.TryExtend(TpmAlgorithm.Sha256, expectedValue, measured));
        Assert.Equal(expectedValue, verified.Values.Bank(TpmAlgorithm.Sha256)!.Get(16));
        Assert.Equal(PcrContent.AllOnes, PcrMeaning.Classify(TpmAlgorithm.Sha256, verified.Values.Bank(TpmAlgorithm.Sha256)!.Get(17)));
    }

    [Fact]
    public async Task Quote_Replayed_IsRefusedUnderTheNextNonce()
    {
        tpm.RequireOrSkip();
        var name = await CreateKeyAsync("ecc", "ecdsa");
        using var key = AttestationKey.Accept(tpm.Read($"{name}.pub")).Value;
        var quote = await QuoteAsync(name, "ecdsa");

        var replayed = quote with { Nonce = RandomNumberGenerator.GetBytes(32) };

        Assert.Equal(TpmRefusalCode.NonceMismatch, replayed.Check(key).Refusal?.Code);
        Assert.False(await PeerAcceptsAsync(name, replayed));
    }

    [Fact]
    public async Task Quote_SignedByAnotherKeyOfTheSameTpm_IsRefused()
    {
        tpm.RequireOrSkip();
        var first = await CreateKeyAsync("rsa", "rsassa");
        var second = await CreateKeyAsync("rsa", "rsassa");
        using var key = AttestationKey.Accept(tpm.Read($"{first}.pub")).Value;
        var quote = await QuoteAsync(second, "rsassa");

        Assert.Equal(TpmRefusalCode.SignatureInvalid, quote.Check(key).Refusal?.Code);
        Assert.False(await PeerAcceptsAsync(first, quote));
    }

    [Fact]
    public async Task ForgedQuote_UnderAnUnrestrictedKey_FoolsTheToolButTheKeyIsRefused()
    {
        tpm.RequireOrSkip();
        await tpm.RunAsync("tpm2_createprimary", "-C", "o", "-G", "rsa2048:rsassa-sha256:null",
            "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "-c", "loose.ctx");
        await tpm.RunAsync("tpm2_readpublic", "-c", "loose.ctx", "-o", "loose.pub");
        var honest = await QuoteAsync(await CreateKeyAsync("rsa", "rsassa"), "rsassa");
        // The forger replaces the PCR digest at the end by that of values of his choice and signs the whole.
        var values = RandomNumberGenerator.GetBytes(s_requested.Count * 32);
        byte[] message = [.. honest.Message[..^32], .. SHA256.HashData(values)];
        tpm.Write("forged.msg", message);
        await tpm.RunAsync("tpm2_sign", "-c", "loose.ctx", "-g", "sha256", "-s", "rsassa", "-o", "forged.sig", "forged.msg");
        var forged = honest with
        {
            Message = message,
            Signature = tpm.Read("forged.sig"),
            Values = PcrValues.FromConcatenated(s_requested, values).Value,
        };

        Assert.True(await PeerAcceptsAsync("loose", forged));
        Assert.Equal(TpmRefusalCode.KeyNotRestricted, AttestationKey.Accept(tpm.Read("loose.pub")).Refusal?.Code);
    }

    [Theory]
    [InlineData("ak-rsa.pub", "q-rsa-sha256.v", "values", TpmAlgorithm.Sha256)]
    [InlineData("ak-ecc.pub", "q-ecc-sha256.v", "values", TpmAlgorithm.Sha256)]
    [InlineData("ak-rsa.pub", "q-rsa-sha256", "serialized", TpmAlgorithm.Sha256)]
    [InlineData("ak-ecc.pub", "q-ecc-sha256", "serialized", TpmAlgorithm.Sha256)]
    [InlineData("ak-rsa.pub", "q-rsa-sha1", "serialized", TpmAlgorithm.Sha1)]
    [InlineData("vm-ovmf-boot1/ak.pub", "vm-ovmf-boot1/q", "vm", TpmAlgorithm.Sha256)]
    [InlineData("vm-ovmf-boot2/ak.pub", "vm-ovmf-boot2/q", "vm", TpmAlgorithm.Sha256)]
    public async Task RecordedQuote_WholeAndDamaged_IsJudgedAsThePeerJudgesIt(string publicKey, string quote, string format, TpmAlgorithm bank)
    {
        tpm.RequireOrSkip();
        var message = Recorded.Tpm($"{quote}.msg");
        var attest = TpmsAttest.Parse(message).Value;
        var raw = Recorded.Tpm(format == "vm" ? $"{quote}.pcrs" : $"{quote}.pcrs.{format}");
        var values = format == "values" ? PcrValues.FromConcatenated(attest.Selection, raw).Value : SerializedPcrs.Parse(raw).Value;
        var whole = new Evidence(message, Recorded.Tpm($"{quote}.sig"), attest.ExtraData.ToArray(), attest.Selection, values);
        using var key = AttestationKey.Accept(Recorded.Tpm(publicKey)).Value;
        tpm.Write("recorded.pub", Recorded.Tpm(publicKey));

        var damaged = new[]
        {
            whole with { Nonce = [.. whole.Nonce[..^1], (byte)(whole.Nonce[^1] ^ 1)] },
            whole with { Message = [.. whole.Message[..^1], (byte)(whole.Message[^1] ^ 1)] },
            whole with { Signature = [.. whole.Signature[..^1], (byte)(whole.Signature[^1] ^ 1)] },
        };

        Assert.True(await PeerAcceptsAsync("recorded", whole));
        Assert.Equal(bank == TpmAlgorithm.Sha1 ? TpmRefusalCode.WeakHash : null, whole.Check(key).Refusal?.Code);
        foreach (var evidence in damaged)
        {
            Assert.False(await PeerAcceptsAsync("recorded", evidence));
            Assert.False(evidence.Check(key).IsAccepted);
        }
    }

    private async Task<string> CreateKeyAsync(string type, string scheme)
    {
        var name = $"ak{Guid.NewGuid():n}";
        await tpm.RunAsync("tpm2_createek", "-c", $"{name}.ek.ctx", "-G", type, "-u", $"{name}.ek.pub");
        await tpm.RunAsync("tpm2_createak", "-C", $"{name}.ek.ctx", "-c", $"{name}.ctx", "-G", type, "-g", "sha256", "-s", scheme,
            "-u", $"{name}.pub", "-n", $"{name}.name");
        return name;
    }

    private async Task<Evidence> QuoteAsync(string key, string scheme)
    {
        var nonce = RandomNumberGenerator.GetBytes(32);
        await tpm.RunAsync("tpm2_quote", "-c", $"{key}.ctx", "-l", s_requested.ToString(), "-q", Convert.ToHexStringLower(nonce),
            "-m", "q.msg", "-s", "q.sig", "-o", "q.pcrs", "-F", "values", "-g", "sha256", "--scheme", scheme);
        return new(tpm.Read("q.msg"), tpm.Read("q.sig"), nonce, s_requested, PcrValues.FromConcatenated(s_requested, tpm.Read("q.pcrs")).Value);
    }

    private async Task<bool> PeerAcceptsAsync(string key, Evidence evidence)
    {
        tpm.Write("check.msg", evidence.Message);
        tpm.Write("check.sig", evidence.Signature);
        tpm.Write("check.pcrs", Serialized(evidence.Values));
        var (exitCode, _, _) = await tpm.TryAsync("tpm2_checkquote", "-u", $"{key}.pub", "-m", "check.msg", "-s", "check.sig",
            "-f", "check.pcrs", "-g", "sha256", "-q", Convert.ToHexStringLower(evidence.Nonce));
        return exitCode == 0;
    }

    private async Task<bool> OpenSslAcceptsPssAsync(string key, Evidence evidence)
    {
        await tpm.RunAsync("tpm2_readpublic", "-c", $"{key}.ctx", "-f", "pem", "-o", $"{key}.pem");
        tpm.Write("check.msg", evidence.Message);
        tpm.Write("check.sig", TpmtSignature.Parse(evidence.Signature).Value.Rsa.ToArray());
        var (exitCode, _, _) = await tpm.TryAsync("openssl", "dgst", "-sha256", "-verify", $"{key}.pem", "-sigopt", "rsa_padding_mode:pss",
            "-sigopt", "rsa_pss_saltlen:auto", "-signature", "check.sig", "check.msg");
        return exitCode == 0;
    }

    /// <summary>The one form of PCR values the tool reads for any number of PCRs.</summary>
    private static byte[] Serialized(PcrValues values)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(values.Banks.Length);
        foreach (var bank in values.Banks)
        {
            writer.Write((ushort)bank.Algorithm);
            writer.Write((byte)3);
            writer.Write(bank.Mask);
            writer.Write((byte)0);
        }
        writer.Write(new byte[8 * (16 - values.Banks.Length)]);
        var lists = values.Banks.SelectMany(bank => bank.Pcrs.Select(pcr => bank.Get(pcr)!)).Chunk(8).ToArray();
        writer.Write(lists.Length);
        foreach (var list in lists)
        {
            writer.Write(list.Length);
            foreach (var digest in list)
            {
                writer.Write((ushort)digest.Length);
                writer.Write(digest);
                writer.Write(new byte[64 - digest.Length]);
            }
            writer.Write(new byte[66 * (8 - list.Length)]);
        }
        return stream.ToArray();
    }

    private sealed record Evidence(byte[] Message, byte[] Signature, byte[] Nonce, PcrSelection Requested, PcrValues Values)
    {
        public TpmResult<VerifiedQuote> Check(AttestationKey key) => QuoteCheck.Verify(key, Message, Signature, Nonce, Requested, Values);
    }
}
