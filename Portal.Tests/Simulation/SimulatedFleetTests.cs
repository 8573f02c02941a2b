using Portal.Core.Simulation;

namespace Portal.Tests.Simulation;

public sealed class SimulatedFleetTests
{
    [Fact]
    public void Fleet_OfTheDemo_HasItsHostsAndParts()
    {
        using var world = new SimulatedWorld();
        Assert.Equal(["prod-a", "prod-b"], world.Fleet.Clusters);
        Assert.Equal(
            ["kvm-a01", "kvm-a02", "kvm-a03", "kvm-a04", "kvm-a05", "kvm-a06", "kvm-b01", "kvm-b02", "kvm-b03", "kvm-b04", "kvm-b05", "kvm-b06"],
            world.Fleet.Hosts.Select(h => h.Name));
        Assert.Equal(
            [("kvm-a05", DemoPart.BootLoaderChanged), ("kvm-a06", DemoPart.GoesSilent), ("kvm-b02", DemoPart.FirmwareChanged), ("kvm-b06", DemoPart.NeverEnrolled)],
            world.Fleet.Hosts.Select(h => (h.Name, world.Fleet.PartOf(h.Name))).Where(h => h.Item2 != DemoPart.Trusted));
    }

    [Fact]
    public void Fleet_MadeTwice_IsTheSame()
    {
        using var one = new SimulatedWorld();
        using var other = new SimulatedWorld();
        Assert.Equal(one.Fleet.Hosts, other.Fleet.Hosts);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 5)]
    [InlineData(6, 1)]
    [InlineData(1204, 3)]
    [InlineData(800, 30)]
    public void Fleet_OfAnySize_HasDistinctNamesIdsAndClusters(int hosts, int clusters)
    {
        using var world = new SimulatedWorld(new SimulationOptions { Hosts = hosts, Clusters = clusters });
        Assert.Equal(hosts, world.Fleet.Hosts.Select(h => h.Name).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(hosts, world.Fleet.Hosts.Select(h => h.Id).Distinct().Count());
        Assert.Equal(clusters, world.Fleet.Clusters.Count);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(20_001, 1)]
    [InlineData(3, 4)]
    [InlineData(3, 0)]
    public void Options_ThatMakeNoFleet_AreRefused(int hosts, int clusters) =>
        Assert.Throws<ArgumentException>(() => new SimulationOptions { Hosts = hosts, Clusters = clusters }.Validate());

    [Fact]
    public async Task Fleet_OfTenThousand_WritesEachHostOnceMakesNoKeyAndSharesItsLogs()
    {
        using var world = new SimulatedWorld(new SimulationOptions { Hosts = 10_000, Clusters = 26 }, ownKeys: true);
        Assert.Equal(10_000, world.State.File.Writes);

        var recipes = world.Fleet.Hosts.SelectMany(h => new[] { h.Original, h.Booted, h.Installed }).ToHashSet(ReferenceEqualityComparer.Instance);
        Assert.InRange(recipes.Count, 2, 8);
        Assert.Equal(recipes.Count, world.Fleet.Hosts.Select(h => world.Images.Of(h.Booted).EventLog).Distinct(ReferenceEqualityComparer.Instance).Count());
        Assert.InRange(world.Fleet.References.Length, 4, 6);
        Assert.Equal(64, world.Fleet.Hosts.Select(h => h.KeyIndex).Distinct().Count());
        Assert.NotNull((await world.QuoteAsync(world.Fleet.Hosts[9_999].Name)).EventLog);

        using var again = world.AfterKill();
        Assert.Equal(recipes.Count, again.Fleet.Hosts.SelectMany(h => new[] { h.Original, h.Booted, h.Installed }).ToHashSet(ReferenceEqualityComparer.Instance).Count);
    }

    [Fact]
    public async Task Quotes_ManyTimes_WriteNothing()
    {
        using var world = new SimulatedWorld();
        await world.QuoteAsync("kvm-a01");
        var before = world.State.File.Writes;
        for (var i = 0; i < 20; i++)
        {
            await world.QuoteAsync("kvm-a01");
        }

        Assert.Equal(before, world.State.File.Writes);
    }
}
