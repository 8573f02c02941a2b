using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines;

/// <summary>Asks before trust is taken away, and names the hosts and VMs it hits.</summary>
public sealed partial class RetireDialog(RetireRevision retire)
{
    private string comment = "";
    private bool busy;
    private Refusal? refusal;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required RevisionView View { get; set; }

    /// <summary>Asks; true when it was retired.</summary>
    internal static Task<bool> ShowAsync(IDialogService dialogs, RevisionView view) =>
        Dialogs.ShowAsync<RetireDialog>(dialogs, $"Retire {view.Title}?", new() { { d => d.View, view } }, MaxWidth.Medium);

    private async Task RetireAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await retire.ExecuteAsync(Caller, new(View.Revision.Id, comment), CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
