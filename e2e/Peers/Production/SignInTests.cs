using System.Net;

namespace Portal.E2E.Peers.Production;

/// <summary>People sign in to the published portal by a provider that is not its own: code flow, PKCE, the client's secret, roles from userinfo.</summary>
public sealed class SignInTests : IDisposable
{
    private const string AdministratorsThere = "pool-admins";

    private readonly string folder = Directory.CreateTempSubdirectory("portal-sso-").FullName;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task SomebodyWithARole_IsLetIn_AndKeepsASecureSession()
    {
        await using var provider = await OutsideProvider.StartAsync(folder, Ct);
        provider.Roles = [AdministratorsThere, "something else"];
        await using var portal = await StartAsync(provider);
        var (browser, cookies) = Browser(portal);
        using var mine = browser;

        using var answer = await browser.GetAsync("/hosts?q=trust%3Dtrusted", Ct);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(new Uri(portal.Address, "/hosts?q=trust%3Dtrusted"), answer.RequestMessage!.RequestUri);
        var session = Assert.Single(cookies.GetCookies(portal.Address), c => c.Name.StartsWith("__Host-portal", StringComparison.Ordinal) && !c.Name.Contains("form", StringComparison.Ordinal));
        Assert.True(session is { Secure: true, HttpOnly: true });
    }

    [Fact]
    public async Task SomebodyWithoutARole_IsToldSo()
    {
        await using var provider = await OutsideProvider.StartAsync(folder, Ct);
        provider.Roles = ["Administrator's cousin"];
        await using var portal = await StartAsync(provider);
        var (browser, _) = Browser(portal);
        using var mine = browser;

        using var answer = await browser.GetAsync("/hosts", Ct);

        Assert.Equal("/access-denied", answer.RequestMessage!.RequestUri!.AbsolutePath);
    }

    [Theory]
    [InlineData("Portal__Identity__ClientSecret", "another")]
    [InlineData("Portal__Identity__ClientId", "another")]
    public async Task APortalTheProviderDoesNotKnow_LetsNobodyIn(string setting, string value)
    {
        await using var provider = await OutsideProvider.StartAsync(folder, Ct);
        provider.Roles = [AdministratorsThere];
        await using var portal = await StartAsync(provider, (setting, value));
        var (browser, cookies) = Browser(portal);
        using var mine = browser;

        using var answer = await browser.GetAsync("/hosts", Ct);

        Assert.NotEqual("/hosts", answer.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.DoesNotContain(cookies.GetCookies(portal.Address), c => c.Name == "__Host-portal");
    }

    private Task<RunningPortal> StartAsync(OutsideProvider provider, params (string Name, string Value)[] other)
    {
        PublishedPortal.RequireOrSkip();
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Portal__Profile"] = "Production",
            ["Portal__Identity__Authority"] = provider.Address.ToString(),
            ["Portal__Identity__ClientId"] = OutsideProvider.ClientId,
            ["Portal__Identity__ClientSecret"] = OutsideProvider.ClientSecret,
            ["Portal__Identity__Roles__Administrator"] = AdministratorsThere,
            ["ASPNETCORE_URLS"] = "https://127.0.0.1:0",
            ["SSL_CERT_FILE"] = provider.CertificateFile,
        };
        foreach (var (name, value) in ServerCertificate.SettingsIn(folder).Concat(other.Select(o => KeyValuePair.Create(o.Name, o.Value))))
        {
            settings[name] = value;
        }

        return RunningPortal.StartAsync(folder, settings);
    }

    private static (HttpClient Browser, CookieContainer Cookies) Browser(RunningPortal portal)
    {
        var cookies = new CookieContainer();
        var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = static (_, _, _, _) => true, CookieContainer = cookies };
        return (new HttpClient(handler) { BaseAddress = portal.Address }, cookies);
    }
}
