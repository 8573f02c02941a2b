using System.Collections.Concurrent;
using System.Globalization;

namespace Portal.E2E.Peers.Crash;

/// <summary>
/// A portal killed again and again while it works: whatever the moment, nothing is done twice, nothing is lost and no capacity leaks.
/// How often is told by <c>PORTAL_CRASHES</c>, which moments by <c>PORTAL_CRASH_SEED</c>.
/// </summary>
public sealed class CrashTests : IDisposable
{
    private const int AtOnce = 8;
    private const int LongestMilliseconds = 2500;

    private static readonly Dictionary<string, string> Settings = new(StringComparer.Ordinal)
    {
        ["Portal__Simulation__Hosts"] = "4",
        ["Portal__Simulation__Clusters"] = "1",
        ["Portal__Simulation__StepDelayMilliseconds"] = "120",
    };

    private readonly string folder = Directory.CreateTempSubdirectory("portal-crash-").FullName;
    private readonly ConcurrentDictionary<Guid, string> answered = new();
    private readonly ConcurrentDictionary<Guid, bool> deleted = new();
    private int names;
    private int interrupted;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task KilledWhileItWorks_AgainAndAgain_DoesNothingTwiceAndLosesNothing()
    {
        PublishedPortal.RequireOrSkip();
        var crashes = Setting("PORTAL_CRASHES") ?? 6;
        var seed = Setting("PORTAL_CRASH_SEED") ?? Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"{crashes} crashes with seed {seed}; to see the same again: PORTAL_CRASH_SEED={seed}");
        var random = new Random(seed);

        var portal = await RunningPortal.StartAsync(folder, Settings);
        try
        {
            await FleetAttestedAsync(portal);
            for (var crash = 1; crash <= crashes; crash++)
            {
                await CrashAsync(portal, random);
                await portal.DisposeAsync();
                portal = await RunningPortal.StartAsync(folder, Settings);
                await SettledAsync(portal);
                await new Aftermath(portal, $"crash {crash} of seed {seed}").AssertSoundAsync(answered, deleted);
            }

            TestContext.Current.TestOutputHelper!.WriteLine($"{interrupted} operations were interrupted");
            Assert.True(interrupted > 0, "No operation was interrupted: this proved nothing.");
            await AssertStillWorksAsync(portal);
        }
        finally
        {
            await portal.DisposeAsync();
        }
    }

    /// <summary>Request after request, many at once, until SIGKILL at a random moment.</summary>
    private async Task CrashAsync(RunningPortal portal, Random random)
    {
        using var rest = new RestClient(portal.Address, "operator@internal");
        var vms = await rest.VmsAsync();
        var asking = Enumerable.Range(0, AtOnce).Select(_ => AskOnAsync(rest, vms, new Random(random.Next()))).ToList();

        // The moment is the point of the test, not a wait for anything.
        await Task.Delay(random.Next(50, LongestMilliseconds), TestContext.Current.CancellationToken);
        await portal.KillAsync();
        interrupted += Unfinished(portal).Count;
        await Task.WhenAll(asking);
    }

    /// <summary>Asks until nobody answers.</summary>
    private async Task AskOnAsync(RestClient rest, IReadOnlyList<RestVm> vms, Random random)
    {
        try
        {
            while (true)
            {
                await Chosen(rest, vms, random)();
            }
        }
        catch (HttpRequestException)
        {
            // Cut off: whether it was heard is for the portal to know.
        }
    }

    /// <summary>Mostly creations; now and then something with a VM that is there.</summary>
    private Func<Task> Chosen(RestClient rest, IReadOnlyList<RestVm> vms, Random random)
    {
        var (dice, vm) = (random.Next(10), vms[random.Next(vms.Count)]);
        var level = random.Next(2) == 0 ? "trusted" : "any";
        var memory = (long)random.Next(8, 97) << 30;
        return dice switch
        {
            < 6 => () => CreateAsync(rest, level, memory),
            6 => () => rest.PostAsync($"vms/{vm.Id}/start", new { }),
            7 => () => rest.PostAsync($"vms/{vm.Id}/migrate", new { }),
            8 => () => rest.PostAsync($"vms/{vm.Id}/stop", new { }),
            _ => () => DeleteAsync(rest, vm),
        };
    }

    private async Task CreateAsync(RestClient rest, string level, long memory)
    {
        var name = $"crash-{Interlocked.Increment(ref names).ToString("000", CultureInfo.InvariantCulture)}";
        var answer = await rest.PostAsync("vms", new { name, cluster = new { name = "prod-a" }, memory, trust_level = level });
        Assert.True(answer.Status is 201 or 202 or 409 or 503, answer.ToString());
        if (answer.Succeeded)
        {
            answered[answer.Body.GetProperty("id").GetGuid()] = name;
        }
    }

    private Task<RestAnswer> DeleteAsync(RestClient rest, RestVm vm)
    {
        // From when it is asked for: the answer may be cut off.
        deleted[vm.Id] = true;
        return rest.DeleteAsync($"vms/{vm.Id}");
    }

    private static async Task FleetAttestedAsync(RunningPortal portal)
    {
        using var rest = new RestClient(portal.Address, "auditor@internal");
        await Eventually.TrueAsync(
            async () => (await rest.HostsAsync()) is { Count: 4 } hosts && hosts.Count(h => h.Trust == "trusted") == 3 && hosts.Count(h => h.Trust == "untrusted") == 1,
            "the fleet to be attested and its story to begin",
            () => portal.Said);
    }

    /// <summary>Until every operation has ended and no VM is on its way.</summary>
    private static Task SettledAsync(RunningPortal portal) => Eventually.TrueAsync(
        () => Task.FromResult(Unfinished(portal).Count == 0),
        "all operations of before the crash to end",
        () => portal.Said);

    private static List<string> Unfinished(RunningPortal portal)
    {
        using var database = new ReadOnlyDatabase(portal.Database);
        return database.Rows("SELECT Id FROM Operations WHERE EndedAt IS NULL UNION SELECT OperationId FROM VirtualMachines WHERE OperationId IS NOT NULL", r => r.GetString(0));
    }

    private static async Task AssertStillWorksAsync(RunningPortal portal)
    {
        using var rest = new RestClient(portal.Address, "operator@internal");
        var created = await rest.PostAsync("vms", new { name = "after-all", cluster = new { name = "prod-a" }, memory = 1L << 30 });
        Assert.True(created.Status == 201, created.ToString());
    }

    private static int? Setting(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
}
