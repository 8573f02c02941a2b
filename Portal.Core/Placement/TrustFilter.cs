using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Core.Placement;

/// <summary>The attestation feature's contribution to the filter chain: a VM that requires trust goes only to hosts that are effectively trusted.</summary>
/// <param name="facts">Current attestation results in memory.</param>
public sealed class TrustFilter(TrustFacts facts) : IHostFilter
{
    private const string Untrusted = "trust.untrusted";
    private const string Stale = "trust.stale";
    private const string Unknown = "trust.unknown";
    private const string Outdated = "trust.policy_changed";
    private const string NotEnrolled = "trust.not_enrolled";

    /// <inheritdoc/>
    public int Order => 50;

    /// <summary>Whether new evidence could make the reason go away.</summary>
    public static bool IsCurable(string code) => code is Stale or Unknown or Outdated;

    /// <summary>Whether the reason is that a host once trusted was not asked, or did not answer, for too long.</summary>
    public static bool IsStale(string code) => code is Stale;

    /// <inheritdoc/>
    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) =>
        request.TrustLevel == TrustLevel.Any ? null : Code(facts.Of(host.Id), facts.PolicyRevisionOf(host.ClusterId), now);

    /// <inheritdoc/>
    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) => Sentence(code, facts.Of(host.Id));

    /// <inheritdoc/>
    public string? Words(string code) => code switch
    {
        Untrusted => "untrusted",
        Stale => "stale",
        Unknown => "unknown",
        Outdated => "not yet appraised under the current policy",
        NotEnrolled => "not enrolled",
        _ => null,
    };

    /// <summary>Why a host is not effectively trusted, from its row.</summary>
    internal static HostReason Reason(HostAttestation? row, long policyRevision, DateTimeOffset now)
    {
        var fact = row is null ? null : TrustFact.Of(row);
        var code = Code(fact, policyRevision, now) ?? Stale;
        return new HostReason(code, Sentence(code, fact));
    }

    private static string? Code(TrustFact? fact, long policyRevision, DateTimeOffset now) => fact switch
    {
        null => NotEnrolled,
        { Outcome: CheckOutcome.NotConfigured } => NotEnrolled,
        { Verdict: Verdict.Untrusted } => Untrusted,
        { Verdict: Verdict.None } => Unknown,
        _ when fact.VerifiedAt > now || fact.ValidUntil <= now => now < fact.ForgetAt ? Stale : Unknown,
        _ when fact.PolicyRevision != policyRevision => Outdated,
        _ => null,
    };

    private static string Sentence(string code, TrustFact? fact) => code switch
    {
        Untrusted => $"Untrusted: {Or(fact?.Reason, "its last appraisal failed")}.",
        Stale => $"Stale: {Or(fact?.Reason, "its evidence is too old")}; it is asked again at start.",
        Unknown => $"Unknown: {Or(fact?.Reason, "it was never appraised")}; it is asked again at start.",
        Outdated => "Not yet appraised under the cluster's current policy.",
        _ => "Unknown: no attester is enrolled for it.",
    };

    private static string Or(string? reason, string otherwise) => string.IsNullOrEmpty(reason) ? otherwise : reason;
}
