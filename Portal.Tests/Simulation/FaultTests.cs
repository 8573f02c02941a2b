using Portal.Core.Attestation;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Tpm;

namespace Portal.Tests.Simulation;

public sealed class FaultTests : IDisposable
{
    private static readonly int[] Pcrs = [0, 2, 4, 7, 8, 9, 14];

    private readonly SimulatedWorld world = new();

    /// <summary>Every fault that answers with evidence: what the quote check and the log check say of it. None means it passes there.</summary>
    public static TheoryData<Fault, TpmRefusalCode?, TpmRefusalCode?> Expected => new()
    {
        { Fault.TruncatedQuote, TpmRefusalCode.Truncated, null },
        { Fault.QuoteBitFlip, TpmRefusalCode.SignatureInvalid, null },
        { Fault.SignatureBitFlip, TpmRefusalCode.SignatureInvalid, null },
        { Fault.Replay, TpmRefusalCode.NonceMismatch, null },
        { Fault.QuoteOfAnotherHost, TpmRefusalCode.SignatureInvalid, null },
        { Fault.WeakSignature, TpmRefusalCode.WeakHash, null },
        { Fault.WrongBank, TpmRefusalCode.SelectionLacksPcr, TpmRefusalCode.WeakHash },
        { Fault.MissingPcr, TpmRefusalCode.SelectionLacksPcr, null },
        { Fault.PcrValueAltered, TpmRefusalCode.PcrDigestMismatch, TpmRefusalCode.PcrDigestMismatch },
        { Fault.ClockWentBack, null, null },
        { Fault.LogDigestAltered, null, TpmRefusalCode.PcrDigestMismatch },
        { Fault.LogEventAbsent, null, TpmRefusalCode.PcrDigestMismatch },
        { Fault.LogEventExtra, null, TpmRefusalCode.PcrDigestMismatch },
        { Fault.LogEventsReordered, null, TpmRefusalCode.PcrDigestMismatch },
        { Fault.LogTruncated, null, TpmRefusalCode.Truncated },
        { Fault.LogLengthAbsurd, null, TpmRefusalCode.Truncated },
        { Fault.LogHuge, null, TpmRefusalCode.TooLarge },
        { Fault.BootEventAbsent, null, null },
        { Fault.BootEventExtra, null, null },
        { Fault.BootEventsReordered, null, null },
        { Fault.BankUnmeasured, null, TpmRefusalCode.SeparatorMissing },
    };

    public void Dispose() => world.Dispose();

    [Theory]
    [MemberData(nameof(Expected))]
    public async Task Evidence_WithAFault_FailsWhereItSaysOnBothKindsOfKey(Fault fault, TpmRefusalCode? quote, TpmRefusalCode? log)
    {
        foreach (var name in new[] { "kvm-a01", "kvm-a02" })
        {
            await world.QuoteAsync(name, nonce: "an earlier nonce", pcrs: Pcrs);
            world.Time.Advance(TimeSpan.FromSeconds(1));
            world.Attesters.Inject(name, fault);
            var evidence = await world.QuoteAsync(name, pcrs: Pcrs);
            Assert.Equal(quote, VerifierCheck.Quote(evidence, await world.KeyAsync(name), SimulatedWorld.Nonce, Pcrs));
            Assert.Equal(log, VerifierCheck.Log(evidence));
        }
    }

    [Theory]
    [InlineData("kvm-a01")]
    [InlineData("kvm-a02")]
    [InlineData("kvm-b03")]
    [InlineData("kvm-b04")]
    [InlineData("kvm-b05")]
    public async Task Evidence_OfAnHonestHost_PassesTheVerifier(string name)
    {
        var evidence = await world.QuoteAsync(name, pcrs: Pcrs);
        Assert.Null(VerifierCheck.Quote(evidence, await world.KeyAsync(name), SimulatedWorld.Nonce, Pcrs));
        Assert.Null(VerifierCheck.Log(evidence));
    }

    [Fact]
    public void EveryFault_IsTestedHere()
    {
        Fault[] others = [Fault.Garbled, Fault.TpmError, Fault.Slow, Fault.Garbage, Fault.UnrestrictedKey, Fault.LogAbsent];
        Assert.Equal(Enum.GetValues<Fault>(), Expected.Select(row => row.Data.Item1).Concat(others).Order());
    }

    [Fact]
    public async Task Garbage_InEveryPart_IsRefusedEverywhere()
    {
        world.Attesters.Inject("kvm-a01", Fault.Garbage);
        var evidence = await world.QuoteAsync("kvm-a01", pcrs: Pcrs);
        Assert.NotNull(VerifierCheck.Quote(evidence, await world.KeyAsync("kvm-a01"), SimulatedWorld.Nonce, Pcrs));
        Assert.NotNull(VerifierCheck.Log(evidence));
    }

    [Fact]
    public async Task UnrestrictedKey_SignsWell_ButIsNoAttestationKey()
    {
        var enrolled = await world.KeyAsync("kvm-a01");
        world.Attesters.Inject("kvm-a01", Fault.UnrestrictedKey);
        var evidence = await world.QuoteAsync("kvm-a01", pcrs: Pcrs);
        var ordinary = await world.KeyAsync("kvm-a01");
        Assert.True(IndependentCheck.Signed(ordinary, evidence.Quote, evidence.Signature));
        Assert.Equal(TpmRefusalCode.KeyNotRestricted, AttestationKey.Accept(ordinary).Refusal?.Code);
        Assert.NotNull(VerifierCheck.Quote(evidence, enrolled, SimulatedWorld.Nonce, Pcrs));
    }

    [Fact]
    public async Task LogAbsent_WhenAskedFor_SendsNone()
    {
        world.Attesters.Inject("kvm-a01", Fault.LogAbsent);
        Assert.Null((await world.QuoteAsync("kvm-a01")).EventLog);
    }

    [Fact]
    public async Task ClockWentBack_InTheSameBoot_ReadsLess()
    {
        var before = IndependentCheck.Read((await world.QuoteAsync("kvm-a01")).Quote);
        world.Attesters.Inject("kvm-a01", Fault.ClockWentBack);
        var after = IndependentCheck.Read((await world.QuoteAsync("kvm-a01")).Quote);
        Assert.True(after.Clock < before.Clock);
        Assert.Equal((before.Resets, before.Restarts), (after.Resets, after.Restarts));
    }

    [Fact]
    public async Task Answers_ThatAreNoEvidence_SayWhatTheyAre()
    {
        var request = new QuoteRequest(SimulatedWorld.Nonce, 0x000B, Pcrs, WithEventLog: false);
        world.Attesters.Inject("kvm-a01", Fault.Garbled);
        Assert.IsType<ChannelAnswer.Garbled>(await world.Attesters.QuoteAsync(world.Endpoint("kvm-a01"), request, TestContext.Current.CancellationToken));
        world.Attesters.Inject("kvm-a01", Fault.TpmError);
        Assert.IsType<ChannelAnswer.TpmFailed>(await world.Attesters.QuoteAsync(world.Endpoint("kvm-a01"), request, TestContext.Current.CancellationToken));
        world.Attesters.Inject("kvm-a01", null);
        Assert.IsType<ChannelAnswer.Answered>(await world.Attesters.QuoteAsync(world.Endpoint("kvm-a01"), request, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Slow_AfterItsTime_AnswersHonestly()
    {
        world.Attesters.Inject("kvm-a01", Fault.Slow);
        var answer = world.QuoteAsync("kvm-a01", pcrs: Pcrs);
        Assert.False(answer.IsCompleted);
        world.Time.Advance(SimulatedAttesterChannel.SlowAnswer);
        Assert.Null(VerifierCheck.Quote(await answer, await world.KeyAsync("kvm-a01"), SimulatedWorld.Nonce, Pcrs));
    }
}
