using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal.Components.VirtualMachines;

/// <summary>One virtual machine, with its own tabs and those that features contribute.</summary>
public sealed partial class VmPage(VirtualMachineDirectory directory, IEnumerable<VmSection> sections)
{
    private static readonly (string Id, string Title, int Order)[] OwnTabs = [("general", "General", 100), ("placement", "Placement", 300), ("activity", "Activity", 500)];

    private readonly (string Id, string Title)[] tabs =
        [.. OwnTabs.Concat(sections.Select(s => (s.Id, s.Title, s.Order))).OrderBy(t => t.Item3).Select(t => (t.Item1, t.Item2))];

    private VirtualMachineRow? row;
    private Refusal? refusal;
    private string? shownKey;
    private bool looked;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>Its name, or its identifier.</summary>
    [Parameter]
    public required string Key { get; set; }

    [Parameter]
    public string? Tab { get; set; }

    private string Shown => Array.Exists(tabs, t => t.Id == Tab) ? Tab! : "general";

    private VmSection Contributed => sections.First(s => s.Id == Shown);

    private Dictionary<string, object?> Parameters => new(StringComparer.Ordinal) { ["VirtualMachine"] = row!.Vm };

    protected override Task OnParametersSetAsync() => RefreshAsync();

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.VirtualMachine && row is not null && change.Touches(row.Vm.Id);

    protected override async Task RefreshAsync()
    {
        // Renamed while one looks, it is still the same.
        row = row is not null && Key == shownKey
            ? await directory.FindAsync(row.Vm.Id, Stopping)
            : await directory.FindByNameAsync(Key, Stopping) ?? (Guid.TryParse(Key, out var id) ? await directory.FindAsync(id, Stopping) : null);
        shownKey = Key;
        looked = true;
    }

    private Task DoneAsync(Refusal? refused)
    {
        refusal = refused;
        return RefreshAsync();
    }
}
