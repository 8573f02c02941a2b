using Bunit;
using Portal.Components.Hosts;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Components.Hosts;

public sealed class HostPageTests : HostPoolPageTest
{
    [Fact]
    public async Task Page_UnknownHost_SaysSo_AndLeadsBack()
    {
        await StartAsync(hosts: 1);

        var page = Open<HostPage>("/hosts/nobody", ("Key", "nobody"));

        page.WaitForAssertion(() => Assert.Contains("'nobody' is not among the hosts", page.Markup, StringComparison.Ordinal));
        Assert.Contains("/hosts", page.FindAll("a").Select(a => a.GetAttribute("href")));
    }

    [Fact]
    public async Task Page_ByNameAndById_ShowsTrustBesideTheName()
    {
        await StartAsync(hosts: 1);
        var host = await Pool.HostAsync("kvm-a01");

        foreach (var key in (string[])["kvm-a01", host.Id.ToString()])
        {
            var page = Open<HostPage>($"/hosts/{key}", ("Key", key));
            page.WaitForAssertion(() => Assert.Contains("kvm-a01", page.Find("h1").TextContent, StringComparison.Ordinal));
            Assert.Equal("Trusted", page.Find("h1 .tag").TextContent.Trim());
            Assert.Equal(["General", "Hardware & BIOS", "Virtual machines", "Attestation", "Activity"], page.FindAll(".host-tabs a").Select(a => a.TextContent));
            Assert.Equal("General", page.Find(".host-tabs a[aria-current=page]").TextContent);
        }
    }

    [Theory]
    [InlineData("hardware", "BIOS")]
    [InlineData("activity", "was enrolled")]
    [InlineData("general", "Virtual CPUs")]
    public async Task Tab_IsInTheAddress(string tab, string shows)
    {
        await StartAsync(hosts: 1);

        var page = Open<HostPage>($"/hosts/kvm-a01/{tab}", ("Key", "kvm-a01"), ("Tab", tab));

        page.WaitForAssertion(() => Assert.Contains(shows, page.Markup, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tab_Unknown_SaysSo()
    {
        await StartAsync(hosts: 1);

        var page = Open<HostPage>("/hosts/kvm-a01/astrology", ("Key", "kvm-a01"), ("Tab", "astrology"));

        page.WaitForAssertion(() => Assert.Contains("There is no view 'astrology' of a host", page.Markup, StringComparison.Ordinal));
    }

    [Fact]
    public async Task VirtualMachines_ThatRanWhereTheyMustNot_AreMarked()
    {
        await StartAsync(hosts: 1);
        var operation = await Pool.CreateAsync("billing-db", TrustLevel.Trusted, start: true);
        Assert.Null(operation.Refusal);
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a01");

        var page = Open<HostPage>("/hosts/kvm-a01/vms", ("Key", "kvm-a01"), ("Tab", "vms"));

        page.WaitForAssertion(() => Assert.Contains("runs on an untrusted host since", page.Markup, StringComparison.Ordinal));
        Assert.Equal("/vms/billing-db", page.Find(".listing tbody th a").GetAttribute("href"));
        Assert.Contains("1 requires trust", page.Find(".sub").TextContent, StringComparison.Ordinal);
        Assert.Equal(TrustedPool.Operator.Person.Name, (await Pool.VmAsync("billing-db"))!.CreatedBy);
    }
}
