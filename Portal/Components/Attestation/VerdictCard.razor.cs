using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;

namespace Portal.Components.Attestation;

/// <summary>The verdict in one sentence, its reasons, and what to do.</summary>
public sealed partial class VerdictCard(IServiceProvider services, HostExplanations explanations, Announcer announcer)
{
    private bool busy;
    private string? peer;

    [CascadingParameter]
    public Caller? Caller { get; set; }

    [Parameter]
    [EditorRequired]
    public required HostRow Row { get; set; }

    [Parameter]
    [EditorRequired]
    public required HostAttestationView View { get; set; }

    /// <summary>The attestation services its cluster names.</summary>
    [Parameter]
    public ServiceSet? Services { get; set; }

    [Parameter]
    public HostExplanation? Explanation { get; set; }

    /// <summary>The host compared with, if one is.</summary>
    [Parameter]
    public string? With { get; set; }

    [Parameter]
    public EventCallback<Refusal?> Refused { get; set; }

    private ServiceSet Asked => Services ?? ServiceSet.BuiltIn;

    private Finding? Leading => VerdictWords.Leading(View);

    /// <summary>Of files, one does not follow from another; the leading sentence counts them.</summary>
    private int Following => Leading?.Kind == BaselineKinds.Runtime ? 0 : View.Findings.Count(f => f.Follows && !f.IsNote && f.Kind == Leading?.Kind);

    /// <summary>First differences of other kinds.</summary>
    private List<Finding> Others => [.. View.Findings.Where(f => !f.IsNote && !f.Follows && f != Leading)];

    protected override async Task OnInitializedAsync() => peer = (await explanations.ComparableAsync(Row.Host.Id, 1, Stopping)).FirstOrDefault();

    private async Task AttestAsync()
    {
        busy = true;
        try
        {
            var outcome = await AttestationFeature.AttestAsync(services, Caller!, Row.Host, Stopping);
            await Refused.InvokeAsync(outcome.Refusal);
            if (outcome.Succeeded)
            {
                announcer.Say(outcome.Value);
            }
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left; the attempt goes on without it.
        }
        finally
        {
            busy = false;
        }
    }

    private static string BaselineHref(ComparedBaseline baseline) => $"/baselines/{baseline.BaselineId}/{baseline.Number}";

    private static string Capital(string text) => text.Length == 0 ? "No answer" : char.ToUpperInvariant(text[0]) + text[1..];
}
