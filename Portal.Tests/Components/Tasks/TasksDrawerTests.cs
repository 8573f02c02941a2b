using Bunit;
using Microsoft.AspNetCore.Components.Web;
using Portal.Components.Tasks;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Core.Virtualization;
using Portal.Tests.World;

namespace Portal.Tests.Components.Tasks;

public sealed class TasksDrawerTests : PoolPageTest
{
    [Fact]
    public async Task Bar_CountsWhatRuns_AndFollows()
    {
        As(TrustedPool.Operator);
        var drawer = Render<TasksDrawer>();
        Assert.Equal("Tasks Nothing was done yet", Plain(drawer.Find(".drawer-bar")));

        await AskAsync("web-1");
        await AskAsync("web-2");
        await EventuallyAsync(drawer, () => Assert.StartsWith("Tasks 2 running Create virtual machine web-2", Plain(drawer.Find(".drawer-bar")), StringComparison.Ordinal));

        await RunOperationsAsync();
        await EventuallyAsync(drawer, () => Assert.StartsWith("Tasks Create virtual machine web-2 Done", Plain(drawer.Find(".drawer-bar")), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Opening_IsRemembered_AndEscapeClosesIt()
    {
        As(TrustedPool.Operator);
        var drawer = Render<TasksDrawer>();

        await drawer.Find(".drawer-bar").ClickAsync();
        Assert.Equal("true", drawer.Find(".drawer-bar").GetAttribute("aria-expanded"));
        Assert.False(drawer.Find("#tasks-panel").HasAttribute("hidden"));
        Assert.Equal("open", JSInterop.Invocations["localStorage.setItem"][^1].Arguments[1]);

        await drawer.Find(".drawer").KeyDownAsync(new KeyboardEventArgs { Key = "Escape" });
        Assert.Equal("false", drawer.Find(".drawer-bar").GetAttribute("aria-expanded"));
        Assert.Equal("closed", JSInterop.Invocations["localStorage.setItem"][^1].Arguments[1]);
    }

    [Fact]
    public void OpenWhenLeft_IsOpenAgain()
    {
        JSInterop.Setup<string?>("localStorage.getItem", "portal-tasks").SetResult("open");
        As(TrustedPool.Operator);

        var drawer = Render<TasksDrawer>();

        drawer.WaitForAssertion(() => Assert.Equal("true", drawer.Find(".drawer-bar").GetAttribute("aria-expanded")));
    }

    [Fact]
    public async Task Failure_SaysWhyAndWhatToDo_AndStepsUnfold()
    {
        await Pool.CreateAsync("huge", memory: 9L << 40);
        As(TrustedPool.Operator);
        var drawer = await OpenAsync();

        Assert.Contains("2 not enough memory", drawer.Find(".task-failure").TextContent, StringComparison.Ordinal);
        Assert.Contains("Free or add capacity", drawer.Find(".task-failure").TextContent, StringComparison.Ordinal);
        Assert.Empty(drawer.FindAll(".task-title a"));

        await drawer.Find(".task-toggle").ClickAsync();
        Assert.Equal("true", drawer.Find(".task-toggle").GetAttribute("aria-expanded"));
        Assert.Contains("Find a host and claim capacity, failed", Plain(drawer.Find(".step")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancel_AsksTheOperationToStop_AndWhatItDidIsUndone()
    {
        var operation = await AskAsync("web-1");
        As(TrustedPool.Operator);
        var drawer = await OpenAsync();

        await drawer.Find(".task-cancel").ClickAsync();
        await EventuallyAsync(drawer, () => Assert.Contains("Cancelling", Plain(drawer.Find(".task-line")), StringComparison.Ordinal));
        Assert.Empty(drawer.FindAll(".task-cancel"));
        await RunOperationsAsync();

        await EventuallyAsync(drawer, () => Assert.Contains("Cancelled", Plain(drawer.Find(".task-line")), StringComparison.Ordinal));
        Assert.Equal(OperationState.Cancelled, (await Pool.Get<OperationDirectory>().FindAsync(operation, Pool.Ct))!.Operation.State);
        await Pool.AssertNoCapacityLeakedAsync();
    }

    [Fact]
    public async Task Cancel_IsNotOfferedToAnAuditor()
    {
        await AskAsync("web-1");
        As(TrustedPool.Auditor);

        Assert.Empty((await OpenAsync()).FindAll(".task-cancel"));
    }

    [Fact]
    public async Task Title_LeadsToItsTarget()
    {
        await Pool.CreateAsync("web-1");
        As(TrustedPool.Operator);

        Assert.Equal($"/vms/{(await Pool.VmAsync("web-1"))!.Id}", (await OpenAsync()).Find(".task-title a").GetAttribute("href"));
    }

    private async Task<IRenderedComponent<TasksDrawer>> OpenAsync()
    {
        var drawer = Render<TasksDrawer>();
        await drawer.Find(".drawer-bar").ClickAsync();
        return drawer;
    }

    private async Task<Guid> AskAsync(string name)
    {
        Pool.Time.Advance(TimeSpan.FromMilliseconds(1));
        return TrustedPool.Expect(await Pool.Get<CreateVirtualMachine>().ExecuteAsync(
            TrustedPool.Operator, new NewVirtualMachine { Name = name, ClusterId = Pool.Cluster, TrustLevel = TrustLevel.Any }, Pool.Ct));
    }
}
