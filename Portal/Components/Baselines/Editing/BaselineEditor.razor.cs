using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Components.Baselines.Editing;

/// <summary>Writes a new baseline, or edits an open revision. What was typed survives every refusal.</summary>
public sealed partial class BaselineEditor(
    BaselineDirectory directory, ClusterDirectory clusterDirectory, CreateBaseline create, EditRevision edit, IDialogService dialogs, NavigationManager navigation)
{
    private readonly CancellationTokenSource stop = new();
    private RevisionView? view;
    private BaselineContent? approvedBefore;
    private RevisionView? theirs;
    private ContentDraft? draft;
    private Refusal? refusal;
    private IReadOnlyList<(Guid Id, string Name)> clusters = [];
    private IReadOnlyList<string> sentences = [];
    private IReadOnlyList<BaselineWarning> warnings = [];
    private string name = "";
    private string description = "";
    private BaselineKinds kind = BaselineKinds.Hypervisor;
    private bool dirty;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter]
    public Guid? Id { get; set; }

    [Parameter]
    public int? Number { get; set; }

    private bool IsNew => Id is null;

    private string Back => IsNew ? "/baselines" : $"/{BaselineLook.Href(Id!.Value, Number ?? 1)}";

    private string? Sub => view?.Revision.State is RevisionState.InReview
        ? "It is in review; saving takes it out of review and makes it a draft again."
        : IsNew ? "What hosts may measure while they boot. It starts as a draft and touches no host." : null;

    protected override async Task OnInitializedAsync()
    {
        clusters = [.. (await clusterDirectory.ListAsync(stop.Token)).Select(c => (c.Cluster.Id, c.Cluster.Name))];
        if (!Caller.May(Permission.WriteBaselines))
        {
            refusal = AccessControl.Denied(Caller, Permission.WriteBaselines);
        }
        else if (IsNew)
        {
            draft = new ContentDraft();
        }
        else if (await LoadAsync() is { } current)
        {
            if (current.Revision.State.IsOpen())
            {
                Show(current);
            }
            else
            {
                refusal = Refusal.Conflict("baseline.edit.state", $"{current.Title} is {current.Revision.State.Words()} and its content never changes again.", "Go back and start a new revision.");
            }
        }
    }

    private async Task<RevisionView?> LoadAsync()
    {
        var baseline = await directory.ReadAsync(Caller, Id!.Value, stop.Token);
        if (!baseline.Succeeded)
        {
            refusal = baseline.Refusal;
            return null;
        }

        if (baseline.Value.Revisions.FirstOrDefault(r => r.Number == Number) is not { } row)
        {
            refusal = Refusal.NotFound("revision", RevisionStanding.TitleOf(baseline.Value.Name, Number ?? 0));
            return null;
        }

        var found = await directory.ReadRevisionAsync(Caller, row.Id, stop.Token);
        if (!found.Succeeded)
        {
            refusal = found.Refusal;
            return null;
        }

        if (found.Value.ComparedWith is { } older && baseline.Value.Revisions.FirstOrDefault(r => r.Number == older) is { } before)
        {
            approvedBefore = (await directory.ReadRevisionAsync(Caller, before.Id, stop.Token)) is { Succeeded: true, Value.Content: var content } ? content : null;
        }

        return found.Value;
    }

    private void Show(RevisionView current)
    {
        (view, theirs, kind, dirty) = (current, null, current.Kind, false);
        draft = ContentDraft.From(current.Content);
        if (draft.Pcrs.Count == 1)
        {
            draft.Pcrs[0].IsOpen = true;
        }

        Look();
    }

    private void ContentChanged()
    {
        dirty = true;
        refusal = refusal is { Field: not null } ? null : refusal;
        Look();
    }

    private void Typed<T>(T value)
    {
        _ = value;
        dirty = true;
        Look();
    }

    private void Choose(BaselineKinds choice)
    {
        kind = choice;
        draft!.Runtime = choice == BaselineKinds.Runtime ? draft.Runtime ?? new RuntimeDraft() : null;
        Typed(choice);
    }

    private void Look()
    {
        var content = draft!.ToContent();
        sentences = BaselineDiff.Between(approvedBefore, content).Sentences;
        warnings = BaselineWarnings.Of(content, kind);
    }

    private async Task SaveAsync()
    {
        if (busy || draft is null)
        {
            return;
        }

        (busy, refusal, theirs) = (true, null, null);
        var content = draft.ToContent();
        refusal = Early(content);
        if (refusal is null)
        {
            var outcome = IsNew
                ? await create.ExecuteAsync(Caller, new(name, kind, description, content), CancellationToken.None)
                : await edit.ExecuteAsync(Caller, new(view!.Revision.Id, view.Revision.Version, content), CancellationToken.None);
            await AfterAsync(outcome);
        }

        busy = false;
        Unfold();
    }

    private async Task AfterAsync(Outcome<RevisionStanding> outcome)
    {
        refusal = outcome.Refusal;
        if (outcome.Succeeded)
        {
            dirty = false;
            navigation.NavigateTo(BaselineLook.Href(outcome.Value.BaselineId, outcome.Value.Number));
        }
        else if (refusal!.Kind is RefusalKind.Conflict && !IsNew)
        {
            theirs = await LoadAsync() is { } now && now.Revision.State.IsOpen() ? now : null;
        }
    }

    /// <summary>What the page can say by itself, so that typing errors do not fill the audit with refusals; the core checks again.</summary>
    private Refusal? Early(BaselineContent content) =>
        !draft!.Everywhere && draft.Clusters.Count == 0
            ? Refusal.Invalid("baseline.clusters.none", "content.clusters", "No cluster is chosen.", "Choose at least one, or all clusters.")
            : IsNew && BaselineNameRules.Instance.Refusal(new BaselineName(name.Trim(), description.Trim(), kind)) is { } named ? named
            : ContentRules.RefusalOf(content, kind);

    /// <summary>What was refused is never folded away.</summary>
    private void Unfold()
    {
        for (var i = 0; i < draft!.Pcrs.Count; i++)
        {
            draft.Pcrs[i].IsOpen |= refusal?.Field?.StartsWith($"content.pcrs[{i}]", StringComparison.Ordinal) == true;
        }
    }

    private void TakeTheirs()
    {
        refusal = null;
        Show(theirs!);
    }

    private Task SaveOverAsync()
    {
        view = theirs;
        return SaveAsync();
    }

    private async Task ImportAsync()
    {
        if (await ImportDialog.AskAsync(dialogs, draft!.Pcrs.Count) is { } content)
        {
            draft = ContentDraft.From(content);
            ContentChanged();
        }
    }

    private async Task LeavingAsync(LocationChangingContext leaving)
    {
        if (dirty && !await ConfirmDialog.AskAsync(dialogs, new Confirmation("Leave without saving?", "What you typed here is lost.", "Leave") { No = "Stay" }))
        {
            leaving.PreventNavigation();
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        stop.Dispose();
    }
}
