using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Portal.E2E.Peers.Bootstrap;

/// <summary>The published portal with its registrar on both ports, and what administrators ask of it.</summary>
public sealed class BootstrapPortal : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("portal-bootstrap-").FullName;
    private readonly (int Http, int Https) ports = (FreePort(), FreePort());
    private RunningPortal? portal;
    private RestClient? admin;

    internal RestClient Admin => admin ?? throw new InvalidOperationException("There is no published portal.");

    internal Uri Address => portal!.Address;

    /// <summary>Where agents register, without TLS.</summary>
    internal Uri Registrar => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ports.Http}"));

    internal string Database => portal!.Database;

    internal string Said => portal!.Said;

    public async ValueTask InitializeAsync()
    {
        if (PublishedPortal.WhyNot is not null)
        {
            return;
        }

        await StartAsync();
        Assert.Equal(201, (await Admin.PostAsync("clusters", new { name = "lab" })).Status);
    }

    public async ValueTask DisposeAsync()
    {
        admin?.Dispose();
        if (portal is not null)
        {
            await portal.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Killed without warning, then started again on the same data.</summary>
    internal async Task KillAndStartAsync()
    {
        await portal!.KillAsync();
        await portal.DisposeAsync();
        admin!.Dispose();
        await StartAsync();
    }

    internal async Task<string> ScriptAsync() => (await Admin.GetAsync("hostscript")).Body.GetProperty("content").GetString()!;

    internal async Task<string> FingerprintAsync(int port)
    {
        var shown = await Admin.PostAsync("hostpreparations/hostkey", new { address = "127.0.0.1", port });
        Assert.True(shown.Status == 200, shown.ToString());
        return shown.Body.GetProperty("fingerprint").GetString()!;
    }

    /// <summary>Starts one and waits until it has ended.</summary>
    internal async Task<JsonElement> PrepareAsync(object request)
    {
        var id = await BeginAsync(request);
        return await EndAsync(id);
    }

    internal async Task<string> BeginAsync(object request)
    {
        var started = await Admin.PostAsync("hostpreparations", request);
        Assert.True(started.Status == 201, started.ToString());
        return started.Body.GetProperty("id").GetString()!;
    }

    internal async Task<JsonElement> EndAsync(string id) => (await Eventually.GetAsync(
        async () =>
        {
            var answer = await Admin.GetAsync($"hostpreparations/{id}");
            return answer.Succeeded && answer.Body.GetProperty("status").GetString() is "succeeded" or "failed" or "cancelled" ? answer : null;
        },
        "the preparation to end",
        () => Said)).Body;

    internal static string Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) ? value.GetString()! : "";

    internal static IReadOnlyList<string> Output(JsonElement of) => of.GetProperty("output").TryGetProperty("line", out var lines) ? [.. lines.EnumerateArray().Select(l => l.GetString()!)] : [];

    private async Task StartAsync()
    {
        portal = await RunningPortal.StartAsync(folder, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Portal__Simulation__Hosts"] = "0",
            ["Portal__Registrar__Enabled"] = "true",
            ["Portal__Registrar__HttpPort"] = ports.Http.ToString(CultureInfo.InvariantCulture),
            ["Portal__Registrar__HttpsPort"] = ports.Https.ToString(CultureInfo.InvariantCulture),
            ["Portal__Registrar__Networks__0"] = "127.0.0.0/8",
        });
        admin = new RestClient(portal.Address, "admin@internal");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
