using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;

namespace Portal.Components.Baselines;

/// <summary>All baselines. What is searched, filtered and sorted by stands in the address.</summary>
public sealed partial class BaselineList(BaselineDirectory directory, NavigationManager navigation)
{
    private const int PageSize = 50;
    private static readonly TimeSpan Typing = TimeSpan.FromMilliseconds(250);

    private static readonly (string Value, RevisionState State)[] States =
    [
        ("review", RevisionState.InReview), ("sent-back", RevisionState.Rejected), ("draft", RevisionState.Draft), ("approved", RevisionState.Approved), ("retired", RevisionState.Retired),
    ];

    private static readonly (string Value, BaselineKinds Kind)[] Kinds = [("firmware", BaselineKinds.Firmware), ("hypervisor", BaselineKinds.Hypervisor), ("runtime", BaselineKinds.Runtime)];

    private static readonly (string Title, BaselineOrder? Order, bool Number)[] Columns =
    [
        ("Name", BaselineOrder.Name, false), ("Kind", BaselineOrder.Kind, false), ("Latest revision", BaselineOrder.Latest, false),
        ("In force", null, false), ("Applies to", null, false), ("Match now", BaselineOrder.Coverage, true),
    ];

    private Page<BaselineRow>? rows;
    private BaselineCounts? counts;
    private PendingReviews? pending;
    private Refusal? refusal;
    private int typed;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [SupplyParameterFromQuery(Name = "q")]
    public string? Search { get; set; }

    [SupplyParameterFromQuery(Name = "state")]
    public string? State { get; set; }

    [SupplyParameterFromQuery(Name = "kind")]
    public string? Kind { get; set; }

    [SupplyParameterFromQuery(Name = "sort")]
    public string? Sort { get; set; }

    [SupplyParameterFromQuery(Name = "skip")]
    public int Skip { get; set; }

    private bool MayWrite => Caller.May(Permission.WriteBaselines);

    private bool Descending => Sort?.StartsWith('-') == true;

    private BaselineOrder Order => Enum.TryParse<BaselineOrder>(Sort?.TrimStart('-'), ignoreCase: true, out var order) && Enum.IsDefined(order) ? order : BaselineOrder.Name;

    protected override Task OnParametersSetAsync() => RefreshAsync();

    // Coverage follows from attestation.
    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Baseline or ChangeTopic.Attestation;

    protected override async Task RefreshAsync()
    {
        Skip = Math.Max(0, Skip);
        var state = Array.Find(States, s => s.Value == State);
        var kind = Array.Find(Kinds, k => k.Value == Kind);
        var query = new BaselineQuery(Search, state.Value is null ? null : state.State, kind.Value is null ? null : kind.Kind, Order, Descending, Skip, PageSize);
        var list = await directory.ListAsync(Caller, query, Stopping);
        if (!list.Succeeded)
        {
            (refusal, rows) = (list.Refusal, null);
            return;
        }

        (refusal, rows) = (null, list.Value);
        counts = (await directory.CountAsync(Caller, Stopping)) is { Succeeded: true, Value: var counted } ? counted : counts;
        pending = (await directory.PendingReviewsAsync(Caller, Stopping)) is { Succeeded: true, Value: var waiting } ? waiting : null;
    }

    private async Task SearchSoonAsync(ChangeEventArgs e)
    {
        var (mine, text) = (++typed, e.Value as string);
        await Task.Delay(Typing, Time, Stopping);
        if (mine == typed)
        {
            navigation.NavigateTo(Query(("Search", string.IsNullOrWhiteSpace(text) ? null : text.Trim())), replace: true);
        }
    }

    private string SortHref(BaselineOrder order)
    {
        var down = order == Order ? !Descending : order is BaselineOrder.Coverage or BaselineOrder.Latest;
        return Query((nameof(Sort), order is BaselineOrder.Name && !down ? null : $"{(down ? "-" : "")}{order.ToString().ToLowerInvariant()}"));
    }

    /// <summary>The address of this list with something changed; any change but of the page starts at the first.</summary>
    private string Query((string Name, string? Value) change)
    {
        var query = new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["q"] = Search,
            ["state"] = State,
            ["kind"] = Kind,
            ["sort"] = Sort,
            ["skip"] = null,
        };
        query[change.Name == nameof(Search) ? "q" : change.Name.ToLowerInvariant()] = change.Value;
        return navigation.GetUriWithQueryParameters(navigation.ToAbsoluteUri("baselines").ToString(), query);
    }
}
