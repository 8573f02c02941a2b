using AngleSharp.Dom;
using Bunit;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Components.Shared;

namespace Portal.Tests.Components.Shared;

public sealed class ConfirmDialogTests : PageTest
{
    [Theory]
    [InlineData("Delete", true)]
    [InlineData("Cancel", false)]
    public async Task Ask_NamesWhatIsHit_AndReturnsTheAnswer(string button, bool expected)
    {
        var provider = Render<MudDialogProvider>();
        var names = Enumerable.Range(1, 12).Select(i => $"vm-{i:00}").ToList();
        var asked = provider.InvokeAsync(() => ConfirmDialog.AskAsync(
            Services.GetRequiredService<IDialogService>(),
            new Confirmation("Delete 12 virtual machines?", "Their disks are gone for good.", "Delete") { Hits = names }));

        provider.WaitForElement(".confirm-hits");
        Assert.Equal("Delete 12 virtual machines?", provider.Find(".dialog-title").TextContent);
        Assert.Equal("These 12:", provider.Find(".confirm-count").TextContent);
        Assert.Equal(11, provider.FindAll(".confirm-hits li").Count);
        Assert.Equal("and 2 more", provider.FindAll(".confirm-hits li")[^1].TextContent.Trim());

        await provider.FindAll("button").Single(b => b.TextContent.Trim() == button).ClickAsync();
        Assert.Equal(expected, await asked);
    }
}
