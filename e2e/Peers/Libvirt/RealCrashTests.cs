using System.Collections.Concurrent;
using System.Globalization;

namespace Portal.E2E.Peers.Libvirt;

/// <summary>
/// On real hosts, the portal or a libvirtd is killed at random moments of operations. Whatever the moment: afterwards every VM is on exactly the host
/// the portal says, none runs twice, nothing is left on a host that the portal does not know, and no capacity leaks. How many operations is told by
/// <c>PORTAL_REAL_OPERATIONS</c>, which moments by <c>PORTAL_REAL_SEED</c>.
/// </summary>
public sealed class RealCrashTests
{
    private const int Down = 0;
    private const int Up = 2;
    private const int Paused = 8;
    private const int AtOnce = 3;
    private const int LongestMilliseconds = 1500;

    private readonly ConcurrentQueue<string> did = [];

    [Fact]
    public async Task PortalOrLibvirtdKilledInTheMiddle_LeavesEveryVmOnExactlyOneHost_AndNoCapacityLeaks()
    {
        if (RealPool.Missing is { } missing)
        {
            Assert.Skip(missing);
        }

        var operations = Setting("PORTAL_REAL_OPERATIONS") ?? 10;
        var seed = Setting("PORTAL_REAL_SEED") ?? Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"{operations} operations with seed {seed}; to see the same again: PORTAL_REAL_SEED={seed}");
        var random = new Random(seed);
        await using var pool = await RealPool.StartAsync(3, await File.ReadAllBytesAsync(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Tpm", "vm-ovmf-boot1", "eventlog.bin")));
        await FillAsync(pool);
        var interrupted = 0;
        for (var number = 1; number <= operations; number++)
        {
            interrupted += await StrikeAsync(pool, random, number) ? 1 : 0;
            await SettledAsync(pool);
            await AssertSoundAsync(pool, $"operation {number} of seed {seed}");
        }

        TestContext.Current.TestOutputHelper.WriteLine($"{interrupted} of {operations} operations were interrupted");
        Assert.True(interrupted > 0, "Nothing was interrupted: this proved nothing.");
        using var rest = pool.Rest("operator@internal");
        await RealPool.SucceedsAsync(rest.PostAsync("vms", New("after-all", "trusted")));
    }

    /// <summary>Some VMs run before anything is killed, so that there is something to move.</summary>
    private static async Task FillAsync(RealPool pool)
    {
        using var rest = pool.Rest("operator@internal");
        for (var i = 0; i < AtOnce; i++)
        {
            var vm = await RealPool.SucceedsAsync(rest.PostAsync("vms", New($"first-{i.ToString(CultureInfo.InvariantCulture)}", "trusted")));
            await RealPool.SucceedsAsync(rest.PostAsync($"vms/{vm.GetProperty("id").GetString()}/start", new { }));
        }
    }

    /// <summary>Begins operations on several VMs and kills something while they run.</summary>
    /// <returns>Whether one had not ended when the blow fell.</returns>
    private async Task<bool> StrikeAsync(RealPool pool, Random random, int number)
    {
        using var rest = pool.Rest("operator@internal");
        var vms = await rest.VmsAsync();
        var chosen = random.GetItems([.. vms], AtOnce).Distinct().ToList();
        var asking = chosen.Select((vm, which) => BeginAsync(rest, vm, random, $"{number.ToString("000", CultureInfo.InvariantCulture)}-{which.ToString(CultureInfo.InvariantCulture)}")).ToList();

        // The moment is the point of the test, not a wait for anything.
        await Task.Delay(random.Next(20, LongestMilliseconds), TestContext.Current.CancellationToken);
        var unfinished = Unfinished(pool).Count > 0;
        var victim = random.Next(pool.Hosts.Count + 2);
        if (victim < pool.Hosts.Count)
        {
            var host = pool.Hosts[victim];
            did.Enqueue($"{number}: libvirtd of {host.Name} killed{(unfinished ? " in the middle" : "")}");
            await host.Libvirt.KillAsync();
            await host.Libvirt.StartAsync();
        }
        else
        {
            did.Enqueue($"{number}: portal killed{(unfinished ? " in the middle" : "")}");
            await pool.KillPortalAsync();
            await pool.StartPortalAgainAsync();
        }

        foreach (var answer in asking)
        {
            try
            {
                did.Enqueue($"{number}: answered {(await answer).Status}");
            }
            catch (HttpRequestException)
            {
                did.Enqueue($"{number}: the answer was cut off");
            }
        }

        return unfinished;
    }

    private Task<RestAnswer> BeginAsync(RestClient rest, RestVm vm, Random random, string number)
    {
        var dice = random.Next(10);
        var action = vm.Status switch
        {
            "up" => dice switch { < 2 => "create", < 8 => "migrate", 8 => "stop", _ => "suspend" },
            "paused" => dice switch { < 6 => "resume", < 8 => "migrate", _ => "stop" },
            _ => dice switch { < 2 => "create", < 7 => "start", < 9 => "migrate", _ => "delete" },
        };
        did.Enqueue($"{number}: {action} {vm.Name}");
        return action switch
        {
            "create" => rest.PostAsync("vms", New($"real-{number}", dice % 2 == 0 ? "any" : "trusted")),
            "delete" => rest.DeleteAsync($"vms/{vm.Id}"),
            _ => rest.PostAsync($"vms/{vm.Id}/{action}", new { }),
        };
    }

    private static object New(string name, string level) =>
        new { name, cluster = new { name = RealPool.Cluster }, template = new { name = RealPool.Template }, trust_level = level };

    private Task SettledAsync(RealPool pool) => Eventually.TrueAsync(
        async () => Unfinished(pool).Count == 0 && await AllAnswerAsync(pool),
        "all operations to end and all hosts to answer",
        () => $"{string.Join('\n', did)}\n{string.Join('\n', Unfinished(pool))}\n{pool.Portal.Said}",
        TimeSpan.FromMinutes(4));

    private static async Task<bool> AllAnswerAsync(RealPool pool)
    {
        using var rest = pool.Rest("auditor@internal");
        var hosts = await rest.GetAsync("hosts");
        return hosts.Body.GetProperty("host").EnumerateArray().All(h => h.GetProperty("status").GetString() == "up");
    }

    private static List<string> Unfinished(RealPool pool)
    {
        using var database = new ReadOnlyDatabase(pool.Portal.Database);
        return database.Rows("SELECT Title || ': ' || Steps FROM Operations WHERE EndedAt IS NULL UNION SELECT Name FROM VirtualMachines WHERE OperationId IS NOT NULL", r => r.GetString(0));
    }

    /// <summary>The portal and the libvirts must come to agree; what they disagree about in the end is told.</summary>
    private async Task AssertSoundAsync(RealPool pool, string when)
    {
        IReadOnlyList<string> faults = ["nothing was compared"];
        await Eventually.TrueAsync(
            async () => (faults = await FaultsAsync(pool)).Count == 0,
            $"the portal and its hosts to agree after {when}",
            () => $"{string.Join('\n', faults)}\n\n{string.Join('\n', did)}\n\n{pool.Portal.Said}",
            TimeSpan.FromSeconds(45));
    }

    private static async Task<IReadOnlyList<string>> FaultsAsync(RealPool pool)
    {
        var faults = new List<string>();
        List<(string Name, string? Host, int Status, long Memory)> vms;
        List<(string Name, long Claimed)> hosts;
        using (var database = new ReadOnlyDatabase(pool.Portal.Database))
        {
            vms = database.Rows(
                "SELECT v.Name, h.Name, v.Status, v.Memory FROM VirtualMachines v LEFT JOIN Hosts h ON h.Id = v.HostId",
                r => (r.GetString(0), r.IsDBNull(1) ? null : r.GetString(1), r.GetInt32(2), r.GetInt64(3)));
            hosts = database.Rows("SELECT Name, MemoryClaimed FROM Hosts", r => (r.GetString(0), r.GetInt64(1)));
        }

        foreach (var host in pool.Hosts)
        {
            var defined = (await host.Libvirt.DefinedAsync()).ToHashSet(StringComparer.Ordinal);
            var active = (await host.Libvirt.ActiveAsync()).ToHashSet(StringComparer.Ordinal);
            var here = vms.Where(v => v.Host == host.Name).ToList();
            faults.AddRange(here.Where(v => !defined.Contains(v.Name)).Select(v => $"{v.Name} is to be on {host.Name}, which does not know it"));
            faults.AddRange(defined.Except(here.Select(v => v.Name)).Select(name => $"{host.Name} has {name}, which the portal has not placed there"));
            faults.AddRange(here.Where(v => v.Status is Up or Paused != active.Contains(v.Name)).Select(v => $"{v.Name} has status {v.Status} and is {(active.Contains(v.Name) ? "" : "not ")}active on {host.Name}"));
            faults.AddRange(here.Where(v => v.Status is not (Up or Paused or Down)).Select(v => $"{v.Name} has status {v.Status} without an operation"));
            var claimed = hosts.Single(h => h.Name == host.Name).Claimed;
            var needed = here.Sum(v => v.Memory);
            if (claimed != needed)
            {
                faults.Add($"{host.Name} claims {claimed} bytes for VMs of {needed}");
            }
        }

        faults.AddRange(vms.Where(v => v.Host is null).Select(v => $"{v.Name} is on no host"));
        return faults;
    }

    private static int? Setting(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
}
