using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;

namespace Portal.Components.AttestationServices;

/// <summary>Says which host a server means by a name.</summary>
public sealed partial class BindDialog(HostDirectory hosts, BindHost bind)
{
    private string host = "";
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ServiceRow Row { get; set; }

    /// <summary>The server's name.</summary>
    [Parameter, EditorRequired]
    public required string Name { get; set; }

    /// <summary>Opens it; whether the name was bound.</summary>
    internal static async Task<bool> ShowAsync(IDialogService dialogs, ServiceRow row, string name)
    {
        var reference = await dialogs.ShowAsync<BindDialog>(
            "Bind",
            new DialogParameters<BindDialog> { { d => d.Row, row }, { d => d.Name, name } },
            new DialogOptions { MaxWidth = MaxWidth.ExtraSmall, FullWidth = true, CloseOnEscapeKey = true });
        return await reference.Result is { Canceled: false };
    }

    private async Task BindAsync()
    {
        busy = true;
        refusal = await hosts.FindByNameAsync(host.Trim(), CancellationToken.None) is { } found
            ? (await bind.ExecuteAsync(Caller, new(Row.Id, found.Host.Id, Name), CancellationToken.None)).Refusal
            : Refusal.Invalid("service.host.unknown", "host", $"There is no host '{host.Trim()}'.", "Give its name as the list of hosts shows it.");
        busy = false;
        if (refusal is null)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
