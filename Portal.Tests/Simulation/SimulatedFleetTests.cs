using System.Diagnostics;
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
    public async Task Fleet_OfTenThousand_IsMadeQuicklyAndSharesItsLogs()
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var watch = Stopwatch.StartNew();
        using var world = new SimulatedWorld(new SimulationOptions { Hosts = 10_000, Clusters = 26 });
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"took {watch.Elapsed}");

        var logs = new HashSet<byte[]>(ReferenceEqualityComparer.Instance);
        foreach (var host in world.Fleet.Hosts.Where((_, n) => n % 50 == 0))
        {
            logs.Add((await world.QuoteAsync(host.Name)).EventLog!);
        }

        Assert.InRange(logs.Count, 2, 8);
        Assert.InRange(world.Fleet.References.Length, 4, 6);
        Assert.InRange(world.Fleet.Hosts.Select(h => h.KeyIndex).Distinct().Count(), 64, 64);
        var used = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(used < 40 << 20, $"uses {used >> 20} MiB");
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
