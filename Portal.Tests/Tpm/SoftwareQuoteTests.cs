using System.Numerics;
using System.Security.Cryptography;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

/// <summary>Schemes no recorded quote has, signed by software keys over real bytes.</summary>
public sealed class SoftwareQuoteTests
{
    private static readonly byte[] s_nonce = "a-nonce-of-32-alphanumeric-chars"u8.ToArray();
    private static readonly byte[] s_values = [.. Enumerable.Range(0, 96).Select(i => (byte)(i * 7))];
    private static readonly PcrSelection s_selection = PcrSelection.Of(TpmAlgorithm.Sha256, 0, 7, 23);

    [Theory]
    [InlineData(2048, TpmAlgorithm.Sha256)]
    [InlineData(2048, TpmAlgorithm.Sha384)]
    [InlineData(3072, TpmAlgorithm.Sha512)]
    public void Verify_RsaPss_IsAcceptedAndTamperedRefused(int bits, TpmAlgorithm hash)
    {
        using var rsa = RSA.Create(bits);
        var attest = Attest(hash);
        var number = rsa.SignData(attest, hash.PlatformName(), RSASignaturePadding.Pss);

        using var key = AttestationKey.Accept(SoftwareTpm.RsaArea(rsa, TpmAlgorithm.RsaPss, hash)).Value;

        Assert.Null(Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, hash, number)));
        number[100] ^= 1;
        Assert.Equal(TpmRefusalCode.SignatureInvalid, Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, hash, number)));
    }

    [Theory]
    [InlineData(TpmAlgorithm.Sha256)]
    [InlineData(TpmAlgorithm.Sha512)]
    public void Verify_RsaPssWithLongestSalt_IsAcceptedAndTamperedRefused(TpmAlgorithm hash)
    {
        using var rsa = RSA.Create(2048);
        var attest = Attest(hash);
        var number = SignWithLongestSalt(rsa, hash, attest);

        using var key = AttestationKey.Accept(SoftwareTpm.RsaArea(rsa, TpmAlgorithm.RsaPss, hash)).Value;

        Assert.Null(Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, hash, number)));
        for (var i = 0; i < number.Length; i += 17)
        {
            number[i] ^= 0x10;
            Assert.Equal(TpmRefusalCode.SignatureInvalid, Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, hash, number)));
            number[i] ^= 0x10;
        }
    }

    [Fact]
    public void Verify_RsaPssWithLongestSaltOverAnotherQuote_IsRefused()
    {
        using var rsa = RSA.Create(2048);
        using var key = AttestationKey.Accept(SoftwareTpm.RsaArea(rsa, TpmAlgorithm.RsaPss, TpmAlgorithm.Sha256)).Value;
        var other = SoftwareTpm.Attest(TpmAlgorithm.Sha256, s_nonce, s_selection, new byte[96]);
        var number = SignWithLongestSalt(rsa, TpmAlgorithm.Sha256, other);

        Assert.Equal(TpmRefusalCode.SignatureInvalid,
            Check(key, Attest(TpmAlgorithm.Sha256), SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, TpmAlgorithm.Sha256, number)));
    }

    [Theory]
    [InlineData(2, 0xBC)]
    [InlineData(0, 0xBC)]
    [InlineData(1, 0xCC)]
    public void Verify_RsaPssOfAnotherShape_IsRefused(byte separator, byte trailer)
    {
        using var rsa = RSA.Create(2048);
        using var key = AttestationKey.Accept(SoftwareTpm.RsaArea(rsa, TpmAlgorithm.RsaPss, TpmAlgorithm.Sha256)).Value;
        var attest = Attest(TpmAlgorithm.Sha256);
        var number = SignWithLongestSalt(rsa, TpmAlgorithm.Sha256, attest, separator, trailer);

        Assert.Equal(TpmRefusalCode.SignatureInvalid, Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, TpmAlgorithm.Sha256, number)));
    }

    [Fact]
    public void Verify_RsaSsaSignatureUnderAPssKey_IsRefused()
    {
        using var rsa = RSA.Create(2048);
        var attest = Attest(TpmAlgorithm.Sha256);
        var number = rsa.SignData(attest, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

        using var key = AttestationKey.Accept(SoftwareTpm.RsaArea(rsa, TpmAlgorithm.RsaPss, TpmAlgorithm.Sha256)).Value;

        Assert.Equal(TpmRefusalCode.SchemeMismatch, Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256, number)));
        Assert.Equal(TpmRefusalCode.SignatureInvalid, Check(key, attest, SoftwareTpm.RsaSignature(TpmAlgorithm.RsaPss, TpmAlgorithm.Sha256, number)));
    }

    [Theory]
    [InlineData(TpmCurve.P256, TpmAlgorithm.Sha256)]
    [InlineData(TpmCurve.P384, TpmAlgorithm.Sha384)]
    [InlineData(TpmCurve.P384, TpmAlgorithm.Sha256)]
    public void Verify_EcdsaWithShortNumbers_IsPaddedAndAccepted(TpmCurve curve, TpmAlgorithm hash)
    {
        using var ecdsa = ECDsa.Create(curve == TpmCurve.P256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384);
        using var key = AttestationKey.Accept(SoftwareTpm.EccArea(ecdsa, curve, hash)).Value;
        var attest = Attest(hash);
        byte[] numbers;
        do
            numbers = ecdsa.SignData(attest, hash.PlatformName());
        while (numbers[0] != 0);

        var field = numbers.Length / 2;
        var stripped = SoftwareTpm.EccSignature(hash, numbers.AsSpan(1, field - 1), numbers.AsSpan(field));

        Assert.Null(Check(key, attest, stripped));
        Assert.Equal(TpmRefusalCode.SignatureInvalid,
            Check(key, attest, SoftwareTpm.EccSignature(hash, [1, .. numbers[..field]], numbers.AsSpan(field))));
        Assert.Equal(TpmRefusalCode.SignatureInvalid, Check(key, attest, SoftwareTpm.EccSignature(hash, [], [])));
        Assert.Equal(TpmRefusalCode.SignatureInvalid, Check(key, attest, SoftwareTpm.EccSignature(hash, new byte[field], new byte[field])));
    }

    [Fact]
    public void Verify_ClockNotSafe_IsANoteOnly()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = AttestationKey.Accept(SoftwareTpm.EccArea(ecdsa, TpmCurve.P256, TpmAlgorithm.Sha256)).Value;
        var attest = SoftwareTpm.Attest(TpmAlgorithm.Sha256, s_nonce, s_selection, s_values, safe: 0);
        var numbers = ecdsa.SignData(attest, HashAlgorithmName.SHA256);

        var verified = QuoteCheck.Verify(key, attest, SoftwareTpm.EccSignature(TpmAlgorithm.Sha256, numbers.AsSpan(0, 32), numbers.AsSpan(32)),
            s_nonce, s_selection, PcrValues.FromConcatenated(s_selection, s_values).Value).Value;

        Assert.Equal(QuoteNotes.ClockNotSafe, verified.Notes);
    }

    [Fact]
    public void Verify_AllPcrsOfSeveralBanks_AreHashedInSelectionOrder()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = AttestationKey.Accept(SoftwareTpm.EccArea(ecdsa, TpmCurve.P256, TpmAlgorithm.Sha256)).Value;
        int[] all = [.. Enumerable.Range(0, 24)];
        var selection = PcrSelection.Of(TpmAlgorithm.Sha512, all).With(TpmAlgorithm.Sha256, all).With(TpmAlgorithm.Sha384, all);
        var joined = new byte[24 * (64 + 32 + 48)];
        new Random(5).NextBytes(joined);
        var attest = SoftwareTpm.Attest(TpmAlgorithm.Sha256, s_nonce, selection, joined);
        var numbers = ecdsa.SignData(attest, HashAlgorithmName.SHA256);
        var signature = SoftwareTpm.EccSignature(TpmAlgorithm.Sha256, numbers.AsSpan(0, 32), numbers.AsSpan(32));
        var values = PcrValues.FromConcatenated(selection, joined).Value;

        Assert.True(QuoteCheck.Verify(key, attest, signature, s_nonce, selection, values).IsAccepted);
        Assert.True(QuoteCheck.Verify(key, attest, signature, s_nonce, selection, PcrValues.Of([.. values.Banks.Reverse()])).IsAccepted);
    }

    private static byte[] Attest(TpmAlgorithm hash) => SoftwareTpm.Attest(hash, s_nonce, s_selection, s_values);

    private static TpmRefusalCode? Check(AttestationKey key, byte[] attest, byte[] signature) =>
        QuoteCheck.Verify(key, attest, signature, s_nonce, s_selection, PcrValues.FromConcatenated(s_selection, s_values).Value).Refusal?.Code;

    /// <summary>EMSA-PSS by RFC 8017 section 9.1.1 with the salt filling all room, then the bare private operation.</summary>
    private static byte[] SignWithLongestSalt(RSA rsa, TpmAlgorithm hash, byte[] message, byte separator = 1, byte trailer = 0xBC)
    {
        var size = hash.DigestSize();
        var length = rsa.KeySize / 8;
        var salt = RandomNumberGenerator.GetBytes(length - size - 2);
        var digest = new byte[size];
        TpmHash.Compute(hash, message, digest);
        var check = new byte[size];
        TpmHash.Compute(hash, [.. new byte[8], .. digest, .. salt], check);
        byte[] block = [separator, .. salt];
        for (int offset = 0, counter = 0; offset < block.Length; offset += size, counter++)
        {
            var mask = new byte[size];
            TpmHash.Compute(hash, [.. check, .. SoftwareTpm.U32((uint)counter)], mask);
            for (var i = 0; i < Math.Min(size, block.Length - offset); i++)
                block[offset + i] ^= mask[i];
        }
        block[0] &= 0x7F;
        var parameters = rsa.ExportParameters(true);
        var opened = BigInteger.ModPow(Number([.. block, .. check, trailer]), Number(parameters.D!), Number(parameters.Modulus!))
            .ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[length - opened.Length], .. opened];

        static BigInteger Number(byte[] bytes) => new(bytes, isUnsigned: true, isBigEndian: true);
    }
}
