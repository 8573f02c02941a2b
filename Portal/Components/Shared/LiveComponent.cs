using Microsoft.AspNetCore.Components;
using Portal.Core.Changes;

namespace Portal.Components.Shared;

/// <summary>A component that asks again when something it shows was changed, at most once a second however much happens.</summary>
public abstract class LiveComponent : LeavableComponent
{
    /// <summary>How long pages wait after a change for others to come with it.</summary>
    public static readonly TimeSpan AtMostEvery = TimeSpan.FromSeconds(1);

    private const int Undrawn = 0;
    private const int UndrawnAndMissed = 1;
    private const int Drawn = 2;

    private IDisposable? subscription;
    private int waiting;
    private int phase = Undrawn;

    [Inject]
    public required IChangeFeed Changes { get; init; }

    [Inject]
    public required TimeProvider Time { get; init; }

    /// <summary>How long this one waits; not less than <see cref="AtMostEvery"/>.</summary>
    protected virtual TimeSpan Pause => AtMostEvery;

    /// <summary>Whether a change may concern what is shown. Called on the thread of whoever made it: look, do not work.</summary>
    protected abstract bool Concerns(Change change);

    /// <summary>Asks again.</summary>
    protected abstract Task RefreshAsync();

    /// <summary>Listens from before it first asks, so that nothing falls between asking and listening.</summary>
    public override Task SetParametersAsync(ParameterView parameters)
    {
        subscription ??= Changes.Subscribe(Hear);
        return base.SetParametersAsync(parameters);
    }

    protected override void OnAfterRender(bool firstRender)
    {
        if (firstRender && Interlocked.Exchange(ref phase, Drawn) == UndrawnAndMissed)
        {
            RefreshSoon();
        }
    }

    private void Hear(Change change)
    {
        // Before the first drawing it cannot say what concerns it: then everything does.
        if (Interlocked.CompareExchange(ref phase, UndrawnAndMissed, Undrawn) == Drawn && Concerns(change))
        {
            RefreshSoon();
        }
    }

    private void RefreshSoon()
    {
        if (Interlocked.Exchange(ref waiting, 1) == 0)
        {
            _ = InvokeAsync(RefreshSoonAsync);
        }
    }

    private async Task RefreshSoonAsync()
    {
        try
        {
            await Task.Delay(Pause, Time, Stopping);
            Interlocked.Exchange(ref waiting, 0);
            await RefreshAsync();
            StateHasChanged();
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left meanwhile.
        }
        catch (Exception fault)
        {
            await DispatchExceptionAsync(fault);
        }
    }

    /// <summary>Stops listening.</summary>
    protected override void Dispose(bool disposing)
    {
        subscription?.Dispose();
        base.Dispose(disposing);
    }
}
