using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Placement;
using Portal.Core.Virtualization;
using Portal.Extensions;

namespace Portal.Components.VirtualMachines;

/// <summary>Makes a virtual machine: the form with the live answer beside it, then the steps and how they ended.</summary>
public sealed partial class NewVm(ClusterDirectory directory, StorageDirectory storage, CreateVirtualMachine create, NavigationManager navigation, IJSRuntime js, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Typing = TimeSpan.FromMilliseconds(250);

    private readonly CancellationTokenSource stop = new();
    private IReadOnlyList<ClusterRow>? clusters;
    private IReadOnlyList<Template> templates = [];
    private StorageOffers? offers;
    private VmDraft draft = new();
    private PlacementRequest? question;
    private bool busy;
    private int typed;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>Name of the cluster, so that the address says it.</summary>
    [SupplyParameterFromQuery]
    public string? Cluster { get; set; }

    /// <summary>Name of the template.</summary>
    [SupplyParameterFromQuery]
    public string? Template { get; set; }

    [SupplyParameterFromQuery]
    public string? Operation { get; set; }

    private Guid? OperationId => Guid.TryParse(Operation, out var id) ? id : null;

    protected override async Task OnInitializedAsync()
    {
        templates = await directory.TemplatesAsync(stop.Token);
        offers = await storage.OffersAsync(stop.Token);
        clusters = await directory.ListAsync(stop.Token);
        Begin();
    }

    private void Begin()
    {
        draft = new VmDraft
        {
            ClusterId = (clusters!.FirstOrDefault(c => c.Cluster.Name == Cluster) ?? clusters!.FirstOrDefault(c => c.Hosts > 0) ?? clusters!.FirstOrDefault())?.Cluster.Id,
            TemplateId = (templates.FirstOrDefault(t => t.Name == Template) ?? templates.FirstOrDefault())?.Id ?? Core.Inventory.Template.Blank,
        };
        question = Question();
    }

    private void Changed() => _ = InvokeAsync(AskSoonAsync);

    /// <summary>Asks again once the typing pauses, and keeps cluster and template in the address.</summary>
    private async Task AskSoonAsync()
    {
        var mine = ++typed;
        try
        {
            await Task.Delay(Typing, time, stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The page was left meanwhile.
            return;
        }

        // Sent meanwhile, the address is that of the steps.
        if (mine != typed || OperationId is not null)
        {
            return;
        }

        question = Question();
        StateHasChanged();
        var (cluster, template) = (clusters!.FirstOrDefault(c => c.Cluster.Id == draft.ClusterId)?.Cluster.Name, templates.FirstOrDefault(t => t.Id == draft.TemplateId)?.Name);
        if (cluster != Cluster || template != Template)
        {
            navigation.NavigateTo(Address(cluster, template, null), replace: true);
        }
    }

    private PlacementRequest? Question()
    {
        if (draft.ClusterId is not { } cluster || templates.FirstOrDefault(t => t.Id == draft.TemplateId) is not { } template)
        {
            return null;
        }

        return new PlacementRequest
        {
            ClusterId = cluster,
            Cpus = draft.Cpus ?? template.Cpus,
            Memory = draft.Memory ?? template.Memory,
            TrustLevel = draft.TrustLevel,
            Purpose = PlacementPurpose.Preview,
            Storage = StorageNeed.Of(draft.Pool ?? template.Pool, draft.Image ?? template.Image, draft.Disk ?? template.Disk),
        };
    }

    private async Task SubmitAsync(bool start)
    {
        if (busy)
        {
            return;
        }

        (busy, draft.Refusal) = (true, null);
        var outcome = await create.ExecuteAsync(
            Caller,
            new NewVirtualMachine
            {
                Name = draft.Name.Trim(),
                Description = draft.Description.Trim(),
                ClusterId = draft.ClusterId ?? Guid.Empty,
                TemplateId = draft.TemplateId,
                Cpus = draft.Cpus,
                Memory = draft.Memory,
                Disk = draft.Disk,
                Network = draft.Network?.Trim(),
                Pool = draft.Pool,
                Image = draft.Image,
                MachineType = draft.MachineType,
                Firmware = draft.Firmware,
                HasTpm = draft.HasTpm,
                Priority = draft.Priority,
                RestartsAutomatically = draft.RestartsAutomatically,
                TrustLevel = draft.TrustLevel,
                Start = start,
            },
            CancellationToken.None);
        busy = false;
        if (outcome.Succeeded)
        {
            // A pause in typing that is still waited for must not take the operation out of the address again.
            typed++;
            navigation.NavigateTo(Address(Cluster, Template, outcome.Value));
            return;
        }

        draft.Refusal = outcome.Refusal;
        if (VmForm.InputOf(outcome.Refusal.Field) is { } input)
        {
            await js.InvokeVoidAsync("portal.focus", stop.Token, input);
        }
    }

    /// <summary>Back to the form as it was.</summary>
    private void BackAsync() => navigation.NavigateTo(Address(Cluster, Template, null), replace: true);

    private void AgainAsync()
    {
        Begin();
        BackAsync();
    }

    private string Address(string? cluster, string? template, Guid? operation) => navigation.GetUriWithQueryParameters(
        navigation.ToAbsoluteUri("vms/new").ToString(),
        new Dictionary<string, object?>(StringComparer.Ordinal) { ["cluster"] = cluster, ["template"] = template, ["operation"] = operation });

    public void Dispose()
    {
        stop.Cancel();
        stop.Dispose();
    }
}
