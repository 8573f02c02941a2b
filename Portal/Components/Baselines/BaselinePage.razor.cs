using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Changes;

namespace Portal.Components.Baselines;

/// <summary>One revision of a baseline: where it stands, what it says, what it changes, and what there is to do.</summary>
public sealed partial class BaselinePage(
    BaselineDirectory directory,
    SubmitRevision submit,
    RejectRevision reject,
    RetireRevision retire,
    NewRevision revise,
    IDialogService dialogs,
    NavigationManager navigation,
    Announcer announcer)
{
    private BaselineView? baseline;
    private RevisionView? view;
    private Refusal? refusal;
    private bool busy;
    private bool changedUnderneath;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter]
    public Guid Id { get; set; }

    /// <summary>The revision; the latest when none is named.</summary>
    [Parameter]
    public int? Number { get; set; }

    [SupplyParameterFromQuery(Name = "tab")]
    public string? Tab { get; set; }

    private IReadOnlyList<int> InForce => [.. baseline!.Revisions.Where(r => r.State is RevisionState.Approved).Select(r => r.Number).Order()];

    private RevisionRow Latest => baseline!.Revisions[0];

    private string Shown => Tab is "changes" or "impact" or "history" ? Tab : "content";

    private ImpactQuestion ImpactQuestionNow => view!.Revision.State is RevisionState.Approved
        ? new ImpactQuestion.Retire(view.Revision.Id)
        : new ImpactQuestion.Approve(view.Revision.Id, view.Revision.ContentHash, RetireEarlier: false);

    private IEnumerable<(string Id, string Title)> Tabs
    {
        get
        {
            yield return ("content", "Content");
            yield return ("changes", view!.ComparedWith is { } older ? $"Changes since rev. {older}" : "Changes");
            if (view.Revision.State is not RevisionState.Retired)
            {
                yield return ("impact", "Impact");
            }

            yield return ("history", "History");
        }
    }

    protected override async Task OnParametersSetAsync()
    {
        if (view is not null && (view.BaselineId != Id || (Number is { } other && other != view.Revision.Number)))
        {
            (view, refusal, changedUnderneath) = (null, null, false);
        }

        if (view is null)
        {
            await RefreshAsync();
        }
    }

    protected override bool Concerns(Change change) =>
        (change.Topic is ChangeTopic.Baseline && change.Touches(Id)) || change.Topic is ChangeTopic.Attestation;

    protected override async Task RefreshAsync()
    {
        var read = await directory.ReadAsync(Caller, Id, Stopping);
        if (!read.Succeeded)
        {
            (refusal, baseline, view) = (read.Refusal, null, null);
            return;
        }

        baseline = read.Value;
        var row = Number is { } number ? baseline.Revisions.FirstOrDefault(r => r.Number == number) : baseline.Revisions[0];
        if (row is null)
        {
            (refusal, view) = (Refusal.NotFound("revision", RevisionStanding.TitleOf(baseline.Name, Number!.Value)), null);
            return;
        }

        if (view is { } seen && seen.Revision.Id == row.Id && seen.Revision.Version == row.Version)
        {
            // Only coverage or another revision moved: the content stays as it is under the reader's eyes.
            view = seen with { Name = baseline.Name, Revision = row };
            return;
        }

        var revision = await directory.ReadRevisionAsync(Caller, row.Id, Stopping);
        if (!revision.Succeeded)
        {
            (refusal, view) = (revision.Refusal, null);
            return;
        }

        changedUnderneath = view is not null && !busy && view.Revision.Id == row.Id;
        view = revision.Value;
    }

    private async Task AskedAsync(StandingAction action)
    {
        if (busy || view is not { } shown)
        {
            return;
        }

        (busy, refusal, changedUnderneath) = (true, null, false);
        try
        {
            await RunAsync(action, shown);
        }
        finally
        {
            busy = false;
        }
    }

    private async Task RunAsync(StandingAction action, RevisionView shown)
    {
        switch (action)
        {
            case StandingAction.Edit:
                navigation.NavigateTo($"{BaselineLook.Href(Id, shown.Revision.Number).Split('?')[0]}/edit");
                break;
            case StandingAction.Submit:
                await DoneAsync(await submit.ExecuteAsync(Caller, new(shown.Revision.Id, shown.Revision.Version), Stopping), "was submitted for review");
                break;
            case StandingAction.Approve:
                await ClosedAsync(await ApproveDialog.ShowAsync(dialogs, shown, InForce), "is approved and in force");
                break;
            case StandingAction.Reject:
                await ClosedAsync(await AskAsync(RevisionQuestion.Reject(shown), comment => reject.ExecuteAsync(Caller, new(shown.Revision.Id, comment), CancellationToken.None)), "was sent back");
                break;
            case StandingAction.Retire:
                await ClosedAsync(await AskAsync(RevisionQuestion.Retire(shown), comment => retire.ExecuteAsync(Caller, new(shown.Revision.Id, comment), CancellationToken.None)), "is retired");
                break;
            case StandingAction.NewRevision:
                var started = await revise.ExecuteAsync(Caller, new(Id), Stopping);
                if (started.Succeeded)
                {
                    navigation.NavigateTo($"baselines/{Id}/{started.Value.Number}/edit");
                }

                refusal = started.Refusal;
                break;
        }
    }

    private async Task RenameAsync()
    {
        if (await RenameDialog.ShowAsync(dialogs, baseline!))
        {
            await RefreshAsync();
        }
    }

    private Task<bool> AskAsync(RevisionQuestion question, Func<string, Task<Outcome<RevisionStanding>>> step) => RevisionDialog.ShowAsync(dialogs, question, step);

    private async Task ClosedAsync(bool done, string what)
    {
        // Also after a refusal: what the dialog refused may be because the revision moved on.
        await RefreshAsync();
        if (done)
        {
            announcer.Say($"{view?.Title} {what}.");
        }
    }

    private async Task DoneAsync(Outcome<RevisionStanding> outcome, string what)
    {
        await RefreshAsync();
        refusal = outcome.Refusal;
        if (outcome.Succeeded)
        {
            announcer.Say($"{view?.Title} {what}.");
        }
    }
}
