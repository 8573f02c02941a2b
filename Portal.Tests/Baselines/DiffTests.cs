using System.Collections.Immutable;
using CsCheck;
using Portal.Core.Baselines;

namespace Portal.Tests.Baselines;

public sealed class DiffTests
{
    private static readonly Gen<ImmutableArray<EventReference>> AnyEvents =
        Gen.Select(Gen.Int[1, 6], Gen.UInt[1, 2], Gen.OneOf(Gen.Const(""), Gen.Const("a")), Gen.Bool, (digest, type, label, optional) => Contents.Event(digest, label, optional, type))
            .Array[0, 12]
            .Select(e => e.ToImmutableArray());

    [Fact]
    public void Between_NothingAndSomething_SaysEverythingIsNew()
    {
        var diff = BaselineDiff.Between(null, Contents.Of([Contents.Whole(4, Contents.Digest(1)), Contents.Events(8, Contents.Event(2, "kernel"))]));

        Assert.All(diff.Pcrs, p => Assert.Equal(DiffChange.Added, p.Change));
        Assert.Equal(["PCR 4 is covered now: 1 value added.", "PCR 8 is covered now: 1 event added."], diff.Sentences);
    }

    [Fact]
    public void Between_TheSame_IsEmpty()
    {
        var content = Contents.Of([Contents.Events(4, Contents.Event(1, "a"), Contents.Event(2, "b"))]);

        var diff = BaselineDiff.Between(content, BaselineContent.Parse(content.ToCanonicalJson()));

        Assert.True(diff.IsEmpty);
        Assert.All(diff.Pcrs, p => Assert.Equal(DiffChange.Same, p.Change));
    }

    [Fact]
    public void Between_ReplacedComponent_PairsOldAndNewAndNamesBoth()
    {
        var before = Contents.Of([Contents.Events(4, Contents.Event(1, "shim 15.8"), Contents.Event(2, "GRUB 2.06-61"), Contents.Event(3, "kernel"))]);
        var after = Contents.Of([Contents.Events(4, Contents.Event(1, "shim 15.8"), Contents.Event(9, "GRUB 2.06-70"), Contents.Event(3, "kernel"))]);

        var pcr = Assert.Single(BaselineDiff.Between(before, after).Pcrs);

        Assert.Equal([DiffChange.Same, DiffChange.Changed, DiffChange.Same], pcr.Events.Select(e => e.Change));
        Assert.Equal("“GRUB 2.06-70” takes the place of “GRUB 2.06-61” in PCR 4.", pcr.Events[1].Sentence);
        Assert.Equal("PCR 4: 1 event changed.", pcr.Sentence);
    }

    [Fact]
    public void Between_InsertedAndRemovedEvents_KeepsTheRestInOrder()
    {
        var before = Contents.Of([Contents.Events(4, Contents.Event(1), Contents.Event(2, type: 7), Contents.Event(3))]);
        var after = Contents.Of([Contents.Events(4, Contents.Event(1), Contents.Event(3), Contents.Event(4))]);

        var events = BaselineDiff.Between(before, after).Pcrs[0].Events;

        Assert.Equal([DiffChange.Same, DiffChange.Removed, DiffChange.Same, DiffChange.Added], events.Select(e => e.Change));
    }

    [Fact]
    public void Between_RelabelledOrMadeOptional_IsChangedThoughTheDigestsStay()
    {
        var before = Contents.Of([Contents.Events(4, Contents.Event(1, "a"), Contents.Event(2, "b"))]);
        var after = Contents.Of([Contents.Events(4, Contents.Event(1, "A"), Contents.Event(2, "b", optional: true))]);

        Assert.Equal(
            ["“a” is called “A” now; the digests are the same.", "“b” may be absent from PCR 4 now."],
            BaselineDiff.Between(before, after).Pcrs[0].Events.Select(e => e.Sentence));
    }

    [Fact]
    public void Between_WholeValues_TellsAddedAndRemoved()
    {
        var diff = BaselineDiff.Between(
            Contents.Of([Contents.Whole(4, Contents.Digest(1), Contents.Digest(2))]), Contents.Of([Contents.Whole(4, Contents.Digest(2), Contents.Digest(3))]));

        Assert.Equal([DiffChange.Same, DiffChange.Added, DiffChange.Removed], diff.Pcrs[0].Digests.Select(d => d.Change));
    }

    [Fact]
    public void Between_UncoveredPcrScopeAndBank_ComeAsSentences()
    {
        var cluster = Guid.NewGuid();
        var before = Contents.Of([Contents.Whole(4, Contents.Digest(1))], cluster);

        var diff = BaselineDiff.Between(before, new BaselineContent(PcrBanks.Sha384, [], [], ""));

        Assert.Equal([cluster], diff.ClustersRemoved);
        Assert.Equal(
            [
                "The bank is SHA-384 now; it was SHA-256.",
                "Applies to all clusters now; before to 1 cluster.",
                "PCR 4 is no longer covered, and anything may be measured there: 1 value removed.",
            ],
            diff.Sentences);
    }

    [Fact]
    public void Between_AnyTwoLists_HoldsEachListWholeAndInOrder() =>
        Gen.Select(AnyEvents, AnyEvents).Sample((before, after) =>
        {
            var events = EventDiffs.Between(4, before, after);
            Assert.Equal(before.AsEnumerable(), events.Select(e => e.Before).OfType<EventReference>());
            Assert.Equal(after.AsEnumerable(), events.Select(e => e.After).OfType<EventReference>());
            Assert.All(events, e => Assert.Equal((e.Before is null, e.After is null), (e.Change is DiffChange.Added, e.Change is DiffChange.Removed)));
        });

    [Fact]
    public void Between_AnyListAndItself_IsSameThroughout() =>
        AnyEvents.Sample(events => Assert.All(EventDiffs.Between(4, events, events), e => Assert.Equal(DiffChange.Same, e.Change)));
}
