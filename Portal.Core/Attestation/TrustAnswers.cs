using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Attestation;

/// <summary>What another scheduler is told of a host.</summary>
/// <param name="Name">The name it was asked by.</param>
/// <param name="IsKnown">Whether there is such a host.</param>
/// <param name="IsTrusted">Whether a VM that requires trust may start there on what is known now: trusted, fresh, and under the cluster's present policy.</param>
/// <param name="IsUntrusted">Whether the verdict is untrusted.</param>
/// <param name="VerifiedAt">When the evidence began; null when there never was any.</param>
public sealed record TrustAnswer(string Name, bool IsKnown, bool IsTrusted, bool IsUntrusted, DateTimeOffset? VerifiedAt);

/// <summary>Answers other schedulers from what is known. Asks no host.</summary>
/// <param name="contexts">The database.</param>
/// <param name="time">Our clock.</param>
public sealed class TrustAnswers(IDbContextFactory<PortalDbContext> contexts, TimeProvider time)
{
    private const int PageSize = 500;

    /// <summary>An answer for every name, in their order. A host is found by its name, or by its address as it is set here.</summary>
    public async Task<IReadOnlyList<TrustAnswer>> OfAsync(IReadOnlyList<string> names, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var byName = new Dictionary<string, Row>(StringComparer.OrdinalIgnoreCase);
        var byAddress = new Dictionary<string, Row>(StringComparer.OrdinalIgnoreCase);
        foreach (var page in names.Distinct(StringComparer.OrdinalIgnoreCase).Chunk(PageSize))
        {
            var rows = await (
                from host in db.Hosts.AsNoTracking()
                where page.Contains(host.Name) || page.Contains(host.Address)
                join cluster in db.Clusters on host.ClusterId equals cluster.Id
                join attestation in db.Attestations on host.Id equals attestation.HostId into attestations
                from attestation in attestations.DefaultIfEmpty()
                select new Row(host.Name, host.Address, cluster.PolicyRevision, attestation)).ToListAsync(ct);
            foreach (var row in rows)
            {
                byName[row.Name] = row;

                // An address that two hosts share names neither.
                byAddress[row.Address] = byAddress.ContainsKey(row.Address) ? row with { Attestation = null } : row;
            }
        }

        return [.. names.Select(name => Answer(name, byName.GetValueOrDefault(name) ?? byAddress.GetValueOrDefault(name), now))];
    }

    private static TrustAnswer Answer(string name, Row? row, DateTimeOffset now)
    {
        if (row?.Attestation is not { } attestation)
        {
            return new TrustAnswer(name, row is not null, false, false, null);
        }

        var trusted = attestation.StatusAt(now) == TrustStatus.Trusted && attestation.PolicyRevision == row.PolicyRevision;
        return new TrustAnswer(name, true, trusted, attestation.Verdict == Verdict.Untrusted, attestation.VerifiedAt);
    }

    private sealed record Row(string Name, string Address, long PolicyRevision, HostAttestation? Attestation);
}
