using System.Collections.Immutable;
using CsCheck;
using Portal.Core;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Tests.Baselines;

public sealed class RulesTests
{
    private static readonly string Good = Contents.Digest(1);

    public static TheoryData<string, string> BadNames => new()
    {
        { "", "baseline.name.empty" },
        { new string('a', 65), "baseline.name.long" },
        { "a/b", "baseline.name.characters" },
        { " a", "baseline.name.characters" },
        { "a\n", "baseline.name.characters" },
        { "prüfung", "baseline.name.characters" },
        { "rhel\u200B9", "baseline.name.characters" },
    };

    public static TheoryData<string, string, BaselineContent> BadContents => new()
    {
        { "baseline.bank", "content.bank", Contents.Boot() with { Bank = 0x0004 } },
        { "baseline.bank", "content.bank", Contents.Boot() with { Bank = 0x0027 } },
        { "baseline.pcr.range", "content.pcrs[0].pcr", Contents.Of([Contents.Whole(24, Good)]) },
        { "baseline.pcr.range", "content.pcrs[0].pcr", Contents.Of([Contents.Whole(-1, Good)]) },
        { "baseline.pcr.twice", "content.pcrs[1].pcr", Contents.Of([Contents.Whole(4, Good), Contents.Whole(4, Good)]) },
        { "baseline.pcr.order", "content.pcrs[1].pcr", Contents.Of([Contents.Whole(8, Good), Contents.Whole(4, Good)]) },
        { "baseline.pcr.both", "content.pcrs[0]", Contents.Of([new PcrReference(4, [Good], [Contents.Event(1)])]) },
        { "baseline.pcr.empty", "content.pcrs[0]", Contents.Of([Contents.Whole(4)]) },
        { "baseline.pcr.ima", "content.pcrs[0].digests", Contents.Of([Contents.Whole(10, Good)]) },
        { "baseline.digest", "content.pcrs[0].digests[1]", Contents.Of([Contents.Whole(4, Good, Good[..63])]) },
        { "baseline.digest", "content.pcrs[0].digests[0]", Contents.Of([Contents.Whole(4, new string('g', 64))]) },
        { "baseline.digest", "content.pcrs[0].digests[0]", Contents.Of([Contents.Whole(4, Good)]) with { Bank = PcrBanks.Sha384 } },
        { "baseline.digest.twice", "content.pcrs[0].digests[1]", Contents.Of([Contents.Whole(4, Good, Good.ToUpperInvariant())]) },
        { "baseline.digests.many", "content.pcrs[0].digests", Contents.Of([Contents.Whole(4, [.. Enumerable.Range(1, 65).Select(Contents.Digest)])]) },
        { "baseline.event.no_action", "content.pcrs[0].events[0].type", Contents.Of([Contents.Events(4, Contents.Event(1, type: 3))]) },
        { "baseline.event.empty", "content.pcrs[0].events[1].digests", Contents.Of([Contents.Events(4, Contents.Event(1), new EventReference(1, [], ""))]) },
        { "baseline.digest", "content.pcrs[0].events[0].digests[0]", Contents.Of([Contents.Events(4, new EventReference(1, ["12"], ""))]) },
        { "baseline.label", "content.pcrs[0].events[0].label", Contents.Of([Contents.Events(4, Contents.Event(1, "a\u0007b"))]) },
        { "baseline.label", "content.pcrs[0].label", Contents.Of([Contents.Whole(4, Good) with { Label = new string('l', 201) }]) },
        { "baseline.events.many", "content.pcrs[0].events", Contents.Of([Contents.Events(4, [.. Enumerable.Range(1, 1025).Select(i => Contents.Event(i))])]) },
        { "baseline.events.many", "content.pcrs", Contents.Of([.. Enumerable.Range(0, 5).Select(p => Contents.Events(p, [.. Enumerable.Range(1, 1000).Select(i => Contents.Event(i))]))]) },
        { "baseline.clusters.many", "content.clusters", Contents.Boot([.. Enumerable.Range(0, 501).Select(_ => Guid.NewGuid())]) },
        { "baseline.notes", "content.notes", Contents.Boot() with { Notes = new string('n', 4001) } },
        { "baseline.notes", "content.notes", Contents.Boot() with { Notes = "half \ud800 a pair" } },
    };

    [Theory]
    [MemberData(nameof(BadNames))]
    public void Name_NotAllowed_IsRefusedByField(string name, string code)
    {
        var refusal = BaselineNameRules.Instance.Refusal(new BaselineName(name, "", BaselineKinds.Firmware));

        Assert.Equal((code, "name"), (refusal?.Code, refusal?.Field));
    }

    [Theory]
    [InlineData("a")]
    [InlineData("rhel9-2026.10_b 2")]
    public void Name_Allowed_Passes(string name) =>
        Assert.Null(BaselineNameRules.Instance.Refusal(new BaselineName(name, "line one\nline two", BaselineKinds.Hypervisor)));

    [Theory]
    [InlineData(BaselineKinds.None)]
    [InlineData(BaselineKinds.Firmware | BaselineKinds.Hypervisor)]
    [InlineData((BaselineKinds)8)]
    public void Kind_NotExactlyOne_IsRefused(BaselineKinds kind) =>
        Assert.Equal("baseline.kind", BaselineNameRules.Instance.Refusal(new BaselineName("a", "", kind))?.Code);

    [Theory]
    [MemberData(nameof(BadContents), DisableDiscoveryEnumeration = true)]
    public void Content_NotAllowed_IsRefusedByField(string code, string field, BaselineContent content)
    {
        var refusal = ContentRules.Instance.Refusal(content.Normalized());

        Assert.Equal((code, field), (refusal?.Code, refusal?.Field));
        Assert.False(string.IsNullOrWhiteSpace(refusal?.Remedy));
    }

    [Theory]
    [InlineData(PcrBanks.Sha256, 64)]
    [InlineData(PcrBanks.Sha384, 96)]
    [InlineData(PcrBanks.Sha512, 128)]
    public void Content_WithDigestsOfTheBank_Passes(ushort bank, int length) =>
        Assert.Null(ContentRules.Instance.Refusal((Contents.Of([Contents.Whole(4, new string('A', length)), Contents.Whole(7, new string('b', length))]) with { Bank = bank }).Normalized()));

    [Fact]
    public void Content_Empty_PassesAsADraftButDemandsNothing()
    {
        Assert.Null(ContentRules.Instance.Refusal(BaselineContent.Empty));
        Assert.False(BaselineContent.Empty.DemandsSomething());
    }

    [Fact]
    public void Normalized_OfWhatADeserializerMakesOfLittle_HoldsNoNull()
    {
        var bare = new BaselineContent(PcrBanks.Sha256, [new PcrReference(4, default, [new EventReference(1, default, null!)], null!)], default, null!);

        Assert.Equal("baseline.event.empty", ContentRules.Instance.Refusal(bare.Normalized())?.Code);
        Assert.NotEmpty(bare.Normalized().ToCanonicalJson());
    }

    [Fact]
    public void CanonicalJson_OfAnyContent_ReadsBackToTheSameTextAndHash()
    {
        var text = Gen.String[0, 20];
        var events = Gen.Select(Gen.UInt, Gen.Int[1, 99], text, Gen.Bool, (type, digest, label, optional) => Contents.Event(digest, label, optional, type)).Array[0, 6];
        var pcrs = Gen.Select(Gen.Int[0, 23], events, text, (pcr, list, label) => new PcrReference(pcr, [], [.. list], label)).Array[0, 5];
        Gen.Select(pcrs, Gen.Guid.Array[0, 4], text, (p, c, notes) => new BaselineContent(PcrBanks.Sha256, [.. p], [.. c], notes)).Sample(content =>
        {
            var once = content.Normalized().ToCanonicalJson();
            var again = BaselineContent.Parse(once).Normalized().ToCanonicalJson();
            Assert.Equal(once, again);
        });
    }

    [Fact]
    public void Validate_OfAnyContent_ReturnsWithoutThrowing()
    {
        var digest = Gen.OneOf(Gen.String[0, 130], Gen.Const(Good));
        var digests = digest.Array[0, 3].Select(d => d.ToImmutableArray());
        var events = Gen.Select(Gen.UInt, digests, Gen.String, Gen.Bool, (t, d, l, o) => new EventReference(t, d, l, o)).Array[0, 4];
        var pcrs = Gen.Select(Gen.Int[-2, 26], digests, events, Gen.String, (p, d, e, l) => new PcrReference(p, d, [.. e], l)).Array[0, 5];
        Gen.Select(Gen.UShort[4, 14], pcrs, Gen.String, (b, p, n) => new BaselineContent(b, [.. p], [], n)).Sample(content =>
        {
            var normal = content.Normalized();
            _ = ContentRules.Instance.Validate(normal);
            _ = BaselineWarnings.Of(normal, BaselineKinds.Firmware);
            _ = BaselineDiff.Between(normal, normal);
        });
    }
}
