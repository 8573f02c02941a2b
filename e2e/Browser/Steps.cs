using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>What people do in several stories.</summary>
internal static class Steps
{
    /// <summary>Opens a menu by its button and chooses an item of it.</summary>
    public static async Task ChooseAsync(this Visit visit, string menu, string item)
    {
        await visit.Button(menu).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = item, Exact = true }).ClickAsync();
    }

    /// <summary>Creates a cluster with the default policy; then its page is shown.</summary>
    public static async Task CreateClusterAsync(this Visit visit, string name)
    {
        await visit.GoAsync("/clusters");
        await visit.Button("New cluster").ClickAsync();
        await visit.Page.GetByRole(AriaRole.Dialog).GetByLabel("Name", new() { Exact = true }).FillAsync(name);
        await visit.Button("Create").ClickAsync();
        await visit.ShowsAddressAsync($"/clusters/{name}");
        await visit.SettledAsync();
    }

    /// <summary>Captures the host chosen on the capture page as the draft of a new baseline; then its page is shown.</summary>
    public static async Task CaptureAsync(this Visit visit, string name)
    {
        await visit.Page.GetByLabel("Name, for example", new() { Exact = false }).FillAsync(name);
        await visit.Button("Capture as draft").ClickAsync();
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync(name);
        await Assertions.Expect(visit.Main).ToContainTextAsync("A draft by");
    }
}
