using Bunit;
using Portal.Components.Hosts;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Components.Hosts;

/// <summary>"Attest all now" on the Hosts page.</summary>
public sealed class AttestAllTests : HostPoolPageTest
{
    [Fact]
    public async Task Choice_BeginsTheOperation_ShowsHowFarItIs_AndGoesWhenItIsDone()
    {
        await StartAsync();
        Pool.Time.Advance(TimeSpan.FromMinutes(1));
        var page = Open<HostList>("/hosts");
        page.WaitForAssertion(() => Assert.Equal("All hosts (4)", Assert.Single(Texts(page, ".page-head [role=menuitem]"))));

        await page.Find(".page-head [role=menuitem]").ClickAsync();

        await EventuallyAsync(page, () => Assert.Equal("Attest all 4 hosts by ada@internal", Plain(page.Find(".fleet-progress p"))));
        var running = Assert.Single(await Pool.Get<OperationDirectory>().OpenAsync(AttestFleet.Kind, Pool.Ct));
        Assert.Equal(("0", "About to begin."), (page.Find(".fleet-progress [role=meter]").GetAttribute("aria-valuenow"), Plain(page.Find(".fleet-progress [role=status]"))));

        await Pool.RunAsync(running.Operation.Id);
        await EventuallyAsync(page, () => Assert.Empty(page.FindAll(".fleet-progress")));
    }

    [Fact]
    public async Task Cancel_StopsIt()
    {
        await StartAsync();
        Pool.Time.Advance(TimeSpan.FromMinutes(1));
        var id = TrustedPool.Expect(await Pool.Get<AttestFleet>().ExecuteAsync(TrustedPool.Administrator, null, Pool.Ct)).OperationId;
        var page = Open<HostList>("/hosts");
        page.WaitForAssertion(() => Assert.Single(page.FindAll(".fleet-progress button")));

        await page.Find(".fleet-progress button").ClickAsync();

        await EventuallyAsync(page, () => Assert.Equal("Stopping…", Plain(page.Find(".fleet-progress [role=status]"))));
        Assert.Empty(page.FindAll(".fleet-progress button"));
        await Pool.RunAsync(id);
        Assert.Equal(OperationState.Cancelled, (await Pool.Get<OperationDirectory>().FindAsync(id, Pool.Ct))!.Operation.State);
    }

    [Fact]
    public async Task WhoMayNotAttest_SeesTheProgress_ButNeitherButton()
    {
        await StartAsync(Role.Auditor);
        TrustedPool.Expect(await Pool.Get<AttestFleet>().ExecuteAsync(TrustedPool.Administrator, null, Pool.Ct));

        var page = Open<HostList>("/hosts");

        page.WaitForAssertion(() => Assert.Single(page.FindAll(".fleet-progress")));
        Assert.Empty(page.FindAll(".fleet-progress button"));
        Assert.DoesNotContain("Attest all now", Text(page), StringComparison.Ordinal);
    }
}
