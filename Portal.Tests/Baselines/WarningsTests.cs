using System.Security.Cryptography;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Tests.Baselines;

public sealed class WarningsTests
{
    private static readonly byte[] Separator = SHA256.HashData([0, 0, 0, 0]);

    [Fact]
    public void Of_AllZeros_SaysNothingWasMeasured() =>
        Assert.Equal(BaselineWarningCode.NeverExtended, Only(Contents.Whole(14, new string('0', 64))).Code);

    [Fact]
    public void Of_AllOnesOfADynamicPcr_SaysNothingWasLaunched()
    {
        var warning = Only(Contents.Whole(17, new string('F', 64)));

        Assert.Equal(BaselineWarningCode.NeverLaunched, warning.Code);
        Assert.Contains("no measured launch", warning.Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    public void Of_LoneSeparatorAfterAnyStartLocality_SaysItTellsNoHostFromAnother(byte locality)
    {
        var start = new byte[32];
        start[31] = locality;

        Assert.Equal(BaselineWarningCode.SeparatorOnly, Only(Contents.Whole(0, Hex(SHA256.HashData([.. start, .. Separator])))).Code);
    }

    [Theory]
    [InlineData(PcrBanks.Sha384)]
    [InlineData(PcrBanks.Sha512)]
    public void Of_LoneSeparatorOfALongerBank_IsFoundToo(ushort bank)
    {
        byte[] Hash(byte[] bytes) => bank == PcrBanks.Sha384 ? SHA384.HashData(bytes) : SHA512.HashData(bytes);
        var value = Hash([.. new byte[bank == PcrBanks.Sha384 ? 48 : 64], .. Hash([0, 0, 0, 0])]);

        var warnings = BaselineWarnings.Of(Contents.Of([Contents.Whole(2, Hex(value))]) with { Bank = bank });

        Assert.Equal(BaselineWarningCode.SeparatorOnly, Assert.Single(warnings).Code);
    }

    [Fact]
    public void Of_EventsThatAreAllSeparators_SaysSo() =>
        Assert.Equal(BaselineWarningCode.SeparatorOnly, Only(Contents.Events(5, new EventReference(Contents.Separator, [Hex(Separator)], ""))).Code);

    [Fact]
    public void Of_EventsThatMayAllBeAbsent_SaysSo() =>
        Assert.Equal(BaselineWarningCode.NothingRequired, Only(Contents.Events(5, Contents.Event(1, optional: true))).Code);

    [Theory]
    [InlineData(16)]
    [InlineData(23)]
    public void Of_APcrSoftwareCanReset_SaysSo(int pcr) =>
        Assert.Equal(BaselineWarningCode.Resettable, Only(Contents.Whole(pcr, Contents.Digest(1))).Code);

    [Fact]
    public void Of_Pcr10ByEvent_SaysNoHostWillMatch() =>
        Assert.Equal(BaselineWarningCode.RuntimeMeasurements, Only(Contents.Events(10, Contents.Event(1))).Code);

    [Fact]
    public void Of_PcrsOfTheOtherKind_GivesHintsOnlyWhenTheKindIsKnown()
    {
        var content = Contents.Of([Contents.Whole(0, Contents.Digest(1)), Contents.Whole(9, Contents.Digest(2))]);

        Assert.Empty(BaselineWarnings.Of(content));
        Assert.Equal(9, Assert.Single(BaselineWarnings.Of(content, BaselineKinds.Firmware)).Pcr);
        Assert.Equal(
            [(BaselineWarningCode.UnusualForKind, 0), (BaselineWarningCode.ExpectedPcrAbsent, 4)],
            BaselineWarnings.Of(content, BaselineKinds.Hypervisor).Select(w => (w.Code, w.Pcr ?? -1)));
    }

    [Fact]
    public void Of_OrdinaryValues_IsSilent() =>
        Assert.Empty(BaselineWarnings.Of(Contents.Of([Contents.Whole(4, Contents.Digest(1)), Contents.Events(8, Contents.Event(2))]), BaselineKinds.Hypervisor));

    private static BaselineWarning Only(PcrReference pcr) => Assert.Single(BaselineWarnings.Of(Contents.Of([pcr])));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
