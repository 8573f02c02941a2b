using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Baselines;

namespace Portal.Components.Baselines;

/// <summary>A step of a revision that is asked about first, with a comment.</summary>
public sealed record RevisionQuestion(string Title, string Text, string Label, string Yes, string No)
{
    /// <summary>Whether the step is refused without a comment.</summary>
    public bool IsCommentNeeded { get; init; }

    /// <summary>Lines to write in.</summary>
    public int Rows { get; init; } = 2;

    /// <summary>What it would do to hosts, where it does something.</summary>
    public ImpactQuestion? Impact { get; init; }

    public bool TakesTrust => Impact is ImpactQuestion.Retire;

    /// <summary>Sending a revision back to its authors.</summary>
    public static RevisionQuestion Reject(RevisionView view) => new(
        $"Send {view.Title} back?",
        "Its authors see your comment, answer it with an edit and submit it again. No host is touched.",
        "What has to change",
        "Send back",
        "Cancel")
    {
        IsCommentNeeded = true,
        Rows = 4,
    };

    /// <summary>Taking a revision out of force: names the hosts and VMs it hits.</summary>
    public static RevisionQuestion Retire(RevisionView view) => new(
        $"Retire {view.Title}?",
        $"It goes out of force at once for {view.Scope} and never comes back; the same content would have to be approved again. Hosts that match nothing else become untrusted:",
        "Comment, for the record (may be empty)",
        "Retire",
        "Keep it in force")
    {
        Impact = new ImpactQuestion.Retire(view.Revision.Id),
    };
}

/// <summary>Asks before a step of a revision and takes it, or shows why it was refused.</summary>
public sealed partial class RevisionDialog
{
    private string comment = "";
    private bool busy;
    private Refusal? refusal;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [Parameter, EditorRequired]
    public required RevisionQuestion Question { get; set; }

    /// <summary>Takes the step with the comment.</summary>
    [Parameter, EditorRequired]
    public required Func<string, Task<Outcome<RevisionStanding>>> Step { get; set; }

    /// <summary>Asks; true when the step was taken.</summary>
    internal static Task<bool> ShowAsync(IDialogService dialogs, RevisionQuestion question, Func<string, Task<Outcome<RevisionStanding>>> step) => Dialogs.ShowAsync<RevisionDialog>(
        dialogs,
        question.Title,
        new() { { d => d.Question, question }, { d => d.Step, step } },
        question.Impact is null ? MaxWidth.Small : MaxWidth.Medium);

    private async Task DoAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await Step(comment);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
