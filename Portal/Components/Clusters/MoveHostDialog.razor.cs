using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Asks which host is to move to a cluster.</summary>
public sealed partial class MoveHostDialog(HostDirectory directory, MoveHost move)
{
    private const int Most = 500;

    private IReadOnlyList<HostRow>? hosts;
    private Guid chosen;
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required Cluster Cluster { get; set; }

    /// <summary>Asks; true when a host moved.</summary>
    internal static async Task<bool> ShowAsync(IDialogService dialogs, Cluster cluster)
    {
        var reference = await dialogs.ShowAsync<MoveHostDialog>(
            $"Move a host to {cluster.Name}",
            new DialogParameters<MoveHostDialog> { { d => d.Cluster, cluster } },
            new DialogOptions { MaxWidth = MaxWidth.ExtraSmall, FullWidth = true, CloseOnEscapeKey = true });
        return await reference.Result is { Canceled: false };
    }

    protected override async Task OnInitializedAsync()
    {
        var found = await directory.ListAsync(new HostQuery { SortBy = "vms", Take = Most }, CancellationToken.None);
        hosts = found.Succeeded ? [.. found.Value.Items.Where(h => h.Vms == 0 && h.Host.ClusterId != Cluster.Id).OrderBy(h => h.Host.Name, StringComparer.Ordinal)] : [];
        chosen = hosts.Count > 0 ? hosts[0].Host.Id : Guid.Empty;
    }

    private async Task MoveAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await move.ExecuteAsync(Caller, chosen, Cluster.Id, CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
