using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;

namespace Portal.Components.Enrolment;

/// <summary>Agents that registered themselves: incidents first, then those that wait for people, then the others.</summary>
public sealed partial class EnrolmentPage(RegistrationDirectory directory, DismissAttester dismiss, IDialogService dialogs, Announcer announcer)
{
    private const int PageSize = 50;

    private static readonly (RegistrationStatus Status, string Title)[] Known = [(RegistrationStatus.Refused, "Refused"), (RegistrationStatus.Enrolled, "Enrolled")];

    private readonly HashSet<Guid> selected = [];
    private IReadOnlyList<Registration>? rows;
    private Refusal? refusal;
    private int more = PageSize;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    private bool MayAccept => Caller.May(Permission.ManageClusters);

    private bool MayEnrol => Caller.May(Permission.ManageHosts);

    private IEnumerable<Registration> Ready => Of(RegistrationStatus.Waiting).Where(r => r.MayBeEnrolled);

    protected override Task OnInitializedAsync() => RefreshAsync();

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Attester;

    protected override async Task RefreshAsync()
    {
        rows = await directory.ListAsync(Stopping);
        selected.IntersectWith(Ready.Select(r => r.Attester.Id));
    }

    private IEnumerable<Registration> Of(RegistrationStatus status) => (rows ?? []).Where(r => r.Attester.Status == status);

    private async Task AcceptAsync(Registration row)
    {
        if (await AcceptDialog.ShowAsync(dialogs, row))
        {
            await SaidAsync(null, $"You accepted the endorsement key of {row.Attester.AgentId}.");
        }
    }

    private Task EnrolSelectedAsync() => EnrolAsync([.. Ready.Where(r => selected.Contains(r.Attester.Id))]);

    private async Task EnrolAsync(IReadOnlyList<Registration> wanted)
    {
        if (await EnrolDialog.ShowAsync(dialogs, wanted) is { } sentence)
        {
            await SaidAsync(null, sentence);
        }
    }

    private Task CheckAsync(Registration row) => CheckDialog.ShowAsync(dialogs, row);

    private async Task RefuseAsync(Registration row)
    {
        var question = new Confirmation(
            $"Refuse {row.Attester.AgentId}?",
            "When it registers again it is refused at once, until somebody removes it from this page.",
            "Refuse");
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            var outcome = await dismiss.RefuseAsync(Caller, row.Attester.Id, CancellationToken.None);
            await SaidAsync(outcome.Refusal, $"{row.Attester.AgentId} is refused.");
        }
    }

    private async Task RemoveAsync(Registration row)
    {
        var question = new Confirmation(
            $"Remove the registration of {row.Attester.AgentId}?",
            "The portal forgets it, and who accepted it. Its agent may register again, as if it had never been here.",
            "Remove");
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            var outcome = await dismiss.RemoveAsync(Caller, row.Attester.Id, CancellationToken.None);
            await SaidAsync(outcome.Refusal, $"The registration of {row.Attester.AgentId} is removed.");
        }
    }

    private async Task SaidAsync(Refusal? why, string done)
    {
        refusal = why;
        await RefreshAsync();
        if (why is null)
        {
            announcer.Say(done);
        }
    }
}
