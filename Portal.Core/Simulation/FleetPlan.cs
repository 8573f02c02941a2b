using System.Collections.Immutable;
using System.Globalization;
using Portal.Core.Simulation.Attesters;
using Portal.Core.Simulation.Boot;

namespace Portal.Core.Simulation;

/// <summary>What the demo intends with a host.</summary>
public enum DemoPart
{
    /// <summary>Boots what is approved: trusted.</summary>
    Trusted,

    /// <summary>Reboots with a boot loader nobody approved: untrusted.</summary>
    BootLoaderChanged,

    /// <summary>Reboots with firmware nobody approved: untrusted.</summary>
    FirmwareChanged,

    /// <summary>Its agent falls silent: stale, then unknown.</summary>
    GoesSilent,

    /// <summary>Never enrolled: unknown.</summary>
    NeverEnrolled,
}

/// <summary>Lays out a fleet from its size alone: names, models, images, keys and parts are the same at every start.</summary>
internal static class FleetPlan
{
    private static readonly HypervisorRecipe Newer = new("RHEL 9.6", "15.8", "2.06-61", "5.14.0-570.12.1");
    private static readonly HypervisorRecipe Older = new("RHEL 9.5", "15.8", "2.06-61", "5.14.0-503.11.1");

    /// <summary>Releases that come after those a new host has.</summary>
    public static ImmutableArray<string> Grubs { get; } = ["2.06-61", "2.06-63", "2.06-66"];

    /// <summary>Kernels by operating system, oldest first.</summary>
    public static ImmutableDictionary<string, ImmutableArray<string>> Kernels { get; } = new Dictionary<string, ImmutableArray<string>>
    {
        [Newer.System] = [Newer.Kernel, "5.14.0-570.19.1", "5.14.0-570.25.1"],
        [Older.System] = [Older.Kernel, "5.14.0-503.19.1", "5.14.0-503.26.1"],
    }.ToImmutableDictionary(StringComparer.Ordinal);

    public static string ClusterName(int cluster) => $"prod-{Letters(cluster)}";

    /// <summary>All hosts of a fleet, cluster by cluster.</summary>
    public static IEnumerable<SimulatedHost> Hosts(SimulationOptions options, DateTimeOffset now)
    {
        var ordinal = 0;
        var digits = Math.Max(2, ((options.Hosts + options.Clusters - 1) / options.Clusters).ToString(CultureInfo.InvariantCulture).Length);
        var recipes = new Dictionary<BootRecipe, BootRecipe>();
        for (var cluster = 0; cluster < options.Clusters; cluster++)
        {
            var count = HostsOf(options, cluster);
            for (var number = 1; number <= count; number++)
            {
                var recipe = Recipe(cluster, number, count);
                recipes.TryAdd(recipe, recipe);
                yield return New($"kvm-{Letters(cluster)}{number.ToString(CultureInfo.InvariantCulture).PadLeft(digits, '0')}", cluster, ordinal++, recipes[recipe], now);
            }
        }
    }

    /// <summary>What the demo intends with each host that has a part; all others are to be trusted.</summary>
    public static IReadOnlyDictionary<string, DemoPart> Parts(SimulationOptions options)
    {
        var names = Hosts(options, DateTimeOffset.UnixEpoch).GroupBy(h => h.Cluster).Select(c => c.Select(h => h.Name).ToArray()).ToArray();
        var first = names[0];
        var second = names.Length > 1 ? names[1] : names[0];
        var parts = new Dictionary<string, DemoPart>(StringComparer.Ordinal);
        Give(second, 6, DemoPart.NeverEnrolled);
        Give(first, 5, DemoPart.BootLoaderChanged);
        Give(second, 2, DemoPart.FirmwareChanged);
        Give(first, 6 - (names.Length == 1 ? 3 : 0), DemoPart.GoesSilent);
        return parts;

        // A fleet too small for a part goes without it.
        void Give(string[] cluster, int number, DemoPart part)
        {
            if (number <= cluster.Length)
            {
                parts.TryAdd(cluster[number - 1], part);
            }
        }
    }

    private static int HostsOf(SimulationOptions options, int cluster) =>
        (options.Hosts / options.Clusters) + (cluster < options.Hosts % options.Clusters ? 1 : 0);

    /// <summary>The first cluster is of one make, the second half and half, and the rest take turns.</summary>
    private static BootRecipe Recipe(int cluster, int number, int count)
    {
        var lateHalf = number > (count + 1) / 2;
        var (platform, system) = cluster switch
        {
            0 => (0, Newer),
            1 => lateHalf ? (1, Older) : (0, Newer),
            _ => (cluster % Platform.Catalogue.Length, cluster % 2 == 0 ? Newer : Older),
        };
        var model = Platform.Catalogue[platform];
        return new BootRecipe(new FirmwareRecipe(model.Model, model.FirmwareVersions[0]), system);
    }

    private static SimulatedHost New(string name, int cluster, int ordinal, BootRecipe recipe, DateTimeOffset now)
    {
        var platform = Platform.Of(recipe.Firmware.Model);
        var luck = Seeded.Bytes($"host {name}", 4);
        return new SimulatedHost
        {
            Name = name,
            Id = Seeded.Guid($"host {name}"),
            Cluster = ClusterName(cluster),
            Cpus = platform.Cpus,
            Memory = luck[0] % 4 == 0 ? platform.Memory * 2 : platform.Memory,
            KeyIndex = ordinal % SimulatedKeys.Size,
            Original = recipe,
            Booted = recipe,
            Installed = recipe,
            BootedAt = now - TimeSpan.FromHours(24 + (luck[1] * 3)),
            ResetCount = 4u + (uint)(luck[2] % 30),
        };
    }

    private static string Letters(int cluster)
    {
        var letters = "";
        for (var rest = cluster; rest >= 0; rest = (rest / 26) - 1)
        {
            letters = (char)('a' + (rest % 26)) + letters;
        }

        return letters;
    }
}
