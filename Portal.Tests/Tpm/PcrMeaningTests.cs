using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class PcrMeaningTests
{
    [Theory]
    [InlineData(TpmAlgorithm.Sha256, PcrMeaning.SeparatorOnlySha256, PcrContent.SeparatorOnly)]
    [InlineData(TpmAlgorithm.Sha256, PcrMeaning.OnesSeparatorOnlySha256, PcrContent.OnesSeparatorOnly)]
    [InlineData(TpmAlgorithm.Sha1, "b2a83b0ebf2f8374299a5b2bdfc31ea955ad7236", PcrContent.SeparatorOnly)]
    [InlineData(TpmAlgorithm.Sha1, "3a3f780f11a4b49969fcaa80cd6e3957c33b2275", PcrContent.OnesSeparatorOnly)]
    [InlineData(TpmAlgorithm.Sha384, "518923b0f955d08da077c96aaba522b9decede61c599cea6c41889cfbea4ae4d50529d96fe4d1afdafb65e7f95bf23c4", PcrContent.SeparatorOnly)]
    [InlineData(TpmAlgorithm.Sha256, "0000000000000000000000000000000000000000000000000000000000000000", PcrContent.AllZero)]
    [InlineData(TpmAlgorithm.Sha256, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", PcrContent.AllOnes)]
    [InlineData(TpmAlgorithm.Sha256, "177e29c417b6b61c7cf46ed30b4468931f58642527a268b556254e39b941ec6a", PcrContent.Measured)]
    [InlineData(TpmAlgorithm.Sm3, "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969", PcrContent.Measured)]
    public void Classify_Value_IsNamed(TpmAlgorithm bank, string value, PcrContent expected) =>
        Assert.Equal(expected, PcrMeaning.Classify(bank, Convert.FromHexString(value)));

    [Fact]
    public void All_Holds24InOrder() => Assert.Equal(Enumerable.Range(0, 24), PcrMeaning.All.Select(meaning => meaning.Pcr));

    [Fact]
    public void Of_NumberNoTpmHas_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => PcrMeaning.Of(24));
        Assert.Throws<ArgumentOutOfRangeException>(() => PcrMeaning.Of(-1));
    }
}
