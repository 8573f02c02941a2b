using Microsoft.AspNetCore.Components;

namespace Portal.Components.Shared;

/// <summary>A component whose work ends when its page is left. The token may be asked for at any time, also after that.</summary>
public abstract class LeavableComponent : ComponentBase, IDisposable
{
    private readonly CancellationTokenSource stop = new();

    protected LeavableComponent() => Stopping = stop.Token;

    /// <summary>Ends with the component.</summary>
    protected CancellationToken Stopping { get; }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends what the component waits for.</summary>
    protected virtual void Dispose(bool disposing)
    {
        stop.Cancel();
        stop.Dispose();
    }
}
