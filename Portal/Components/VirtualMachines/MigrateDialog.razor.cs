using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Placement;
using Portal.Core.Virtualization;

namespace Portal.Components.VirtualMachines;

/// <summary>Asks where a VM is to move: the best host, or one of those that can take it, with the reasons of the others.</summary>
public sealed partial class MigrateDialog(Placer placer, ChangeVirtualMachine change)
{
    private const int Most = 20;

    private PlacementDecision? decision;
    private Guid? target;
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required VirtualMachineRow Row { get; set; }

    /// <summary>Asks; true when the move was recorded.</summary>
    internal static async Task<bool> ShowAsync(IDialogService dialogs, VirtualMachineRow row)
    {
        var reference = await dialogs.ShowAsync<MigrateDialog>(
            $"Move {row.Vm.Name}",
            new DialogParameters<MigrateDialog> { { d => d.Row, row } },
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, CloseOnEscapeKey = true });
        return await reference.Result is { Canceled: false };
    }

    protected override Task OnInitializedAsync() => LookAsync();

    private async Task LookAsync()
    {
        var vm = Row.Vm;
        decision = await placer.DecideAsync(
            new PlacementRequest
            {
                ClusterId = vm.ClusterId,
                Cpus = vm.Cpus,
                Memory = vm.Memory,
                TrustLevel = vm.TrustLevel,
                Purpose = PlacementPurpose.Migrate,
                VirtualMachineId = vm.Id,
                CurrentHostId = vm.HostId,
                Storage = StorageNeed.Of(vm.Pool, vm.Image, vm.Disk),
            },
            CancellationToken.None);
    }

    private async Task MoveAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await change.MigrateAsync(Caller, Row.Vm.Id, target, CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
            return;
        }

        await LookAsync();
    }
}
