using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines;

/// <summary>Asks for the approval of the very content that was shown on the page behind it.</summary>
public sealed partial class ApproveDialog(ApproveRevision approve)
{
    private const int Most = 6;

    private string comment = "";
    private bool retireEarlier;
    private bool busy;
    private Refusal? refusal;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>What was shown: its hash is what is approved, whatever the revision says by then.</summary>
    [Parameter, EditorRequired]
    public required RevisionView View { get; set; }

    /// <summary>Numbers of earlier revisions in force.</summary>
    [Parameter, EditorRequired]
    public required IReadOnlyList<int> Earlier { get; set; }

    /// <summary>Asks; true when it was approved.</summary>
    internal static Task<bool> ShowAsync(IDialogService dialogs, RevisionView view, IReadOnlyList<int> inForce) => Dialogs.ShowAsync<ApproveDialog>(
        dialogs,
        $"Approve {view.Title}?",
        new() { { d => d.View, view }, { d => d.Earlier, [.. inForce.Where(n => n < view.Revision.Number)] } },
        MaxWidth.Medium);

    private async Task ApproveAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await approve.ExecuteAsync(Caller, new(View.Revision.Id, View.Revision.ContentHash, comment, retireEarlier), CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
