using System.Globalization;
using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Changes what a cluster does when a host loses trust, saying all the while what will happen.</summary>
public sealed partial class ReactionPage(ClusterDirectory directory, ChangeReaction change, NavigationManager navigation, Announcer announcer)
{
    private static readonly string[] Fields = ["atOnce", "reactAfter", "releaseAfter", "guardShare", "guardHosts", "guardWindow"];

    private ClusterRow? row;
    private ReactionPolicy wanted = ReactionPolicy.Default;
    private Refusal? invalid;
    private Refusal? refusal;
    private bool looked;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>The cluster's name, or its identifier.</summary>
    [Parameter]
    public required string Key { get; set; }

    private bool Changes => wanted != row!.Cluster.Reaction;

    protected override async Task OnInitializedAsync()
    {
        await ReadAsync();
        if (row is not null)
        {
            Want(row.Cluster.Reaction);
        }
    }

    private async Task ReadAsync()
    {
        row = await directory.FindByNameAsync(Key, CancellationToken.None) ?? (Guid.TryParse(Key, out var id) ? await directory.FindAsync(id, CancellationToken.None) : null);
        looked = true;
    }

    private void Want(ReactionPolicy policy) => (wanted, invalid, refusal) = (policy, ReactionPolicyRules.Instance.Refusal(policy), null);

    // What is no number is one no rule allows, so that the rule's own words answer it.
    private static int Number(ChangeEventArgs e) => int.TryParse(e.Value as string, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : -1;

    private string? ErrorOf(string field) => refusal?.Field == field ? refusal.ToString() : null;

    private async Task SubmitAsync()
    {
        if (busy || !Changes)
        {
            return;
        }

        busy = true;
        var cluster = row!.Cluster;
        var outcome = await change.ExecuteAsync(Caller, new(cluster.Id, wanted, cluster.Reaction), CancellationToken.None);
        busy = false;
        if (outcome.Succeeded)
        {
            announcer.Say("It is in force.");
            navigation.NavigateTo(ClusterLook.Href(cluster.Name));
            return;
        }

        // What changed meanwhile is what the next try is measured by; what was wanted stays as typed.
        await ReadAsync();
        refusal = outcome.Refusal;
    }
}
