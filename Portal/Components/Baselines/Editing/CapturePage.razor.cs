using System.Text.Json;
using Microsoft.AspNetCore.Components;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.Components.Baselines.Editing;

/// <summary>Makes a draft of what a host measured; a host's page links here with the host chosen.</summary>
public sealed partial class CapturePage(
    HostDirectory hosts, BaselineDirectory directory, CaptureBaseline capture, NavigationManager navigation, TimeProvider time) : IDisposable
{
    private const int Listed = 8;
    private static readonly TimeSpan Typing = TimeSpan.FromMilliseconds(250);

    private readonly CancellationTokenSource stop = new();
    private Page<HostRow>? found;
    private HostRow? chosen;
    private Refusal? searchRefusal;
    private Refusal? refusal;
    private IReadOnlyList<BaselineRow> open = [];
    private BaselineKinds kind = BaselineKinds.Hypervisor;
    private Guid? into;
    private string search = "";
    private string name = "";
    private string description = "";
    private bool onlyItsCluster;
    private bool busy;
    private int typed;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>Name or id of the host to begin with.</summary>
    [SupplyParameterFromQuery(Name = "host")]
    public string? HostKey { get; set; }

    [SupplyParameterFromQuery(Name = "kind")]
    public string? Kind { get; set; }

    private bool MayWrite => Caller.May(Permission.WriteBaselines);

    private HostTrust? Trust => chosen?.Facet<HostTrust>(TrustFacet.FacetName);

    protected override async Task OnInitializedAsync()
    {
        if (!MayWrite)
        {
            refusal = AccessControl.Denied(Caller, Permission.WriteBaselines);
            return;
        }

        kind = Enum.TryParse<BaselineKinds>(Kind, ignoreCase: true, out var asked) && PolicyWords.AllKinds.Contains(asked) ? asked : BaselineKinds.Hypervisor;
        if (HostKey is { Length: > 0 } key)
        {
            chosen = Guid.TryParse(key, out var id) ? await hosts.FindAsync(id, stop.Token) : await hosts.FindByNameAsync(key, stop.Token);
            refusal = chosen is null ? Refusal.NotFound("host", key) : null;
        }

        await SetKindAsync(kind);
        await SearchAsync();
    }

    private static List<string> MatchedBy(HostAttestation row) => JsonSerializer.Deserialize<List<string>>(row.Matched) ?? [];

    private async Task SetKindAsync(BaselineKinds now)
    {
        kind = now;
        var rows = await directory.ListAsync(Caller, new BaselineQuery(Kind: now, Take: 200), stop.Token);
        open = rows.Succeeded ? [.. rows.Value.Items.Where(b => !b.LatestState.IsOpen())] : [];
        into = into is { } id && open.Any(b => b.Id == id) ? into : null;
    }

    private async Task SearchSoonAsync(ChangeEventArgs e)
    {
        var mine = ++typed;
        search = e.Value as string ?? "";
        await Task.Delay(Typing, time, stop.Token);
        if (mine == typed)
        {
            await SearchAsync();
        }
    }

    private async Task SearchAsync()
    {
        var rows = await hosts.ListAsync(new HostQuery { Search = search, Take = Listed }, stop.Token);
        (searchRefusal, found) = (rows.Refusal, rows.Succeeded ? rows.Value : null);
    }

    private void Choose(HostRow row) => (chosen, refusal) = (row, null);

    private void ChooseAnother() => chosen = null;

    private async Task CaptureAsync()
    {
        (busy, refusal) = (true, null);
        var scope = onlyItsCluster && into is null ? new[] { chosen!.Host.ClusterId } : null;
        var outcome = await capture.ExecuteAsync(Caller, new(chosen!.Host.Id, kind, name, description, into, scope), CancellationToken.None);
        (busy, refusal) = (false, outcome.Refusal);
        if (outcome.Succeeded)
        {
            navigation.NavigateTo(BaselineLook.Href(outcome.Value.BaselineId, outcome.Value.Number));
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        stop.Dispose();
    }
}
