using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Extensions;

namespace Portal.Components.Clusters;

/// <summary>One cluster: its policy in words, what waits, its hosts, and what features contribute.</summary>
public sealed partial class ClusterPage(
    ClusterDirectory directory,
    HostDirectory hosts,
    ServiceDirectory services,
    DeleteCluster delete,
    AttestFleet fleet,
    IEnumerable<ClusterSection> sections,
    IDialogService dialogs,
    ISnackbar snackbar,
    NavigationManager navigation,
    Announcer announcer)
{
    private readonly ClusterSection[] sections = [.. sections.OrderBy(s => s.Order)];

    private ClusterRow? row;
    private IReadOnlyList<FacetCount> counts = [];
    private IReadOnlyDictionary<Guid, string>? servers;
    private Refusal? refusal;
    private string? shownKey;
    private bool looked;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>Its name, or its identifier.</summary>
    [Parameter]
    public required string Key { get; set; }

    private Dictionary<string, object> Parameters => new(StringComparer.Ordinal) { ["Cluster"] = row!.Cluster };

    private IReadOnlyList<ActionItem> Items =>
    [
        new("Attest its hosts now", AttestAsync) { WhyNot = Denied(Permission.ManageHosts) ?? (row!.Hosts == 0 ? "It has no host." : null) },
        new("Edit…", EditAsync) { WhyNot = Denied(Permission.ManageClusters) },
        new("Move a host here…", MoveAsync) { WhyNot = Denied(Permission.ManageHosts) },
        new("Delete…", DeleteAsync) { WhyNot = Denied(Permission.ManageClusters) ?? WhyNotDelete, Destructive = true },
    ];

    private string? WhyNotDelete => row!.Hosts + row.Vms > 0 ? "It still has hosts or virtual machines." : null;

    protected override Task OnParametersSetAsync() => RefreshAsync();

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Cluster or ChangeTopic.Service or ChangeTopic.Host or ChangeTopic.Attestation or ChangeTopic.VirtualMachine;

    protected override async Task RefreshAsync()
    {
        // Renamed while one looks, it is still the same.
        row = row is not null && Key == shownKey
            ? await directory.FindAsync(row.Cluster.Id, Stopping)
            : await directory.FindByNameAsync(Key, Stopping) ?? (Guid.TryParse(Key, out var id) ? await directory.FindAsync(id, Stopping) : null);
        (shownKey, looked) = (Key, true);
        servers = await services.NamesAsync(Stopping);
        counts = row is null ? [] : await hosts.CountsAsync(row.Cluster.Id, Stopping);
    }

    private string? Denied(Permission permission) => Caller.May(permission) ? null : AccessControl.Denied(Caller, permission).ToString();

    private async Task AttestAsync()
    {
        var begun = await fleet.ExecuteAsync(Caller, row!.Cluster.Id, CancellationToken.None);
        refusal = begun.Refusal;
        if (begun.Succeeded)
        {
            snackbar.Add(begun.Value.Joined ? "Its hosts are being attested already; progress is shown under Tasks." : "Its hosts are being attested; progress is shown under Tasks.", Severity.Normal);
        }
    }

    private async Task EditAsync()
    {
        if (await ClusterDialog.ShowAsync(dialogs, row!.Cluster) is { } name)
        {
            navigation.NavigateTo(ClusterLook.Href(name), replace: true);
            await RefreshAsync();
        }
    }

    private async Task MoveAsync()
    {
        if (await MoveHostDialog.ShowAsync(dialogs, row!.Cluster))
        {
            await RefreshAsync();
        }
    }

    private async Task DeleteAsync()
    {
        var name = row!.Cluster.Name;
        if (!await ConfirmDialog.AskAsync(dialogs, new Confirmation($"Delete {name}?", "It has neither hosts nor virtual machines. Its trust policy goes with it.", "Delete") { Hits = [name] }))
        {
            return;
        }

        var outcome = await delete.ExecuteAsync(Caller, row.Cluster.Id, CancellationToken.None);
        refusal = outcome.Refusal;
        if (outcome.Succeeded)
        {
            announcer.Say($"{name} is deleted.");
            navigation.NavigateTo("/clusters");
        }
    }
}
