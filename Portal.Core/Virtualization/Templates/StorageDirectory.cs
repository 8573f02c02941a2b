using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization;

/// <summary>A storage pool by its name, over all hosts that described one of that name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Hosts">How many hosts have it.</param>
/// <param name="IsShared">Whether it is shared storage on all of them.</param>
/// <param name="Images">Its volumes that disks may be clones of, by name, with the number of hosts that have them there.</param>
public sealed record PoolOffer(string Name, int Hosts, bool IsShared, IReadOnlyDictionary<string, int> Images);

/// <summary>What storage there is, by what hosts said last.</summary>
/// <param name="Hosts">How many hosts described their storage; simulated ones do not.</param>
/// <param name="Pools">Their pools by name.</param>
public sealed record StorageOffers(int Hosts, IReadOnlyList<PoolOffer> Pools)
{
    /// <summary>A pool by name, or null.</summary>
    public PoolOffer? Find(string pool) => Pools.FirstOrDefault(p => string.Equals(p.Name, pool, StringComparison.Ordinal));

    /// <summary>The refusal for storage that no host has; null where one has it, where no disk is asked for, or where no host described any.</summary>
    internal Refusal? WhyNowhere(string pool, string image)
    {
        if (pool.Length == 0 || Hosts == 0)
        {
            return null;
        }

        if (Find(pool) is not { } offer)
        {
            return Refusal.Invalid("template.pool.unknown", "storage.pool", $"No host has a storage pool {pool}.", "Name a pool that a host has, or make it there first.");
        }

        return image.Length == 0 || offer.Images.ContainsKey(image)
            ? null
            : Refusal.Invalid("template.image.unknown", "storage.image", $"On no host does the storage pool {pool} hold an image {image}.", "Name an image that is there, or upload it first.");
    }

    /// <summary>What to know beforehand of storage that not every host has; empty when there is nothing to say.</summary>
    public IReadOnlyList<string> WarningsOf(string pool, string image)
    {
        if (pool.Length == 0 || Find(pool) is not { } offer)
        {
            return [];
        }

        var warnings = new List<string>();
        if (offer.Hosts < Hosts)
        {
            warnings.Add($"{offer.Hosts} of {Hosts} hosts have a storage pool {pool}; virtual machines run on those only.");
        }

        if (image.Length > 0 && offer.Images.GetValueOrDefault(image) is var having && having < offer.Hosts)
        {
            warnings.Add($"{having} of the {offer.Hosts} hosts with storage pool {pool} have the image {image} in it; virtual machines are made on those only.");
        }

        return warnings;
    }
}

/// <summary>Reads what storage hosts described.</summary>
/// <param name="contexts">The database.</param>
public sealed class StorageDirectory(IDbContextFactory<PortalDbContext> contexts)
{
    /// <summary>All pools by name, with their images.</summary>
    public async Task<StorageOffers> OffersAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await OffersAsync(db, ct);
    }

    internal static async Task<StorageOffers> OffersAsync(PortalDbContext db, CancellationToken ct)
    {
        var rows = await db.HostPools.AsNoTracking().ToListAsync(ct);
        var pools = rows.GroupBy(p => p.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => new PoolOffer(
            g.Key,
            g.Count(),
            g.All(p => p.IsShared),
            g.SelectMany(p => (JsonSerializer.Deserialize<List<string>>(p.Volumes) ?? []).Distinct(StringComparer.Ordinal))
                .GroupBy(i => i, StringComparer.Ordinal)
                .ToDictionary(i => i.Key, i => i.Count(), StringComparer.Ordinal)));
        return new StorageOffers(rows.Select(r => r.HostId).Distinct().Count(), [.. pools]);
    }
}
