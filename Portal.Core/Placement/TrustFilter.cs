using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

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

/// <summary>What placement needs of a host's attestation.</summary>
/// <param name="Verdict">What the last appraisal said.</param>
/// <param name="Outcome">How the last attempt went.</param>
/// <param name="VerifiedAt">When the nonce of the evidence was issued.</param>
/// <param name="ValidUntil">End of the lifetime.</param>
/// <param name="ForgetAt">When Stale becomes Unknown.</param>
/// <param name="PolicyRevision">Revision it was appraised under.</param>
/// <param name="Reason">A few words why.</param>
public sealed record TrustFact(Verdict Verdict, CheckOutcome Outcome, DateTimeOffset? VerifiedAt, DateTimeOffset? ValidUntil, DateTimeOffset? ForgetAt, long PolicyRevision, string Reason)
{
    /// <summary>The facts of a row.</summary>
    public static TrustFact Of(HostAttestation row) => new(row.Verdict, row.Outcome, row.VerifiedAt, row.ValidUntil, row.ForgetAt, row.PolicyRevision, row.Reason);
}

/// <summary>Attestation results in memory, kept up to date by those who write them. A lagging fact costs a lost claim, never a wrong admission.</summary>
public sealed class TrustFacts : IDisposable
{
    private readonly IDbContextFactory<PortalDbContext> contexts;
    private readonly ConcurrentDictionary<Guid, TrustFact> facts = new();
    private readonly ConcurrentDictionary<Guid, long> revisions = new();
    private readonly IDisposable subscription;

    /// <summary>Empty facts that follow the change feed; call <see cref="LoadAsync"/> once at start.</summary>
    public TrustFacts(IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed)
    {
        this.contexts = contexts;
        subscription = feed.Subscribe(Follow);
    }

    /// <summary>The fact of a host, or null.</summary>
    public TrustFact? Of(Guid hostId) => facts.GetValueOrDefault(hostId);

    /// <summary>A cluster's policy revision as last heard.</summary>
    public long PolicyRevisionOf(Guid clusterId) => revisions.GetValueOrDefault(clusterId);

    /// <summary>Takes over what was just committed.</summary>
    public void Set(HostAttestation row) => facts[row.HostId] = TrustFact.Of(row);

    /// <summary>Reads everything.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        await foreach (var row in db.Attestations.AsNoTracking().AsAsyncEnumerable().WithCancellation(ct))
        {
            Set(row);
        }

        foreach (var cluster in await db.Clusters.AsNoTracking().Select(c => new { c.Id, c.PolicyRevision }).ToListAsync(ct))
        {
            revisions[cluster.Id] = cluster.PolicyRevision;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => subscription.Dispose();

    private void Follow(Change change)
    {
        if (change.Topic == ChangeTopic.Cluster)
        {
            using var db = contexts.CreateDbContext();
            foreach (var cluster in db.Clusters.AsNoTracking().Select(c => new { c.Id, c.PolicyRevision }))
            {
                revisions[cluster.Id] = cluster.PolicyRevision;
            }
        }
    }
}
