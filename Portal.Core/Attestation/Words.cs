using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>What the last appraisal said (the EAR tiers affirming, contraindicated, none).</summary>
public enum Verdict
{
    /// <summary>Never appraised, or the answer used a word we do not know.</summary>
    None,

    /// <summary>Every required kind matched an approved baseline.</summary>
    Trusted,

    /// <summary>Something did not match, or an answer failed a check. Never becomes stale.</summary>
    Untrusted,
}

/// <summary>How old the evidence is, by our own clock.</summary>
public enum Freshness
{
    /// <summary>No evidence was ever verified.</summary>
    Never,

    /// <summary>Within the cluster's lifetime.</summary>
    Fresh,

    /// <summary>Past it, or dated in our future because our clock went back.</summary>
    Stale,
}

/// <summary>How the last attempt to attest went, apart from the verdict.</summary>
public enum CheckOutcome
{
    /// <summary>An answer came and was appraised.</summary>
    Ok,

    /// <summary>The attestation service did not answer.</summary>
    ServiceUnreachable,

    /// <summary>The host's agent did not answer.</summary>
    AgentUnreachable,

    /// <summary>The host's TPM reported an error.</summary>
    TpmError,

    /// <summary>An answer came that fails a check.</summary>
    ProtocolError,

    /// <summary>No attester is enrolled for the host.</summary>
    NotConfigured,

    /// <summary>Waiting for its turn.</summary>
    Queued,
}

/// <summary>The one word a person sees, made of verdict and freshness.</summary>
public enum TrustStatus
{
    /// <summary>Trusted and fresh.</summary>
    Trusted,

    /// <summary>Untrusted, however old.</summary>
    Untrusted,

    /// <summary>Was trusted; the lifetime is over.</summary>
    Stale,

    /// <summary>No verdict, or stale for longer than the cluster's ForgetAfter.</summary>
    Unknown,
}

/// <summary>Why an appraisal was made.</summary>
public enum AttestationPurpose
{
    /// <summary>The cluster's regular round.</summary>
    Round,

    /// <summary>A person asked.</summary>
    AttestNow,

    /// <summary>A VM that requires trust is about to run there.</summary>
    Gate,

    /// <summary>The policy changed; stored evidence was appraised again.</summary>
    Reappraisal,

    /// <summary>The attester was just enrolled.</summary>
    Enrolment,

    /// <summary>A baseline is captured from the host, and more was needed for it than rounds ask for.</summary>
    Capture,
}

/// <summary>Closed list of things an appraisal can find.</summary>
public enum FindingCode
{
    /// <summary>The quote's bytes are not a TPMS_ATTEST of a quote.</summary>
    QuoteMalformed,

    /// <summary>The quote does not carry our nonce: a replay or somebody else's.</summary>
    NonceMismatch,

    /// <summary>The signature is not by the enrolled attestation key.</summary>
    SignatureInvalid,

    /// <summary>The signature scheme or hash is refused (SHA-1, or not the key's own).</summary>
    SchemeRefused,

    /// <summary>The enrolled key is not acceptable as an attestation key.</summary>
    KeyUnacceptable,

    /// <summary>The quote lacks the requested bank or PCR.</summary>
    SelectionIncomplete,

    /// <summary>The PCR values do not hash to the quoted digest.</summary>
    PcrDigestMismatch,

    /// <summary>The TPM's clock went back within one boot.</summary>
    ClockWentBack,

    /// <summary>The event log's bytes are malformed or absurdly large.</summary>
    LogMalformed,

    /// <summary>A baseline needs the event log and none was sent.</summary>
    LogAbsent,

    /// <summary>The event log does not replay to the quoted PCRs.</summary>
    LogDoesNotReplay,

    /// <summary>The firmware left the bank unmeasured (no separators in PCR 0 to 7).</summary>
    BankUnmeasured,

    /// <summary>The cluster requires no kind of baseline, so nobody is trusted.</summary>
    NothingRequired,

    /// <summary>No baseline of a required kind is approved.</summary>
    NoBaseline,

    /// <summary>A whole PCR differs from the approved digest.</summary>
    PcrMismatch,

    /// <summary>A baseline covers a PCR that the quote lacks.</summary>
    PcrMissing,

    /// <summary>An event is not one that was approved there.</summary>
    UnknownComponent,

    /// <summary>An approved, required event is missing.</summary>
    ComponentMissing,

    /// <summary>An event was measured beyond those approved.</summary>
    ComponentUnexpected,

    /// <summary>An approved event came at another place.</summary>
    ComponentOutOfOrder,

    /// <summary>The agent did not answer.</summary>
    AgentSilent,

    /// <summary>The TPM reported an error.</summary>
    TpmFailed,

    /// <summary>No attester is enrolled.</summary>
    NotEnrolled,

    /// <summary>The attestation service did not answer.</summary>
    ServiceSilent,

    /// <summary>A server used a word we do not know.</summary>
    UnknownWord,

    /// <summary>The TPM marks its clock as not safe: a note.</summary>
    ClockUnsafe,

    /// <summary>A PCR beyond the firmware's was extended after boot: a note.</summary>
    ExtendedAfterBoot,

    /// <summary>The evidence matches now, but only new evidence clears an untrusted verdict: a note.</summary>
    AwaitingNewEvidence,

    /// <summary>A runtime baseline needs the kernel's measurement list and none was sent.</summary>
    MeasurementsAbsent,

    /// <summary>The kernel's measurement list cannot be read or does not lead to the quoted PCR 10.</summary>
    MeasurementsRefused,

    /// <summary>A file was used whose content is not approved.</summary>
    FileNotApproved,

    /// <summary>Something was used whose content the kernel could not tell, or told in a way that carries no trust.</summary>
    FileNotMeasured,

    /// <summary>An attestation server verified the host and found that it does not match.</summary>
    ServerFoundMismatch,

    /// <summary>An attestation server does not verify the host: it was told to stop, is removing it, or never got to it.</summary>
    ServerNotVerifying,

    /// <summary>An attestation server does not keep, or not yet, what is approved here: what it says of hosts does not count.</summary>
    ServerNotAsApproved,
}

/// <summary>One thing an appraisal found: what, where and what to do.</summary>
/// <param name="Code">Typed code.</param>
/// <param name="Sentence">What and why, for a person.</param>
/// <param name="Remedy">What to do.</param>
public sealed record Finding(FindingCode Code, string Sentence, string Remedy)
{
    /// <summary>Whether it is only a note and takes no trust.</summary>
    public bool IsNote { get; init; }

    /// <summary>A few words for the trust column, for example <c>boot loader not approved (PCR 4)</c>.</summary>
    public string Short { get; init; } = "";

    /// <summary>The kind of baseline it concerns, if one.</summary>
    public BaselineKinds Kind { get; init; }

    /// <summary>PCR, if one is concerned.</summary>
    public int? Pcr { get; init; }

    /// <summary>Index in the event log, from 0, if one event is concerned.</summary>
    public int? Event { get; init; }

    /// <summary>Place in the kernel's measurement list, from 0, if one entry is concerned.</summary>
    public int? Entry { get; init; }

    /// <summary>Measured digest, hexadecimal.</summary>
    public string? Measured { get; init; }

    /// <summary>Approved digest, hexadecimal.</summary>
    public string? Expected { get; init; }

    /// <summary>The component as the event claims or proves it.</summary>
    public string? Component { get; init; }

    /// <summary>Nearest baseline's name and revision, for example <c>rhel9-2026-10 rev. 3</c>.</summary>
    public string? Baseline { get; init; }

    /// <summary>Whether it only follows from an earlier difference.</summary>
    public bool Follows { get; init; }
}
