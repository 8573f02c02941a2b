using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

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
