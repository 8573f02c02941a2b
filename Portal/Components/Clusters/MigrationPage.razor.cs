using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Changes how virtual machines of a cluster move.</summary>
public sealed partial class MigrationPage(ClusterDirectory directory, ChangeMigration change, NavigationManager navigation, Announcer announcer)
{
    private ClusterRow? row;
    private MigrationSettings wanted = MigrationSettings.Default;
    private Refusal? invalid;
    private Refusal? refusal;
    private bool looked;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The cluster's name, or its identifier.</summary>
    [Parameter]
    public required string Key { get; set; }

    private bool Changes => wanted != row!.Cluster.Migration;

    protected override async Task OnInitializedAsync()
    {
        await ReadAsync();
        if (row is not null)
        {
            Want(row.Cluster.Migration);
        }
    }

    private async Task ReadAsync()
    {
        row = await directory.FindByNameAsync(Key, CancellationToken.None) ?? (Guid.TryParse(Key, out var id) ? await directory.FindAsync(id, CancellationToken.None) : null);
        looked = true;
    }

    private void Want(MigrationSettings settings) => (wanted, invalid, refusal) = (settings, MigrationRules.Instance.Refusal(settings), null);

    private async Task SubmitAsync()
    {
        if (busy || !Changes)
        {
            return;
        }

        busy = true;
        var cluster = row!.Cluster;
        var outcome = await change.ExecuteAsync(Caller, new(cluster.Id, wanted, cluster.Migration), CancellationToken.None);
        busy = false;
        if (outcome.Succeeded)
        {
            announcer.Say("It is in force.");
            navigation.NavigateTo(ClusterLook.Href(cluster.Name));
            return;
        }

        await ReadAsync();
        refusal = outcome.Refusal;
    }
}
