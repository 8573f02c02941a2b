using System.Text.Json;
using Portal.E2E.Peers.Servers;

namespace Portal.E2E.Peers.OpenAttestation;

/// <summary>The published portal beside a site's OpenAttestation of either dialect: added, named and bound over REST; a host that does not match; a server that goes and comes back.</summary>
public sealed class OatServedPortalTests : IAsyncLifetime
{
    private const string BuiltIn = "b0117000-0000-7000-8000-000000000001";
    private static readonly string[] Names = ["kvm-a01", "kvm-a02"];

    private readonly SiteAuthority authority = new();
    private readonly string folder = Directory.CreateTempSubdirectory("portal-oat-").FullName;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        authority.Dispose();
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SiteWithOpenAttestation_FromTheFirstCallToTheLast(bool first)
    {
        PublishedPortal.RequireOrSkip();
        await using var server = new OatServer { IsFirst = first };
        await server.StartAsync(authority.Server());
        foreach (var name in Names)
        {
            server.Add("there-" + name);
        }

        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Portal__Simulation__Hosts"] = "2", ["Portal__Simulation__Clusters"] = "1" };
        await using var portal = await RunningPortal.StartAsync(folder, settings);
        using var rest = new RestClient(portal.Address, "admin@internal");
        await rest.HostAsync("kvm-a02", h => h.Trust == "untrusted", "untrusted");
        await rest.HostAsync("kvm-a01", h => h.Trust == "trusted", "trusted");
        var service = await AddAsync(rest, server);
        await NameAsync(rest, service);
        await rest.HostAsync("kvm-a01", h => h.Trust != "trusted", "not trusted before its name there is known");
        foreach (var host in (await rest.HostsAsync()).Where(h => Names.Contains(h.Name)))
        {
            Assert.Equal(200, (await rest.PostAsync($"attestationservices/{service}/bind", new { host = new { id = host.Id }, name = "there-" + host.Name })).Status);
        }

        await rest.HostAsync("kvm-a01", h => h.Trust == "trusted", "trusted by both");
        var vm = await rest.PostAsync("vms", new { name = "guarded", cluster = new { name = "prod-a" }, trust_level = "trusted" });
        Assert.True(vm.Succeeded, vm.ToString());

        var bad = server.Hosts["there-kvm-a01"];
        bad.Differing[18] = (new string('b', 64), new string('a', 64));
        bad.Level = "untrusted";
        var failed = await rest.HostAsync("kvm-a01", h => h.Trust == "untrusted", "untrusted");
        Assert.Contains("oat-a", failed.Reason, StringComparison.Ordinal);
        Assert.Contains("PCR 18", failed.Reason, StringComparison.Ordinal);
        bad.Differing.Clear();
        bad.Level = "trusted";
        await rest.HostAsync("kvm-a01", h => h.Trust == "trusted", "trusted again");

        var before = (await rest.VmsAsync()).Select(v => (v.Name, v.Status, v.HostId)).ToList();
        await server.StopAsync();
        await Eventually.GetAsync(async () => await HealthAsync(rest, service) == "down" ? "down" : null, "the service to be called down");
        Assert.Equal(before, (await rest.VmsAsync()).Select(v => (v.Name, v.Status, v.HostId)));
        await server.StartAsync(authority.Server());
        await Eventually.GetAsync(async () => await HealthAsync(rest, service) == "up" ? "up" : null, "the service to be up again");
        await rest.HostAsync("kvm-a01", h => h.Trust == "trusted", "trusted after the server came back");
        Assert.Equal(0, server.WholeListsReplaced);
        Assert.False(server.WasGivenAThreshold);
    }

    private async Task<string> AddAsync(RestClient rest, OatServer server)
    {
        var added = await rest.PostAsync("attestationservices", new
        {
            name = "oat-a",
            type = "openattestation",
            address = server.Address.ToString().TrimEnd('/'),
            authority = authority.Pem,
            poll_interval = 2,
            timeout = 5,
        });
        Assert.True(added.Succeeded, added.ToString());
        var id = added.Body.GetProperty("id").GetString()!;
        var tested = await rest.PostAsync($"attestationservices/{id}/test", new { });
        Assert.True(tested.Succeeded, tested.ToString());
        Assert.DoesNotContain("\"wrong\"", tested.ToString(), StringComparison.OrdinalIgnoreCase);
        return id;
    }

    private static async Task NameAsync(RestClient rest, string service)
    {
        var clusters = await rest.GetAsync("clusters");
        var cluster = clusters.Body.GetProperty("cluster").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "prod-a").GetProperty("id").GetString();
        var named = await rest.PutAsync($"clusters/{cluster}", new { attestation_services = new { attestation_service = new object[] { new { id = BuiltIn }, new { id = service, keeper = "server" } } } });
        Assert.True(named.Succeeded, named.ToString());
    }

    private static async Task<string?> HealthAsync(RestClient rest, string service)
    {
        var found = await rest.GetAsync($"attestationservices/{service}");
        return found.Body.ValueKind == JsonValueKind.Object && found.Body.TryGetProperty("health", out var health) ? health.GetProperty("status").GetString() : null;
    }
}
