using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Changes;

namespace Portal.Components.Enrolment;

/// <summary>Lists the TPM makers this site believes; proposes, confirms and removes them.</summary>
public sealed partial class VendorRootsSection(VendorRoots store, IDialogService dialogs, Announcer announcer)
{
    private IReadOnlyList<VendorRoot>? roots;
    private Refusal? refusal;
    private Refusal? adding;
    private string pem = "";
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    private bool May => Caller.May(Permission.ManageClusters);

    protected override Task OnInitializedAsync() => RefreshAsync();

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Attester;

    protected override async Task RefreshAsync() => roots = await store.ListAsync(Stopping);

    private async Task AddAsync()
    {
        busy = true;
        var outcome = await store.AddAsync(Caller, pem, CancellationToken.None);
        (busy, adding) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            pem = "";
            await SaidAsync(outcome, outcome.Value.Counts ? $"{outcome.Value.Subject} is listed." : $"{outcome.Value.Subject} waits for a second person.");
        }
    }

    private async Task ConfirmAsync(VendorRoot root)
    {
        var question = new Confirmation(
            $"Believe {root.Subject}?",
            $"Every TPM it vouches for can be enrolled without two people comparing its key. Compare the certificate's SHA-256 with what the maker publishes: {string.Join(' ', EnrolmentLook.Groups(root.Fingerprint))}",
            "Confirm") { Destructive = false };
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            await SaidAsync(await store.ConfirmAsync(Caller, root.Id, CancellationToken.None), $"{root.Subject} is believed.");
        }
    }

    private async Task RemoveAsync(VendorRoot root)
    {
        var question = new Confirmation(
            $"Remove {root.Subject}?",
            "Registrations it vouched for wait for two people again; hosts that are enrolled stay enrolled.",
            "Remove");
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            await SaidAsync(await store.RemoveAsync(Caller, root.Id, CancellationToken.None), $"{root.Subject} is removed.");
        }
    }

    private async Task SaidAsync(Outcome<VendorRoot> outcome, string done)
    {
        refusal = outcome.Refusal;
        await RefreshAsync();
        if (outcome.Succeeded)
        {
            announcer.Say(done);
        }
    }
}
