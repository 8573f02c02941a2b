using Portal.Core.Attestation;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>What a verifier says, from poll to poll: a label is never believed, only growth that our own clock bounds.</summary>
public sealed class KeylimeTrackerTests
{
    private const string Name = "595979f2-07a9-56cb-9139-e38cc7bc92a1";
    private static readonly DateTimeOffset Start = new(2026, 11, 24, 5, 0, 0, TimeSpan.Zero);
    private static readonly BoundHost Host = new(Guid.CreateVersion7(), Name);

    private readonly KeylimeTracker tracker = new();
    private DateTimeOffset now = Start;

    /// <summary>How far the verifier's clock is ahead of ours.</summary>
    private TimeSpan ahead;

    [Fact]
    public void AFirstLook_SaysNothing_HoweverGoodTheLabel() => Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(count: 19)));

    [Fact]
    public void Growth_IsTrust_FromTheStartOfThePollBefore()
    {
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);

        Assert.Equal(Start, Assert.IsType<HostStatement.Trusted>(Poll(Healthy(20))).VerifiedAt);
    }

    [Fact]
    public void StalePass_IsNeverTrust_AndAfterAWhileIsSaidToBeSilence()
    {
        var stale = Healthy(19);
        Poll(stale);
        for (var i = 0; i < 6; i++)
        {
            now += TimeSpan.FromSeconds(10);
            Assert.IsType<HostStatement.NothingNew>(Poll(stale));
        }

        now += TimeSpan.FromSeconds(10);
        var trouble = Trouble(Poll(stale), CheckOutcome.AgentUnreachable, FindingCode.AgentSilent);
        Assert.Contains("for 70 s, though it still says PASS", trouble.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void ASlowVerifier_IsGivenThreeOfItsIntervals()
    {
        var slow = Healthy(19) with { Period = TimeSpan.FromSeconds(300) };
        Poll(slow);
        now += TimeSpan.FromSeconds(899);
        Assert.IsType<HostStatement.NothingNew>(Poll(slow));

        now += TimeSpan.FromSeconds(2);
        Trouble(Poll(slow), CheckOutcome.AgentUnreachable, FindingCode.AgentSilent);
    }

    [Fact]
    public void ACountThatWentDown_IsANewBeginning_NotGrowth()
    {
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(5)));
        now += TimeSpan.FromSeconds(10);

        Assert.Equal(Start.AddSeconds(10), Assert.IsType<HostStatement.Trusted>(Poll(Healthy(6))).VerifiedAt);
    }

    [Fact]
    public void AnAgentThatWasAway_BeginsAnew()
    {
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);
        var away = Trouble(Poll(null), CheckOutcome.NotConfigured, FindingCode.NotEnrolled);
        Assert.Contains(Name, away.Sentence, StringComparison.Ordinal);
        now += TimeSpan.FromSeconds(10);

        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(25)));
    }

    [Fact]
    public void StickySeverity_TakesNoTrust()
    {
        Poll(Healthy(22) with { EventId = "pcr_validation.invalid_pcr_4" });
        now += TimeSpan.FromSeconds(10);

        Assert.IsType<HostStatement.Trusted>(Poll(Healthy(23) with { EventId = "pcr_validation.invalid_pcr_4" }));
    }

    [Theory]
    [InlineData("internal.verifier.not_reachable", CheckOutcome.AgentUnreachable, FindingCode.AgentSilent)]
    [InlineData(null, CheckOutcome.AgentUnreachable, FindingCode.AgentSilent)]
    [InlineData("internal.verifier.no_quote", CheckOutcome.TpmError, FindingCode.TpmFailed)]
    [InlineData("internal.verifier.version_not_supported", CheckOutcome.ProtocolError, FindingCode.ServerNotVerifying)]
    [InlineData("pcr_validation.invalid_pcr_4", CheckOutcome.AgentUnreachable, FindingCode.ServerNotVerifying)]
    public void State7_IsSilence_NeverUntrusted_WhateverTheStickyTag(string? tag, CheckOutcome outcome, FindingCode code)
    {
        Poll(Healthy(19));

        Trouble(Poll(Healthy(20) with { State = 7, Word = "FAIL", EventId = tag }), outcome, code);
    }

    [Fact]
    public void State9_IsUntrusted_AtOnce_AndNamesThePcr()
    {
        var finding = Assert.Single(Assert.IsType<HostStatement.Untrusted>(Poll(Healthy(18) with { State = 9, Word = "FAIL", EventId = "pcr_validation.invalid_pcr_4" })).Findings);

        Assert.Equal((FindingCode.ServerFoundMismatch, 4, BaselineKinds.Hypervisor, false), (finding.Code, finding.Pcr, finding.Kind, finding.IsNote));
        Assert.Equal("boot-loader-code not approved (PCR 4)", finding.Short);
    }

    [Fact]
    public void State10_IsADeadEnd_WithItsRemedy()
    {
        var finding = Trouble(Poll(Healthy(18) with { State = 10, Word = "FAIL" }), CheckOutcome.NotConfigured, FindingCode.ServerNotVerifying);

        Assert.Equal("Remove the agent from the verifier and enrol it again.", finding.Remedy);
    }

    [Fact]
    public void State8_IsBeingRemoved() => Trouble(Poll(Healthy(18) with { State = 8, Word = "PENDING" }), CheckOutcome.NotConfigured, FindingCode.ServerNotVerifying);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void States0To2_AreQueued(int state) => Trouble(Poll(Healthy(0) with { State = state, Word = "PENDING" }), CheckOutcome.Queued, FindingCode.ServerNotVerifying);

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void RetryAndPayloadStates_CountWhenTheCountGrew(int state)
    {
        Poll(Healthy(18) with { State = state });

        Assert.IsType<HostStatement.Trusted>(Poll(Healthy(19) with { State = state }));
    }

    [Fact]
    public void State6_IsNoTrust()
    {
        Poll(Healthy(18));

        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(19) with { State = 6 }));
    }

    [Fact]
    public void AReactivatedAgentThatIsDead_IsNeverTrusted()
    {
        Trouble(Poll(Healthy(23) with { State = 7, Word = "FAIL" }), CheckOutcome.AgentUnreachable, FindingCode.AgentSilent);
        var reactivated = Healthy(23) with { EventId = "internal.verifier.not_reachable" };
        for (var i = 0; i < 10; i++)
        {
            now += TimeSpan.FromSeconds(10);
            Assert.IsNotType<HostStatement.Trusted>(Poll(reactivated));
        }
    }

    [Fact]
    public void Push_PassNeedsGrowthToo()
    {
        Assert.IsType<HostStatement.NothingNew>(Poll(Push("PASS", 4)));
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(Push("PASS", 4)));
        now += TimeSpan.FromSeconds(10);

        Assert.Equal(Start.AddSeconds(10), Assert.IsType<HostStatement.Trusted>(Poll(Push("PASS", 5))).VerifiedAt);
    }

    [Fact]
    public void Push_FailIsSticky_ThoughItsStateIs3AndItsCountGrows()
    {
        Poll(Push("PASS", 4));

        var finding = Assert.Single(Assert.IsType<HostStatement.Untrusted>(Poll(Push("FAIL", 5))).Findings);
        Assert.Contains("later matching evidence does not change its word", finding.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void Push_TimeoutIsSilence_AndPendingWaits()
    {
        Poll(Push("PASS", 4));

        Trouble(Poll(Push("TIMEOUT", 5)), CheckOutcome.AgentUnreachable, FindingCode.AgentSilent);
        Trouble(Poll(Push("PENDING", 5)), CheckOutcome.Queued, FindingCode.ServerNotVerifying);
    }

    [Fact]
    public void Push_WithoutAWord_IsUnknown() => Trouble(Poll(Push(null, 4)), CheckOutcome.ProtocolError, FindingCode.UnknownWord);

    [Fact]
    public void Pull_WithoutAWord_AsBefore714_IsJudgedByItsState()
    {
        Poll(Healthy(19) with { Word = null, Period = null });

        Assert.IsType<HostStatement.Trusted>(Poll(Healthy(20) with { Word = null, Period = null }));
    }

    [Theory]
    [InlineData(11, "PASS")]
    [InlineData(-1, "PASS")]
    [InlineData(null, "PASS")]
    [InlineData(3, "FINE")]
    [InlineData(3, "FAIL")]
    [InlineData(3, "")]
    public void UnknownStatesAndWords_AreNoTrust_HoweverTheCountGrows(int? state, string word)
    {
        Poll(Healthy(19));

        Trouble(Poll(Healthy(20) with { State = state, Word = word }), CheckOutcome.ProtocolError, FindingCode.UnknownWord);
    }

    [Fact]
    public void AWordFullOfTricks_IsMadeHarmless()
    {
        var finding = Trouble(Poll(Push("PA\u202e\u001b[31m" + new string('S', 290), 1)), CheckOutcome.ProtocolError, FindingCode.UnknownWord);

        Assert.DoesNotContain('\u202e', finding.Sentence);
        Assert.DoesNotContain('\u001b', finding.Sentence);
        Assert.True(finding.Sentence.Length < 200);
    }

    [Fact]
    public void NoCountAtAll_IsNoTrust() => Trouble(Poll(Healthy(0) with { Count = null }), CheckOutcome.ProtocolError, FindingCode.UnknownWord);

    [Fact]
    public void GrowthWithoutAStamp_OrStampedEarlierThanTheLast_CannotBeDated()
    {
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(20) with { Success = null }));
        now += TimeSpan.FromSeconds(10);
        Poll(Healthy(21));
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(22) with { Success = Start.ToUnixTimeSeconds(), Received = Start.ToUnixTimeSeconds() }));
        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(23) with { Success = long.MaxValue }));
    }

    [Fact]
    public void AServerClockBehind_MakesVerdictsOlder()
    {
        ahead = TimeSpan.FromHours(-1);
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);

        Assert.Equal(now - TimeSpan.FromHours(1), Assert.IsType<HostStatement.Trusted>(Poll(Healthy(20))).VerifiedAt);
    }

    [Fact]
    public void AServerClockAhead_NeverMakesThemYounger()
    {
        ahead = TimeSpan.FromHours(1);
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);

        Assert.Equal(Start, Assert.IsType<HostStatement.Trusted>(Poll(Healthy(20))).VerifiedAt);
    }

    [Fact]
    public void OurClockGoingBack_NeverLeadsIntoOurFuture()
    {
        Poll(Healthy(19));
        ahead = TimeSpan.FromHours(2);
        now -= TimeSpan.FromHours(1);

        Assert.Equal(now, Assert.IsType<HostStatement.Trusted>(Poll(Healthy(20))).VerifiedAt);
    }

    [Fact]
    public void AFailedPollInBetween_LeavesTheEarlierOneTheBound()
    {
        Poll(Healthy(19));
        now += TimeSpan.FromMinutes(5);

        Assert.Equal(Start, Assert.IsType<HostStatement.Trusted>(Poll(Healthy(150))).VerifiedAt);
    }

    [Fact]
    public void GrowthWhileUntrusted_IsNotKeptForLater()
    {
        Poll(Healthy(19));
        Poll(Healthy(20) with { State = 9, Word = "FAIL" });

        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(20)));
    }

    [Fact]
    public void ASuccessThatAFailureFollowed_IsNoTrust_ThoughTheAgentWasReactivatedBeforeAnybodyLooked()
    {
        Poll(Healthy(19));
        now += TimeSpan.FromSeconds(10);
        var reactivated = Healthy(20) with { EventId = "pcr_validation.invalid_pcr_4", Received = now.ToUnixTimeSeconds(), Success = now.ToUnixTimeSeconds() - 2 };
        Assert.IsType<HostStatement.NothingNew>(Poll(reactivated));
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(reactivated));
        now += TimeSpan.FromSeconds(10);

        Assert.Equal(Start.AddSeconds(20), Assert.IsType<HostStatement.Trusted>(Poll(Healthy(21) with { EventId = reactivated.EventId })).VerifiedAt);
    }

    [Fact]
    public void ASuccessThatAFailureFollowed_IsNoTrust_WhereOnlyItsTagTells()
    {
        Poll(Healthy(19) with { Received = null });
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(20) with { Received = null, EventId = "pcr_validation.invalid_pcr_4" }));
        now += TimeSpan.FromSeconds(10);

        Assert.IsType<HostStatement.Trusted>(Poll(Healthy(21) with { Received = null, EventId = "pcr_validation.invalid_pcr_4" }));
    }

    [Fact]
    public void AFailure_IsNewOnce_AndAgainOnlyWithAnotherQuote()
    {
        var failed = Healthy(18) with { State = 9, Word = "FAIL", EventId = "pcr_validation.invalid_pcr_4" };
        Assert.False(Untrusted(Poll(failed)).IsNew, "nobody knows since when");
        Poll(Healthy(18));
        Assert.True(Untrusted(Poll(failed)).IsNew);
        Assert.False(Untrusted(Poll(failed)).IsNew);
        Assert.True(Untrusted(Poll(failed with { Received = failed.Received + 30 })).IsNew);

        Poll(Push("PASS", 4));
        var sent = Push("FAIL", 4);
        Assert.Equal([true, false], new[] { Untrusted(Poll(sent)).IsNew, Untrusted(Poll(sent)).IsNew });
    }

    [Fact]
    public void ALookThatComesLate_SaysNothing_AndHidesNoFailure()
    {
        Poll(Healthy(19));
        var late = Healthy(20);
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.Untrusted>(Poll(Healthy(20) with { State = 9, Word = "FAIL" }));

        Assert.IsType<HostStatement.NothingNew>(tracker.Read([Host], _ => late, now - TimeSpan.FromSeconds(5), now)[0]);
        Assert.IsType<HostStatement.NothingNew>(tracker.Read([Host], _ => null, now - TimeSpan.FromSeconds(5), now)[0]);
        now += TimeSpan.FromSeconds(10);
        Assert.IsType<HostStatement.NothingNew>(Poll(Healthy(20)));
    }

    [Fact]
    public void AskedAlone_AQuoteThatWasUnderWay_IsNotFresh_TheOneAfterItIs()
    {
        var fresh = new FreshEvidence(Host);
        Assert.Null(Ask(fresh, Healthy(19)));
        now += TimeSpan.FromSeconds(1);
        Assert.Null(Ask(fresh, Healthy(20)));
        now += TimeSpan.FromSeconds(1);
        Assert.Null(Ask(fresh, Healthy(20)));
        now += TimeSpan.FromSeconds(1);

        var trusted = Assert.IsType<HostStatement.Trusted>(Ask(fresh, Healthy(21)));
        Assert.Equal((Start, Start), (trusted.VerifiedAt, trusted.AppearedAfter));
    }

    [Fact]
    public void AskedAlone_EnrolledAnewMeanwhile_IsCountedFromThere()
    {
        var fresh = new FreshEvidence(Host);
        Ask(fresh, Healthy(19));
        now += TimeSpan.FromSeconds(1);
        Assert.Null(Ask(fresh, Healthy(0)));
        now += TimeSpan.FromSeconds(1);
        Assert.Null(Ask(fresh, Healthy(1)));
        now += TimeSpan.FromSeconds(1);

        Assert.Equal(Start.AddSeconds(1), Assert.IsType<HostStatement.Trusted>(Ask(fresh, Healthy(2))).VerifiedAt);
    }

    [Theory]
    [InlineData(2, 20)]
    [InlineData(15, 35)]
    [InlineData(300, 60)]
    public void AskedAlone_IsWaitedForAsLongAsTheVerifierTakes_WithinLimits(int period, int patience)
    {
        var fresh = new FreshEvidence(Host);
        Ask(fresh, Healthy(19) with { Period = TimeSpan.FromSeconds(period) });

        Assert.Equal(TimeSpan.FromSeconds(patience), fresh.Patience);
    }

    [Fact]
    public void AskedAlone_AFailureIsSaidAtOnce()
    {
        var fresh = new FreshEvidence(Host);
        Ask(fresh, Healthy(19));

        Assert.IsType<HostStatement.Untrusted>(Ask(fresh, Healthy(21) with { State = 9, Word = "FAIL" }));
    }

    [Fact]
    public void TwoHostsOfOneAgent_AreToldTheSame()
    {
        var other = new BoundHost(Guid.CreateVersion7(), Name);
        tracker.Read([Host, other], _ => Healthy(19), now, now);

        var statements = tracker.Read([Host, other], _ => Healthy(20), now, now);

        Assert.Equal([Host.HostId, other.HostId], statements.Select(s => Assert.IsType<HostStatement.Trusted>(s).HostId));
    }

    [Fact]
    public void RandomHistories_TrustOnlyWhatGrew_AndNeverBeyondTheStartOfThePollBefore()
    {
        var random = new Random(20261124);
        for (var run = 0; run < 300; run++)
        {
            var own = new KeylimeTracker();
            var (at, before, lastCount) = (Start, (DateTimeOffset?)null, (long?)null);
            for (var step = 0; step < 40; step++)
            {
                at += TimeSpan.FromSeconds(random.Next(1, 30));
                var status = random.Next(12) == 0 ? null : new AgentStatus(Name)
                {
                    State = random.Next(-1, 12),
                    Word = new[] { "PASS", "FAIL", "PENDING", "TIMEOUT", null, "?" }[random.Next(6)],
                    Count = random.Next(10) == 0 ? null : random.Next(0, 6),
                    Success = random.Next(5) == 0 ? null : (at + TimeSpan.FromSeconds(random.Next(-100, 100))).ToUnixTimeSeconds(),
                    Received = random.Next(3) == 0 ? null : (at + TimeSpan.FromSeconds(random.Next(-100, 100))).ToUnixTimeSeconds(),
                    Ip = random.Next(2) == 0 ? "" : "10.0.0.1",
                };
                var statement = own.Read([Host], _ => status, at, at)[0];
                if (statement is HostStatement.Trusted trusted)
                {
                    Assert.True(lastCount < status!.Count, "trusted without growth");
                    Assert.True(trusted.VerifiedAt <= before && trusted.VerifiedAt <= DateTimeOffset.FromUnixTimeSeconds(status.Success!.Value), "too young");
                    Assert.True(status.IsPush || !(status.Received > status.Success), "trusted although the last quote was no success");
                    Assert.True(status.IsPush ? status.Word == "PASS" : status.State is 3 or 4 or 5 && status.Word is null or "PASS", "trusted on a bad label");
                }

                Assert.True(statement is not HostStatement.Untrusted || (status!.IsPush ? status.Word == "FAIL" : status.State == 9), "untrusted without a mismatch");
                (before, lastCount) = status?.Count is { } count ? ((DateTimeOffset?)at, (long?)count) : (null, null);
            }
        }
    }

    private static HostStatement.Untrusted Untrusted(HostStatement statement) => Assert.IsType<HostStatement.Untrusted>(statement);

    private HostStatement? Ask(FreshEvidence fresh, AgentStatus? status) => fresh.Read(status, now, now);

    private HostStatement Poll(AgentStatus? status) => tracker.Read([Host], name => name == Name ? status : null, now, now)[0];

    private AgentStatus Healthy(long count) => new(Name)
    {
        State = 3,
        Word = "PASS",
        Count = count,
        Success = (now + ahead).ToUnixTimeSeconds(),
        Received = (now + ahead).ToUnixTimeSeconds(),
        Ip = "127.0.0.1",
        Port = 9102,
        HashAlgorithm = "sha256",
        Period = TimeSpan.FromSeconds(2),
    };

    private AgentStatus Push(string? word, long count) => Healthy(count) with { Word = word, Ip = "", Port = null, HashAlgorithm = "" };

    private static Finding Trouble(HostStatement statement, CheckOutcome outcome, FindingCode code)
    {
        var trouble = Assert.IsType<HostStatement.Trouble>(statement);
        Assert.Equal((outcome, code), (trouble.Outcome, trouble.Why.Code));
        Assert.NotEmpty(trouble.Why.Short);
        Assert.NotEmpty(trouble.Why.Remedy);
        return trouble.Why;
    }
}
