using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Registration;

namespace Portal.Components.Enrolment;

/// <summary>Shows the whole hash of an endorsement key to compare, and who accepted it already; accepts what was shown.</summary>
public sealed partial class AcceptDialog(AcceptAttester accept)
{
    // First member of a TPMT_PUBLIC: TPM_ALG_ECC (TCG Algorithm Registry).
    private const byte Ecc = 0x23;

    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required Registration Row { get; set; }

    private string Kind => Row.Attester.EndorsementKey is [0, Ecc, ..] ? "ecc" : "rsa";

    /// <summary>Asks; true when it was accepted.</summary>
    internal static async Task<bool> ShowAsync(IDialogService dialogs, Registration row)
    {
        var reference = await dialogs.ShowAsync<AcceptDialog>(
            "Accept",
            new DialogParameters<AcceptDialog> { { d => d.Row, row } },
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, CloseOnEscapeKey = true });
        return await reference.Result is { Canceled: false };
    }

    private async Task AcceptAsync()
    {
        (busy, refusal) = (true, null);
        var outcome = await accept.ExecuteAsync(Caller, Row.Attester.Id, Row.Attester.EndorsementHash, CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            Dialog.Close(DialogResult.Ok(true));
        }
    }
}
