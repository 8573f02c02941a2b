using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;

namespace Portal.E2E.Peers.Agents;

/// <summary>The published portal with its registrar enabled: an agent with a running TPM registers over the network, scripts enrol it, and strangers get nowhere.</summary>
public sealed class RegistrarListenerTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("portal-registrar-").FullName;
    private readonly (int Http, int Https) ports = (FreePort(), FreePort());
    private readonly HttpClient plain;
    private readonly HttpClient tls = new(new HttpClientHandler { ServerCertificateCustomValidationCallback = static (_, _, _, _) => true });
    private RunningPortal portal = null!;

    public RegistrarListenerTests()
    {
        plain = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{ports.Http}") };
        tls.BaseAddress = new Uri($"https://127.0.0.1:{ports.Https}");
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        PublishedPortal.RequireOrSkip();
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        plain.Dispose();
        tls.Dispose();
        if (portal is not null)
        {
            await portal.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task AnAgent_RegistersAndIsEnrolledByScripts_ThoughThePortalIsKilledMeanwhile()
    {
        await using var agent = await AgentHost.CreateAsync("3f7c-agent");
        await agent.ListenAsync(await AuthorityAsync(), Ct);

        Assert.Equal(200, await agent.RegisterAsync(plain, Ct));
        await portal.KillAsync();
        await portal.DisposeAsync();
        await StartAsync();
        Assert.Equal(200, await agent.RegisterAsync(tls, Ct, "v2.6"));

        using var admin = new RestClient(portal.Address, "admin@internal");
        using var security = new RestClient(portal.Address, "security@internal");
        var row = Assert.Single(await AttestersAsync(admin));
        var id = row.GetProperty("id").GetString();
        Assert.Equal(("waiting", "none", "127.0.0.1"), (Text(row, "status"), Text(row.GetProperty("endorsement_certificate"), "verdict"), Text(row, "address")));
        Assert.Equal(201, (await admin.PostAsync("clusters", new { name = "lab" })).Status);
        Assert.Equal(409, (await admin.PostAsync("clusters", new { name = "lab" })).Status);
        Assert.Equal(400, (await admin.PostAsync("clusters", new { description = "without a name" })).Status);
        var enrol = new { host = new { name = "kvm-real-1" }, cluster = new { name = "lab" } };
        var refused = await admin.PostAsync($"attesters/{id}/enrol", enrol);
        Assert.True(refused.Status == 409, refused.ToString());
        Assert.Equal(200, (await security.PostAsync($"attesters/{id}/accept", new { endorsement_hash = Text(row, "endorsement_hash") })).Status);
        Assert.Equal(409, (await security.PostAsync($"attesters/{id}/accept", new { })).Status);
        using var second = new RestClient(portal.Address, "security2@internal");
        Assert.Equal(200, (await second.PostAsync($"attesters/{id}/accept", new { })).Status);
        Assert.Equal(400, (await admin.PostAsync($"attesters/{id}/enrol", new { host = new { name = "kvm-real-1" } })).Status);
        Assert.Equal(403, (await security.PostAsync($"attesters/{id}/enrol", enrol)).Status);
        Assert.Equal(200, (await admin.PostAsync($"attesters/{id}/enrol", enrol)).Status);

        var host = Assert.Single(await admin.HostsAsync());
        Assert.Equal(("kvm-real-1", "untrusted"), (host.Name, host.Trust));
        Assert.Equal("enrolled", Text(Assert.Single(await AttestersAsync(admin)), "status"));
        Assert.Equal(409, (await admin.DeleteAsync($"attesters/{id}")).Status);
    }

    [Fact]
    public async Task Strangers_GetNowhere()
    {
        Assert.Equal(["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"], (await plain.GetFromJsonAsync<JsonElement>("/version", Ct)).GetProperty("results").GetProperty("supported_versions").EnumerateArray().Select(v => v.GetString()));
        foreach (var path in new[] { "/", "/hosts", "/ovirt-engine/api", "/v2.2/agents/", "/v2.2/agents/x", "/metrics", "/healthz/live", "/sign-in" })
        {
            using var answer = await plain.GetAsync(path, Ct);
            Assert.Equal((path, true), (path, answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed));
        }

        Assert.Equal(400, await PostAsync("/v2.2/agents/x", "nonsense"));
        Assert.Equal(400, await PostAsync("/v2.2/agents/x", "{}"));
        Assert.Equal(400, await PostAsync("/v3.0/agents/x", "{}"));
        Assert.Equal(400, await PostAsync("/v2.2/agents/x%20y", "{}"));
        Assert.Equal(413, await PostAsync("/v2.2/agents/x", new string(' ', 100_000)));
        using var activate = await plain.PutAsJsonAsync("/v2.2/agents/x/activate", new { auth_tag = new string('0', 96) }, Ct);
        Assert.Equal(HttpStatusCode.Forbidden, activate.StatusCode);
        using var admin = new RestClient(portal.Address, "admin@internal");
        Assert.Empty(await AttestersAsync(admin));

        // Who knocks too often waits; the portal itself does not.
        var answers = new List<int>();
        for (var i = 0; i < 150; i++)
        {
            answers.Add(await PostAsync("/v2.2/agents/x", "{}"));
        }

        Assert.Contains(429, answers);
        Assert.Equal(200, (await admin.GetAsync("attesters")).Status);
    }

    private async Task StartAsync() => portal = await RunningPortal.StartAsync(folder, new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["Portal__Simulation__Hosts"] = "0",
        ["Portal__Registrar__Enabled"] = "true",
        ["Portal__Registrar__HttpPort"] = ports.Http.ToString(CultureInfo.InvariantCulture),
        ["Portal__Registrar__HttpsPort"] = ports.Https.ToString(CultureInfo.InvariantCulture),
        ["Portal__Registrar__Networks__0"] = "127.0.0.0/8",
    });

    private async Task<string> AuthorityAsync()
    {
        using var rest = new RestClient(portal.Address, "auditor@internal");
        return Text((await rest.GetAsync("agentauthority")).Body, "certificate");
    }

    private static async Task<IReadOnlyList<JsonElement>> AttestersAsync(RestClient rest)
    {
        var answer = await rest.GetAsync("attesters");
        Assert.Equal(200, answer.Status);
        return answer.Body.TryGetProperty("attester", out var list) ? [.. list.EnumerateArray()] : [];
    }

    private async Task<int> PostAsync(string path, string body)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var answer = await plain.PostAsync(path, content, Ct);
        return (int)answer.StatusCode;
    }

    private static string Text(JsonElement of, string name) => of.GetProperty(name).GetString()!;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
