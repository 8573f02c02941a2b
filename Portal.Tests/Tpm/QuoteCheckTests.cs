using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class QuoteCheckTests
{
    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("rsa-sha256.v")]
    [InlineData("ecc-sha256")]
    [InlineData("ecc-sha256.v")]
    [InlineData("vm-boot1")]
    [InlineData("vm-boot2")]
    public void Verify_RecordedQuote_IsAccepted(string name)
    {
        var recorded = Fixture.Quote(name);

        var verified = recorded.Check().Value;

        Assert.Equal(recorded.Nonce, verified.Attest.ExtraData.ToArray());
        Assert.Equal(recorded.Requested, verified.Attest.Selection);
        Assert.Same(recorded.Values, verified.Values);
    }

    [Fact]
    public void Verify_Sha1Bank_IsRefusedThoughItsCryptographyHolds()
    {
        var refusal = Fixture.Quote("rsa-sha1").Check().Refusal;

        Assert.Equal(TpmRefusalCode.WeakHash, refusal?.Code);
        Assert.Contains("sha1", refusal!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("ecc-sha256")]
    [InlineData("vm-boot1")]
    public void Verify_OtherNonce_IsRefused(string name)
    {
        var recorded = Fixture.Quote(name);
        var other = (byte[])recorded.Nonce.Clone();
        other[^1] ^= 1;

        Assert.Equal(TpmRefusalCode.NonceMismatch, (recorded with { Nonce = other }).Refused());
        Assert.Equal(TpmRefusalCode.NonceMismatch, (recorded with { Nonce = recorded.Nonce[..^1] }).Refused());
    }

    [Fact]
    public void Verify_NoNonceExpected_IsRefused() =>
        Assert.Equal(TpmRefusalCode.NonceMismatch, (Fixture.Quote("rsa-sha256") with { Nonce = [] }).Refused());

    [Fact]
    public void Verify_NothingRequested_IsRefused() =>
        Assert.Equal(TpmRefusalCode.SelectionLacksPcr, (Fixture.Quote("rsa-sha256") with { Requested = PcrSelection.Empty }).Refused());

    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("ecc-sha256")]
    public void Verify_MessageCutAtAnyLength_IsRefused(string name)
    {
        var recorded = Fixture.Quote(name);
        using var key = AttestationKey.Accept(recorded.Key).Value;

        for (var length = 0; length < recorded.Message.Length; length++)
            Assert.False((recorded with { Message = recorded.Message[..length] }).Check(key).IsAccepted, $"{length} bytes");
    }

    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("ecc-sha256")]
    public void Verify_SignatureCutAtAnyLength_IsRefused(string name)
    {
        var recorded = Fixture.Quote(name);
        using var key = AttestationKey.Accept(recorded.Key).Value;

        for (var length = 0; length < recorded.Signature.Length; length++)
            Assert.False((recorded with { Signature = recorded.Signature[..length] }).Check(key).IsAccepted, $"{length} bytes");
    }

    [Fact]
    public void Verify_BytesAfterMessageOrSignature_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");

        Assert.Equal(TpmRefusalCode.TrailingBytes, (recorded with { Message = [.. recorded.Message, 0] }).Refused());
        Assert.Equal(TpmRefusalCode.TrailingBytes, (recorded with { Signature = [.. recorded.Signature, 0] }).Refused());
    }

    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("ecc-sha256")]
    [InlineData("vm-boot1")]
    public void Verify_AnyBitOfTheMessageFlipped_IsRefused(string name)
    {
        var recorded = Fixture.Quote(name);
        using var key = AttestationKey.Accept(recorded.Key).Value;

        for (var bit = 0; bit < recorded.Message.Length * 8; bit++)
            Assert.False((recorded with { Message = Flipped(recorded.Message, bit) }).Check(key).IsAccepted, $"bit {bit}");
    }

    [Theory]
    [InlineData("rsa-sha256")]
    [InlineData("ecc-sha256")]
    [InlineData("vm-boot1")]
    public void Verify_AnyBitOfTheSignatureFlipped_IsRefused(string name)
    {
        var recorded = Fixture.Quote(name);
        using var key = AttestationKey.Accept(recorded.Key).Value;

        for (var bit = 0; bit < recorded.Signature.Length * 8; bit++)
            Assert.False((recorded with { Signature = Flipped(recorded.Signature, bit) }).Check(key).IsAccepted, $"bit {bit}");
    }

    [Theory]
    [InlineData("rsa-sha256.v")]
    [InlineData("ecc-sha256.v")]
    public void Verify_AnyByteOfTheValuesFlipped_IsRefused(string name)
    {
        var recorded = Fixture.Quote(name);
        var values = Fixture.Tpm($"q-{name}.pcrs.values");
        using var key = AttestationKey.Accept(recorded.Key).Value;

        for (var bit = 0; bit < values.Length * 8; bit += 8)
        {
            var changed = PcrValues.FromConcatenated(recorded.Requested, Flipped(values, bit + bit / 8 % 8)).Value;
            Assert.Equal(TpmRefusalCode.PcrDigestMismatch, (recorded with { Values = changed }).Check(key).Refusal?.Code);
        }
    }

    [Fact]
    public void Verify_OtherKeyOfTheSameKind_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");

        Assert.Equal(TpmRefusalCode.SignatureInvalid, (recorded with { Key = Fixture.Tpm("vm-ovmf-boot1/ak.pub") }).Refused());
    }

    [Fact]
    public void Verify_KeyOfAnotherScheme_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");

        Assert.Equal(TpmRefusalCode.SchemeMismatch, (recorded with { Key = Fixture.Tpm("ak-ecc.pub") }).Refused());
    }

    [Fact]
    public void Verify_SignatureWithSha1_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");
        var signature = (byte[])recorded.Signature.Clone();
        signature[3] = (byte)TpmAlgorithm.Sha1;

        Assert.Equal(TpmRefusalCode.WeakHash, (recorded with { Signature = signature }).Refused());
    }

    [Fact]
    public void Verify_SignatureWithoutItsHeader_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256") with
        {
            Message = Fixture.Tpm("q-rsa-sha256.plain.msg"),
            Signature = Fixture.Tpm("q-rsa-sha256.plain.sig"),
        };

        Assert.False(recorded.Check().IsAccepted);
    }

    [Fact]
    public void Verify_RequestedBankNotQuoted_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");

        Assert.Equal(TpmRefusalCode.SelectionLacksPcr, (recorded with { Requested = Fixture.Recorded(TpmAlgorithm.Sha384) }).Refused());
    }

    [Fact]
    public void Verify_RequestedPcrNotQuoted_IsRefusedByName()
    {
        var recorded = Fixture.Quote("rsa-sha256");

        var refusal = (recorded with { Requested = PcrSelection.Of(TpmAlgorithm.Sha256, 0, 8, 14) }).Check().Refusal;

        Assert.Equal(TpmRefusalCode.SelectionLacksPcr, refusal?.Code);
        Assert.Contains("8, 14", refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_FewerPcrsRequestedThanQuoted_IsAccepted() =>
        Assert.Null((Fixture.Quote("rsa-sha256") with { Requested = PcrSelection.Of(TpmAlgorithm.Sha256, 0, 7) }).Refused());

    [Fact]
    public void Verify_ValueMissing_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");
        var bank = recorded.Values.Bank(TpmAlgorithm.Sha256)!;

        Assert.Equal(TpmRefusalCode.PcrValueMissing, (recorded with { Values = PcrValues.Of(Bank(bank, bank.Pcrs.Skip(1))) }).Refused());
        Assert.Equal(TpmRefusalCode.PcrValueMissing, (recorded with { Values = PcrValues.Of() }).Refused());
    }

    [Fact]
    public void Verify_ValueTooMany_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");
        var bank = recorded.Values.Bank(TpmAlgorithm.Sha256)!;
        var otherBank = Fixture.Quote("rsa-sha1").Values.Bank(TpmAlgorithm.Sha1)!;

        var extra = PcrBank.Create(TpmAlgorithm.Sha256, Values(bank, bank.Pcrs).Append(new(11, new byte[32]))).Value;

        Assert.Equal(TpmRefusalCode.PcrValueExtra, (recorded with { Values = PcrValues.Of(extra) }).Refused());
        Assert.Equal(TpmRefusalCode.PcrValueExtra, (recorded with { Values = PcrValues.Of(bank, otherBank) }).Refused());
    }

    [Fact]
    public void Verify_ValuesOfTwoPcrsSwapped_IsRefused()
    {
        var recorded = Fixture.Quote("rsa-sha256");
        var bank = recorded.Values.Bank(TpmAlgorithm.Sha256)!;
        var swapped = Values(bank, bank.Pcrs).ToDictionary();
        (swapped[0], swapped[1]) = (swapped[1], swapped[0]);

        Assert.Equal(TpmRefusalCode.PcrDigestMismatch,
            (recorded with { Values = PcrValues.Of(PcrBank.Create(TpmAlgorithm.Sha256, swapped).Value) }).Refused());
    }

    [Fact]
    public async Task Verify_OneKeyOnManyThreads_AlwaysGivesTheSameAnswer()
    {
        var good = Fixture.Quote("rsa-sha256");
        var bad = good with { Signature = Flipped(good.Signature, 1000) };
        using var key = AttestationKey.Accept(good.Key).Value;

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
            Enumerable.Range(0, 200).All(i => ((i + worker) % 2 == 0 ? good : bad).Check(key).IsAccepted == ((i + worker) % 2 == 0)))));

        Assert.All(answers, Assert.True);
    }

    private static IEnumerable<KeyValuePair<int, ReadOnlyMemory<byte>>> Values(PcrBank bank, IEnumerable<int> pcrs) =>
        pcrs.Select(pcr => new KeyValuePair<int, ReadOnlyMemory<byte>>(pcr, bank.Get(pcr)));

    private static PcrBank Bank(PcrBank bank, IEnumerable<int> pcrs) => PcrBank.Create(bank.Algorithm, Values(bank, pcrs)).Value;

    private static byte[] Flipped(byte[] bytes, int bit)
    {
        var changed = (byte[])bytes.Clone();
        changed[bit / 8] ^= (byte)(1 << (bit % 8));
        return changed;
    }
}
