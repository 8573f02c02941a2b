using System.Diagnostics;
using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;

namespace Portal.Components.Baselines;

/// <summary>Works out an impact beside the page and shows how far it got.</summary>
public sealed partial class ImpactPanel(ImpactPreview preview, TimeProvider time, Announcer announcer) : IDisposable
{
    private const int MostHosts = 50;
    private const int MostMachines = 12;
    private static readonly TimeSpan BetweenDrawings = TimeSpan.FromMilliseconds(250);

    private static readonly (ImpactEffect Effect, Tone Tone, string Words)[] Effects =
    [
        (ImpactEffect.LosesTrust, Tone.Bad, "would lose trust"), (ImpactEffect.GainsTrust, Tone.Ok, "would gain trust"),
        (ImpactEffect.CannotTell, Tone.Unknown, "cannot tell"), (ImpactEffect.Unchanged, Tone.Neutral, "unchanged"),
    ];

    private CancellationTokenSource stop = new();
    private ImpactQuestion? asked;
    private Impact? impact;
    private ImpactSummary summary = new();
    private Refusal? refusal;
    private bool running;
    private DateTimeOffset doneAt;

    [CascadingParameter]
    public required Caller Caller { get; set; }

    /// <summary>Another question, or the same of another content, is worked out anew.</summary>
    [Parameter, EditorRequired]
    public required ImpactQuestion Question { get; set; }

    protected override Task OnParametersSetAsync()
    {
        if (asked == Question)
        {
            return Task.CompletedTask;
        }

        asked = Question;
        return RunAsync();
    }

    private async Task RunAsync()
    {
        await stop.CancelAsync();
        stop.Dispose();
        stop = new CancellationTokenSource();
        var ct = stop.Token;
        (impact, refusal, summary, running) = (null, null, new ImpactSummary(), true);
        try
        {
            // Appraising is work for a processor: not on the circuit, which has a page to serve.
            await Task.Run(() => WorkAsync(summary, ct), ct);
            (running, doneAt) = (false, time.GetUtcNow());
            if (refusal is null)
            {
                announcer.Say($"Impact: {string.Join(", ", Effects.Select(e => $"{summary.Count(e.Effect):N0} {e.Words}"))}.");
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // Asked something else, or went away.
        }
    }

    private async Task WorkAsync(ImpactSummary into, CancellationToken ct)
    {
        var outcome = await Question.AskAsync(preview, Caller, ct);
        if (!outcome.Succeeded)
        {
            refusal = outcome.Refusal;
            return;
        }

        await DrawAsync(() => impact = outcome.Value, ct);
        var (batch, last) = (new List<HostImpact>(), Stopwatch.GetTimestamp());
        await foreach (var host in outcome.Value.ByHost.WithCancellation(ct))
        {
            batch.Add(host);
            if (Stopwatch.GetElapsedTime(last) > BetweenDrawings)
            {
                var ready = batch;
                await DrawAsync(() => ready.ForEach(into.Add), ct);
                (batch, last) = ([], Stopwatch.GetTimestamp());
            }
        }

        await DrawAsync(() => batch.ForEach(into.Add), ct);
    }

    private Task DrawAsync(Action change, CancellationToken ct) => InvokeAsync(() =>
    {
        if (!ct.IsCancellationRequested)
        {
            change();
            StateHasChanged();
        }
    });

    public void Dispose()
    {
        stop.Cancel();
        stop.Dispose();
    }
}
