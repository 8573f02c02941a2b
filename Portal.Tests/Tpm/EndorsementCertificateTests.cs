using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class EndorsementCertificateTests : IDisposable
{
    private readonly SoftwareEndorsement _tpm = SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP384, TpmAlgorithm.Sha384, 256);
    private readonly TpmMaker _maker = new();
    private readonly FakeTimeProvider _time = new(new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero));

    public void Dispose()
    {
        _tpm.Dispose();
        _maker.Dispose();
    }

    [Theory]
    [InlineData("ekcert-rsa.der", "CN=host-01")]
    [InlineData("ekcert-ecc384.der", "CN=host-01")]
    [InlineData("vm-ovmf-boot1/ekcert.der", "CN=mboot:5d9670d6-2fc8-458f-bf76-a517b93a1913")]
    public void Parse_RecordedCertificate_NamesItsTpm(string file, string subject)
    {
        var read = EndorsementCertificate.Parse(Fixture.Tpm(file)).Value;

        Assert.True(read.IsForEndorsement);
        Assert.Equal(new("id:00001014", "swtpm", "id:20191023"), read.Tpm);
        Assert.Equal(subject, read.Subject);
        Assert.Equal("CN=swtpm-localca", read.Issuer);
        Assert.Equal(9999, read.NotAfter.Year);
    }

    [Fact]
    public void Parse_ZerosBehindIt_AreThePaddingOfItsStore()
    {
        var der = Fixture.Tpm("ekcert-rsa.der");

        Assert.Equal(der, EndorsementCertificate.Parse([.. der, .. new byte[300]]).Value.Der.ToArray());
        Assert.Equal(der, EndorsementCertificate.ParseBase64(Convert.ToBase64String([.. der, 0])).Value.Der.ToArray());
        Assert.Equal(TpmRefusalCode.TrailingBytes, EndorsementCertificate.Parse([.. der, 0, 1]).Refusal?.Code);
        Assert.Equal(TpmRefusalCode.TooLarge, EndorsementCertificate.Parse([.. der, .. new byte[EndorsementCertificate.MaxLength]]).Refusal?.Code);
    }

    [Theory]
    [InlineData(null, TpmRefusalCode.NothingGiven)]
    [InlineData("", TpmRefusalCode.NothingGiven)]
    [InlineData("emulator", TpmRefusalCode.Malformed)]
    [InlineData("no base64!", TpmRefusalCode.Malformed)]
    public void ParseBase64_NoCertificate_IsRefused(string? text, TpmRefusalCode expected) =>
        Assert.Equal(expected, EndorsementCertificate.ParseBase64(text).Refusal?.Code);

    [Fact]
    public void Check_RecordedVirtualMachine_IsValidButVirtual()
    {
        using var authorities = Authorities(Text("vm-rootca.pem"), Text("vm-issuercert.pem"));

        var appraisal = Check(Fixture.Tpm("vm-ovmf-boot1/ekcert.der"), Fixture.Tpm("vm-ovmf-boot1/ek.pub"), authorities);

        Assert.Equal(EndorsementVerdict.VirtualTpm, appraisal.Verdict);
        Assert.Equal("swtpm", appraisal.Certificate?.Tpm.Model);
    }

    [Fact]
    public void Check_RecordedCertificateUnderAnotherCaOfTheSameName_HasAnUnknownIssuer()
    {
        using var authorities = Authorities(Text("swtpm-localca-rootca-cert.pem"), Text("issuercert.pem"));

        Assert.Equal(EndorsementVerdict.UnknownIssuer,
            Check(Fixture.Tpm("vm-ovmf-boot1/ekcert.der"), Fixture.Tpm("vm-ovmf-boot1/ek.pub"), authorities).Verdict);
    }

    [Fact]
    public void Check_CertificateOfAChipMaker_IsValid()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);

        var appraisal = Check(_maker.Certify(_tpm.CertifiedKey), _tpm.Area(), authorities);

        Assert.Equal(EndorsementVerdict.Valid, appraisal.Verdict);
        Assert.Contains("CN=Chip Works EK 1", appraisal.Sentence, StringComparison.Ordinal);
        Assert.Equal(new("id:494E5443", "SLB 9672", "id:00020008"), appraisal.Certificate?.Tpm);
        Assert.Equal("INTC", appraisal.Certificate?.Tpm.ManufacturerLetters);
    }

    [Fact]
    public void Check_RsaKey_IsComparedToo()
    {
        using var tpm = SoftwareEndorsement.Rsa(TpmAlgorithm.Sha256, 128);
        using var other = SoftwareEndorsement.Rsa(TpmAlgorithm.Sha256, 128);
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);
        var certificate = _maker.Certify(tpm.CertifiedKey, keyUsage: X509KeyUsageFlags.KeyEncipherment);

        Assert.Equal(EndorsementVerdict.Valid, Check(certificate, tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.KeyDiffers, Check(certificate, other.Area(), authorities).Verdict);
    }

    [Fact]
    public void Check_RsaKeyUnderTheOaepIdentifier_IsJudgedLikeAnyOther()
    {
        using var tpm = SoftwareEndorsement.Rsa(TpmAlgorithm.Sha256, 128);
        using var forger = new TpmMaker();
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);
        using var noRoot = Authorities("", _maker.IssuerPem);
        using var noIssuer = Authorities(_maker.RootPem, "");
        var named = new PublicKey(new Oid("1.2.840.113549.1.1.7"), tpm.CertifiedKey.EncodedParameters, tpm.CertifiedKey.EncodedKeyValue);
        byte[] By(TpmMaker maker, DateTimeOffset? end = null) => maker.Certify(named, keyUsage: X509KeyUsageFlags.KeyEncipherment, end: end);
        var certificate = By(_maker);

        Assert.Equal(EndorsementVerdict.Valid, Check(certificate, tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.KeyDiffers, Check(certificate, Fixture.Tpm("ek-rsa.pub"), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.UnknownIssuer, Check(certificate, tpm.Area(), noRoot).Verdict);
        Assert.Equal(EndorsementVerdict.UnknownIssuer, Check(certificate, tpm.Area(), noIssuer).Verdict);
        Assert.Equal(EndorsementVerdict.UnknownIssuer, Check(By(forger), tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.OutOfDate, Check(By(_maker, _time.Start.AddDays(-1)), tpm.Area(), authorities).Verdict);
        // More than one: half of all signatures end in a clear bit, which a wrong count of unused bits would not change.
        for (var i = 0; i < 4; i++, certificate = By(_maker))
        {
            for (var at = 0; at < certificate.Length; at++)
            {
                certificate[at] ^= 1;
                Assert.NotEqual(EndorsementVerdict.Valid, Check(certificate, tpm.Area(), authorities).Verdict);
                certificate[at] ^= 1;
            }
        }
    }

    [Fact]
    public void Check_ManufacturerModelAndVersionInOneSet_AreRead() =>
        Assert.Equal(new("id:494E5443", "SLB 9672", "id:00020008"), EndorsementCertificate.Parse(_maker.Certify(_tpm.CertifiedKey, inOneSet: true)).Value.Tpm);

    [Fact]
    public void Check_NoCertificate_IsItsOwnVerdict()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);

        Assert.Equal(EndorsementVerdict.NoCertificate, Check([], _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.NoCertificate, Check(new byte[1024], _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.Unreadable, Check([0x30, 0x03, 1, 2, 3], _tpm.Area(), authorities).Verdict);
    }

    [Fact]
    public void Check_CertificateOfAnotherTpm_IsSaidToBeAnothers()
    {
        using var stranger = SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP384, TpmAlgorithm.Sha384, 256);
        using var small = SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP256, TpmAlgorithm.Sha256, 128);
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);

        Assert.Equal(EndorsementVerdict.KeyDiffers, Check(_maker.Certify(stranger.CertifiedKey), _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.KeyDiffers, Check(_maker.Certify(small.CertifiedKey), _tpm.Area(), authorities).Verdict);
    }

    [Fact]
    public void Check_WithoutTheIntermediateOrTheRoot_HasAnUnknownIssuer()
    {
        using var onlyRoot = Authorities(_maker.RootPem, "");
        using var onlyIntermediate = Authorities("", _maker.IssuerPem);
        using var nobody = Authorities("", "");
        var certificate = _maker.Certify(_tpm.CertifiedKey);

        foreach (var authorities in new[] { onlyRoot, onlyIntermediate, nobody })
            Assert.Equal(EndorsementVerdict.UnknownIssuer, Check(certificate, _tpm.Area(), authorities).Verdict);
    }

    [Fact]
    public void Check_SignatureOfSomebodyElse_HasAnUnknownIssuer()
    {
        using var forger = new TpmMaker();
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);

        Assert.Equal(EndorsementVerdict.UnknownIssuer, Check(forger.Certify(_tpm.CertifiedKey), _tpm.Area(), authorities).Verdict);
    }

    [Fact]
    public void Check_OutsideItsTime_IsOutOfDate()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);
        var certificate = _maker.Certify(_tpm.CertifiedKey, end: _time.Start.AddDays(10));
        Assert.Equal(EndorsementVerdict.Valid, Check(certificate, _tpm.Area(), authorities).Verdict);

        _time.Advance(TimeSpan.FromDays(11));
        var ended = Check(certificate, _tpm.Area(), authorities);
        var early = EndorsementCheck.Check(certificate, EndorsementKey.Accept(_tpm.Area()).Value, authorities, new FakeTimeProvider(TpmMaker.Start.AddDays(-1)));

        Assert.Equal(EndorsementVerdict.OutOfDate, ended.Verdict);
        Assert.Contains("2026-12-11", ended.Sentence, StringComparison.Ordinal);
        Assert.Equal(EndorsementVerdict.OutOfDate, early.Verdict);
        Assert.Contains("2020-01-01", early.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_IssuerOutsideItsTime_IsOutOfDate()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);
        var certificate = _maker.Certify(_tpm.CertifiedKey, end: TpmMaker.End);
        _time.SetUtcNow(TpmMaker.IssuerEnd.AddDays(1));

        Assert.Equal(EndorsementVerdict.OutOfDate, Check(certificate, _tpm.Area(), authorities).Verdict);
    }

    [Fact]
    public void Check_CertificateForSomethingElse_IsNotTaken()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);
        var key = _tpm.CertifiedKey;

        Assert.Equal(EndorsementVerdict.NotForEndorsement, Check(_maker.Certify(key, usage: "1.3.6.1.5.5.7.3.1"), _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.NotForEndorsement, Check(_maker.Certify(key, usage: null, manufacturer: null), _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.NotForEndorsement, Check(_maker.Certify(key, isAuthority: true), _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.NotForEndorsement,
            Check(_maker.Certify(key, keyUsage: X509KeyUsageFlags.DigitalSignature), _tpm.Area(), authorities).Verdict);
        Assert.Equal(EndorsementVerdict.NotForEndorsement, Check(Fixture.Tpm("platformcert.der"), Fixture.Tpm("ek-rsa.pub"), authorities).Verdict);
    }

    [Fact]
    public void Check_NoExtendedUsageButATpmsName_IsTaken()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);

        Assert.Equal(EndorsementVerdict.Valid, Check(_maker.Certify(_tpm.CertifiedKey, usage: null, keyUsage: null), _tpm.Area(), authorities).Verdict);
    }

    [Theory]
    [InlineData("Azure Virtual TPM", "id:494E5443", "")]
    [InlineData("Google Cloud", "id:494E5443", "")]
    [InlineData("Chip Works", "id:474F4F47", "")]
    [InlineData("Chip Works", "id:564D5700", "")]
    [InlineData("Chip Works", "id:494E5443", "CN=web:5d9670d6-2fc8-458f-bf76-a517b93a1913")]
    public void Check_MakerOfVirtualTpms_IsWarnedOf(string maker, string manufacturer, string subject)
    {
        using var cloud = new TpmMaker(maker);
        using var authorities = Authorities(cloud.RootPem, cloud.IssuerPem);
        var certificate = cloud.Certify(_tpm.CertifiedKey, manufacturer: manufacturer, subject: subject);

        var appraisal = Check(certificate, _tpm.Area(), authorities);

        Assert.Equal(EndorsementVerdict.VirtualTpm, appraisal.Verdict);
        Assert.NotEmpty(appraisal.Remedy);
    }

    [Fact]
    public void Check_AnyBitOfTheCertificateFlipped_IsNeverValid()
    {
        using var authorities = Authorities(_maker.RootPem, _maker.IssuerPem);
        var certificate = _maker.Certify(_tpm.CertifiedKey);
        var area = _tpm.Area();
        for (var at = 0; at < certificate.Length; at++)
        {
            var flipped = (byte[])certificate.Clone();
            flipped[at] ^= 1;
            Assert.NotEqual(EndorsementVerdict.Valid, Check(flipped, area, authorities).Verdict);
        }
    }

    [Fact]
    public void FromPem_NoCertificates_IsRefused() =>
        Assert.Equal(TpmRefusalCode.Malformed, EndorsementAuthorities.FromPem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "").Refusal?.Code);

    private EndorsementAppraisal Check(byte[] certificate, byte[] area, EndorsementAuthorities authorities)
    {
        var appraisal = EndorsementCheck.Check(certificate, EndorsementKey.Accept(area).Value, authorities, _time);
        Assert.NotEmpty(appraisal.Sentence);
        return appraisal;
    }

    private static EndorsementAuthorities Authorities(string roots, string intermediates) => EndorsementAuthorities.FromPem(roots, intermediates).Value;

    private static string Text(string file) => System.Text.Encoding.ASCII.GetString(Fixture.Tpm(file));
}
