using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Portal.Components.Layout;
using Portal.Core.Access;
using Portal.Extensions;

namespace Portal.Tests.Components.Layout;

public sealed class MainLayoutTests : PageTest
{
    [Fact]
    public void Layout_ShowsThePage_WhoIsSignedIn_TheDemoMark_AndWhatFeaturesPutAtTheBottom()
    {
        Services.Contribute(new BottomDrawer(100, typeof(Tasks)));
        As(Role.Security);
        var layout = RenderWith(b => b.AddMarkupContent(0, "<h1>Page</h1>"));

        Assert.Equal("Page", layout.Find("main h1").TextContent);
        Assert.Equal("ada@internal", layout.Find(".user-name").TextContent);
        Assert.Equal("Security", layout.Find(".user-roles").TextContent);
        Assert.NotEmpty(layout.FindAll(".demo-mark"));
        Assert.Equal("tasks", layout.Find(".bottom").TextContent);
        Assert.Equal("sign-out", layout.Find(".user-popover-action").GetAttribute("form"));
    }

    [Fact]
    public void MenuButton_OpensTheDrawer_AndEscapeClosesIt()
    {
        As(Role.Operator);
        var layout = RenderWith(_ => { });
        layout.Find(".app-bar button").Click();
        Assert.Equal("true", layout.Find(".app-bar button").GetAttribute("aria-expanded"));
        Assert.NotEmpty(layout.FindAll(".shell.menu-open"));

        layout.Find(".shell").KeyDown(new KeyboardEventArgs { Key = "Escape" });
        Assert.Empty(layout.FindAll(".shell.menu-open"));
    }

    [Fact]
    public void PageThatFails_SaysWhatToDo_WithAReference_AndTheMenuStays()
    {
        As(Role.Operator);
        var layout = RenderWith(b =>
        {
            b.OpenComponent<Broken>(0);
            b.CloseComponent();
        });

        Assert.Equal("This page has stopped", layout.Find("h1").TextContent.Trim());
        Assert.NotEmpty(layout.Find("code").TextContent);
        Assert.NotEmpty(layout.FindAll("nav"));
    }

    private IRenderedComponent<MainLayout> RenderWith(RenderFragment body)
    {
        var layout = Render<MainLayout>(p => p.Add(l => l.Body, body));
        layout.WaitForElement(".shell");
        return layout;
    }

    private sealed class Tasks : ComponentBase
    {
        protected override void BuildRenderTree(Microsoft.AspNetCore.Components.Rendering.RenderTreeBuilder builder) => builder.AddContent(0, "tasks");
    }

    private sealed class Broken : ComponentBase
    {
        protected override void OnInitialized() => throw new InvalidOperationException("broken on purpose");
    }
}
