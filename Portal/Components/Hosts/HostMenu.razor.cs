using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Extensions;

namespace Portal.Components.Hosts;

/// <summary>Offers and runs the contributed actions on a host. What is offered is a courtesy: the core checks again.</summary>
public sealed partial class HostMenu(
    IEnumerable<HostAction> actions,
    IServiceProvider services,
    IDialogService dialogs,
    ISnackbar snackbar,
    IJSRuntime js)
{
    private ElementReference menu;
    private Host? host;
    private List<HostAction> offered = [];
    private string? opening;

    [CascadingParameter]
    public Caller? Caller { get; set; }

    /// <summary>Whether the menu leads to the host's page; not on that page itself.</summary>
    [Parameter]
    public bool WithOpen { get; set; } = true;

    /// <summary>Told after an action: the refusal, or null.</summary>
    [Parameter]
    public EventCallback<Refusal?> Done { get; set; }

    /// <summary>Opens the menu at the row's button, or at another one.</summary>
    public Task OpenAsync(Host of, string? at = null)
    {
        host = of;
        offered = [.. actions.Where(a => Caller?.May(a.Requires) == true && a.AppliesTo(services, of)).OrderBy(a => a.Order)];
        opening = at ?? $"do-{of.Id:N}";
        StateHasChanged();
        return Task.CompletedTask;
    }

    /// <summary>Asks if need be, does it, and says what came of it.</summary>
    public async Task RunAsync(Host on, HostAction action)
    {
        if (Caller is null || (action.Ask is { } ask && !await ConfirmDialog.AskAsync(dialogs, await ask(services, on, Stopping))))
        {
            return;
        }

        try
        {
            var outcome = await action.Run(services, Caller, on, Stopping);
            if (outcome.Succeeded)
            {
                snackbar.Add(outcome.Value, Severity.Normal);
            }

            await Done.InvokeAsync(outcome.Refusal);
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left; what was asked for goes on without it.
        }
    }

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (opening is { } at)
        {
            opening = null;
            await js.InvokeVoidAsync("portal.openMenu", menu, at);
        }
    }
}
