using System.Globalization;
using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.BuiltIn.Bootstrap;

namespace Portal.Components.Enrolment;

/// <summary>Asks where the host is and how to sign in there, shows its key and starts preparations. What was typed is kept while the page is open, so that one can look first and then do.</summary>
public sealed partial class OverSsh(PrepareHost prepare, IDialogService dialogs) : IDisposable
{
    private readonly CancellationTokenSource left = new();
    private string address = "";
    private string port = "22";
    private string user = "root";
    private string password = "";
    private string privateKey = "";
    private string passphrase = "";
    private bool noSecureBoot;
    private bool noLibvirt;
    private bool compared;
    private bool busy;
    private OfferedHostKey? key;
    private Refusal? refusal;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required string HostName { get; set; }

    [Parameter, EditorRequired]
    public required Guid ClusterId { get; set; }

    /// <summary>Takes the operation that began.</summary>
    [Parameter]
    public EventCallback<Guid> Started { get; set; }

    private bool Ready => !busy && key is not null && (compared || key.ConfirmedBy is not null) && HostName.Trim().Length > 0 && (password.Length > 0 || privateKey.Length > 0);

    private int Port => int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    public void Dispose()
    {
        left.Cancel();
        left.Dispose();
        (password, privateKey, passphrase) = ("", "", "");
    }

    private static string Text(ChangeEventArgs change) => (change.Value as string ?? "").Trim();

    /// <summary>Another place has another key.</summary>
    private void Elsewhere(Action change)
    {
        change();
        (key, compared, refusal) = (null, false, null);
    }

    private async Task FetchAsync()
    {
        (busy, refusal) = (true, null);
        var stopping = left.Token;
        try
        {
            var shown = await prepare.FetchKeyAsync(Caller, address, Port, stopping);
            (key, refusal, compared) = (shown.Succeeded ? shown.Value : null, shown.Refusal, false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The page was left meanwhile.
        }

        busy = false;
    }

    private async Task StartAsync(PreparationMode mode)
    {
        if (key is null)
        {
            return;
        }

        (busy, refusal) = (true, null);
        string[] without = [.. noSecureBoot ? ["secure-boot"] : Array.Empty<string>(), .. noLibvirt ? ["libvirt"] : Array.Empty<string>()];
        var request = new PreparationRequest(mode, HostName, ClusterId, address, Port, key.Shown.Fingerprint, without) { KeyKind = key.Shown.Kind };
        var started = await prepare.StartAsync(Caller, request, new SshCredentials(user, password, privateKey, passphrase), CancellationToken.None);
        (busy, refusal) = (false, started.Refusal);
        if (started.Succeeded)
        {
            key = key with { ConfirmedBy = key.ConfirmedBy ?? Caller.Person.Name };
            await Started.InvokeAsync(started.Value);
        }
    }

    private async Task ForgetAsync()
    {
        var question = new Confirmation(
            $"Forget the host key of {address}?",
            "Do so only when you know why it changed, for example because the host was installed anew. The next key it shows is to be compared at its console.",
            "Forget it");
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            refusal = (await prepare.ForgetKeyAsync(Caller, address, Port, CancellationToken.None)).Refusal;
            (key, compared) = (null, false);
        }
    }
}
