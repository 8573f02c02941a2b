using Portal.Core.Attestation;

namespace Portal.Tests.Attestation;

public sealed class TrustTimelineTests
{
    private static readonly DateTimeOffset Begin = new(2026, 10, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Cells_WithoutHistory_AreUnknown() =>
        Assert.All(TrustTimeline.Of(null, [], Begin, Begin.AddHours(24), 48), c => Assert.Equal(TrustStatus.Unknown, c.Status));

    [Fact]
    public void Cells_CoverTheSpanWithoutGap()
    {
        var cells = TrustTimeline.Of(null, [], Begin, Begin.AddHours(24), 7);

        Assert.Equal(Begin, cells[0].From);
        Assert.Equal(Begin.AddHours(24), cells[^1].To);
        Assert.All(cells.Zip(cells.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
    }

    [Fact]
    public void Cells_CarryOnWhatStood_AndShowTheWorstWithin()
    {
        AttestationTransition[] history =
        [
            Step(1, TimeSpan.FromHours(2.5), Verdict.Untrusted),
            Step(2, TimeSpan.FromHours(2.75), Verdict.Trusted),
            Step(3, TimeSpan.FromHours(4), Verdict.Trusted, CheckOutcome.AgentUnreachable),
        ];

        var cells = TrustTimeline.Of(Step(0, TimeSpan.FromHours(-1), Verdict.Trusted), history, Begin, Begin.AddHours(6), 6);

        Assert.Equal(
            [TrustStatus.Trusted, TrustStatus.Trusted, TrustStatus.Untrusted, TrustStatus.Trusted, TrustStatus.Stale, TrustStatus.Stale],
            cells.Select(c => c.Status));
    }

    [Fact]
    public void Cell_ThatBeginsWithATransition_IsNotWhatStoodBefore()
    {
        var cells = TrustTimeline.Of(Step(0, TimeSpan.FromHours(-1), Verdict.Untrusted), [Step(1, TimeSpan.FromHours(1), Verdict.Trusted)], Begin, Begin.AddHours(2), 2);

        Assert.Equal([TrustStatus.Untrusted, TrustStatus.Trusted], cells.Select(c => c.Status));
    }

    private static AttestationTransition Step(long id, TimeSpan after, Verdict verdict, CheckOutcome outcome = CheckOutcome.Ok) => new()
    {
        Id = id,
        HostId = Guid.Empty,
        At = Begin + after,
        Purpose = AttestationPurpose.Round,
        Verdict = verdict,
        Outcome = outcome,
        Reason = "",
        Sentence = "",
        Findings = "[]",
        PolicyRevision = 1,
    };
}
