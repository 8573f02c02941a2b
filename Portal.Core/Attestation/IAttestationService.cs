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
    AttestationReport Reappraise(EvidenceRecord stored, byte[]? eventLog, AppraisalPolicy policy);
}
