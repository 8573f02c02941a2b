using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Portal.E2E.Peers.Production;

/// <summary>The published portal in the Production profile: what it refuses before it starts, and what it does not have.</summary>
public sealed class ProductionProcessTests : IDisposable
{
    private const int RefusedToStart = 78;

    private static readonly Dictionary<string, string> Complete = new(StringComparer.Ordinal)
    {
        ["Portal__Profile"] = "Production",
        ["Portal__Identity__Authority"] = "https://sso.example.org",
        ["Portal__Identity__ClientId"] = "portal",
        ["ASPNETCORE_URLS"] = "https://127.0.0.1:0",
    };

    private readonly string folder = Directory.CreateTempSubdirectory("portal-production-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Start_WithNothingSet_SaysOneSentencePerMissingSetting()
    {
        var said = await RefusedAsync(new Dictionary<string, string> { ["Portal__Profile"] = "Production" });

        Assert.Collection(
            said,
            s => Assert.StartsWith("Portal:Identity:Authority is missing", s, StringComparison.Ordinal),
            s => Assert.StartsWith("Portal:Identity:ClientId is missing", s, StringComparison.Ordinal),
            s => Assert.StartsWith("ASPNETCORE_URLS names no https address", s, StringComparison.Ordinal));
        Assert.All(said, s => Assert.EndsWith(".", s, StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Theory]
    [InlineData("Portal__Identity__Authority", "", "Portal:Identity:Authority")]
    [InlineData("Portal__Identity__Authority", "http://sso.example.org", "Portal:Identity:Authority")]
    [InlineData("Portal__Identity__ClientId", "", "Portal:Identity:ClientId")]
    [InlineData("ASPNETCORE_URLS", "http://127.0.0.1:0", "ASPNETCORE_URLS")]
    [InlineData("Portal__Simulation__Hosts", "12", "Portal:Simulation")]
    public async Task Start_WithOneSettingWrong_SaysOnlyThat(string setting, string value, string named)
    {
        var said = await RefusedAsync(new Dictionary<string, string>(Complete) { [setting] = value });

        Assert.StartsWith(named, Assert.Single(said), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OnTheDemosDatabase_IsRefusedAndLeavesItAsItWas()
    {
        PublishedPortal.RequireOrSkip();
        await using (await RunningPortal.StartAsync(folder, new Dictionary<string, string> { ["Portal__Simulation__Hosts"] = "0" }))
        {
            // Only to have the database made.
        }

        var before = Content();
        var said = await RefusedAsync(Complete);

        Assert.Contains("opened by the Demo profile and cannot serve Production", Assert.Single(said), StringComparison.Ordinal);
        Assert.Equal(before, Content());

        // What lies in the log beside the file may move into it; what the database says may not change.
        string Content()
        {
            using var database = new ReadOnlyDatabase(Path.Combine(folder, "portal.db"));
            return string.Join('\n', database.Rows("SELECT Name, Value FROM Stamps UNION ALL SELECT name, sql FROM sqlite_master ORDER BY 1", r => $"{r.GetValue(0)} {r.GetValue(1)}"));
        }
    }

    [Fact]
    public async Task Start_WithEverything_ServesHttpsWithoutTheDemosUsersOrHosts()
    {
        PublishedPortal.RequireOrSkip();
        await using var portal = await RunningPortal.StartAsync(folder, Complete.Concat(ServerCertificate.SettingsIn(folder)).ToDictionary());
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = static (_, _, _, _) => true, AllowAutoRedirect = false };
        using var client = new HttpClient(handler) { BaseAddress = portal.Address };
        var ct = TestContext.Current.CancellationToken;

        Assert.Equal(Uri.UriSchemeHttps, portal.Address.Scheme);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/connect/sign-in", ct)).StatusCode);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("admin@internal:demo")));
        using var answer = await client.GetAsync("/ovirt-engine/api/hosts", ct);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
        using var database = new ReadOnlyDatabase(portal.Database);
        Assert.Empty(database.Rows("SELECT Name FROM Hosts", r => r.GetString(0)));
    }

    private async Task<string[]> RefusedAsync(IReadOnlyDictionary<string, string> settings)
    {
        PublishedPortal.RequireOrSkip();
        var (code, said) = await RunningPortal.RunToEndAsync(folder, settings);
        Assert.True(code == RefusedToStart, $"It ended with {code}:\n{said}");
        return said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
