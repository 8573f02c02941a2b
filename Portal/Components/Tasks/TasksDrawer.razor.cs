using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.JSInterop;
using Portal.Core.Changes;
using Portal.Core.Operations;

namespace Portal.Components.Tasks;

/// <summary>Running and recent operations at the bottom of every page. Whether it is open is remembered by the browser.</summary>
public sealed partial class TasksDrawer(OperationDirectory operations, IJSRuntime js)
{
    private const int Most = 30;
    private const string Remembered = "portal-tasks";

    private IReadOnlyList<OperationView>? views;
    private ElementReference bar;
    private bool open;

    private List<OperationView> Running => [.. views!.Where(v => !v.Operation.HasEnded)];

    private OperationView? Latest => views!.Count == 0 ? null : views[0];

    protected override Task OnInitializedAsync() => RefreshAsync();

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender && await js.InvokeAsync<string?>("localStorage.getItem", Stopping, Remembered) == "open")
        {
            open = true;
            StateHasChanged();
        }
    }

    protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Operation;

    protected override async Task RefreshAsync() => views = await operations.RecentAsync(Most, null, Stopping);

    private async Task ToggleAsync()
    {
        open = !open;
        await js.InvokeVoidAsync("localStorage.setItem", Stopping, Remembered, open ? "open" : "closed");
    }

    private async Task KeyAsync(KeyboardEventArgs e)
    {
        if (e.Key == "Escape" && open)
        {
            await ToggleAsync();
            await bar.FocusAsync();
        }
    }
}
