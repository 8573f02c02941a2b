using Portal.Core.Attestation.BuiltIn;
using Portal.Core.Inventory;

namespace Portal.Core.Attestation;

/// <summary>What one attempt to attest a host brought, before it is applied to the database.</summary>
/// <param name="HostId">The host.</param>
/// <param name="Purpose">Why it was asked.</param>
/// <param name="IssuedAt">When the nonce was issued, or a server's answer asked for; the attempt's age.</param>
/// <param name="Outcome">How the attempt went.</param>
/// <param name="PolicyRevision">The policy revision appraised under.</param>
/// <param name="Lifetime">The cluster's lifetime then.</param>
/// <param name="ForgetAfter">The cluster's ForgetAfter then.</param>
public sealed record AttestationReport(
    Guid HostId,
    AttestationPurpose Purpose,
    DateTimeOffset IssuedAt,
    CheckOutcome Outcome,
    long PolicyRevision,
    TimeSpan Lifetime,
    TimeSpan ForgetAfter)
{
    /// <summary>The attestation service whose word it is.</summary>
    public Guid ServiceId { get; init; } = Inventory.ServiceSet.BuiltInId;

    /// <summary>For a server's word: what it called the host when it was asked; null when it had no name for it. The word says nothing of a host that has another name there by then.</summary>
    public string? NameThere { get; init; }

    /// <summary>For a server's word: when the evidence behind it cannot have begun later; null where that is <see cref="IssuedAt"/>.</summary>
    public DateTimeOffset? VerifiedAt { get; init; }

    /// <summary>For a server's trust: when the evidence behind it had not appeared yet, by our clock alone.</summary>
    public DateTimeOffset? AppearedAfter { get; init; }

    /// <summary>For a server's distrust: it may be what it said before, and nothing was verified since; that does not make it younger.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>The cluster whose policy it was appraised under.</summary>
    public required Guid ClusterId { get; init; }

    /// <summary>For stored evidence appraised again: its digest. The report says nothing of a host whose latest evidence is another by then.</summary>
    public string? OfEvidence { get; init; }

    /// <summary>What the appraisal concluded; null when nothing could be appraised.</summary>
    public Appraisal? Appraisal { get; init; }

    /// <summary>The check the answer failed, if it failed one.</summary>
    public Finding? Failure { get; init; }

    /// <summary>What to note when no answer could be appraised: silence, TPM trouble, not enrolled.</summary>
    public Finding? Trouble { get; init; }

    /// <summary>The evidence to keep, if an answer came.</summary>
    public EvidenceRecord? Evidence { get; init; }

    /// <summary>The event log to keep, if one came.</summary>
    public byte[]? EventLog { get; init; }

    /// <summary>The evidence as checked, if it passed.</summary>
    public CheckedEvidence? Checked { get; init; }

    /// <summary>What became known of the kernel's measurement list; null when nothing did.</summary>
    public RuntimeReport? Runtime { get; init; }

    /// <summary>SHA-256 of what was measured.</summary>
    public string? MeasurementDigest { get; init; }
}

/// <summary>The policy a host is appraised under, read once per round.</summary>
/// <param name="Set">Approved revisions, required kinds, policy revision.</param>
/// <param name="Lifetime">How long a verdict is fresh.</param>
/// <param name="ForgetAfter">How long Stale is shown.</param>
public sealed record AppraisalPolicy(Baselines.ApprovedSet Set, TimeSpan Lifetime, TimeSpan ForgetAfter)
{
    /// <summary>The attestation services of the cluster.</summary>
    public Inventory.ServiceSet Services { get; init; } = Inventory.ServiceSet.BuiltIn;

    /// <summary>PCRs that are always asked for: what firmware, boot loader and kernel measure, and what a measured launch (Intel TXT) leaves.</summary>
    private static readonly int[] Always = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 17, 18, 19, 20, 21, 22];

    private readonly ushort[] banks = MostCovering(Set);

    /// <summary>TPM algorithm id of the bank a host is asked for first: SHA-256 where that will do.</summary>
    public ushort Bank => banks[0];

    /// <summary>PCRs to ask for.</summary>
    public IReadOnlyList<int> Pcrs { get; } = [.. Always.Union(Set.Revisions.SelectMany(r => r.Content.Pcrs.Select(p => p.Pcr))).Order()];

    /// <summary>Whether hosts are asked for the kernel's measurement list: as soon as a runtime baseline is approved, so that lists are there before the kind is required.</summary>
    public bool NeedsMeasurements { get; } = Set.RequiredKinds.HasFlag(BaselineKinds.Runtime) || Set.Revisions.Any(r => r.Kind == BaselineKinds.Runtime);

    /// <summary>
    /// The bank to ask a host for: that of its last evidence as long as no other has approved baselines of more of the required kinds.
    /// So a baseline of another bank, approved or retired, never makes hosts answer in a bank they do not match in.
    /// </summary>
    /// <param name="last">The bank the host answered in last; null when it has not.</param>
    public ushort BankFor(ushort? last) => last is { } bank && banks.Contains(bank) ? bank : Bank;

    /// <summary>The banks in which approved baselines cover most of the required kinds, SHA-256 first; a verdict needs all kinds in one bank.</summary>
    private static ushort[] MostCovering(Baselines.ApprovedSet set)
    {
        const ushort Sha256 = (ushort)Tpm.TpmAlgorithm.Sha256;
        return set.Revisions
            .Where(r => set.RequiredKinds.HasFlag(r.Kind) && r.Content.Runtime is null)
            .GroupBy(r => r.Content.Bank, r => r.Kind)
            .GroupBy(g => g.Distinct().Count(), g => g.Key)
            .MaxBy(g => g.Key)
            ?.OrderBy(bank => bank != Sha256).ThenBy(bank => bank).ToArray() ?? [Sha256];
    }
}
