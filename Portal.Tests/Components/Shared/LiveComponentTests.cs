using Bunit;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Shared;
using Portal.Core.Changes;

namespace Portal.Tests.Components.Shared;

public sealed class LiveComponentTests : PageTest
{
    private IChangeFeed Feed => Services.GetRequiredService<IChangeFeed>();

    [Fact]
    public void Change_BetweenTheFirstAnswerAndTheFirstDrawing_IsNotMissed()
    {
        var page = Render<Shown>(p => p.Add(c => c.WhenAsked, () => Feed.Publish(Change.Of(ChangeTopic.Operation))));
        Assert.Equal("asked 1 times", page.Markup);

        page.WaitForAssertion(() =>
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal("asked 2 times", page.Markup);
        });
    }

    [Fact]
    public void Change_ThatConcernsIt_IsAskedForOnceASecondHoweverMuchHappens()
    {
        var page = Render<Shown>();
        for (var i = 0; i < 100; i++)
        {
            Feed.Publish(Change.Of(ChangeTopic.Operation));
        }

        page.WaitForAssertion(() =>
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal("asked 2 times", page.Markup);
        });
    }

    [Fact]
    public void Change_ThatConcernsOthers_IsNotAskedFor()
    {
        var page = Render<Shown>();
        Feed.Publish(Change.Of(ChangeTopic.Audit));
        Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal("asked 1 times", page.Markup);
    }

    private sealed class Shown : LiveComponent
    {
        private int asked;

        [Microsoft.AspNetCore.Components.Parameter]
        public Action? WhenAsked { get; set; }

        protected override Task OnInitializedAsync() => RefreshAsync();

        protected override bool Concerns(Change change) => change.Topic is ChangeTopic.Operation;

        protected override Task RefreshAsync()
        {
            asked++;
            if (asked == 1)
            {
                WhenAsked?.Invoke();
            }

            return Task.CompletedTask;
        }

        protected override void BuildRenderTree(RenderTreeBuilder builder) => builder.AddContent(0, $"asked {asked} times");
    }
}
