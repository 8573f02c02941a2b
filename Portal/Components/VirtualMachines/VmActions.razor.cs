using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;

namespace Portal.Components.VirtualMachines;

/// <summary>What can be done with a VM: offered by state and permission, with the reason where it is not.</summary>
public sealed partial class VmActions(ChangeVirtualMachine change, IDialogService dialogs, Announcer announcer)
{
    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required VirtualMachineRow Row { get; set; }

    /// <summary>Told what came of it: a refusal, or null when the operation is recorded.</summary>
    [Parameter]
    public EventCallback<Refusal?> Done { get; set; }

    /// <summary>For a page's header: the likeliest as buttons, the rest behind "More".</summary>
    [Parameter]
    public bool AsButtons { get; set; }

    private VirtualMachine Vm => Row.Vm;

    private IEnumerable<Offer> Shown =>
    [
        // What is paused is not started but runs on.
        Vm.Status is VirtualMachineStatus.Paused
            ? Act(VirtualMachineAction.Resume, "Resume", "Resuming", ct => change.ResumeAsync(Caller, Vm.Id, ct), null, prominent: true, primary: true)
            : Act(VirtualMachineAction.Start, "Start", "Starting", ct => change.StartAsync(Caller, Vm.Id, ct), null, prominent: true, primary: true),
        Act(VirtualMachineAction.Shutdown, "Shut down", "Shutting down", ct => change.ShutdownAsync(Caller, Vm.Id, ct), Ask("Shut down", "The guest is asked to shut down; what it does not save is lost.", destructive: false), prominent: true),
        Act(VirtualMachineAction.Reboot, "Reboot", "Rebooting", ct => change.RebootAsync(Caller, Vm.Id, ct), Ask("Reboot", "The guest is asked to reboot; what it does not save is lost.", destructive: false)),
        Act(VirtualMachineAction.Suspend, "Suspend", "Suspending", ct => change.SuspendAsync(Caller, Vm.Id, ct), null),
        Act(VirtualMachineAction.Stop, "Stop at once", "Stopping", ct => change.StopAsync(Caller, Vm.Id, ct), Ask("Stop", "As if its plug were pulled: what is not on disk is lost."), destructive: true),
        new(new ActionItem("Migrate…", MigrateAsync) { WhyNot = WhyNot(VirtualMachineAction.Migrate) }, Prominent: Vm.Status is VirtualMachineStatus.Up or VirtualMachineStatus.Paused),
        new(new ActionItem("Edit", null) { Href = VmLook.Href(Vm.Name, "edit"), WhyNot = WhyNot(VirtualMachineAction.Edit) }),
        new(new ActionItem("Delete…", DeleteAsync) { WhyNot = WhyNot(VirtualMachineAction.Delete), Destructive = true }),
    ];

    private Offer Act(
        VirtualMachineAction action,
        string title,
        string doing,
        Func<CancellationToken, Task<Outcome<Guid>>> run,
        Confirmation? question,
        bool prominent = false,
        bool primary = false,
        bool destructive = false) =>
        new(new ActionItem(title, () => RunAsync(doing, run, question)) { WhyNot = WhyNot(action), Destructive = destructive }, prominent, primary);

    private string? WhyNot(VirtualMachineAction action) => VirtualMachineRules.WhyNot(Caller, Vm, action) switch
    {
        null => null,
        { Code: "vm.state" } refusal => refusal.Remedy,
        var refusal => refusal.ToString(),
    };

    private Confirmation Ask(string verb, string consequence, bool destructive = true) =>
        new($"{verb} {Vm.Name}?", consequence, verb) { Hits = [$"{Vm.Name}, {Vm.Status.Word().ToLowerInvariant()} {(Row.HostName is null ? $"in {Row.ClusterName}" : $"on {Row.HostName}")}"], Destructive = destructive };

    private async Task RunAsync(string doing, Func<CancellationToken, Task<Outcome<Guid>>> run, Confirmation? question)
    {
        if (question is not null && !await ConfirmDialog.AskAsync(dialogs, question))
        {
            return;
        }

        var outcome = await run(CancellationToken.None);
        if (outcome.Succeeded)
        {
            announcer.Say($"{doing} {Vm.Name}. Tasks shows how far it is.");
        }

        await Done.InvokeAsync(outcome.Refusal);
    }

    private async Task MigrateAsync()
    {
        if (await MigrateDialog.ShowAsync(dialogs, Row))
        {
            announcer.Say($"Moving {Vm.Name}. Tasks shows how far it is.");
            await Done.InvokeAsync(null);
        }
    }

    private async Task DeleteAsync()
    {
        if (await DeleteVmDialog.AskAsync(dialogs, Row) is { } withDisks)
        {
            await RunAsync("Deleting", ct => change.DeleteAsync(Caller, Vm.Id, withDisks, ct), null);
        }
    }

    private sealed record Offer(ActionItem Item, bool Prominent = false, bool Primary = false)
    {
        public string? WhyNot => Item.WhyNot;
    }
}
