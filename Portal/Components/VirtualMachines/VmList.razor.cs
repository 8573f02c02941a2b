using Microsoft.AspNetCore.Components;
using Portal.Components.Hosts;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Components.VirtualMachines;

/// <summary>All virtual machines. What is searched and sorted by stands in the address.</summary>
public sealed partial class VmList(VirtualMachineDirectory directory, NavigationManager navigation)
{
    private const int PageSize = 50;
    private static readonly TimeSpan Typing = TimeSpan.FromMilliseconds(250);

    private static readonly (string Title, string Key, bool Number)[] Columns =
    [
        ("Name", "name", false), ("Status", "status", false), ("Trust level", "trust_level", false), ("Cluster", "cluster", false), ("Host", "host", false),
        ("CPUs", "cpus", true), ("Memory", "memory", true), ("Created", "created", false),
    ];

    private IReadOnlyList<VirtualMachineRow>? rows;
    private HashSet<Guid> gone = [];
    private VirtualMachineCounts? counts;
    private Refusal? refusal;
    private Refusal? refusedAction;
    private bool pointed;
    private int total;
    private int typed;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [SupplyParameterFromQuery(Name = "q")]
    public string? Query { get; set; }

    [SupplyParameterFromQuery]
    public string? Sort { get; set; }

    [SupplyParameterFromQuery]
    public string? Skip { get; set; }

    private string Search => Query?.Trim() ?? "";

    private bool Descending => Sort?.StartsWith('-') == true;

    private string SortKey => Array.Find(Columns, c => c.Key == Sort?.TrimStart('-')).Key ?? "name";

    private int From => int.TryParse(Skip, out var skip) ? Math.Max(0, skip) : 0;

    protected override async Task OnParametersSetAsync()
    {
        pointed = false;
        refusedAction = null;
        await RefreshAsync();
    }

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.VirtualMachine;

    protected override async Task RefreshAsync()
    {
        var query = new VirtualMachineQuery { Search = Search, SortBy = SortKey, Descending = Descending, Skip = From, Take = PageSize };
        var list = await directory.ListAsync(query, Stopping);
        refusal = list.Refusal ?? refusedAction;
        if (!list.Succeeded)
        {
            return;
        }

        var counted = await directory.CountAsync(Search, Stopping);
        counts = counted.Succeeded ? counted.Value : counts;
        total = list.Value.Total;
        Show(list.Value.Items);
    }

    /// <summary>While the pointer is over the rows none of them moves: those there change in place, the rest waits until it has left.</summary>
    private void Show(IReadOnlyList<VirtualMachineRow> found)
    {
        if (!pointed || rows is not { Count: > 0 })
        {
            (rows, gone) = (found, []);
            return;
        }

        var byId = found.ToDictionary(r => r.Vm.Id);
        gone = [.. rows.Select(r => r.Vm.Id).Where(id => !byId.ContainsKey(id))];
        rows = [.. rows.Select(r => byId.GetValueOrDefault(r.Vm.Id, r))];
    }

    private Task PointerLeftAsync()
    {
        pointed = false;
        return RefreshAsync();
    }

    private Task DoneAsync(Refusal? refused)
    {
        refusedAction = refused;
        return RefreshAsync();
    }

    private static IEnumerable<Chip> Chips(VirtualMachineCounts counts)
    {
        if (counts.OnUntrustedHost > 0)
        {
            yield return new Chip("untrusted_host", "now", "On an untrusted host", Tone.Bad, counts.OnUntrustedHost);
        }

        if (counts.WereOnUntrustedHost > 0)
        {
            yield return new Chip("untrusted_host", "before", "Was on one", Tone.Old, counts.WereOnUntrustedHost);
        }

        foreach (var (status, count) in counts.ByStatus.OrderBy(s => s.Key is not VirtualMachineStatus.Up).ThenBy(s => s.Key))
        {
            yield return new Chip("status", status.Term(), status.Word(), status.Tone(), count);
        }

        if (counts.ByTrustLevel.GetValueOrDefault(TrustLevel.Trusted) is > 0 and var trusted)
        {
            yield return new Chip("trust_level", "trusted", "Require trust", Tone.Neutral, trusted);
        }
    }

    private async Task SearchSoonAsync(ChangeEventArgs e)
    {
        var (mine, text) = (++typed, e.Value as string);
        await Task.Delay(Typing, Time, Stopping);
        if (mine == typed)
        {
            navigation.NavigateTo(Address(text?.Trim() ?? ""), replace: true);
        }
    }

    private string SortHref(string key)
    {
        var down = key == SortKey ? !Descending : key is "cpus" or "memory" or "created";
        return Address(Search, key == "name" && !down ? "" : $"{(down ? "-" : "")}{key}");
    }

    private string Address(string search, string? sort = null, int skip = 0) => navigation.GetUriWithQueryParameters(
        navigation.ToAbsoluteUri("vms").ToString(),
        new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["q"] = search.Length == 0 ? null : search,
            ["sort"] = string.IsNullOrEmpty(sort ?? Sort) ? null : sort ?? Sort,
            ["skip"] = skip <= 0 ? null : skip,
        });

    private sealed record Chip(string Field, string Value, string Title, Tone Tone, int Count);
}
