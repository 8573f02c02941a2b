using System.Security.Cryptography;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class MakeCredentialTests
{
    public enum Kind
    {
        Rsa,
        P256,
        P384,
    }

    [Theory]
    [InlineData(Kind.Rsa, TpmAlgorithm.Sha256, 128)]
    [InlineData(Kind.Rsa, TpmAlgorithm.Sha384, 256)]
    [InlineData(Kind.P256, TpmAlgorithm.Sha256, 128)]
    [InlineData(Kind.P256, TpmAlgorithm.Sha384, 256)]
    [InlineData(Kind.P384, TpmAlgorithm.Sha384, 256)]
    public void For_AnyKindOfKey_GivesTheTpmItsSecretAndNobodyElse(Kind kind, TpmAlgorithm hash, int aesBits)
    {
        using var tpm = Endorsement(kind, hash, aesBits);
        using var stranger = Endorsement(kind, hash, aesBits);
        using var attestation = Fixture.Key("ak-rsa.pub");
        var endorsement = EndorsementKey.Accept(tpm.Area()).Value;
        var secret = RandomNumberGenerator.GetBytes(32);

        // Short numbers of a point or a ciphertext come once in 256 times.
        for (var i = 0; i < (kind == Kind.Rsa ? 5 : 60); i++)
        {
            var file = MakeCredential.For(endorsement, attestation, secret).ToFile();

            Assert.Equal(secret, tpm.Activate(file, attestation.Name.ToArray()));
            Assert.Null(tpm.Activate(file, Fixture.Tpm("ak-ecc.name")));
            Assert.Null(stranger.Activate(file, attestation.Name.ToArray()));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(20)]
    [InlineData(32)]
    public void For_SecretOfAnyLength_ComesBackWhole(int length)
    {
        using var tpm = Endorsement(Kind.P256, TpmAlgorithm.Sha256, 128);
        using var attestation = Fixture.Key("ak-ecc.pub");
        var secret = RandomNumberGenerator.GetBytes(length);

        var file = MakeCredential.For(EndorsementKey.Accept(tpm.Area()).Value, attestation, secret).ToFile();

        Assert.Equal(secret, tpm.Activate(file, attestation.Name.ToArray()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(33)]
    public void For_SecretTheTpmWouldNotTake_Throws(int length)
    {
        using var attestation = Fixture.Key("ak-rsa.pub");
        var endorsement = EndorsementKey.Accept(Fixture.Tpm("ek-rsa.pub")).Value;

        Assert.Throws<ArgumentOutOfRangeException>(() => MakeCredential.For(endorsement, attestation, new byte[length]));
    }

    [Fact]
    public void For_RecordedKeys_HasTheShapeTheToolGaveItsCredential()
    {
        using var attestation = Fixture.Key("ak-rsa.pub");
        var tools = Fixture.Tpm("cred.blob");
        var ours = MakeCredential.For(EndorsementKey.Accept(Fixture.Tpm("ek-rsa.pub")).Value, attestation, Fixture.Tpm("secret.bin"));

        Assert.Equal(tools.Length, ours.ToFile().Length);
        // Magic, version, length of the identity object and of its integrity value; length of the encrypted seed.
        Assert.Equal(tools[..12], ours.ToFile()[..12]);
        Assert.Equal(tools[78..80], ours.ToFile()[78..80]);
        Assert.Equal(ours.ToFile(), Convert.FromBase64String(ours.ToBlob()));
    }

    [Fact]
    public void For_Twice_NeverGivesTheSame()
    {
        using var attestation = Fixture.Key("ak-rsa.pub");
        var endorsement = EndorsementKey.Accept(Fixture.Tpm("ek-rsa.pub")).Value;

        Assert.NotEqual(MakeCredential.For(endorsement, attestation, new byte[32]).ToFile(), MakeCredential.For(endorsement, attestation, new byte[32]).ToFile());
    }

    [Theory]
    [InlineData("ek-rsa.pub")]
    [InlineData("vm-ovmf-boot1/ek.pub")]
    public void Accept_RecordedEndorsementKey_IsOne(string file) =>
        Assert.Equal(32, EndorsementKey.Accept(Fixture.Tpm(file)).Value.LongestSecret);

    [Fact]
    public void Accept_AttestationKey_IsRefused() =>
        Assert.Equal(TpmRefusalCode.KeyCannotDecrypt, EndorsementKey.Accept(Fixture.Tpm("ak-rsa.pub")).Refusal?.Code);

    [Theory]
    [InlineData(TpmObjectAttributes.Restricted, TpmRefusalCode.KeyNotRestricted)]
    [InlineData(TpmObjectAttributes.Decrypt, TpmRefusalCode.KeyCannotDecrypt)]
    [InlineData(TpmObjectAttributes.Sign, TpmRefusalCode.KeyCanSign)]
    [InlineData(TpmObjectAttributes.FixedTpm, TpmRefusalCode.KeyNotFixedToTpm)]
    [InlineData(TpmObjectAttributes.FixedParent, TpmRefusalCode.KeyNotFixedToParent)]
    [InlineData(TpmObjectAttributes.SensitiveDataOrigin, TpmRefusalCode.KeyMadeOutsideTpm)]
    public void Accept_AttributeFlipped_IsRefusedByName(TpmObjectAttributes flipped, TpmRefusalCode expected)
    {
        using var tpm = Endorsement(Kind.P256, TpmAlgorithm.Sha256, 128);

        Assert.Equal(expected, EndorsementKey.Accept(tpm.Area(SoftwareEndorsement.Attributes ^ flipped)).Refusal?.Code);
    }

    [Fact]
    public void Accept_OtherProtectionThanAesInCfb_IsRefused()
    {
        using var tpm = Endorsement(Kind.P256, TpmAlgorithm.Sha256, 128);
        using var odd = Endorsement(Kind.P256, TpmAlgorithm.Sha256, 192);

        Assert.Equal(TpmRefusalCode.UnsupportedAlgorithm, EndorsementKey.Accept(tpm.Area(cipher: TpmAlgorithm.Null)).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.UnsupportedAlgorithm, EndorsementKey.Accept(tpm.Area(mode: TpmAlgorithm.Null)).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.UnsupportedAlgorithm, EndorsementKey.Accept(tpm.Area(scheme: TpmAlgorithm.EcDh)).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.UnsupportedAlgorithm, EndorsementKey.Accept(odd.Area()).Refusal?.Code);
    }

    [Fact]
    public void Accept_NameBySha1_IsRefused()
    {
        using var tpm = Endorsement(Kind.P256, TpmAlgorithm.Sha256, 128);
        var area = tpm.Area();
        area[3] = (byte)TpmAlgorithm.Sha1;

        Assert.Equal(TpmRefusalCode.WeakHash, EndorsementKey.Accept(area).Refusal?.Code);
    }

    [Fact]
    public void Accept_NumbersThatAreNoKey_IsRefused()
    {
        using var ecc = Endorsement(Kind.P384, TpmAlgorithm.Sha384, 256);
        using var rsa = Endorsement(Kind.Rsa, TpmAlgorithm.Sha256, 128);
        var offCurve = ecc.Area();
        offCurve[^1] ^= 1;
        var even = rsa.Area();
        even[^1] &= 0xFE;

        Assert.Equal(TpmRefusalCode.KeyInvalid, EndorsementKey.Accept(offCurve).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.KeyInvalid, EndorsementKey.Accept(even).Refusal?.Code);
    }

    [Fact]
    public void Accept_CutOrLengthened_IsRefused()
    {
        var area = Fixture.Tpm("ek-rsa.pub");

        for (var length = 0; length < area.Length; length++)
            Assert.False(EndorsementKey.Accept(area.AsSpan(0, length)).IsAccepted, $"{length} bytes");
        Assert.False(EndorsementKey.Accept([.. area, 0]).IsAccepted);
    }

    private static SoftwareEndorsement Endorsement(Kind kind, TpmAlgorithm hash, int aesBits) => kind switch
    {
        Kind.Rsa => SoftwareEndorsement.Rsa(hash, aesBits),
        Kind.P256 => SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP256, hash, aesBits),
        Kind.P384 => SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP384, hash, aesBits),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "no such key"),
    };
}
