using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;

namespace Portal.Components.Enrolment;

/// <summary>Tries the way to an agent and says what came of each step; leaving it ends the trying.</summary>
public sealed partial class CheckDialog(AgentProbe probe) : IDisposable
{
    private readonly CancellationTokenSource left = new();
    private IReadOnlyList<ProbeLine> lines = [];
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required IMudDialogInstance Dialog { get; set; }

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required Registration Row { get; set; }

    public void Dispose()
    {
        left.Cancel();
        left.Dispose();
    }

    /// <summary>Opens it and waits until it is closed.</summary>
    internal static async Task ShowAsync(IDialogService dialogs, Registration row)
    {
        var reference = await dialogs.ShowAsync<CheckDialog>(
            "Check",
            new DialogParameters<CheckDialog> { { d => d.Row, row } },
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, CloseOnEscapeKey = true });
        await reference.Result;
    }

    protected override Task OnInitializedAsync() => CheckAsync();

    private async Task CheckAsync()
    {
        (busy, refusal) = (true, null);
        var stopping = left.Token;
        try
        {
            var outcome = await probe.ExecuteAsync(Caller, Row.Attester.Id, stopping);
            (lines, refusal) = (outcome.Succeeded ? outcome.Value : [], outcome.Refusal);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The dialog was closed meanwhile.
        }

        busy = false;
    }
}
