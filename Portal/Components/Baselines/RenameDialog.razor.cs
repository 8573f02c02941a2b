using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines;

/// <summary>Asks for a baseline's name and description.</summary>
public sealed partial class RenameDialog(RenameBaseline rename)
{
    private string name = "";
    private string description = "";
    private bool busy;
    private Refusal? refusal;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required BaselineView Baseline { get; set; }

    /// <summary>Asks; true when it was renamed.</summary>
    internal static Task<bool> ShowAsync(IDialogService dialogs, BaselineView baseline) =>
        Dialogs.ShowAsync<RenameDialog>(dialogs, $"Rename {baseline.Name}", new() { { d => d.Baseline, baseline } });

    protected override void OnInitialized() => (name, description) = (Baseline.Name, Baseline.Description);

    private async Task RenameAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await rename.ExecuteAsync(Caller, new(Baseline.Id, name, description), CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
