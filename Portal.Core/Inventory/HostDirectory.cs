using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Inventory;

/// <summary>
/// Something another room knows of hosts that lists can show, sort, search and count by. A contribution: register with
/// <c>services.AddSingleton&lt;IHostFacet, MyFacet&gt;()</c>. The attestation feature's trust is one.
/// </summary>
public interface IHostFacet
{
    /// <summary>Name in searches, sort keys and rows: <c>trust</c>.</summary>
    string Name { get; }

    /// <summary>Hosts for which the term holds; null when the value is not understood.</summary>
    IQueryable<Host>? Where(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term, DateTimeOffset now);

    /// <summary>Hosts in order of the facet.</summary>
    IOrderedQueryable<Host> OrderBy(PortalDbContext db, IQueryable<Host> hosts, bool descending, DateTimeOffset now);

    /// <summary>The facet's value for each of the hosts, for the columns that show it.</summary>
    Task<IReadOnlyDictionary<Guid, object>> LoadAsync(PortalDbContext db, IReadOnlyList<Guid> hostIds, DateTimeOffset now, CancellationToken ct);

    /// <summary>How many of the hosts have which value, for chips: in the order to show them.</summary>
    Task<IReadOnlyList<FacetCount>> CountAsync(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now, CancellationToken ct);
}

/// <summary>How many hosts have a value.</summary>
/// <param name="Facet">The facet's name.</param>
/// <param name="Value">The value as searched for: <c>untrusted</c>.</param>
/// <param name="Title">The value for a person: <c>Untrusted</c>.</param>
/// <param name="Hosts">How many.</param>
public sealed record FacetCount(string Facet, string Value, string Title, int Hosts);

/// <summary>What to list, in which order.</summary>
public sealed record HostQuery
{
    /// <summary>oVirt-style search, for example <c>trust!=trusted cluster=prod* name=kvm*</c>; other words match names.</summary>
    public string Search { get; init; } = "";

    /// <summary><c>name, cluster, state, cpu, memory, vms, firmware, model, os, address</c> or a facet's name.</summary>
    public string SortBy { get; init; } = "name";

    /// <summary>Whether largest first.</summary>
    public bool Descending { get; init; }

    /// <summary>How many to leave out.</summary>
    public int Skip { get; init; }

    /// <summary>How many to return.</summary>
    public int Take { get; init; } = 100;

    /// <summary>Only those of this cluster.</summary>
    public Guid? ClusterId { get; init; }
}

/// <summary>A host with what a list shows.</summary>
/// <param name="Host">The host.</param>
/// <param name="ClusterName">Its cluster.</param>
/// <param name="Vms">VMs placed on it.</param>
/// <param name="Facets">Values of contributed facets, by facet name; a facet that knows nothing of the host has no entry.</param>
public sealed record HostRow(Host Host, string ClusterName, int Vms, IReadOnlyDictionary<string, object> Facets)
{
    /// <summary>A facet's value, if it is of that type.</summary>
    public T? Facet<T>(string name)
        where T : class => Facets.GetValueOrDefault(name) as T;
}

/// <summary>Reads hosts: paging, sorting and searching are the database's.</summary>
/// <param name="contexts">The database.</param>
/// <param name="facets">Contributed facets.</param>
/// <param name="time">Our clock.</param>
public sealed class HostDirectory(IDbContextFactory<PortalDbContext> contexts, IEnumerable<IHostFacet> facets, TimeProvider time)
{
    private static readonly string[] OwnFields = ["name", "cluster", "state", "address", "firmware", "model", "os"];
    private readonly IHostFacet[] facets = [.. facets];

    /// <summary>What can be searched by, for hints and refusals.</summary>
    public IReadOnlyList<string> Fields => [.. OwnFields, .. facets.Select(f => f.Name)];

    /// <summary>One page.</summary>
    public async Task<Outcome<Page<HostRow>>> ListAsync(HostQuery query, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var narrowed = Narrow(db, query, now);
        if (!narrowed.Succeeded)
        {
            return narrowed.Refusal;
        }

        var total = await narrowed.Value.CountAsync(ct);
        var hosts = await Sort(db, narrowed.Value, query, now).Skip(query.Skip).Take(query.Take).ToListAsync(ct);
        return new Page<HostRow>(await RowsAsync(db, hosts, now, ct), total);
    }

    /// <summary>Hosts by their ids, in the order asked for; those that are gone are left out. For rows already on a page: no search, no sorting.</summary>
    public async Task<IReadOnlyList<HostRow>> ListAsync(IReadOnlyList<Guid> ids, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = await db.Hosts.AsNoTracking().Where(h => ids.Contains(h.Id)).ToDictionaryAsync(h => h.Id, ct);
        return await RowsAsync(db, [.. ids.Where(hosts.ContainsKey).Select(id => hosts[id])], time.GetUtcNow(), ct);
    }

    /// <summary>One host, or null.</summary>
    public async Task<HostRow?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == id, ct);
        return host is null ? null : (await RowsAsync(db, [host], time.GetUtcNow(), ct))[0];
    }

    /// <summary>One host by its name, or null.</summary>
    public async Task<HostRow?> FindByNameAsync(string name, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var host = await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Name == name, ct);
        return host is null ? null : (await RowsAsync(db, [host], time.GetUtcNow(), ct))[0];
    }

    /// <summary>How many hosts there are.</summary>
    public async Task<int> TotalAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.Hosts.CountAsync(ct);
    }

    /// <summary>Counts of every facet over the hosts of a cluster, or all.</summary>
    public async Task<IReadOnlyList<FacetCount>> CountsAsync(Guid? clusterId, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var hosts = clusterId is { } cluster ? db.Hosts.AsNoTracking().Where(h => h.ClusterId == cluster) : db.Hosts.AsNoTracking();
        var counts = new List<FacetCount>();
        foreach (var facet in facets)
        {
            counts.AddRange(await facet.CountAsync(db, hosts, time.GetUtcNow(), ct));
        }

        return counts;
    }

    /// <summary>
    /// Counts of every facet over the hosts a search finds. A facet's own terms are left out for its own counts, so that each number is what
    /// searching for that value instead would list. Empty when a term is not understood.
    /// </summary>
    public async Task<IReadOnlyList<FacetCount>> CountsAsync(string search, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var now = time.GetUtcNow();
        var counts = new List<FacetCount>();
        foreach (var facet in facets)
        {
            var hosts = Narrow(db, new HostQuery { Search = search }, now, facet.Name);
            if (hosts.Succeeded)
            {
                counts.AddRange(await facet.CountAsync(db, hosts.Value, now, ct));
            }
        }

        return counts;
    }

    private Outcome<IQueryable<Host>> Narrow(PortalDbContext db, HostQuery query, DateTimeOffset now, string? without = null)
    {
        IQueryable<Host> hosts = db.Hosts.AsNoTracking();
        if (query.ClusterId is { } cluster)
        {
            hosts = hosts.Where(h => h.ClusterId == cluster);
        }

        foreach (var term in SearchTerm.Parse(query.Search).Where(t => without is null || t.Field != without))
        {
            var next = Own(db, hosts, term) ?? facets.FirstOrDefault(f => f.Name == term.Field)?.Where(db, hosts, term, now);
            if (next is null)
            {
                return SearchTerm.Unknown(term, Fields);
            }

            hosts = next;
        }

        return Outcome.Of(hosts);
    }

    private static IQueryable<Host>? Own(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term)
    {
        var (like, not) = (term.Like, term.Negated);
        return term.Field switch
        {
            "" or "name" => hosts.Where(h => EF.Functions.Like(h.Name, like, SearchTerm.Escape) != not),
            "cluster" => hosts.Where(h => db.Clusters.Any(c => c.Id == h.ClusterId && EF.Functions.Like(c.Name, like, SearchTerm.Escape)) != not),
            "address" => hosts.Where(h => EF.Functions.Like(h.Address, like, SearchTerm.Escape) != not),
            "firmware" => hosts.Where(h => EF.Functions.Like(h.Hardware.BiosVendor + " " + h.Hardware.BiosVersion, like, SearchTerm.Escape) != not),
            "model" => hosts.Where(h => EF.Functions.Like(h.Hardware.Manufacturer + " " + h.Hardware.ProductName, like, SearchTerm.Escape) != not),
            "os" => hosts.Where(h => EF.Functions.Like(h.Hardware.OperatingSystem, like, SearchTerm.Escape) != not),
            "state" or "status" when Enum.TryParse<HostState>(term.Value.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out var state) => hosts.Where(h => (h.State == state) != not),
            _ => null,
        };
    }

    private IQueryable<Host> Sort(PortalDbContext db, IQueryable<Host> hosts, HostQuery query, DateTimeOffset now)
    {
        var down = query.Descending;
        IOrderedQueryable<Host> sorted = query.SortBy switch
        {
            "cluster" => By(hosts, h => db.Clusters.Where(c => c.Id == h.ClusterId).Select(c => c.Name).First(), down),
            "state" => By(hosts, h => h.State, down),
            "cpu" => By(hosts, h => (double)h.CpusClaimed / h.Cpus, down),
            "memory" => By(hosts, h => (double)h.MemoryClaimed / h.Memory, down),
            "vms" => By(hosts, h => db.VirtualMachines.Count(v => v.HostId == h.Id), down),
            "firmware" => By(hosts, h => h.Hardware.BiosVendor + " " + h.Hardware.BiosVersion, down),
            "model" => By(hosts, h => h.Hardware.Manufacturer + " " + h.Hardware.ProductName, down),
            "os" => By(hosts, h => h.Hardware.OperatingSystem, down),
            "address" => By(hosts, h => h.Address, down),
            var name when facets.FirstOrDefault(f => f.Name == name) is { } facet => facet.OrderBy(db, hosts, down, now),
            _ => By(hosts, h => h.Name, down),
        };
        return sorted.ThenBy(h => h.Name);
    }

    private static IOrderedQueryable<Host> By<TKey>(IQueryable<Host> hosts, System.Linq.Expressions.Expression<Func<Host, TKey>> key, bool descending) =>
        descending ? hosts.OrderByDescending(key) : hosts.OrderBy(key);

    private async Task<IReadOnlyList<HostRow>> RowsAsync(PortalDbContext db, List<Host> hosts, DateTimeOffset now, CancellationToken ct)
    {
        var ids = hosts.ConvertAll(h => h.Id);
        var clusterIds = hosts.Select(h => h.ClusterId).Distinct().ToList();
        var clusters = await db.Clusters.Where(c => clusterIds.Contains(c.Id)).ToDictionaryAsync(c => c.Id, c => c.Name, ct);
        var vms = await db.VirtualMachines.Where(v => v.HostId != null && ids.Contains(v.HostId.Value))
            .GroupBy(v => v.HostId!.Value).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        var values = new Dictionary<string, IReadOnlyDictionary<Guid, object>>(StringComparer.Ordinal);
        foreach (var facet in facets)
        {
            values[facet.Name] = await facet.LoadAsync(db, ids, now, ct);
        }

        return [.. hosts.Select(h => new HostRow(
            h,
            clusters.GetValueOrDefault(h.ClusterId, ""),
            vms.GetValueOrDefault(h.Id),
            values.Where(v => v.Value.ContainsKey(h.Id)).ToDictionary(v => v.Key, v => v.Value[h.Id], StringComparer.Ordinal)))];
    }
}
