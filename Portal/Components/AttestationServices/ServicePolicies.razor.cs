using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>Lists the policies a server keeps, with which of them are the portal's.</summary>
public sealed partial class ServicePolicies(ServerPolicies policies)
{
    /// <summary>Most rows shown.</summary>
    internal const int Most = 100;

    private IReadOnlyList<PolicyOnServer>? all;
    private Refusal? refusal;
    private bool busy;

    [Parameter, EditorRequired]
    public required ServiceRow Row { get; set; }

    // Not while the page is drawn: the server may take its time.
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            await AskAsync();
            StateHasChanged();
        }
    }

    private async Task AskAsync()
    {
        busy = true;
        StateHasChanged();
        try
        {
            var listed = await policies.ListAsync(Row.Id, Stopping);
            refusal = listed.Refusal;
            all = listed.Succeeded ? listed.Value : all;
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left meanwhile.
        }

        busy = false;
    }
}
