using System.Security.Cryptography;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class AttestationKeyTests : IDisposable
{
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        _rsa.Dispose();
        _ecdsa.Dispose();
    }

    [Theory]
    [InlineData("ak-rsa.pub", "ak-rsa.name", TpmAlgorithm.RsaSsa)]
    [InlineData("ak-rsa.tpmt", "ak-rsa.name", TpmAlgorithm.RsaSsa)]
    [InlineData("ak-ecc.pub", "ak-ecc.name", TpmAlgorithm.EcDsa)]
    [InlineData("ak-ecc.tpmt", "ak-ecc.name", TpmAlgorithm.EcDsa)]
    [InlineData("vm-ovmf-boot1/ak.pub", "vm-ovmf-boot1/ak.name", TpmAlgorithm.RsaSsa)]
    public void Accept_RecordedKey_HasTheNameItsTpmGaveIt(string file, string name, TpmAlgorithm scheme)
    {
        using var key = Fixture.Key(file);

        Assert.Equal(Fixture.Tpm(name), key.Name.ToArray());
        Assert.Equal(scheme, key.Scheme);
        Assert.Equal(TpmAlgorithm.Sha256, key.Hash);
    }

    [Theory]
    [InlineData("ak-rsa.pub", "ak-rsa.pem")]
    [InlineData("ak-ecc.pub", "ak-ecc.pem")]
    public void Parse_RecordedKey_HoldsTheNumbersOfItsPem(string file, string pem)
    {
        var area = TpmtPublic.Parse(Fixture.Tpm(file)).Value;
        var text = System.Text.Encoding.ASCII.GetString(Fixture.Tpm(pem));

        if (area.Type == TpmAlgorithm.Rsa)
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(text);
            Assert.Equal(rsa.ExportParameters(false).Modulus, area.Modulus.ToArray());
        }
        else
        {
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportFromPem(text);
            Assert.Equal(ecdsa.ExportParameters(false).Q.X, area.X.ToArray());
            Assert.Equal(ecdsa.ExportParameters(false).Q.Y, area.Y.ToArray());
        }
    }

    [Theory]
    [InlineData(TpmObjectAttributes.Restricted, TpmRefusalCode.KeyNotRestricted)]
    [InlineData(TpmObjectAttributes.Sign, TpmRefusalCode.KeyCannotSign)]
    [InlineData(TpmObjectAttributes.Decrypt, TpmRefusalCode.KeyCanDecrypt)]
    [InlineData(TpmObjectAttributes.FixedTpm, TpmRefusalCode.KeyNotFixedToTpm)]
    [InlineData(TpmObjectAttributes.FixedParent, TpmRefusalCode.KeyNotFixedToParent)]
    [InlineData(TpmObjectAttributes.SensitiveDataOrigin, TpmRefusalCode.KeyMadeOutsideTpm)]
    public void Accept_AttributeFlipped_IsRefusedByName(TpmObjectAttributes flipped, TpmRefusalCode expected)
    {
        var area = SoftwareTpm.RsaArea(_rsa, TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256, SoftwareTpm.AttestationAttributes ^ flipped);

        Assert.Equal(expected, AttestationKey.Accept(area).Refusal?.Code);
    }

    [Fact]
    public void Accept_RecordedKeyWithRestrictedCleared_IsRefused()
    {
        var area = Fixture.Tpm("ak-rsa.pub");
        area[7] ^= 1;

        Assert.Equal(TpmRefusalCode.KeyNotRestricted, AttestationKey.Accept(area).Refusal?.Code);
    }

    [Fact]
    public void Accept_EndorsementKey_IsRefused() =>
        Assert.Equal(TpmRefusalCode.KeyCannotSign, AttestationKey.Accept(Fixture.Tpm("ek-rsa.pub")).Refusal?.Code);

    [Theory]
    [InlineData(TpmAlgorithm.Null, TpmAlgorithm.Null, TpmRefusalCode.KeySchemeOpen)]
    [InlineData(TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha1, TpmRefusalCode.WeakHash)]
    [InlineData(TpmAlgorithm.RsaPss, TpmAlgorithm.Sm3, TpmRefusalCode.WeakHash)]
    [InlineData(TpmAlgorithm.EcDsa, TpmAlgorithm.Sha256, TpmRefusalCode.UnsupportedAlgorithm)]
    [InlineData(TpmAlgorithm.Oaep, TpmAlgorithm.Sha256, TpmRefusalCode.UnsupportedAlgorithm)]
    public void Accept_SchemeThatCannotCarryTrust_IsRefused(TpmAlgorithm scheme, TpmAlgorithm hash, TpmRefusalCode expected) =>
        Assert.Equal(expected, AttestationKey.Accept(SoftwareTpm.RsaArea(_rsa, scheme, hash)).Refusal?.Code);

    [Fact]
    public void Accept_NameBySha1_IsRefused()
    {
        var area = SoftwareTpm.RsaArea(_rsa, TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256);
        area[3] = (byte)TpmAlgorithm.Sha1;

        Assert.Equal(TpmRefusalCode.WeakHash, AttestationKey.Accept(area).Refusal?.Code);
    }

    [Fact]
    public void Accept_ShortRsaKey_IsRefused()
    {
        using var small = RSA.Create(1024);

        Assert.Equal(TpmRefusalCode.KeyTooWeak, AttestationKey.Accept(SoftwareTpm.RsaArea(small, TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256)).Refusal?.Code);
    }

    [Fact]
    public void Accept_NumbersThatAreNoRsaKey_IsRefused()
    {
        var good = SoftwareTpm.RsaArea(_rsa, TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256);
        var even = (byte[])good.Clone();
        even[^1] &= 0xFE;
        var small = (byte[])good.Clone();
        small[^256] &= 0x7F;

        Assert.Equal(TpmRefusalCode.KeyInvalid, AttestationKey.Accept(even).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.KeyInvalid, AttestationKey.Accept(small).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.KeyInvalid,
            AttestationKey.Accept(SoftwareTpm.RsaArea(_rsa, TpmAlgorithm.RsaSsa, TpmAlgorithm.Sha256, exponent: 3)).Refusal?.Code);
    }

    [Fact]
    public void Accept_PointOffTheCurve_IsRefused()
    {
        var point = _ecdsa.ExportParameters(false).Q;
        point.Y![^1] ^= 1;

        Assert.Equal(TpmRefusalCode.KeyInvalid, AttestationKey.Accept(SoftwareTpm.EccArea(TpmCurve.P256, TpmAlgorithm.Sha256, point.X!, point.Y)).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.KeyInvalid, AttestationKey.Accept(SoftwareTpm.EccArea(TpmCurve.P256, TpmAlgorithm.Sha256, new byte[32], new byte[32])).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.KeyInvalid,
            AttestationKey.Accept(SoftwareTpm.EccArea(TpmCurve.P256, TpmAlgorithm.Sha256, [1, .. point.X!], point.Y)).Refusal?.Code);
    }

    [Fact]
    public void Accept_CurveP521_IsRefused()
    {
        using var large = ECDsa.Create(ECCurve.NamedCurves.nistP521);

        Assert.Equal(TpmRefusalCode.KeyTooWeak, AttestationKey.Accept(SoftwareTpm.EccArea(large, TpmCurve.P521, TpmAlgorithm.Sha512)).Refusal?.Code);
    }

    [Theory]
    [InlineData("ak-rsa.pub")]
    [InlineData("ak-ecc.tpmt")]
    public void Accept_CutOrLengthened_IsRefused(string file)
    {
        var area = Fixture.Tpm(file);

        for (var length = 0; length < area.Length; length++)
            Assert.False(AttestationKey.Accept(area.AsSpan(0, length)).IsAccepted, $"{length} bytes");
        Assert.False(AttestationKey.Accept([.. area, 0]).IsAccepted);
    }
}
