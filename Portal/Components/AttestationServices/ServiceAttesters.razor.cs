using Microsoft.AspNetCore.Components;
using MudBlazor;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;

namespace Portal.Components.AttestationServices;

/// <summary>Lists what a server knows, with what of it is which host of ours; confirms proposals, binds and unbinds. What is shown is in the address.</summary>
public sealed partial class ServiceAttesters(ServerAttesters attesters, BindHost bind, ControlAttester control, IDialogService dialogs, NavigationManager navigation, Announcer announcer)
{
    /// <summary>Most rows shown at once.</summary>
    internal const int Most = 100;

    private IReadOnlyList<AttesterOnServer>? all;
    private IReadOnlyList<AttesterOnServer> shown = [];
    private Refusal? refusal;
    private bool busy;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    [Parameter, EditorRequired]
    public required ServiceRow Row { get; set; }

    /// <summary>Part of a name or address, in the address.</summary>
    [SupplyParameterFromQuery(Name = "q")]
    public string? Find { get; set; }

    /// <summary><c>proposed</c>, <c>unbound</c>, <c>waiting</c> or <c>bound</c>; anything else shows all.</summary>
    [SupplyParameterFromQuery(Name = "which")]
    public string? Which { get; set; }

    private bool MayBind => Caller.May(Permission.ManageHosts);

    private List<AttesterOnServer> Proposed => [.. shown.Where(a => a.ProposedId is not null)];

    protected override void OnParametersSet() => Narrow();

    // Not while the page is drawn: the server may take its time.
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            await AskAsync();
            StateHasChanged();
        }
    }

    private string Count(Func<AttesterOnServer, bool> which) => all!.Count(which).ToString("N0", System.Globalization.CultureInfo.InvariantCulture);

    private void Show(string? find, string? which) => navigation.NavigateTo(
        navigation.GetUriWithQueryParameters(new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["q"] = string.IsNullOrWhiteSpace(find) ? null : find.Trim(),
            ["which"] = string.IsNullOrEmpty(which) ? null : which,
        }),
        replace: true);

    private void Narrow() => shown =
    [
        .. (all ?? []).Where(a => Which switch
        {
            "proposed" => a.ProposedId is not null,
            "unbound" => a.HostId is null,
            "waiting" => !a.Attester.IsEnrolled,
            "bound" => a.HostId is not null,
            _ => true,
        }).Where(a => Find is not { Length: > 0 } text
            || new[] { a.Attester.Name, a.Attester.Address, a.HostName, a.ProposedName }.Any(t => t?.Contains(text, StringComparison.OrdinalIgnoreCase) == true)),
    ];

    private async Task AskAsync()
    {
        busy = true;
        StateHasChanged();
        try
        {
            var listed = await attesters.ListAsync(Row.Id, Stopping);
            refusal = listed.Refusal;
            all = listed.Succeeded ? listed.Value : all;
            Narrow();
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left meanwhile.
        }

        busy = false;
    }

    private async Task BindAsync(string name, Guid hostId, string hostName)
    {
        if (await SetAsync(hostId, name))
        {
            announcer.Say($"{Row.Name} calls {hostName} {name}.");
        }

        await AskAsync();
    }

    private async Task ConfirmAllAsync()
    {
        var proposed = Proposed;
        var question = new Confirmation(
            $"Confirm {proposed.Count:N0} names?",
            $"From then on what {Row.Name} says of these names counts for these hosts. They were proposed because name or address are the same.",
            "Confirm")
        {
            Destructive = false,
            Hits = [.. proposed.Select(a => $"{a.Attester.Name} is {a.ProposedName}")],
        };
        if (!await ConfirmDialog.AskAsync(dialogs, question))
        {
            return;
        }

        var done = 0;
        foreach (var one in proposed)
        {
            if (!await SetAsync(one.ProposedId!.Value, one.Attester.Name))
            {
                break;
            }

            done++;
        }

        var (said, kept) = ($"{done:N0} of {proposed.Count:N0} names are confirmed.", refusal);
        announcer.Say(said);
        await AskAsync();
        refusal ??= kept;
    }

    private async Task ChooseAsync(AttesterOnServer one)
    {
        if (await BindDialog.ShowAsync(dialogs, Row, one.Attester.Name))
        {
            announcer.Say($"{one.Attester.Name} is bound.");
            await AskAsync();
        }
    }

    private async Task UnbindAsync(AttesterOnServer one, Guid hostId)
    {
        var question = new Confirmation(
            $"Unbind {one.HostName} from {one.Attester.Name}?",
            $"{Row.Name} then says nothing of {one.HostName} any more: it is not trusted until it is bound again. What runs there stays.",
            "Unbind") { Hits = [one.HostName!] };
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            if (await SetAsync(hostId, null))
            {
                announcer.Say($"{one.HostName} is not bound any more.");
            }

            await AskAsync();
        }
    }

    private ActionItem[] Actions(AttesterOnServer one) =>
    [
        new("Verify again", () => BeginAsync(control.ReactivateAsync(Caller, Row.Id, one.Attester.Name, CancellationToken.None), $"{Row.Name} is told to verify {one.Attester.Name} again.")),
        new("Remove there…", () => RemoveAsync(one)) { Destructive = true },
    ];

    private async Task EnrolAsync(AttesterOnServer one)
    {
        var question = new Confirmation(
            $"Enrol {one.Attester.Name} with {Row.Name}?",
            $"The maker of its TPM is checked, its agent is asked to quote with the key it registered, and {Row.Name} then verifies it by what is approved for the cluster of {one.HostName}.",
            "Enrol") { Destructive = false, Hits = [one.HostName!] };
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            await BeginAsync(control.EnrolAsync(Caller, Row.Id, one.Attester.Name, CancellationToken.None), $"{one.Attester.Name} is being enrolled with {Row.Name}.");
        }
    }

    private async Task RemoveAsync(AttesterOnServer one)
    {
        var question = new Confirmation(
            $"Remove {one.Attester.Name} from {Row.Name}?",
            $"{Row.Name} verifies it no more{(one.HostName is { } host ? $", and {host} is not trusted any more once its evidence is too old" : "")}. It stays registered there and can be enrolled anew. What runs on the host stays.",
            "Remove") { Hits = [one.Attester.Name] };
        if (await ConfirmDialog.AskAsync(dialogs, question))
        {
            await BeginAsync(control.RemoveAsync(Caller, Row.Id, one.Attester.Name, CancellationToken.None), $"{one.Attester.Name} is being removed from {Row.Name}.");
        }
    }

    private async Task BeginAsync(Task<Outcome<Guid>> work, string said)
    {
        busy = true;
        var begun = await work;
        (busy, refusal) = (false, begun.Refusal);

        // Chosen from a menu, which draws itself and not what it belongs to.
        StateHasChanged();
        if (begun.Succeeded)
        {
            announcer.Say(said);
            navigation.NavigateTo(navigation.GetUriWithQueryParameter("operation", begun.Value), replace: true);
        }
    }

    private async Task<bool> SetAsync(Guid hostId, string? name)
    {
        refusal = (await bind.ExecuteAsync(Caller, new(Row.Id, hostId, name), CancellationToken.None)).Refusal;
        return refusal is null;
    }
}
