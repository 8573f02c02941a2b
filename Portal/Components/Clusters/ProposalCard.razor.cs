using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Components.VirtualMachines;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Components.Clusters;

/// <summary>Confirms, rejects or withdraws a proposed policy.</summary>
public sealed partial class ProposalCard(ServiceDirectory services, ConfirmTrustPolicy confirm, RejectTrustPolicy reject, IDialogService dialogs, Announcer announcer)
{
    private static readonly string Roles = string.Join(" or ", Permissions.Granting(Permission.ManageClusters).Select(r => r.ToString().ToLowerInvariant()));

    private IReadOnlyDictionary<Guid, string>? names;
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ClusterRow Row { get; set; }

    /// <summary>Told when something was done.</summary>
    [Parameter]
    public EventCallback Done { get; set; }

    private PolicyProposal Proposal => Row.Proposal!;

    private bool IsOwn => Proposal.IsBy(Caller.Person);

    private bool IsVoid => Proposal.IsVoidFor(Row.Cluster);

    private IReadOnlyList<PolicyDifference> Differences => PolicyWords.Differences(Row.Cluster.Policy, Proposal.ReadPolicy(), names);

    protected override async Task OnParametersSetAsync() => names = await services.NamesAsync(CancellationToken.None);

    private async Task ConfirmAsync()
    {
        var question = new Confirmation(
            $"Confirm the looser policy of {Row.Cluster.Name}?",
            $"It takes effect at once, and {VmLook.Hosts(Row.Hosts)} {(Row.Hosts == 1 ? "is" : "are")} appraised again under it. It changes: {PolicyWords.Story(Differences)}.",
            "Confirm") { Destructive = false };
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            await RunAsync(confirm.ExecuteAsync(Caller, Row.Cluster.Id, Proposal.Id, CancellationToken.None), $"The policy of {Row.Cluster.Name} is in force.");
        }
    }

    private Task RejectAsync() =>
        RunAsync(reject.ExecuteAsync(Caller, Row.Cluster.Id, Proposal.Id, CancellationToken.None), "The proposal is gone; nothing changed.");

    private async Task RunAsync(Task<Outcome<PolicyStanding>> work, string said)
    {
        busy = true;
        var outcome = await work;
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            announcer.Say(said);
        }

        await Done.InvokeAsync();
    }
}
