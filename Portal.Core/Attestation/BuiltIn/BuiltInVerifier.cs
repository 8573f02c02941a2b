using System.Collections.Concurrent;
using Portal.Core.Tpm;

namespace Portal.Core.Attestation.BuiltIn;

/// <summary>The verifier of our own: asks hosts over their channel, checks what comes, appraises it. Needs no other server.</summary>
/// <param name="channels">Ways to hosts' TPMs.</param>
/// <param name="time">Our clock.</param>
public sealed class BuiltInVerifier(IEnumerable<IAttesterChannel> channels, TimeProvider time) : IAttestationService
{
    /// <summary>How long a host may take to answer.</summary>
    public static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(20);

    private readonly IAttesterChannel[] channels = [.. channels];
    private readonly ConcurrentDictionary<Guid, (byte[] Area, AttestationKey Key)> keys = new();

    /// <inheritdoc/>
    public string Type => "builtin";

    /// <inheritdoc/>
    public async ValueTask<AttestationReport> AttestAsync(AttestationSubject subject, AppraisalPolicy policy, Func<IReadOnlyList<Guid>> nonceIssued, CancellationToken ct)
    {
        if (subject.AttestationKey is not { } area)
        {
            return Trouble(subject, policy, CheckOutcome.NotConfigured, new Finding(FindingCode.NotEnrolled, "No attester is enrolled for this host.", "Enrol it on its Attestation tab.") { Short = "not enrolled" });
        }

        var (key, unacceptable) = KeyOf(subject.Host.Id, area);
        if (key is null)
        {
            return Failed(subject, policy, unacceptable!, time.GetUtcNow());
        }

        if (channels.FirstOrDefault(c => c.Reaches(subject.Host)) is not { } channel)
        {
            return Trouble(subject, policy, CheckOutcome.AgentUnreachable, Silent("No adapter reaches its agent."));
        }

        var operations = nonceIssued();
        var measurementsFrom = MeasurementsFrom(subject, policy);
        var report = await AskAsync(channel, subject, policy, key, operations, measurementsFrom, ct);

        // A list that does not go on from where it was found may begin anew: the host may have booted in between.
        return measurementsFrom > 0 && report.Checked?.Runtime is { Fault: not null }
            ? await AskAsync(channel, subject, policy, key, operations, 0, ct)
            : report;
    }

    /// <summary>The first entry needed: the one after those found before, unless a baseline was never compared with those.</summary>
    private static int? MeasurementsFrom(AttestationSubject subject, AppraisalPolicy policy) =>
        !policy.NeedsMeasurements && subject.Purpose != AttestationPurpose.Capture ? null
        : subject.Runtime is { } known && known.Covers(policy.Set) ? known.State.Position
        : 0;

    private async Task<AttestationReport> AskAsync(
        IAttesterChannel channel, AttestationSubject subject, AppraisalPolicy policy, AttestationKey key, IReadOnlyList<Guid> operations, int? measurementsFrom, CancellationToken ct, string? fault = null)
    {
        var issuedAt = time.GetUtcNow();
        var nonce = Nonce.Mint(subject.Host.Id, subject.Purpose, operations);
        var pcrs = policy.Pcrs.Union(channel.AlwaysQuotes).Union(measurementsFrom is null ? [] : [ImaList.Pcr]);
        var request = new QuoteRequest(nonce.Text, policy.BankFor(subject.Bank), [.. pcrs.Order()], WithEventLog: true) { MeasurementsFrom = measurementsFrom, MeasurementsFault = fault };
        return await AskAsync(channel, subject, request, ct) switch
        {
            ChannelAnswer.Answered(var evidence) => Judge(subject, policy, key, evidence, new Asked(nonce, request, operations, issuedAt)),
            ChannelAnswer.Silent(var sentence) => Trouble(subject, policy, CheckOutcome.AgentUnreachable, Silent(sentence), issuedAt),
            ChannelAnswer.TpmFailed(var sentence) => Trouble(subject, policy, CheckOutcome.TpmError, new Finding(FindingCode.TpmFailed, $"The host's TPM failed: {sentence}", "Look at the host's TPM and its agent's log.") { Short = "TPM error" }, issuedAt),

            // A long list concerns those who require it, as any list that cannot be used; the rest of the evidence counts.
            ChannelAnswer.ListTooLong(var sentence) when measurementsFrom is not null => await AskAsync(channel, subject, policy, key, operations, null, ct, sentence),
            ChannelAnswer.Garbled(var sentence) => Failed(subject, policy, Failures.Of(FindingCode.QuoteMalformed, $"The host answered something that is no evidence: {sentence}", "Check the attestation agent on the host; if it is current, treat the answer as forged."), issuedAt),
            var other => throw new InvalidOperationException($"Unknown answer {other.GetType().Name}."),
        };
    }

    /// <inheritdoc/>
    public AttestationReport Reappraise(StoredEvidence evidence, AppraisalPolicy policy)
    {
        var stored = evidence.Record;
        var report = new AttestationReport(stored.HostId, AttestationPurpose.Reappraisal, stored.IssuedAt, CheckOutcome.Ok, policy.Set.PolicyRevision, policy.Lifetime, policy.ForgetAfter) { ClusterId = policy.Set.ClusterId, OfEvidence = stored.Digest };
        var (key, unacceptable) = KeyOf(stored.HostId, stored.AttestationKey);
        if (key is null)
        {
            return report with { Outcome = CheckOutcome.ProtocolError, Failure = unacceptable };
        }

        // The bank and PCRs are those of then: a new policy may look at fewer or other ones, and what is lacking is a mismatch.
        var sent = EvidenceCodec.Read(stored, evidence.EventLog) with { Measurements = evidence.Measurements is { } text ? new SentMeasurements(0, text) : null };
        var request = new QuoteRequest(stored.Nonce, (ushort)stored.Bank, [.. sent.Pcrs.Keys.Order()], evidence.EventLog is not null) { MeasurementsFrom = 0 };
        var (valid, failure) = EvidenceCheck.Check(key, sent, stored.Nonce, request);
        if (valid is null)
        {
            return report with { Outcome = CheckOutcome.ProtocolError, Failure = failure };
        }

        valid = valid with { Runtime = valid.Runtime ?? Known(evidence) };
        return report with { Appraisal = Appraiser.Appraise(valid, policy.Set), Checked = valid with { Runtime = null } };
    }

    private static RuntimeEvidence? Known(StoredEvidence evidence) => evidence switch
    {
        { Record.MeasurementFault: { } fault } => RuntimeEvidence.Refused(fault),
        { Runtime: { } known } => RuntimeEvidence.Of(known),
        _ => null,
    };

    private async ValueTask<ChannelAnswer> AskAsync(IAttesterChannel channel, AttestationSubject subject, QuoteRequest request, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(AnswerWithin, time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            return await channel.QuoteAsync(subject.Host, request, deadline.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new ChannelAnswer.Silent($"It did not answer within {AnswerWithin.TotalSeconds:0} s.");
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // An adapter that breaks has told us nothing about the host.
            return new ChannelAnswer.Silent($"Asking it failed ({fault.GetType().Name}).");
        }
    }

    private AttestationReport Judge(AttestationSubject subject, AppraisalPolicy policy, AttestationKey key, Evidence evidence, Asked asked)
    {
        var stored = EvidenceCodec.Write(subject, evidence, asked.Nonce, asked.Operations, asked.IssuedAt);
        var (valid, failure) = EvidenceCheck.Check(key, evidence, asked.Nonce.Text, asked.Request, subject.Runtime);
        failure ??= ClockWentBack(subject.Previous, valid!);
        if (failure is not null)
        {
            stored.Failure = failure.Code;
            return Failed(subject, policy, failure, asked.IssuedAt) with { Evidence = stored, EventLog = EvidenceCheck.IsReadable(evidence.EventLog) ? evidence.EventLog : null };
        }

        stored.MeasurementFault = valid!.Runtime?.Fault;
        var found = valid.Runtime?.Verified is { } verified
            ? new RuntimeReport(verified.State, verified.Position == 0, MeasurementText.LinesOf(evidence.Measurements!, verified), verified.Count)
            : null;
        return new AttestationReport(subject.Host.Id, subject.Purpose, asked.IssuedAt, CheckOutcome.Ok, policy.Set.PolicyRevision, policy.Lifetime, policy.ForgetAfter)
        {
            ClusterId = policy.Set.ClusterId,
            Appraisal = Appraiser.Appraise(valid, policy.Set),
            Checked = valid,
            Runtime = found,
            Evidence = stored,
            EventLog = evidence.EventLog,
            MeasurementDigest = EvidenceCodec.MeasurementDigest(stored),
        };
    }

    /// <summary>Within one boot the TPM's clock only goes forward; across boots it says nothing.</summary>
    private static Finding? ClockWentBack(HostAttestation? previous, CheckedEvidence now)
    {
        var quote = now.Quote;
        var sameBoot = previous is { TpmClock: not null } && previous.ResetCount == quote.ResetCount && previous.RestartCount == quote.RestartCount;
        return sameBoot && quote.Safe && quote.Clock < (ulong)previous!.TpmClock!.Value
            ? Failures.Of(
                FindingCode.ClockWentBack,
                $"The TPM's clock went back from {previous.TpmClock} to {quote.Clock} ms within one boot.",
                "Two TPMs may answer with one key, or its state was rolled back: treat the host as tampered with until that is explained.")
            : null;
    }

    private AttestationReport Trouble(AttestationSubject subject, AppraisalPolicy policy, CheckOutcome outcome, Finding trouble, DateTimeOffset? issuedAt = null) =>
        new(subject.Host.Id, subject.Purpose, issuedAt ?? time.GetUtcNow(), outcome, policy.Set.PolicyRevision, policy.Lifetime, policy.ForgetAfter) { ClusterId = policy.Set.ClusterId, Trouble = trouble };

    private static AttestationReport Failed(AttestationSubject subject, AppraisalPolicy policy, Finding failure, DateTimeOffset issuedAt) =>
        new(subject.Host.Id, subject.Purpose, issuedAt, CheckOutcome.ProtocolError, policy.Set.PolicyRevision, policy.Lifetime, policy.ForgetAfter) { ClusterId = policy.Set.ClusterId, Failure = failure };

    private static Finding Silent(string sentence) =>
        new(FindingCode.AgentSilent, $"The host's agent did not answer: {sentence}", "Check that the host is up, its agent runs and the network lets us reach it.") { Short = "agent silent" };

    /// <summary>The imported key of a host: importing costs more than a verification, so it is kept.</summary>
    private (AttestationKey? Key, Finding? Failure) KeyOf(Guid hostId, byte[] area)
    {
        if (keys.TryGetValue(hostId, out var known) && known.Area.AsSpan().SequenceEqual(area))
        {
            return (known.Key, null);
        }

        if (!AttestationKey.Accept(area).TryGet(out var key, out var refusal))
        {
            return (null, Failures.Of(refusal));
        }

        // A replaced key is left to the collector: another thread may be verifying with it.
        keys[hostId] = (area, key);
        return (key, null);
    }

    private sealed record Asked(Nonce Nonce, QuoteRequest Request, IReadOnlyList<Guid> Operations, DateTimeOffset IssuedAt);
}
