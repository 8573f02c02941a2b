using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Core.Storage;

namespace Portal.Core.Virtualization;

/// <summary>What to list, in which order.</summary>
public sealed record VirtualMachineQuery
{
    /// <summary>
    /// oVirt-style search, for example <c>name=web* status=up trust_level=trusted cluster=prod-a host=kvm-a01</c>; other words match names.
    /// <c>untrusted_host=now</c> and <c>untrusted_host=before</c> find those marked for having lost their host's trust.
    /// </summary>
    public string Search { get; init; } = "";

    /// <summary><c>name, status, cluster, host, trust_level, memory, cpus, created</c>.</summary>
    public string SortBy { get; init; } = "name";

    /// <summary>Whether largest first.</summary>
    public bool Descending { get; init; }

    /// <summary>How many to leave out.</summary>
    public int Skip { get; init; }

    /// <summary>How many to return.</summary>
    public int Take { get; init; } = 100;

    /// <summary>Only those on this host.</summary>
    public Guid? HostId { get; init; }

    /// <summary>Only those of this cluster.</summary>
    public Guid? ClusterId { get; init; }

    /// <summary>Only those marked for having lost their host's trust.</summary>
    public bool OnlyMarked { get; init; }
}

/// <summary>A VM with the names a list shows.</summary>
/// <param name="Vm">The VM.</param>
/// <param name="ClusterName">Its cluster.</param>
/// <param name="HostName">Its host, if placed.</param>
/// <param name="TemplateName">Its template.</param>
public sealed record VirtualMachineRow(VirtualMachine Vm, string ClusterName, string? HostName, string TemplateName);

/// <summary>How many VMs a search finds, and how many it would find with another value of one field: the numbers on the filters.</summary>
/// <param name="All">All that match the search.</param>
/// <param name="ByStatus">By status, whatever status the search asks for.</param>
/// <param name="ByTrustLevel">By trust level, whatever level the search asks for.</param>
/// <param name="OnUntrustedHost">On a host that lost trust, now.</param>
/// <param name="WereOnUntrustedHost">Were on a host that lost trust, and are not now.</param>
public sealed record VirtualMachineCounts(
    int All,
    IReadOnlyDictionary<VirtualMachineStatus, int> ByStatus,
    IReadOnlyDictionary<TrustLevel, int> ByTrustLevel,
    int OnUntrustedHost,
    int WereOnUntrustedHost);

/// <summary>Reads VMs.</summary>
/// <param name="contexts">The database.</param>
public sealed class VirtualMachineDirectory(IDbContextFactory<PortalDbContext> contexts)
{
    private static readonly string[] Fields = ["name", "status", "cluster", "host", "trust_level", "template", "untrusted_host"];

    /// <summary>One page.</summary>
    public async Task<Outcome<Page<VirtualMachineRow>>> ListAsync(VirtualMachineQuery query, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var rows = Rows(db);
        if (query.HostId is { } host)
        {
            rows = rows.Where(r => r.Vm.HostId == host || r.Vm.TargetHostId == host);
        }

        if (query.ClusterId is { } cluster)
        {
            rows = rows.Where(r => r.Vm.ClusterId == cluster);
        }

        if (query.OnlyMarked)
        {
            rows = rows.Where(r => r.Vm.UntrustedSince != null && r.Vm.UntrustedUntil == null);
        }

        var found = Narrow(rows, query.Search, null);
        if (!found.Succeeded)
        {
            return found.Refusal;
        }

        var total = await found.Value.CountAsync(ct);
        var items = await Sort(found.Value, query).Skip(query.Skip).Take(query.Take).ToListAsync(ct);
        return new Page<VirtualMachineRow>([.. items.Select(i => new VirtualMachineRow(i.Vm, i.Cluster, i.Host, i.Template))], total);
    }

    /// <summary>One VM, or null.</summary>
    public async Task<VirtualMachineRow?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await Rows(db).SingleOrDefaultAsync(r => r.Vm.Id == id, ct) is { } row ? new VirtualMachineRow(row.Vm, row.Cluster, row.Host, row.Template) : null;
    }

    /// <summary>One VM by its name, or null.</summary>
    public async Task<VirtualMachineRow?> FindByNameAsync(string name, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        return await Rows(db).SingleOrDefaultAsync(r => r.Vm.Name == name, ct) is { } row ? new VirtualMachineRow(row.Vm, row.Cluster, row.Host, row.Template) : null;
    }

    /// <summary>The numbers on the filters above a list; a refusal for a term that is not understood.</summary>
    public async Task<Outcome<VirtualMachineCounts>> CountAsync(string search, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        var all = Narrow(Rows(db), search, null);
        if (!all.Succeeded)
        {
            return all.Refusal;
        }

        var statuses = await Narrow(Rows(db), search, "status").Value.GroupBy(r => r.Vm.Status).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        var levels = await Narrow(Rows(db), search, "trust_level").Value.GroupBy(r => r.Vm.TrustLevel).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        var marked = Narrow(Rows(db), search, "untrusted_host").Value.Where(r => r.Vm.UntrustedSince != null);
        var now = await marked.CountAsync(r => r.Vm.UntrustedUntil == null, ct);
        return new VirtualMachineCounts(await all.Value.CountAsync(ct), statuses, levels, now, await marked.CountAsync(ct) - now);
    }

    /// <summary>Rows that match every term but those of one field.</summary>
    private static Outcome<IQueryable<Row>> Narrow(IQueryable<Row> rows, string search, string? without)
    {
        foreach (var term in SearchTerm.Parse(search).Where(t => without is null || t.Field != without))
        {
            if (Apply(rows, term) is not { } narrowed)
            {
                return SearchTerm.Unknown(term, Fields);
            }

            rows = narrowed;
        }

        return Outcome.Of(rows);
    }

    private static IQueryable<Row> Rows(PortalDbContext db) =>
        from vm in db.VirtualMachines.AsNoTracking()
        join cluster in db.Clusters on vm.ClusterId equals cluster.Id
        join template in db.Templates on vm.TemplateId equals template.Id
        join host in db.Hosts on vm.HostId equals host.Id into hosts
        from host in hosts.DefaultIfEmpty()
        select new Row { Vm = vm, Cluster = cluster.Name, Template = template.Name, Host = host == null ? null : host.Name };

    private static IQueryable<Row>? Apply(IQueryable<Row> rows, SearchTerm term)
    {
        var like = term.Like;
        return (term.Field, term.Negated) switch
        {
            ("" or "name", false) => rows.Where(r => EF.Functions.Like(r.Vm.Name, like, SearchTerm.Escape)),
            ("" or "name", true) => rows.Where(r => !EF.Functions.Like(r.Vm.Name, like, SearchTerm.Escape)),
            ("cluster", false) => rows.Where(r => EF.Functions.Like(r.Cluster, like, SearchTerm.Escape)),
            ("cluster", true) => rows.Where(r => !EF.Functions.Like(r.Cluster, like, SearchTerm.Escape)),
            ("template", false) => rows.Where(r => EF.Functions.Like(r.Template, like, SearchTerm.Escape)),
            ("template", true) => rows.Where(r => !EF.Functions.Like(r.Template, like, SearchTerm.Escape)),
            ("host", false) => rows.Where(r => r.Host != null && EF.Functions.Like(r.Host, like, SearchTerm.Escape)),
            ("host", true) => rows.Where(r => r.Host == null || !EF.Functions.Like(r.Host, like, SearchTerm.Escape)),
            ("status", var not) when Status(term.Value) is { } status => rows.Where(r => (r.Vm.Status == status) != not),
            ("trust_level" or "trust", var not) when Enum.TryParse<TrustLevel>(term.Value, ignoreCase: true, out var level) => rows.Where(r => (r.Vm.TrustLevel == level) != not),
            ("untrusted_host", var not) when term.Value is "now" => rows.Where(r => (r.Vm.UntrustedSince != null && r.Vm.UntrustedUntil == null) != not),
            ("untrusted_host", var not) when term.Value is "before" => rows.Where(r => (r.Vm.UntrustedUntil != null) != not),
            _ => null,
        };
    }

    private static VirtualMachineStatus? Status(string word) =>
        Enum.TryParse<VirtualMachineStatus>(word.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out var status) ? status : null;

    private static IQueryable<Row> Sort(IQueryable<Row> rows, VirtualMachineQuery query) => (query.SortBy, query.Descending) switch
    {
        ("status", false) => rows.OrderBy(r => r.Vm.Status).ThenBy(r => r.Vm.Name),
        ("status", true) => rows.OrderByDescending(r => r.Vm.Status).ThenBy(r => r.Vm.Name),
        ("cluster", false) => rows.OrderBy(r => r.Cluster).ThenBy(r => r.Vm.Name),
        ("cluster", true) => rows.OrderByDescending(r => r.Cluster).ThenBy(r => r.Vm.Name),
        ("host", false) => rows.OrderBy(r => r.Host).ThenBy(r => r.Vm.Name),
        ("host", true) => rows.OrderByDescending(r => r.Host).ThenBy(r => r.Vm.Name),
        ("trust_level", false) => rows.OrderBy(r => r.Vm.TrustLevel).ThenBy(r => r.Vm.Name),
        ("trust_level", true) => rows.OrderByDescending(r => r.Vm.TrustLevel).ThenBy(r => r.Vm.Name),
        ("memory", false) => rows.OrderBy(r => r.Vm.Memory).ThenBy(r => r.Vm.Name),
        ("memory", true) => rows.OrderByDescending(r => r.Vm.Memory).ThenBy(r => r.Vm.Name),
        ("cpus", false) => rows.OrderBy(r => r.Vm.Cpus).ThenBy(r => r.Vm.Name),
        ("cpus", true) => rows.OrderByDescending(r => r.Vm.Cpus).ThenBy(r => r.Vm.Name),
        ("created", false) => rows.OrderBy(r => r.Vm.CreatedAt),
        ("created", true) => rows.OrderByDescending(r => r.Vm.CreatedAt),
        (_, true) => rows.OrderByDescending(r => r.Vm.Name),
        _ => rows.OrderBy(r => r.Vm.Name),
    };

    private sealed class Row
    {
        public required VirtualMachine Vm { get; init; }

        public required string Cluster { get; init; }

        public required string Template { get; init; }

        public string? Host { get; init; }
    }
}
