using Bunit;
using Portal.Components.Hosts;
using Portal.Core.Inventory;
using Portal.Core.Placement;
using Portal.Tests.Components;
using Portal.Tests.World;

namespace Portal.Tests.SampleFeature;

/// <summary>A feature of another assembly shows up where the portal's own do, without a change to the portal.</summary>
public sealed class SampleFeatureTests : HostPoolPageTest
{
    [Fact]
    public async Task Column_Contributed_StandsInTheGrid_AndIsSearchable()
    {
        await StartAsync(more: SampleFeature.AddRacksToCore);
        Services.AddRacks();

        var page = Open<HostList>("/hosts?q=rack%3Dleft");

        page.WaitForAssertion(() => Assert.Equal(["left", "left"], page.FindAll("td.col-rack").Select(c => c.TextContent)));
        Assert.Contains("Rack", page.FindAll("thead th").Select(h => h.TextContent.Trim()));
    }

    [Fact]
    public async Task Tab_Contributed_OpensByItsAddress()
    {
        await StartAsync(more: SampleFeature.AddRacksToCore);
        Services.AddRacks();

        var page = Open<HostPage>("/hosts/kvm-a02/rack", ("Key", "kvm-a02"), ("Tab", "rack"));

        page.WaitForAssertion(() => Assert.Contains("kvm-a02 stands in the right rack.", page.Markup, StringComparison.Ordinal));
        Assert.Equal("Rack", page.Find(".host-tabs a[aria-current=page]").TextContent);
    }

    [Fact]
    public async Task Filter_Contributed_RefusesHosts_WithItsReason()
    {
        await using var pool = await TrustedPool.StartAsync(more: SampleFeature.AddRacksToCore);
        var request = new PlacementRequest { ClusterId = pool.Cluster, Cpus = 1, Memory = 1 << 30, TrustLevel = TrustLevel.Any, Purpose = PlacementPurpose.Create };

        var decision = await pool.Get<Placer>().DecideAsync(request, pool.Ct);

        Assert.Equal(["kvm-a01", "kvm-a03"], decision.Eligible.Select(h => h.HostName).Order());
        Assert.All(decision.Refused, h => Assert.Contains(h.Reasons, r => r.Sentence.Contains("has no power", StringComparison.Ordinal)));
    }
}
