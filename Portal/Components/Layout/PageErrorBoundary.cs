using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.AspNetCore.Components.Web;
using Portal.Components.Shared;

namespace Portal.Components.Layout;

/// <summary>Keeps a fault of one page from taking the whole portal down, and says what to do.</summary>
/// <param name="log">Where the fault is told.</param>
public sealed partial class PageErrorBoundary(ILogger<PageErrorBoundary> log) : ErrorBoundaryBase
{
    private string reference = "";

    /// <inheritdoc/>
    protected override Task OnErrorAsync(Exception exception)
    {
        reference = (System.Diagnostics.Activity.Current?.TraceId.ToHexString() ?? Guid.NewGuid().ToString("N"))[..12];
        PageFailed(log, reference, exception);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override void BuildRenderTree(RenderTreeBuilder builder)
    {
        if (CurrentException is null)
        {
            builder.AddContent(0, ChildContent);
            return;
        }

        builder.OpenComponent<PageFault>(1);
        builder.AddAttribute(2, nameof(PageFault.Reference), reference);
        builder.AddAttribute(3, nameof(PageFault.Retry), EventCallback.Factory.Create(this, Recover));
        builder.CloseComponent();
    }

    [LoggerMessage(4002, LogLevel.Error, "A page failed, reference {Reference}")]
    private static partial void PageFailed(ILogger log, string reference, Exception fault);
}
