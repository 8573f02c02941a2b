using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Portal.E2E;

/// <summary>One host: a libvirtd with QEMU, and a TPM whose agent answers the portal.</summary>
internal sealed record RealHost(string Name, LibvirtDaemon Libvirt, AgentHost Agent) : IAsyncDisposable
{
    public async ValueTask DisposeAsync()
    {
        await Agent.DisposeAsync();
        await Libvirt.DisposeAsync();
    }
}

/// <summary>
/// The published portal with real hosts and nothing simulated: each runs libvirt and QEMU, booted by a recorded log into a software TPM of its own, and
/// came to the portal as hosts do: registered, accepted by two people, linked to its libvirt, measured, and approved by a second person.
/// </summary>
internal sealed class RealPool : IAsyncDisposable
{
    public const string Cluster = "lab";
    public const string Template = "tiny";
    public const string Administrator = "admin@internal";
    public const string Author = "security@internal";
    public const string Approver = "security2@internal";

    private const int MigrationPorts = 40;

    /// <summary>Hosts of one machine must not share ports for what arrives; test programs run one after the other.</summary>
    private static int migrationPorts = 51_000;

    private readonly string folder;
    private readonly byte[] recordedBoot;
    private readonly Dictionary<string, string> settings;
    private readonly Uri? address;
    private readonly List<RealHost> hosts = [];
    private RunningPortal? portal;

    private RealPool(string folder, byte[] recordedBoot, Uri? address)
    {
        var (http, https) = (FreePort(), FreePort());
        (this.folder, this.recordedBoot, this.address) = (folder, recordedBoot, address);
        Registrar = new Uri($"http://127.0.0.1:{http}");
        settings = new(StringComparer.Ordinal)
        {
            ["Portal__Simulation__Hosts"] = "0",
            ["Portal__Registrar__Enabled"] = "true",
            ["Portal__Registrar__HttpPort"] = http.ToString(CultureInfo.InvariantCulture),
            ["Portal__Registrar__HttpsPort"] = https.ToString(CultureInfo.InvariantCulture),
            ["Portal__Registrar__Networks__0"] = "127.0.0.0/8",
        };
    }

    /// <summary>What is missing on this machine, in a sentence; null when nothing is.</summary>
    public static string? Missing => PublishedPortal.WhyNot ?? LibvirtDaemon.Missing;

    public RunningPortal Portal => portal!;

    public IReadOnlyList<RealHost> Hosts => hosts;

    private Uri Registrar { get; }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Brings the pool up, every host trusted.</summary>
    /// <param name="count">How many hosts.</param>
    /// <param name="recordedBoot">The event log they boot by.</param>
    /// <param name="address">Where the portal listens; any free port otherwise.</param>
    /// <param name="told">Takes what is being done, for a person who waits.</param>
    public static async Task<RealPool> StartAsync(int count, byte[] recordedBoot, Uri? address = null, Action<string>? told = null)
    {
        var folder = Directory.CreateTempSubdirectory("prl-").FullName;
        // Hosts' daemons are nobody's and have to find their own folders below this one.
        using (var chmod = Process.Start("chmod", ["711", folder]))
        {
            await chmod.WaitForExitAsync(Ct);
        }

        var pool = new RealPool(folder, recordedBoot, address);
        try
        {
            await pool.StartAsync(count, told ?? (_ => { }));
            return pool;
        }
        catch
        {
            await pool.DisposeAsync();
            throw;
        }
    }

    public RealHost Host(string name) => hosts.Single(h => h.Name == name);

    /// <summary>SIGKILL.</summary>
    public Task KillPortalAsync() => Portal.KillAsync();

    /// <summary>Starts the portal again where it was, on its data.</summary>
    public async Task StartPortalAgainAsync()
    {
        var where = Portal.Address;
        await Portal.DisposeAsync();
        portal = await RunningPortal.StartAsync(Portal.Folder, settings, where);
    }

    /// <summary>A client of the REST API.</summary>
    public RestClient Rest(string user) => new(Portal.Address, user);

    /// <summary>The host on which libvirt itself says that a VM runs; null when none does. Fails when it runs on two.</summary>
    public async Task<RealHost?> WhereRunsAsync(string vm)
    {
        var running = new List<RealHost>();
        foreach (var host in hosts)
        {
            if ((await host.Libvirt.RunningAsync()).Contains(vm, StringComparer.Ordinal))
            {
                running.Add(host);
            }
        }

        Assert.True(running.Count < 2, $"{vm} runs on {string.Join(" and ", running.Select(h => h.Name))}.");
        return running.SingleOrDefault();
    }

    /// <summary>Captures what a host measured, as a new baseline or the next revision of one, and has another person approve it.</summary>
    public async Task ApproveAsync(string host, string baseline, string kind)
    {
        using var author = Rest(Author);
        using var approver = Rest(Approver);
        var draft = await SucceedsAsync(author.PostAsync("baselines", new { name = baseline, kind, host = new { name = host } }));
        var id = draft.GetProperty("id").GetString();
        var hash = draft.GetProperty("revisions").GetProperty("revision")[0].GetProperty("content_hash").GetString();
        await SucceedsAsync(author.PostAsync($"baselines/{id}/submit", new { }));
        await SucceedsAsync(approver.PostAsync($"baselines/{id}/approve", new { content_hash = hash }));
    }

    public async ValueTask DisposeAsync()
    {
        if (portal is not null)
        {
            await portal.DisposeAsync();
        }

        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>The body of an answer that must be a success.</summary>
    public static async Task<JsonElement> SucceedsAsync(Task<RestAnswer> call)
    {
        var answer = await call;
        Assert.True(answer.Succeeded, answer.ToString());
        return answer.Body;
    }

    private async Task StartAsync(int count, Action<string> told)
    {
        told("Starting the portal");
        portal = await RunningPortal.StartAsync(Directory.CreateDirectory(Path.Combine(folder, "portal")).FullName, settings, address);
        using var admin = Rest(Administrator);
        await SucceedsAsync(admin.PostAsync("clusters", new { name = Cluster }));
        await SucceedsAsync(admin.PostAsync("templates", new { name = Template, description = "A machine without a system, for trying", memory = 64L << 20, cpu = new { topology = new { sockets = 1, cores = 1 } }, disk = 1L << 20, storage = new { pool = "default" }, network = "" }));
        for (var number = 1; number <= count; number++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"kvm-{number}");
            told($"Booting {name}");
            await AddAsync(admin, name);
        }

        told("Approving what they booted");
        foreach (var kind in new[] { "firmware", "hypervisor" })
        {
            await ApproveAsync(hosts[0].Name, $"lab-{kind}", kind);
        }

        foreach (var host in hosts)
        {
            await admin.HostAsync(host.Name, h => h is { Trust: "trusted", Memory: > 0 }, "trusted and connected");
        }
    }

    private async Task AddAsync(RestClient admin, string name)
    {
        var agent = await AgentHost.CreateAsync(name);
        var host = new RealHost(name, new LibvirtDaemon(Path.Combine(folder, name), name, Interlocked.Add(ref migrationPorts, MigrationPorts)), agent);
        hosts.Add(host);
        await host.Libvirt.StartAsync();
        await agent.Boot.RunAsync(recordedBoot);
        await agent.ListenAsync((await SucceedsAsync(admin.GetAsync("agentauthority"))).GetProperty("certificate").GetString()!, Ct);
        using var registrar = new HttpClient { BaseAddress = Registrar };
        Assert.Equal(200, await agent.RegisterAsync(registrar, Ct));
        var attester = (await SucceedsAsync(admin.GetAsync("attesters"))).GetProperty("attester").EnumerateArray().Single(a => a.GetProperty("name").GetString() == name).GetProperty("id").GetString();
        foreach (var user in new[] { Author, Approver })
        {
            using var person = Rest(user);
            await SucceedsAsync(person.PostAsync($"attesters/{attester}/accept", new { }));
        }

        await SucceedsAsync(admin.PostAsync("hosts", new { name, address = "127.0.0.1", libvirt_uri = host.Libvirt.Host.LibvirtUri, cluster = new { name = Cluster } }));
        await SucceedsAsync(admin.PostAsync($"attesters/{attester}/enrol", new { host = new { name }, cluster = new { name = Cluster } }));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
