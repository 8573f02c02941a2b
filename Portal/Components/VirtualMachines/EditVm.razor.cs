using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Placement;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal.Components.VirtualMachines;

/// <summary>Changes a virtual machine: words, priority and trust level at any time, size and hardware while it is down.</summary>
public sealed partial class EditVm(VirtualMachineDirectory directory, ChangeVirtualMachine change, IJSRuntime js)
{
    private VirtualMachineRow? row;
    private VmDraft draft = new();
    private PlacementRequest? question;
    private Guid? operation;
    private bool looked;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter]
    public required string Key { get; set; }

    private Refusal? Blocked => VirtualMachineRules.WhyNot(Caller, row!.Vm, VirtualMachineAction.Edit);

    private string? Locked => row!.Vm.Status is VirtualMachineStatus.Down ? null : "Can be changed while it is down.";

    protected override async Task OnInitializedAsync()
    {
        row = await directory.FindByNameAsync(Key, CancellationToken.None) ?? (Guid.TryParse(Key, out var id) ? await directory.FindAsync(id, CancellationToken.None) : null);
        looked = true;
        if (row is { Vm: var vm })
        {
            draft = new VmDraft
            {
                Name = vm.Name,
                Description = vm.Description,
                ClusterId = vm.ClusterId,
                TemplateId = vm.TemplateId,
                Cpus = vm.Cpus,
                Memory = vm.Memory,
                Network = vm.Network,
                MachineType = vm.MachineType,
                Firmware = vm.Firmware,
                HasTpm = vm.HasTpm,
                Priority = vm.Priority,
                RestartsAutomatically = vm.RestartsAutomatically,
                TrustLevel = vm.TrustLevel,
            };
            Changed();
        }
    }

    private void Changed()
    {
        var vm = row!.Vm;
        question = new PlacementRequest
        {
            ClusterId = vm.ClusterId,
            Cpus = draft.Cpus ?? vm.Cpus,
            Memory = draft.Memory ?? vm.Memory,
            TrustLevel = draft.TrustLevel,
            Purpose = PlacementPurpose.Preview,
            VirtualMachineId = vm.Id,
            CurrentHostId = vm.HostId,
            Storage = StorageNeed.Of(vm.Pool, vm.Image, vm.Disk),
        };
    }

    private async Task SubmitAsync()
    {
        if (busy)
        {
            return;
        }

        (busy, draft.Refusal) = (true, null);
        var vm = row!.Vm;
        var outcome = await change.EditAsync(
            Caller,
            vm.Id,
            new VirtualMachineEdit
            {
                Name = draft.Name.Trim() == vm.Name ? null : draft.Name.Trim(),
                Description = draft.Description.Trim() == vm.Description ? null : draft.Description.Trim(),
                Cpus = draft.Cpus == vm.Cpus ? null : draft.Cpus,
                Memory = draft.Memory == vm.Memory ? null : draft.Memory,
                Network = draft.Network?.Trim(),
                MachineType = draft.MachineType,
                Firmware = draft.Firmware,
                HasTpm = draft.HasTpm,
                Priority = draft.Priority,
                RestartsAutomatically = draft.RestartsAutomatically,
                TrustLevel = draft.TrustLevel == vm.TrustLevel ? null : draft.TrustLevel,
            },
            CancellationToken.None);
        busy = false;
        if (outcome.Succeeded)
        {
            operation = outcome.Value;
            return;
        }

        draft.Refusal = outcome.Refusal;
        if (VmForm.InputOf(outcome.Refusal.Field) is { } input)
        {
            await js.InvokeVoidAsync("portal.focus", input);
        }
    }
}
