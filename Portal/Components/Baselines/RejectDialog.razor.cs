using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines;

/// <summary>Asks why a revision is sent back.</summary>
public sealed partial class RejectDialog(RejectRevision reject)
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

    /// <summary>Asks; true when it was sent back.</summary>
    internal static Task<bool> ShowAsync(IDialogService dialogs, RevisionView view) =>
        Dialogs.ShowAsync<RejectDialog>(dialogs, $"Send {view.Title} back?", new() { { d => d.View, view } });

    private async Task RejectAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await reject.ExecuteAsync(Caller, new(View.Revision.Id, comment), CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
