using CsCheck;
using Portal.Core;
using Portal.Core.Inventory;

namespace Portal.Tests.Inventory;

public sealed class PolicyWordsTests
{
    private static readonly Gen<TrustPolicy> Policies = Gen.Select(
        Gen.OneOf(Gen.Const(BaselineKinds.Firmware), Gen.Const(BaselineKinds.Hypervisor), Gen.Const(BaselineKinds.Firmware | BaselineKinds.Hypervisor)),
        Gen.Int[30, 200], Gen.Int[5, 30], Gen.Int[0, 30], Gen.Int[0, 100],
        (kinds, lifetime, interval, age, forget) => new TrustPolicy(kinds, Seconds(lifetime), Seconds(interval), Seconds(age), Seconds(forget)));

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(90, "90 s")]
    [InlineData(600, "10 min")]
    [InlineData(3600, "1 h")]
    [InlineData(86400, "24 h")]
    [InlineData(86400 * 30, "30 d")]
    [InlineData(86401, "86401 s")]
    public void Duration_IsExact(int seconds, string words) => Assert.Equal(words, PolicyWords.Duration(Seconds(seconds)));

    [Fact]
    public void Differences_HoldALooserOne_ExactlyWhenThePolicyIsLooser() => Gen.Select(Policies, Policies).Sample((before, after) =>
    {
        var differences = PolicyWords.Differences(before, after);
        Assert.Equal(after.IsLooserThan(before), differences.Any(d => d.IsLooser));
        Assert.Equal(before == after, differences.Count == 0);
    });

    [Theory]
    [InlineData("lifetime", 29, 5, 5, 0)]
    [InlineData("lifetime", 86401, 5, 5, 0)]
    [InlineData("interval", 60, 4, 5, 0)]
    [InlineData("interval", 60, 61, 5, 0)]
    [InlineData("maxAgeAtStart", 60, 5, -1, 0)]
    [InlineData("maxAgeAtStart", 60, 5, 61, 0)]
    [InlineData("forgetAfter", 60, 5, 5, -1)]
    [InlineData("forgetAfter", 60, 5, 5, (86400 * 30) + 1)]
    public void Rules_OutOfLimits_NameTheField(string field, int lifetime, int interval, int age, int forget) => Assert.Equal(
        field,
        TrustPolicyRules.Instance.Refusal(new TrustPolicy(BaselineKinds.Firmware, Seconds(lifetime), Seconds(interval), Seconds(age), Seconds(forget)))?.Field);

    [Theory]
    [InlineData(30, 5, 0, 0)]
    [InlineData(86400, 86400, 86400, 86400 * 30)]
    public void Rules_AtTheLimits_AllowIt(int lifetime, int interval, int age, int forget) => Assert.Null(
        TrustPolicyRules.Instance.Refusal(new TrustPolicy(BaselineKinds.Firmware, Seconds(lifetime), Seconds(interval), Seconds(age), Seconds(forget))));

    [Theory]
    [InlineData(BaselineKinds.None)]
    [InlineData((BaselineKinds)4)]
    public void Rules_WithoutAKnownKind_RefuseIt(BaselineKinds kinds) =>
        Assert.Equal("requiredKinds", TrustPolicyRules.Instance.Refusal(TrustPolicy.Default with { RequiredKinds = kinds })?.Field);

    private static TimeSpan Seconds(int seconds) => TimeSpan.FromSeconds(seconds);
}
