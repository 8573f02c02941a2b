using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Inventory;
using Portal.Core.Placement;
using Portal.Core.Storage;
using Portal.Extensions;

namespace Portal.Tests.SampleFeature;

/// <summary>
/// A site's own feature, in an assembly the portal does not know: racks. It adds a facet with a column, a tab of a host's page, and a
/// rule of placement, by registering them and nothing else.
/// </summary>
internal static class SampleFeature
{
    /// <summary>What the pages get.</summary>
    public static IServiceCollection AddRacks(this IServiceCollection services) => services
        .Contribute(new HostColumn(RackFacet.FacetName, "Rack", 350, row => builder => builder.AddContent(0, row.Facet<Rack>(RackFacet.FacetName)?.Name)))
        .Contribute(new HostTab("rack", "Rack", 450, typeof(RackTab)));

    /// <summary>What the core gets.</summary>
    public static void AddRacksToCore(this IServiceCollection services)
    {
        services.AddSingleton<IHostFacet, RackFacet>();
        services.AddSingleton<IHostFilter, PowerFilter>();
    }
}

/// <summary>Where a host stands.</summary>
internal sealed record Rack(string Name)
{
    /// <summary>Hosts with an odd number stand in the left rack.</summary>
    public static Rack Of(string host) => new((host[^1] - '0') % 2 == 1 ? "left" : "right");
}

/// <summary>Racks as something to show, sort and search by.</summary>
internal sealed class RackFacet : IHostFacet
{
    public const string FacetName = "rack";

    public string Name => FacetName;

    public IQueryable<Host>? Where(PortalDbContext db, IQueryable<Host> hosts, SearchTerm term, DateTimeOffset now) =>
        term.Value is "left" ? hosts.Where(h => EF.Functions.Like(h.Name, "%1") || EF.Functions.Like(h.Name, "%3")) : null;

    public IOrderedQueryable<Host> OrderBy(PortalDbContext db, IQueryable<Host> hosts, bool descending, DateTimeOffset now) => hosts.OrderBy(h => h.Name);

    public async Task<IReadOnlyDictionary<Guid, object>> LoadAsync(PortalDbContext db, IReadOnlyList<Guid> hostIds, DateTimeOffset now, CancellationToken ct) =>
        await db.Hosts.Where(h => hostIds.Contains(h.Id)).ToDictionaryAsync(h => h.Id, h => (object)Rack.Of(h.Name), ct);

    public Task<IReadOnlyList<FacetCount>> CountAsync(PortalDbContext db, IQueryable<Host> hosts, DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<FacetCount>>([]);
}

/// <summary>The right rack is without power this week.</summary>
internal sealed class PowerFilter : IHostFilter
{
    private const string NoPower = "rack.no_power";

    public int Order => 500;

    public string? Refuse(PlacementRequest request, HostCandidate host, DateTimeOffset now) => Rack.Of(host.Name).Name == "right" ? NoPower : null;

    public string Explain(string code, PlacementRequest request, HostCandidate host, DateTimeOffset now) => $"The rack of {host.Name} has no power.";

    public string? Words(string code) => code == NoPower ? "no power" : null;
}

/// <summary>The tab.</summary>
internal sealed class RackTab : ComponentBase
{
    [Parameter]
    public required HostRow Row { get; set; }

    protected override void BuildRenderTree(RenderTreeBuilder builder) => builder.AddContent(0, $"{Row.Host.Name} stands in the {Row.Facet<Rack>(RackFacet.FacetName)?.Name} rack.");
}
