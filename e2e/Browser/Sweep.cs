using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>Looks at whatever a visit shows, on a telephone and at a desk, and keeps what is wrong with it.</summary>
internal sealed class Sweep
{
    private readonly List<string> faults = [];

    public void AssertNoFaults() => Assert.True(faults.Count == 0, string.Join('\n', faults));

    /// <summary>On a telephone, then at a desk.</summary>
    public async Task LookAsync(Visit visit, string where)
    {
        foreach (var (screen, name) in new[] { (Screen.Telephone, "telephone"), (Screen.Desk, "desk") })
        {
            await visit.Page.SetViewportSizeAsync(screen.Width, screen.Height);
            faults.AddRange(await Accessibility.OverflowAsync(visit, $"{where}, {name}"));

            // As tall as its content: what lies under the bar at the bottom can be scrolled from under it, which axe does not know.
            var height = await visit.Page.EvaluateAsync<int>("Math.max(document.documentElement.scrollHeight, document.getElementById('content')?.scrollHeight ?? 0) + 120");
            await visit.Page.SetViewportSizeAsync(screen.Width, Math.Max(screen.Height, height));
            faults.AddRange(await Accessibility.CoveredAsync(visit, $"{where}, {name}"));
            faults.AddRange(await Accessibility.ViolationsAsync(visit, $"{where}, {name}"));
        }
    }

    /// <summary>Opens a dialog by its button, looks at it and closes it by Escape.</summary>
    public async Task DialogAsync(Visit visit, ILocator opens, string name)
    {
        await opens.ClickAsync();
        await DialogAsync(visit, name);
    }

    /// <summary>Looks at the dialog that is open, and closes it by Escape.</summary>
    public async Task DialogAsync(Visit visit, string name)
    {
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await Assertions.Expect(dialog).ToBeVisibleAsync();
        await Assertions.Expect(dialog.GetByRole(AriaRole.Heading).First).ToBeVisibleAsync();
        await visit.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);
        await LookAsync(visit, $"dialog {name}");
        await visit.Page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(dialog).ToHaveCountAsync(0);
    }

    /// <summary>Opens a menu, looks at it and closes it by Escape.</summary>
    public async Task MenuAsync(Visit visit, ILocator opens)
    {
        await opens.ClickAsync();
        await Assertions.Expect(visit.Page.Locator(":popover-open")).ToBeVisibleAsync();
        await LookAsync(visit, $"menu {opens}");
        await visit.Page.Keyboard.PressAsync("Escape");
    }
}
