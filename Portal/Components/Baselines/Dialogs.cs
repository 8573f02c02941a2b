using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Portal.Components.Baselines;

/// <summary>Opens the dialogs of this place alike.</summary>
internal static class Dialogs
{
    /// <summary>Opens one and waits; true when it closed with something done.</summary>
    public static async Task<bool> ShowAsync<T>(IDialogService dialogs, string title, DialogParameters<T> parameters, MaxWidth width = MaxWidth.Small)
        where T : ComponentBase
    {
        var reference = await dialogs.ShowAsync<T>(title, parameters, new DialogOptions { MaxWidth = width, FullWidth = true, CloseOnEscapeKey = true, BackdropClick = false });
        return await reference.Result is { Canceled: false };
    }
}
