using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>One attestation service: how it does, how it is reached, who names it, and what it calls hosts.</summary>
public sealed partial class ServicePage(ServiceDirectory directory, RemoveServer remove, IDialogService dialogs, NavigationManager navigation, Announcer announcer)
{
    private ServiceRow? row;
    private Refusal? refusal;
    private bool looked;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter]
    public required Guid Id { get; set; }

    /// <summary>An operation to show, in the address.</summary>
    [SupplyParameterFromQuery(Name = "operation")]
    public Guid? Operation { get; set; }

    private bool May => Caller.May(Permission.ManageClusters);

    private IReadOnlyList<ActionItem> Items =>
    [
        new("Activity", null) { Href = $"/activity?target={row!.Id}" },
        new("Remove…", RemoveAsync) { WhyNot = row.Clusters.Count > 0 ? "Clusters name it still: let them name other services first." : null, Destructive = true },
    ];

    protected override Task OnParametersSetAsync() => RefreshAsync();

    protected override async Task RefreshAsync() => (row, looked) = (await directory.FindAsync(Id, Stopping), true);

    private Task TestAsync(bool asProposed) => ServiceCheckDialog.ShowAsync(dialogs, row!, asProposed);

    private async Task RemoveAsync()
    {
        var name = row!.Name;
        var question = new Confirmation($"Remove {name}?", "No cluster names it. Its settings, our certificate for it and what it called hosts go with it; the server itself is not touched.", "Remove") { Hits = [name] };
        if (!await ConfirmDialog.AskAsync(dialogs, question))
        {
            return;
        }

        refusal = (await remove.ExecuteAsync(Caller, row.Id, CancellationToken.None)).Refusal;
        if (refusal is null)
        {
            announcer.Say($"{name} is removed.");
            navigation.NavigateTo(ServiceLook.ListHref);
        }
    }
}
