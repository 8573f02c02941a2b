using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>Tries the way to a server and says what came of each step; leaving it ends the trying.</summary>
public sealed partial class ServiceCheckDialog(TestServer test)
{
    private IReadOnlyList<ServerCheckLine> lines = [];
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ServiceRow Row { get; set; }

    /// <summary>Whether the change that waits is tested instead of what is set.</summary>
    [Parameter]
    public bool AsProposed { get; set; }

    private string Address => AsProposed ? Row.Proposal!.Address : Row.Server!.Address;

    /// <summary>Opens it and waits until it is closed.</summary>
    internal static async Task ShowAsync(IDialogService dialogs, ServiceRow row, bool asProposed)
    {
        var reference = await dialogs.ShowAsync<ServiceCheckDialog>(
            "Test connection",
            new DialogParameters<ServiceCheckDialog> { { d => d.Row, row }, { d => d.AsProposed, asProposed } },
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, CloseOnEscapeKey = true });
        await reference.Result;
    }

    protected override Task OnInitializedAsync() => TestAsync();

    private async Task TestAsync()
    {
        (busy, refusal) = (true, null);
        try
        {
            var outcome = await test.ExecuteAsync(Caller, Row.Id, AsProposed, Stopping);
            (lines, refusal) = (outcome.Succeeded ? outcome.Value : [], outcome.Refusal);
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The dialog was closed meanwhile.
        }

        busy = false;
    }
}
