using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>One host to attest.</summary>
/// <param name="Host">How to reach it.</param>
/// <param name="AttestationKey">Public area of the key enrolled for it; null when none is.</param>
/// <param name="Purpose">Why.</param>
/// <param name="Operations">Operations the evidence is for; bound into the nonce.</param>
/// <param name="Previous">The current row, to compare boots and clocks; null before the first.</param>
public sealed record AttestationSubject(HostEndpoint Host, byte[]? AttestationKey, AttestationPurpose Purpose, IReadOnlyList<Guid> Operations, HostAttestation? Previous)
{
    /// <summary>TPM algorithm id of the PCR bank the host answered in last; null before the first, and when that bank was what was wrong.</summary>
    public ushort? Bank { get; init; }

    /// <summary>How far the kernel's measurement list was found in PCR 10 so far; null when it never was.</summary>
    public RuntimeKnown? Runtime { get; init; }
}

/// <summary>Evidence from the database, with what it refers to.</summary>
/// <param name="Record">The evidence.</param>
/// <param name="EventLog">The boot event log, if one is kept.</param>
public sealed record StoredEvidence(EvidenceRecord Record, byte[]? EventLog)
{
    /// <summary>How far the host's measurement list was found, when this evidence vouches for exactly that; null otherwise.</summary>
    public RuntimeKnown? Runtime { get; init; }

    /// <summary>That part of the list, from its first entry, as the host sent it; null where the standings tell all that is asked.</summary>
    public byte[]? Measurements { get; init; }
}

/// <summary>The port to whoever verifies hosts: the built-in verifier, or a client of an outside attestation server.</summary>
public interface IAttestationService
{
    /// <summary>Stable name of the kind: <c>builtin</c>.</summary>
    string Type { get; }

    /// <summary>Attests one host now. Never throws but for cancellation: trouble is an outcome of the report.</summary>
    /// <param name="subject">The host.</param>
    /// <param name="policy">What to appraise under.</param>
    /// <param name="nonceIssued">Called when the nonce is issued: from then on nobody may join this attempt.</param>
    /// <param name="ct">Cancels.</param>
    ValueTask<AttestationReport> AttestAsync(AttestationSubject subject, AppraisalPolicy policy, Func<IReadOnlyList<Guid>> nonceIssued, CancellationToken ct);

    /// <summary>Appraises stored evidence again, with every check of its own but the clock's.</summary>
    AttestationReport Reappraise(StoredEvidence stored, AppraisalPolicy policy);
}
