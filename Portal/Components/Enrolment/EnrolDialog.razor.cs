using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Inventory;

namespace Portal.Components.Enrolment;

/// <summary>Asks which hosts registered attesters are to vouch for and in which cluster, enrols one after the other and says what came of each.</summary>
public sealed partial class EnrolDialog(EnrolRegistered enrol, ClusterDirectory directory, HostDirectory hosts)
{
    private List<Draft> drafts = [];
    private IReadOnlyList<ClusterRow>? clusters;
    private Guid cluster;
    private string? said;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required IReadOnlyList<Registration> Rows { get; set; }

    private int Open => drafts.Count(d => !d.Done);

    private string Verb => busy ? "Enrolling…" : drafts.Count == 1 ? "Enrol" : drafts.Exists(d => d.Done) ? $"Try {Open:N0} again" : $"Enrol {Open:N0}";

    /// <summary>Asks; what was enrolled in a sentence, null when nothing was.</summary>
    internal static async Task<string?> ShowAsync(IDialogService dialogs, IReadOnlyList<Registration> rows)
    {
        var reference = await dialogs.ShowAsync<EnrolDialog>(
            "Enrol",
            new DialogParameters<EnrolDialog> { { d => d.Rows, rows } },
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, CloseOnEscapeKey = true });
        return (await reference.Result)?.Data as string;
    }

    protected override async Task OnInitializedAsync()
    {
        drafts = [.. Rows.Select(row => new Draft(row) { Name = row.Attester.Replaces ? row.HostName ?? "" : row.Expected is [var only] ? only.HostName : row.Attester.AgentId })];
        foreach (var draft in drafts.Where(d => d.Row.Attester.Replaces))
        {
            draft.ClusterId = (await hosts.FindByNameAsync(draft.Name, CancellationToken.None))?.Host.ClusterId;
        }

        clusters = await directory.ListAsync(CancellationToken.None);
        var expected = Rows.SelectMany(r => r.Expected).Select(e => e.ClusterId).Distinct().ToList();
        cluster = expected is [var only] && clusters.Any(c => c.Cluster.Id == only) ? only : clusters.Count > 0 ? clusters[0].Cluster.Id : Guid.Empty;
    }

    private async Task EnrolAsync()
    {
        (busy, said) = (true, null);
        var open = drafts.Where(d => !d.Done).ToList();
        foreach (var (draft, number) in open.Select((d, i) => (d, i + 1)))
        {
            said = open.Count == 1 ? null : $"Enrolling {number:N0} of {open.Count:N0}: {draft.Name}";
            StateHasChanged();
            var outcome = await enrol.ExecuteAsync(Caller, draft.Row.Attester.Id, new HostToEnrol(draft.Name, draft.ClusterId ?? cluster), CancellationToken.None);
            (draft.Refusal, draft.Done) = (outcome.Refusal, outcome.Succeeded);
        }

        busy = false;
        said = drafts.Count == 1 ? null : Sentence();
        if (drafts is [{ Done: true }])
        {
            Close();
        }
    }

    private void Close() => Dialog.Close(drafts.Exists(d => d.Done) ? DialogResult.Ok(Sentence()) : DialogResult.Cancel());

    private string Sentence() => drafts is [{ Done: true } only]
        ? $"{only.Name} is enrolled."
        : $"{drafts.Count - Open:N0} of {drafts.Count:N0} enrolled{(Open == 0 ? "." : $"; {Open:N0} could not be.")}";

    /// <summary>One host to be, as somebody is typing it.</summary>
    private sealed class Draft(Registration row)
    {
        public Registration Row => row;

        public string Name { get; set; } = "";

        /// <summary>The cluster it must go to; null takes the chosen one.</summary>
        public Guid? ClusterId { get; set; }

        public Refusal? Refusal { get; set; }

        public bool Done { get; set; }
    }
}
