using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Hosts;

/// <summary>A host's page: its header and the tabs features contributed.</summary>
public sealed partial class HostPage(
    HostDirectory hosts,
    IEnumerable<HostTab> tabs,
    IEnumerable<HostHeaderPart> parts,
    IEnumerable<HostColumn> columns)
{
    private readonly HashSet<ChangeTopic> topics = [ChangeTopic.Host, ChangeTopic.VirtualMachine, ChangeTopic.Cluster, .. columns.SelectMany(c => c.Topics)];
    private HostRow? row;
    private HostTab? current;
    private HostMenu? menu;
    private Refusal? refused;
    private bool looked;
    private string? shownKey;

    /// <summary>The host's name, or its id.</summary>
    [Parameter]
    public required string Key { get; set; }

    /// <summary>The tab; the first when the address names none.</summary>
    [Parameter]
    public string? Tab { get; set; }

    private IEnumerable<HostTab> Tabs => tabs.OrderBy(t => t.Order);

    private IEnumerable<HostHeaderPart> HeaderParts => parts.OrderBy(p => p.Order);

    private Dictionary<string, object> Parameters => new() { ["Row"] = row! };

    protected override async Task OnParametersSetAsync()
    {
        current = Tab is null ? Tabs.FirstOrDefault() : Tabs.FirstOrDefault(t => string.Equals(t.Id, Tab, StringComparison.OrdinalIgnoreCase));
        if (!string.Equals(shownKey, Key, StringComparison.Ordinal))
        {
            (shownKey, refused) = (Key, null);
            row = await FindAsync();
            looked = true;
        }
    }

    protected override bool Concerns(Change change) =>
        topics.Contains(change.Topic) && (row is not { } shown || change.Topic is ChangeTopic.VirtualMachine or ChangeTopic.Cluster || change.Touches(shown.Host.Id));

    protected override async Task RefreshAsync() => row = await FindAsync();

    private async Task<HostRow?> FindAsync() =>
        await hosts.FindByNameAsync(Key, Stopping) ?? (Guid.TryParse(Key, out var id) ? await hosts.FindAsync(id, Stopping) : null);
}
