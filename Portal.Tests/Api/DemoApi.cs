using System.Net;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Attestation;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Storage;
using Portal.Tests.World;

namespace Portal.Tests.Api;

/// <summary>What the API answered.</summary>
internal sealed record ApiReply(HttpStatusCode Status, HttpResponseMessage Message, string Text)
{
    public XElement Xml => XElement.Parse(Text);

    public JsonElement Json => JsonDocument.Parse(Text).RootElement;

    /// <summary>A text inside an XML answer, by path.</summary>
    public string? At(string path) => path.Split('/').Aggregate((XElement?)Xml, (at, name) => at?.Element(name))?.Value;

    public string Id => Xml.Attribute("id")!.Value;

    public string Header(string name) => Message.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : "";
}

/// <summary>The demo with its simulated fleet attested, shared by the tests of the API; and a cluster of two hosts that nobody enrolled.</summary>
public sealed class DemoApi() : PortalServer(ScriptedPause.AddTo, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Portal:Simulation:Hosts"] = "12" }), IAsyncLifetime
{
    public const string Xml = "application/xml";
    public const string Json = "application/json";
    public const string Untrusting = "nobody-enrolled";

    private readonly Dictionary<string, HttpClient> clients = new(StringComparer.Ordinal);

    /// <summary>A cluster with trusted hosts.</summary>
    public Guid Cluster { get; private set; }

    public string ClusterName { get; private set; } = "";

    public static IEnumerable<string> BasePaths => ["/ovirt-engine/api", "/ovirt-engine/api/v4", "/api", "/rhevm-api"];

    public async ValueTask InitializeAsync()
    {
        _ = Address;
        var story = Services.GetRequiredService<DemoStory>();
        await UntilAsync(async () =>
        {
            await using var db = Database();
            return story.HasBegun && await db.Attestations.AnyAsync(a => a.Verdict == Verdict.Untrusted, Ct) && await db.Attestations.AnyAsync(a => a.Outcome == CheckOutcome.AgentUnreachable, Ct);
        });
        await using var db = Database();
        var cluster = await db.Clusters.OrderBy(c => c.Name).FirstAsync(Ct);
        (Cluster, ClusterName) = (cluster.Id, cluster.Name);
        var empty = Core.Inventory.Cluster.Create(Untrusting, TrustPolicy.Default);
        db.Clusters.Add(empty);
        db.Hosts.AddRange(new[] { "lone-1", "lone-2" }.Select(name => new Host { Name = name, Address = $"none:{name}", ClusterId = empty.Id, Cpus = 8, Memory = 64L << 30 }));
        await db.SaveChangesAsync(Ct);
        Services.GetRequiredService<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host));
        Services.GetRequiredService<IChangeFeed>().Publish(Change.Of(ChangeTopic.Cluster));
    }

    internal static CancellationToken Ct => TestContext.Current.CancellationToken;

    public PortalDbContext Database() => Services.GetRequiredService<IDbContextFactory<PortalDbContext>>().CreateDbContext();

    /// <summary>What must not have changed when a call was refused.</summary>
    public async Task<(int Vms, int Operations, int Receipts, long Memory)> CountsAsync()
    {
        await using var db = Database();
        return (await db.VirtualMachines.CountAsync(Ct), await db.Operations.CountAsync(Ct), await db.Receipts.CountAsync(Ct), await db.Hosts.SumAsync(h => h.MemoryClaimed, Ct));
    }

    internal Task<ApiReply> GetAsync(string path, string? accept = null, string user = "admin@internal", params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, null, null, accept, user, headers);

    internal Task<ApiReply> PostAsync(string path, string? body, string type = Xml, string? accept = null, string user = "admin@internal") =>
        SendAsync(HttpMethod.Post, path, body, type, accept ?? type, user);

    internal async Task<ApiReply> SendAsync(HttpMethod method, string path, string? body, string? type, string? accept = null, string user = "admin@internal", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, type!);
        }

        if (accept is not null)
        {
            request.Headers.TryAddWithoutValidation("Accept", accept);
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await SendAsync(request, user);
    }

    internal async Task<ApiReply> SendAsync(HttpRequestMessage request, string user = "admin@internal")
    {
        var message = await Client(user).SendAsync(request, Ct);
        return new ApiReply(message.StatusCode, message, await message.Content.ReadAsStringAsync(Ct));
    }

    /// <summary>A VM in the trusted cluster, small, by a name of its own.</summary>
    internal async Task<ApiReply> CreateAsync(string name, string more = "", string basePath = "/api")
    {
        var reply = await PostAsync($"{basePath}/vms", $"<vm><name>{name}</name><cluster id=\"{Cluster}\"/><memory>{64L << 20}</memory>{more}</vm>");
        Assert.Equal(HttpStatusCode.Created, reply.Status);
        return reply;
    }

    /// <summary>Waits for something to become so.</summary>
    public static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        deadline.CancelAfter(TimeSpan.FromMinutes(2));
        while (!await isSo())
        {
            await Task.Delay(50, deadline.Token);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var client in clients.Values)
        {
            client.Dispose();
        }

        await base.DisposeAsync();
    }

    private HttpClient Client(string user) => clients.TryGetValue(user, out var client)
        ? client
        : clients[user] = user.Length == 0 ? Browser(followRedirects: false) : RestClient(user);
}

[CollectionDefinition(nameof(DemoApi))]
public sealed class DemoApiCollection : ICollectionFixture<DemoApi>;
