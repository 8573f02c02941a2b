namespace Portal.Core.Attestation;

/// <summary>The attestation key enrolled for a host: what its quotes must be signed by.</summary>
public sealed class Attester
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The key's public area, TPMT_PUBLIC.</summary>
    public required byte[] AttestationKey { get; set; }

    /// <summary>The key's TPM Name, hexadecimal.</summary>
    public required string KeyName { get; set; }

    /// <summary>What it is in words, for example <c>RSA-2048, RSASSA SHA-256</c>.</summary>
    public required string KeyDescription { get; set; }

    /// <summary>When it was enrolled.</summary>
    public required DateTimeOffset EnrolledAt { get; set; }

    /// <summary>By whom.</summary>
    public required string EnrolledBy { get; set; }
}

/// <summary>What is known of a host's trust: its verdict, how old that is and how the last attempt went.</summary>
public abstract class AttestationState
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>What the last appraisal said.</summary>
    public Verdict Verdict { get; set; }

    /// <summary>Since when the verdict is what it is.</summary>
    public DateTimeOffset? VerdictSince { get; set; }

    /// <summary>When the nonce of the evidence behind the verdict was issued.</summary>
    public DateTimeOffset? VerifiedAt { get; set; }

    /// <summary><see cref="VerifiedAt"/> plus the cluster's lifetime.</summary>
    public DateTimeOffset? ValidUntil { get; set; }

    /// <summary><see cref="ValidUntil"/> plus the cluster's ForgetAfter.</summary>
    public DateTimeOffset? ForgetAt { get; set; }

    /// <summary>When the last attempt began.</summary>
    public DateTimeOffset? CheckedAt { get; set; }

    /// <summary>How the last attempt went.</summary>
    public CheckOutcome Outcome { get; set; } = CheckOutcome.NotConfigured;

    /// <summary>Since when attempts fail; null when the last one did not.</summary>
    public DateTimeOffset? FailingSince { get; set; }

    /// <summary>A few words why, for the trust column.</summary>
    public string Reason { get; set; } = "";

    /// <summary>The policy revision of the cluster under which the verdict was reached.</summary>
    public long PolicyRevision { get; set; }

    /// <summary>Findings of the appraisal behind the verdict and of the last attempt, as JSON.</summary>
    public string Findings { get; set; } = "[]";

    /// <summary>Names and revisions of the baselines that matched, as JSON.</summary>
    public string Matched { get; set; } = "[]";

    /// <summary>SHA-256 of the latest evidence, hexadecimal.</summary>
    public string? EvidenceDigest { get; set; }

    /// <summary>SHA-256 of what was measured (PCR values and event log, without nonce and signature), hexadecimal: tells whether anything changed.</summary>
    public string? MeasurementDigest { get; set; }

    /// <summary>Set while the verdict is Untrusted because an answer failed a check of its own: no baseline clears that, only new good evidence.</summary>
    public FindingCode? FailedCheck { get; set; }

    /// <summary>When the verdict was seen to have run out, told once; null while it is fresh.</summary>
    public DateTimeOffset? StaleSince { get; set; }

    /// <summary>When the last row of history was written; at least one a day is.</summary>
    public DateTimeOffset? RecordedAt { get; set; }

    /// <summary>resetCount of the latest quote: counts boots.</summary>
    public long? ResetCount { get; set; }

    /// <summary>restartCount of the latest quote: counts resumes.</summary>
    public long? RestartCount { get; set; }

    /// <summary>TPM clock of the latest quote, in milliseconds.</summary>
    public long? TpmClock { get; set; }

    /// <summary>How fresh the verdict is at a moment.</summary>
    public Freshness FreshnessAt(DateTimeOffset now) => (VerifiedAt, ValidUntil) switch
    {
        ({ } verified, { } valid) when verified <= now && now < valid => Freshness.Fresh,
        ({ }, { }) => Freshness.Stale,
        _ => Freshness.Never,
    };

    /// <summary>The word a person sees at a moment.</summary>
    public TrustStatus StatusAt(DateTimeOffset now) => Verdict switch
    {
        Verdict.None => TrustStatus.Unknown,
        Verdict.Untrusted => TrustStatus.Untrusted,
        Verdict.Trusted => FreshnessAt(now) switch
        {
            Freshness.Fresh => TrustStatus.Trusted,
            Freshness.Stale => now < ForgetAt ? TrustStatus.Stale : TrustStatus.Unknown,
            Freshness.Never => TrustStatus.Unknown,
        },

        // A word a newer version wrote, or nobody ever did: never trusted, and no reason for a page to break.
        _ => TrustStatus.Unknown,
    };
}

/// <summary>
/// The current attestation result of a host: one row per host that was ever asked. Where its cluster names one attestation service, it is that
/// service's word; where it names several, what <see cref="Combination"/> makes of all of theirs.
/// </summary>
public sealed class HostAttestation : AttestationState;

/// <summary>The word of one of several attestation services on a host. There is none where the cluster names a single service.</summary>
public sealed class ServiceAttestation : AttestationState
{
    /// <summary>The service.</summary>
    public required Guid ServiceId { get; init; }
}

/// <summary>A transition of a host's attestation, or the daily sample.</summary>
public sealed class AttestationTransition
{
    /// <summary>Order of writing.</summary>
    public long Id { get; set; }

    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>When it was written.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Why the appraisal was made.</summary>
    public required AttestationPurpose Purpose { get; init; }

    /// <summary>The verdict from then on.</summary>
    public required Verdict Verdict { get; init; }

    /// <summary>How the attempt went.</summary>
    public required CheckOutcome Outcome { get; init; }

    /// <summary>A few words why.</summary>
    public required string Reason { get; init; }

    /// <summary>One sentence of what changed, for the timeline.</summary>
    public required string Sentence { get; init; }

    /// <summary>Findings, as JSON.</summary>
    public required string Findings { get; init; }

    /// <summary>The policy revision it was appraised under.</summary>
    public required long PolicyRevision { get; init; }

    /// <summary>resetCount of the quote.</summary>
    public long? ResetCount { get; init; }

    /// <summary>The evidence kept for this transition, if there was an answer.</summary>
    public Guid? EvidenceId { get; init; }
}

/// <summary>Evidence as it came: kept for the latest appraisal of a host and for every transition.</summary>
public sealed class EvidenceRecord
{
    /// <summary>Identifier; the latest evidence of a host has the host's own id.</summary>
    public required Guid Id { get; init; }

    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>When the nonce was issued.</summary>
    public required DateTimeOffset IssuedAt { get; set; }

    /// <summary>Why it was asked for.</summary>
    public required AttestationPurpose Purpose { get; set; }

    /// <summary>The random part of the nonce.</summary>
    public required byte[] NonceRandom { get; set; }

    /// <summary>The nonce, 32 alphanumeric characters.</summary>
    public required string Nonce { get; set; }

    /// <summary>Operation ids bound into the nonce, comma separated.</summary>
    public required string Operations { get; set; }

    /// <summary>Public area of the key that had to sign it.</summary>
    public required byte[] AttestationKey { get; set; }

    /// <summary>TPMS_ATTEST.</summary>
    public required byte[] Quote { get; set; }

    /// <summary>TPMT_SIGNATURE.</summary>
    public required byte[] Signature { get; set; }

    /// <summary>TPM algorithm id of the PCR bank.</summary>
    public required int Bank { get; set; }

    /// <summary>PCR values as JSON: index to hexadecimal.</summary>
    public required string Pcrs { get; set; }

    /// <summary>SHA-256 of the event log, hexadecimal: key of <see cref="EventLogRecord"/>, which is absent where the log was too long or none at all; null if none was sent.</summary>
    public string? EventLogDigest { get; set; }

    /// <summary>How many entries of the host's measurement list the quote vouches for; null when the list was not asked for or proved nothing.</summary>
    public int? Measurements { get; set; }

    /// <summary>Why the measurement list that came proves nothing; null when it does, or none came.</summary>
    public string? MeasurementFault { get; set; }

    /// <summary>SHA-256 over all of the above that the host sent, but for its measurement list, hexadecimal.</summary>
    public required string Digest { get; set; }

    /// <summary>Set when the answer failed a check of its own (code of the finding): no baseline can clear it.</summary>
    public FindingCode? Failure { get; set; }

    /// <summary>The same evidence under another id, to be kept.</summary>
    public EvidenceRecord CopyAs(Guid id) => new()
    {
        Id = id,
        HostId = HostId,
        IssuedAt = IssuedAt,
        Purpose = Purpose,
        NonceRandom = NonceRandom,
        Nonce = Nonce,
        Operations = Operations,
        AttestationKey = AttestationKey,
        Quote = Quote,
        Signature = Signature,
        Bank = Bank,
        Pcrs = Pcrs,
        EventLogDigest = EventLogDigest,
        Measurements = Measurements,
        MeasurementFault = MeasurementFault,
        Digest = Digest,
        Failure = Failure,
    };
}

/// <summary>An event log, stored once however many hosts share it.</summary>
public sealed class EventLogRecord
{
    /// <summary>SHA-256 of the content, hexadecimal.</summary>
    public required string Digest { get; init; }

    /// <summary>The log as the host sent it.</summary>
    public required byte[] Content { get; init; }
}

/// <summary>How far the measurement list of a host's present boot was found in PCR 10; one row per host whose list was ever found.</summary>
public sealed class MeasurementProgress
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>The boot.</summary>
    public required long ResetCount { get; set; }

    /// <summary>The resume of that boot.</summary>
    public required long RestartCount { get; set; }

    /// <summary>TPM algorithm id of the PCR bank.</summary>
    public required int Bank { get; set; }

    /// <summary>Entries found.</summary>
    public required int Position { get; set; }

    /// <summary>PCR 10 after them.</summary>
    public required byte[] Pcr { get; set; }

    /// <summary>Length of these entries as text, in bytes.</summary>
    public required long Bytes { get; set; }

    /// <summary>How they stand against each approved runtime baseline, as JSON.</summary>
    public string Standings { get; set; } = "[]";
}

/// <summary>Some entries of a host's measurement list, as they came with one quote. Together they are the list up to <see cref="MeasurementProgress.Position"/>.</summary>
public sealed class MeasurementSegment
{
    /// <summary>The host.</summary>
    public required Guid HostId { get; init; }

    /// <summary>Place of the first of them.</summary>
    public required int Start { get; init; }

    /// <summary>The entries as text, compressed with Brotli.</summary>
    public required byte[] Content { get; init; }
}
