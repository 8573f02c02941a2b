using Portal.Core.Tpm;

namespace Portal.Tests.Tpm;

public sealed class ImaAppraisalTests
{
    private static readonly Measured[] s_entries =
    [
        ImaBench.Aggregate(), Measured.File("/sbin/init", 1), Measured.File("/usr/bin/bash", 2), Measured.File("/tmp/script", 3), Measured.File("/usr/bin/qemu", 4),
    ];

    [Fact]
    public void Of_EverythingAllowed_HasNoDeviation()
    {
        var reference = Reference(at: [("/sbin/init", Hex(9)), ("/sbin/init", Hex(1)), ("/usr/bin/bash", "sha256:" + Hex(2))], anywhere: [Hex(4).ToUpperInvariant()], excludes: ["^/tmp/.*$"]);

        var appraisal = ImaAppraisal.Of(Verified(s_entries), reference);

        Assert.Equal(new(5, 1, 0, null), appraisal);
    }

    [Fact]
    public void Of_SeveralDeviations_TellsTheFirstAndCountsAll()
    {
        var reference = Reference(at: [("/sbin/init", Hex(1)), ("/usr/bin/bash", Hex(9))]);

        var appraisal = ImaAppraisal.Of(Verified(s_entries), reference);

        Assert.Equal((5, 0, 3), (appraisal.Checked, appraisal.Excluded, appraisal.Deviations));
        Assert.Equal(new(ImaDeviationKind.OtherContent, 2, "/usr/bin/bash", $"sha256:{Hex(2)}"), appraisal.First);
        Assert.Contains("/usr/bin/bash", appraisal.First!.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_RightDigestAtAnotherPath_IsUnknown()
    {
        var appraisal = ImaAppraisal.Of(Verified(ImaBench.Aggregate(), Measured.File("/tmp/bash", 2)), Reference(at: [("/usr/bin/bash", Hex(2))]));

        Assert.Equal(new(ImaDeviationKind.UnknownFile, 1, "/tmp/bash", $"sha256:{Hex(2)}"), appraisal.First);
    }

    [Fact]
    public void Of_NothingAllowed_AllowsNothingButTheBootAggregate() =>
        Assert.Equal(4, ImaAppraisal.Of(Verified(s_entries), Reference()).Deviations);

    [Fact]
    public void Of_OnlyNewEntries_AreLookedAtUnderTheirPlaceInTheWholeList()
    {
        var state = Verified(s_entries[..3]).State;
        var verified = ImaReplay.Verify(ImaBench.List(s_entries[2..]), 2, ImaBench.Quote(ImaBench.Pcr(s_entries)), TpmAlgorithm.Sha256, state).Value;

        var appraisal = ImaAppraisal.Of(verified, Reference(at: [("/tmp/script", Hex(3))]));

        Assert.Equal(2, appraisal.Checked);
        Assert.Equal((4, "/usr/bin/qemu"), (appraisal.First!.Position, appraisal.First.Path));
    }

    [Theory]
    [InlineData("/usr/bin/evil.sh", "/tmp", true)]
    [InlineData("/tmpfoo", "^/tmp/", true)]
    [InlineData("/tmp/a", "^/tmp/", false)]
    [InlineData("/tmp/a", "/tmp/", false)]
    [InlineData("/home/tmp/a", "/tmp/", true)]
    [InlineData("/tmp/a\n", "^/tmp/a$", true)]
    [InlineData("/tmp/b\u0001", "^/tmp/", true)]
    [InlineData("/var/log/x", "^/tmp/|^/var/log/", false)]
    public void Of_Exclude_MatchesFromTheBeginningAndNoInvisibleCharacters(string path, string pattern, bool deviates)
    {
        var appraisal = ImaAppraisal.Of(Verified(ImaBench.Aggregate(), Measured.File(path, 1)), Reference(excludes: [pattern]));

        Assert.Equal((deviates ? 0 : 1, deviates ? 1 : 0), (appraisal.Excluded, appraisal.Deviations));
    }

    [Fact]
    public void Of_PathThatIsNoText_HasNoDigestsOfItsOwnAndFitsNoPattern()
    {
        var bytes = Measured.File("/tmp/XY", 1).Binary();
        bytes[^2] = 0xFF;
        var list = ImaList.ParseBinary([.. ImaBench.Aggregate().Binary(), .. bytes]).Value;
        var unread = new ImaVerified(list, 0, 2, new ImaState(0, 0, TpmAlgorithm.Sha256, 2, default), null);

        Assert.Equal(ImaDeviationKind.UnknownFile, ImaAppraisal.Of(unread, Reference(at: [("/tmp/X\uFFFD", Hex(1))], excludes: [".*"])).First?.Kind);
        Assert.Null(ImaAppraisal.Of(unread, Reference(anywhere: [Hex(1)])).First);
    }

    [Fact]
    public void Of_Violation_DeviatesUnlessTolerated_WhateverPathItClaims()
    {
        Measured[] entries = [ImaBench.Aggregate(), new("ima-ng", "sha256", new byte[32], "/tmp/harmless", IsViolation: true)];

        Assert.Equal(new(ImaDeviationKind.NotMeasured, 1, "/tmp/harmless", ""), ImaAppraisal.Of(Verified(entries), Reference(excludes: ["^/tmp/"])).First);
        Assert.Null(ImaAppraisal.Of(Verified(entries), Reference(tolerates: true)).First);
    }

    [Fact]
    public void Of_WeakHashOrTemplateNotReadHere_Deviates()
    {
        var sha1 = new Measured("ima-ng", "sha1", new byte[20], "/bin/a");
        // Of a hash that is not known here: as long as one that is, and no match for it.
        var other = new Measured("ima-ng", "sm3", [.. Enumerable.Repeat((byte)1, 32)], "/bin/a");
        var reference = Reference(at: [("/bin/a", Hex(1))], anywhere: [Hex(1)]);

        Assert.Equal(ImaDeviationKind.WeakDigest, ImaAppraisal.Of(Verified(ImaBench.Aggregate(), sha1), reference).First?.Kind);
        Assert.Equal(ImaDeviationKind.WeakDigest, ImaAppraisal.Of(Verified(ImaBench.Aggregate(), other), reference).First?.Kind);
        Assert.Equal(ImaDeviationKind.OtherTemplate,
            ImaAppraisal.Of(Verified(ImaBench.Aggregate(), Measured.File("/bin/a", 1) with { Template = "ima-sigv2" }), reference).First?.Kind);
    }

    [Fact]
    public void Of_SecondBootAggregate_MustSayTheSame()
    {
        // A kernel started by another one measures it again; a file somebody named so is a file.
        Assert.Equal(0, ImaAppraisal.Of(Verified(ImaBench.Aggregate(), ImaBench.Aggregate()), Reference()).Deviations);
        Assert.Equal(ImaDeviationKind.UnknownFile, ImaAppraisal.Of(Verified(ImaBench.Aggregate(), Measured.File("boot_aggregate", 1)), Reference()).First?.Kind);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Of_RecordedBoot_IsWhatItsOwnListAllows(int boot)
    {
        var list = ImaList.ParseBinary(Fixture.Tpm($"vm-ovmf-boot{boot}/ima-after.bin")).Value;
        var verified = ImaReplay.Verify(list, 0, Fixture.Quote($"vm-boot{boot}").Check().Value, TpmAlgorithm.Sha256).Value;
        var all = Enumerable.Range(1, 39).Select(i => (list[i].PathText, Convert.ToHexStringLower(list[i].Digest.Span))).ToArray();

        Assert.Equal(new(40, 0, 0, null), ImaAppraisal.Of(verified, Reference(at: all)));
        for (var i = 0; i < all.Length; i++)
        {
            var without = ImaAppraisal.Of(verified, Reference(at: [.. all[..i], .. all[(i + 1)..]]));
            Assert.Equal((1, i + 1, all[i].PathText), (without.Deviations, without.First!.Position, without.First.Path));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("abcd")]
    [InlineData("sha1:0000000000000000000000000000000000000000")]
    [InlineData("sha384:1111111111111111111111111111111111111111111111111111111111111111")]
    [InlineData("zz11111111111111111111111111111111111111111111111111111111111111")]
    public void Create_NoDigest_IsRefusedByField(string digest)
    {
        Assert.Equal(("ima.digest.invalid", "digests[/a]"), Refused(at: [("/a", digest)]));
        Assert.Equal(("ima.digest.invalid", "digests_anywhere"), Refused(anywhere: [digest]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("(")]
    [InlineData("a)|(b")]
    [InlineData("(?=x)")]
    [InlineData(@"(a)\1")]
    [InlineData("(?x)a # b")]
    [InlineData("((a{1000}){1000}){1000}")]
    public void Create_PatternOfUnboundedTimeOrNone_IsRefusedByField(string pattern) =>
        Assert.Equal(("ima.exclude.invalid", "excludes[1]"), Refused(excludes: ["^/tmp/", pattern]));

    [Fact]
    public void Create_TooMuch_IsRefused()
    {
        Assert.Equal(("ima.excludes.too_many", "excludes"), Refused(excludes: [.. Enumerable.Repeat("a", 101)]));
        Assert.Equal(("ima.exclude.invalid", "excludes[0]"), Refused(excludes: [new string('a', 1001)]));
    }

    private static ImaVerified Verified(params Measured[] entries) =>
        ImaReplay.Verify(ImaBench.List(entries), 0, ImaBench.Quote(ImaBench.Pcr(entries)), TpmAlgorithm.Sha256).Value;

    private static ImaReference Reference(
        (string Path, string Digest)[]? at = null, string[]? anywhere = null, string[]? excludes = null, bool tolerates = false) =>
        Create(at, anywhere, excludes, tolerates).Value;

    private static (string? Code, string? Field) Refused((string Path, string Digest)[]? at = null, string[]? anywhere = null, string[]? excludes = null)
    {
        var refusal = Create(at, anywhere, excludes, false).Refusal;
        Assert.NotEmpty(refusal!.Remedy);
        return (refusal.Code, refusal.Field);
    }

    private static Portal.Core.Outcome<ImaReference> Create((string Path, string Digest)[]? at, string[]? anywhere, string[]? excludes, bool tolerates) =>
        ImaReference.Create(
            (at ?? []).GroupBy(pair => pair.Path, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => (IReadOnlyCollection<string>)[.. group.Select(pair => pair.Digest)], StringComparer.Ordinal),
            anywhere ?? [], excludes ?? [], tolerates);

    private static string Hex(byte fill) => Convert.ToHexStringLower([.. Enumerable.Repeat(fill, 32)]);
}
