using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Placement;

/// <summary>
/// The fleet in memory, for decisions in microseconds. It may lag behind the database by a moment:
/// the conditional claim, not this view, is what keeps promises.
/// </summary>
public sealed class FleetView : IDisposable
{
    private readonly IDbContextFactory<PortalDbContext> contexts;
    private readonly SemaphoreSlim loading = new(1, 1);
    private readonly Lock dirtying = new();
    private readonly IDisposable subscription;
    private HashSet<Guid> dirty = [];
    private bool allDirty = true;
    private FrozenDictionary<Guid, HostCandidate[]> clusters = FrozenDictionary<Guid, HostCandidate[]>.Empty;
    private Dictionary<Guid, HostCandidate> hosts = [];

    /// <summary>A view that loads on first use and follows the change feed.</summary>
    public FleetView(IDbContextFactory<PortalDbContext> contexts, IChangeFeed feed)
    {
        this.contexts = contexts;
        subscription = feed.Subscribe(Note);
    }

    /// <summary>The hosts of a cluster, by name.</summary>
    public async ValueTask<IReadOnlyList<HostCandidate>> OfAsync(Guid clusterId, CancellationToken ct)
    {
        if (IsDirty())
        {
            await RefreshAsync(ct);
        }

        return Volatile.Read(ref clusters).GetValueOrDefault(clusterId, []);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        subscription.Dispose();
        loading.Dispose();
    }

    private bool IsDirty()
    {
        lock (dirtying)
        {
            return allDirty || dirty.Count > 0;
        }
    }

    private void Note(Change change)
    {
        if (change.Topic != ChangeTopic.Host)
        {
            return;
        }

        lock (dirtying)
        {
            allDirty |= change.Ids.Count == 0;
            dirty.UnionWith(change.Ids);
        }
    }

    private async Task RefreshAsync(CancellationToken ct)
    {
        await loading.WaitAsync(ct);
        var (all, ids) = TakeDirt();
        try
        {
            if (all)
            {
                await LoadAsync(null, ct);
            }
            else if (ids.Count > 0)
            {
                await LoadAsync(ids, ct);
            }
        }
        catch
        {
            // Whatever could not be read is still unknown.
            lock (dirtying)
            {
                allDirty |= all;
                dirty.UnionWith(ids);
            }

            throw;
        }
        finally
        {
            loading.Release();
        }
    }

    private (bool All, HashSet<Guid> Ids) TakeDirt()
    {
        lock (dirtying)
        {
            var taken = (allDirty, dirty);
            (allDirty, dirty) = (false, []);
            return taken;
        }
    }

    private async Task LoadAsync(HashSet<Guid>? ids, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var query = db.Hosts.AsNoTracking();
        if (ids is not null)
        {
            query = query.Where(h => ids.Contains(h.Id));
        }

        var rows = await query
            .Select(h => new HostCandidate(h.Id, h.Name, h.ClusterId, h.State, h.Cpus, (h.Cpus * Host.CpuOvercommit) - h.CpusClaimed, h.Memory, h.Memory - h.MemoryClaimed) { QuarantinedSince = h.QuarantinedSince })
            .ToListAsync(ct);
        rows = await WithPoolsAsync(db, rows, ids, ct);
        if (ids is null)
        {
            hosts = rows.ToDictionary(h => h.Id);
            Publish([.. hosts.Values.Select(h => h.ClusterId)]);
            return;
        }

        var touched = ids.Where(hosts.ContainsKey).Select(id => hosts[id].ClusterId).Concat(rows.Select(r => r.ClusterId)).ToHashSet();
        var moved = ids.Count != rows.Count || rows.Any(r => !hosts.TryGetValue(r.Id, out var old) || old.ClusterId != r.ClusterId || old.Name != r.Name);
        foreach (var id in ids)
        {
            hosts.Remove(id);
        }

        foreach (var row in rows)
        {
            hosts[row.Id] = row;
        }

        if (moved)
        {
            Publish(touched);
        }
        else
        {
            Replace(rows);
        }
    }

    /// <summary>Hosts reached by libvirt have pools to describe, and none until they did; of the others only those that described some are known.</summary>
    private static async Task<List<HostCandidate>> WithPoolsAsync(PortalDbContext db, List<HostCandidate> rows, HashSet<Guid>? ids, CancellationToken ct)
    {
        var query = ids is null ? db.HostPools.AsNoTracking() : db.HostPools.AsNoTracking().Where(p => ids.Contains(p.HostId));
        var pools = (await query.ToListAsync(ct)).ToLookup(
            p => p.HostId,
            p => new PoolCandidate(p.Name, p.IsShared, p.Available, (JsonSerializer.Deserialize<List<string>>(p.Volumes) ?? []).ToFrozenSet(StringComparer.Ordinal)));
        var described = ids is null ? db.Hosts.Where(h => h.LibvirtUri != null) : db.Hosts.Where(h => h.LibvirtUri != null && ids.Contains(h.Id));
        var reached = await described.Select(h => h.Id).ToHashSetAsync(ct);
        return pools.Count == 0 && reached.Count == 0
            ? rows
            : rows.ConvertAll(r => pools.Contains(r.Id) || reached.Contains(r.Id) ? r with { Pools = [.. pools[r.Id]] } : r);
    }

    private void Publish(HashSet<Guid> touched)
    {
        var next = clusters.Where(c => !touched.Contains(c.Key)).ToDictionary();
        foreach (var group in hosts.Values.Where(h => touched.Contains(h.ClusterId)).GroupBy(h => h.ClusterId))
        {
            next[group.Key] = [.. group.OrderBy(h => h.Name, StringComparer.Ordinal)];
        }

        Volatile.Write(ref clusters, next.ToFrozenDictionary());
    }

    /// <summary>Same hosts, other figures: one copy of the cluster's array, found by name as it is sorted.</summary>
    private void Replace(List<HostCandidate> rows)
    {
        var next = clusters.ToDictionary();
        foreach (var group in rows.GroupBy(r => r.ClusterId))
        {
            var copy = (HostCandidate[])next[group.Key].Clone();
            foreach (var row in group)
            {
                copy[Array.BinarySearch(copy, row, ByName.Instance)] = row;
            }

            next[group.Key] = copy;
        }

        Volatile.Write(ref clusters, next.ToFrozenDictionary());
    }

    private sealed class ByName : IComparer<HostCandidate>
    {
        public static ByName Instance { get; } = new();

        public int Compare(HostCandidate? x, HostCandidate? y) => StringComparer.Ordinal.Compare(x?.Name, y?.Name);
    }
}
