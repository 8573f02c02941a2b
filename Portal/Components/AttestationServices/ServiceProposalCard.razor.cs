using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>Confirms, rejects or withdraws a proposed change of a server.</summary>
public sealed partial class ServiceProposalCard(DecideServerChange decide, IDialogService dialogs, Announcer announcer)
{
    private static readonly string Roles = string.Join(" or ", Permissions.Granting(Permission.ManageClusters).Select(r => r.ToString().ToLowerInvariant()));

    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ServiceRow Row { get; set; }

    /// <summary>Tests the connection as proposed.</summary>
    [Parameter]
    public EventCallback Test { get; set; }

    /// <summary>Told when something was done.</summary>
    [Parameter]
    public EventCallback Done { get; set; }

    private AttestationServer Server => Row.Server!;

    private ServerProposal Proposal => Row.Proposal!;

    private bool IsOwn => Proposal.IsBy(Caller.Person);

    private bool IsVoid => Proposal.AgainstVersion != Server.Version;

    private static string OnOff(bool on) => on ? "on" : "off";

    private async Task ConfirmAsync()
    {
        var hosts = Row.Clusters.Sum(c => c.Hosts);
        var question = new Confirmation(
            $"Confirm the change of {Row.Name}?",
            Row.Clusters.Count == 0
                ? "It takes effect at once. No cluster names the service yet."
                : $"It takes effect at once. What the server said until now does not count any more: {VirtualMachines.VmLook.Hosts(hosts)} of {ClusterNames(Row)} {(hosts == 1 ? "is" : "are")} verified anew before taking a virtual machine that requires trust.",
            "Confirm") { Destructive = false };
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            await RunAsync(decide.ConfirmAsync(Caller, Row.Id, Proposal.Id, CancellationToken.None), $"{Row.Name} is changed.");
        }
    }

    private Task RejectAsync() => RunAsync(decide.RejectAsync(Caller, Row.Id, Proposal.Id, CancellationToken.None), "The proposal is gone; nothing changed.");

    private async Task RunAsync(Task<Outcome<ServerChange>> work, string said)
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

    private static string ClusterNames(ServiceRow row) => Enrolment.EnrolmentLook.Names([.. row.Clusters.Select(c => c.Name)]);
}
