using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Attestation;
using Portal.Components.Overview;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Simulation.Attesters;

namespace Portal.Tests.Components.Overview;

public sealed class OverviewCardTests : HostPoolPageTest
{
    [Fact]
    public async Task Attention_WhenAllIsWell_SaysSo()
    {
        await StartAsync(hosts: 2);
        Services.AddOverviewFeature();

        var card = Render<AttentionCard>();

        card.WaitForAssertion(() => Assert.Contains("All is well", card.Markup, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Attention_NamesHostsAndMachines_WithReasonAndOneAction()
    {
        await StartAsync(hosts: 2);
        Services.AddOverviewFeature();
        await Pool.CreateAsync("billing-db", TrustLevel.Trusted, start: true);
        var host = (await Pool.Get<Portal.Core.Virtualization.VirtualMachineDirectory>().ListAsync(new(), Pool.Ct)).Value.Items[0].HostName!;
        Pool.Get<SimulatedAttesterChannel>().Inject(host, Fault.SignatureBitFlip);
        await Pool.AttestAsync(host);

        var card = Render<AttentionCard>();

        card.WaitForAssertion(() => Assert.Equal(2, card.FindAll(".attention li").Count));
        Assert.Contains($"{host} is untrusted", card.FindAll("li")[0].TextContent, StringComparison.Ordinal);
        Assert.Contains("not signed by the enrolled key", card.FindAll("li")[0].TextContent, StringComparison.Ordinal);
        Assert.Equal($"/hosts/{host}/attestation", card.FindAll("li")[0].QuerySelector("a")!.GetAttribute("href"));
        Assert.Contains("billing-db requires trust and runs on an untrusted host", card.FindAll("li")[1].TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attention_NewTrouble_AppearsByItself()
    {
        await StartAsync(hosts: 1);
        Services.AddOverviewFeature();
        var card = Render<AttentionCard>();
        card.WaitForAssertion(() => Assert.Contains("All is well", card.Markup, StringComparison.Ordinal));

        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a01");
        Pool.Time.Advance(TimeSpan.FromSeconds(1.5));

        card.WaitForAssertion(() => Assert.Contains("kvm-a01 is untrusted", card.Markup, StringComparison.Ordinal));
    }

    [Fact]
    public async Task ClusterTrust_EveryNumberLeadsToItsHosts()
    {
        await StartAsync(Role.Auditor, hosts: 3);
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a01");

        var card = Render<ClusterTrustCard>();

        card.WaitForAssertion(() => Assert.Equal(
            ["/hosts?q=cluster%3Dprod-a", "/hosts?q=cluster%3Dprod-a%20trust%3Dtrusted", "/hosts?q=cluster%3Dprod-a%20trust%3Duntrusted"],
            card.FindAll("tbody a").Select(a => a.GetAttribute("href"))));
        foreach (var link in card.FindAll("tbody a.count"))
        {
            var search = Uri.UnescapeDataString(link.GetAttribute("href")![9..]);
            var found = (await Pool.Get<HostDirectory>().ListAsync(new HostQuery { Search = search }, Pool.Ct)).Value;
            Assert.Equal(int.Parse(link.TextContent, System.Globalization.CultureInfo.InvariantCulture), found.Total);
        }
    }

    [Fact]
    public async Task Drift_EveryNumberLeadsToItsHosts()
    {
        await StartAsync(Role.Auditor, hosts: 3);
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a01");

        var card = Render<DriftCard>();

        card.WaitForAssertion(() => Assert.Equal(2, card.FindAll(".drift-cell a").Count));
        foreach (var link in card.FindAll(".drift-cell a"))
        {
            var search = Uri.UnescapeDataString(link.GetAttribute("href")![9..]);
            var found = (await Pool.Get<HostDirectory>().ListAsync(new HostQuery { Search = search }, Pool.Ct)).Value;
            Assert.StartsWith(found.Total.ToString(System.Globalization.CultureInfo.InvariantCulture), link.TextContent, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AgesAndHealth_CountHosts()
    {
        await StartAsync(Role.Auditor, hosts: 3);
        Pool.Time.Advance(TimeSpan.FromMinutes(3));

        var ages = Render<EvidenceAgeCard>();
        var health = Render<HealthCard>();

        ages.WaitForAssertion(() => Assert.Contains("3 hosts", ages.FindAll("dd")[2].TextContent, StringComparison.Ordinal));
        health.WaitForAssertion(() => Assert.Equal("3", health.FindAll("tbody td.number")[0].TextContent));
    }
}
