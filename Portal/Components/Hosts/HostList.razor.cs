using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web.Virtualization;
using Microsoft.JSInterop;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Hosts;

/// <summary>The Hosts grid. Its state is its address; a circuit keeps the visible rows and little else.</summary>
public sealed partial class HostList(
    HostDirectory hosts,
    HostCounts allCounts,
    IEnumerable<HostColumn> contributed,
    IEnumerable<HostFacetLook> looks,
    IEnumerable<HostsSubPart> subParts,
    IEnumerable<HostsHeadPart> headParts,
    NavigationManager navigation,
    Announcer announcer,
    IJSRuntime js)
{
    /// <summary>Height of a row in pixels; the style sheet holds the same number.</summary>
    public const float RowHeight = 37;

    private const int FirstPage = 48;

    private readonly HostColumn[] allColumns = [.. contributed.OrderBy(c => c.Order)];
    private readonly HashSet<ChangeTopic> rowTopics = [ChangeTopic.Host, ChangeTopic.VirtualMachine, ChangeTopic.Cluster, .. contributed.SelectMany(c => c.Topics)];
    private readonly HashSet<ChangeTopic> countTopics = [ChangeTopic.Host, .. looks.SelectMany(l => l.Topics)];
    private HostsView view = HostsView.Of(null, null, null, null);
    private HostsView? asked;
    private List<HostColumn> shown = [];
    private IReadOnlyList<FacetCount> counts = [];
    private HostTotals? totals;
    private Refusal? refusal;
    private Refusal? refused;
    private int? total;
    private Virtualize<HostRow>? rows;
    private HostMenu? menu;
    private ElementReference frame;
    private Window window = new(0, []);
    private Page<HostRow>? ready;
    private bool pointed;
    private bool keepOrder;
    private bool orderIsOld;
    private volatile bool rowsChanged;

    [SupplyParameterFromQuery(Name = "q")]
    public string? Search { get; set; }

    [SupplyParameterFromQuery(Name = "sort")]
    public string? Sort { get; set; }

    [SupplyParameterFromQuery(Name = "desc")]
    public bool? Descending { get; set; }

    [SupplyParameterFromQuery(Name = "columns")]
    public string? Columns { get; set; }

    private HostDirectory Hosts => hosts;

    private IReadOnlyList<HostColumn> AllColumns => allColumns;

    private IEnumerable<HostsSubPart> SubParts => subParts.OrderBy(p => p.Order);

    private IEnumerable<HostsHeadPart> HeadParts(bool isBelow) => headParts.Where(p => p.IsBelow == isBelow).OrderBy(p => p.Order);

    protected override async Task OnParametersSetAsync()
    {
        view = HostsView.Of(Search, Sort, Descending, Columns);
        var chosen = view.Columns?.Split(',', StringSplitOptions.RemoveEmptyEntries);
        shown = [.. allColumns.Where(c => c.Id == HostsView.DefaultSort || (chosen?.Contains(c.Id, StringComparer.Ordinal) ?? c.ShownByDefault))];
        if (asked is null || asked.Query(0, 1) != view.Query(0, 1))
        {
            var first = asked is null;
            asked = view;
            await ShowAsync(first);
            await CountAsync();
        }
    }

    /// <summary>Shows the view from its top; a search that is not understood leaves the rows as they were.</summary>
    private async Task ShowAsync(bool first)
    {
        var page = await hosts.ListAsync(view.Query(0, FirstPage), Stopping);
        (refusal, refused) = (page.Refusal, null);
        if (!page.Succeeded)
        {
            return;
        }

        ready = page.Value;
        total = ready.Total;
        if (!first)
        {
            announcer.Say(total == 1 ? "1 host" : $"{total:N0} hosts");
            await js.InvokeVoidAsync("portal.toTop", Stopping, frame);
        }

        await ReloadAsync();
    }

    private async Task CountAsync()
    {
        totals = await allCounts.CurrentAsync(Stopping);
        counts = view.Search.Length == 0 || refusal is not null ? totals.Facets : await allCounts.OfAsync(view.Search, Stopping);
    }

    protected override bool Concerns(Change change)
    {
        if (rowTopics.Contains(change.Topic) && (view.CanMove || change.Ids.Count == 0 || change.Topic == ChangeTopic.VirtualMachine || window.Ids.Any(change.Ids.Contains)))
        {
            rowsChanged = true;
            return true;
        }

        return countTopics.Contains(change.Topic);
    }

    /// <summary>What is visible is asked for again. Rows keep their places while the pointer is over them.</summary>
    protected override async Task RefreshAsync()
    {
        if (rowsChanged)
        {
            rowsChanged = false;
            keepOrder = pointed || !view.CanMove;
            orderIsOld |= keepOrder && view.CanMove;
            await ReloadAsync();
            keepOrder = false;
        }

        await CountAsync();
    }

    private async Task LeaveAsync()
    {
        pointed = false;
        if (orderIsOld)
        {
            orderIsOld = false;
            await ReloadAsync();
        }
    }

    private Task ReloadAsync() => rows?.RefreshDataAsync() ?? Task.CompletedTask;

    private async ValueTask<ItemsProviderResult<HostRow>> LoadAsync(ItemsProviderRequest request)
    {
        var (skip, take) = (request.StartIndex, request.Count);
        if (ready is { } first)
        {
            ready = null;
            if (skip + take <= first.Items.Count || first.Items.Count == first.Total)
            {
                return Showing(skip, [.. first.Items.Skip(skip).Take(take)], first.Total);
            }
        }

        if (keepOrder && window.Start == skip && window.Ids.Count == Math.Min(take, (total ?? 0) - skip))
        {
            var same = await hosts.ListAsync(window.Ids, request.CancellationToken);
            if (same.Count == window.Ids.Count)
            {
                return Showing(skip, same, total ?? 0);
            }
        }

        var page = await hosts.ListAsync(asked!.Query(skip, take), request.CancellationToken);
        return page.Succeeded ? Showing(skip, page.Value.Items, page.Value.Total) : new([], total ?? 0);
    }

    private ItemsProviderResult<HostRow> Showing(int start, IReadOnlyList<HostRow> items, int all)
    {
        window = new Window(start, [.. items.Select(i => i.Host.Id)]);
        if (total != all)
        {
            total = all;
            _ = InvokeAsync(StateHasChanged);
        }

        return new ItemsProviderResult<HostRow>(items, all);
    }

    private void Show(HostsView next, bool replace) => navigation.NavigateTo(next.Href, replace: replace);

    private void Choose(HostColumn column, bool show)
    {
        var ids = allColumns.Where(c => c == column ? show : shown.Contains(c)).Select(c => c.Id).ToList();
        var asByDefault = ids.SequenceEqual(allColumns.Where(c => c.ShownByDefault).Select(c => c.Id), StringComparer.Ordinal);
        Show(view with { Columns = asByDefault ? null : string.Join(',', ids) }, replace: true);
    }

    private void DoneAsync(Refusal? why) => refused = why;

    private Tone ToneOf(FacetCount count) => looks.FirstOrDefault(l => l.Facet == count.Facet)?.Tone(count.Value) ?? Tone.Neutral;

    private static string Css(HostColumn column) => $"{(column.IsNumber ? "number " : null)}room-{column.Room.ToString().ToLowerInvariant()} col-{column.Id}";

    /// <summary>The visible part of the list.</summary>
    private sealed record Window(int Start, IReadOnlyList<Guid> Ids);
}
