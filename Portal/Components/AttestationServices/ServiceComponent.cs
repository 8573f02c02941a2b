using Portal.Components.Shared;
using Portal.Core.Changes;

namespace Portal.Components.AttestationServices;

/// <summary>Shows how attestation services do. Polls that bring nothing new publish nothing, so it looks again by itself as well.</summary>
public abstract class ServiceComponent : LiveComponent
{
    /// <summary>How often it looks by itself.</summary>
    internal static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Service or ChangeTopic.Cluster or ChangeTopic.Attestation;

    protected override void OnAfterRender(bool firstRender)
    {
        base.OnAfterRender(firstRender);
        if (firstRender)
        {
            _ = WatchAsync();
        }
    }

    private async Task WatchAsync()
    {
        try
        {
            using var timer = new PeriodicTimer(Every, Time);
            while (await timer.WaitForNextTickAsync(Stopping))
            {
                await InvokeAsync(async () =>
                {
                    await RefreshAsync();
                    StateHasChanged();
                });
            }
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The page was left.
        }
        catch (Exception fault)
        {
            await DispatchExceptionAsync(fault);
        }
    }
}
