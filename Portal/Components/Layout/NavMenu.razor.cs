using Microsoft.AspNetCore.Components;
using Portal.Components.Shared;
using Portal.Core.Access;
using Portal.Core.Changes;
using Portal.Extensions;

namespace Portal.Components.Layout;

/// <summary>The main menu: the contributed places, each with the number of things that need attention there.</summary>
public sealed partial class NavMenu(
    IEnumerable<MenuPlace> places,
    IServiceScopeFactory scopes,
    IChangeFeed changes,
    TimeProvider time,
    ILogger<NavMenu> log)
{
    private readonly Dictionary<MenuPlace, MenuBadge?> badges = [];
    private MenuPlace[] shown = [];
    private IDisposable? subscription;
    private int waiting;

    [CascadingParameter]
    public Caller? Caller { get; set; }

    protected override void OnParametersSet() =>
        shown = [.. places.Where(p => p.Requires is not { } needed || Caller?.May(needed) == true).OrderBy(p => p.Order)];

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender && shown.Any(HasBadge))
        {
            subscription = changes.Subscribe(Hear);
            await CountAsync();
        }
    }

    /// <summary>Counts again, at most once a second, however much happens.</summary>
    private void Hear(Change change)
    {
        if (shown.Any(p => p.BadgeTopics.Contains(change.Topic)) && Interlocked.Exchange(ref waiting, 1) == 0)
        {
            _ = InvokeAsync(CountSoonAsync);
        }
    }

    private async Task CountSoonAsync()
    {
        try
        {
            await Task.Delay(LiveComponent.AtMostEvery, time, Stopping);
            Interlocked.Exchange(ref waiting, 0);
            await CountAsync();
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The tab was closed meanwhile.
        }
    }

    private async Task CountAsync()
    {
        foreach (var place in shown.Where(HasBadge))
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                badges[place] = await BadgeAsync(place, scope.ServiceProvider);
            }
            catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault)
            {
                // No number is better than an old one.
                badges[place] = null;
                CountFailed(log, place.Title, fault);
            }
        }

        StateHasChanged();
    }

    private static bool HasBadge(MenuPlace place) => place.Badge is not null || place.BadgeFor is not null;

    private async Task<MenuBadge?> BadgeAsync(MenuPlace place, IServiceProvider services) => (place.BadgeFor, place.Badge, Caller) switch
    {
        ({ } count, _, { } caller) => await count(services, caller, Stopping),
        (null, { } count, _) => await count(services, Stopping),
        _ => null,
    };

    protected override void Dispose(bool disposing)
    {
        subscription?.Dispose();
        base.Dispose(disposing);
    }

    [LoggerMessage(4001, LogLevel.Error, "The badge of {Place} could not be counted")]
    private static partial void CountFailed(ILogger log, string place, Exception fault);
}
