using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using Portal.Identity;
using Portal.Identity.Provider;
using Portal.Tests.Identity;

namespace Portal.Tests.Profiles;

public sealed class ProductionTests
{
    private const string Authority = "https://sso.example.org";

    private static readonly RsaSecurityKey Key = new(RSA.Create(2048)) { KeyId = "test" };

    private static readonly Dictionary<string, string> Settings = new()
    {
        ["Portal:Profile"] = "Production",
        ["Portal:Identity:Authority"] = Authority,
        ["Portal:Identity:ClientId"] = "portal",
        ["Portal:Identity:Audience"] = "portal-api",
        ["Portal:Identity:Roles:Administrator"] = "pool-admins",
        ["urls"] = "https://127.0.0.1:0",
    };

    [Fact]
    public async Task TheDemosProvider_IsNotThere()
    {
        await using var portal = Production();
        Assert.Null(portal.Services.GetService<DemoUsers>());
        using var client = Client(portal);
        foreach (var path in new[] { "/connect/sign-in", "/connect/authorize", "/connect/token", "/.well-known/openid-configuration" })
        {
            Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(path)).StatusCode);
        }
    }

    [Fact]
    public async Task Basic_IsNotAccepted()
    {
        await using var portal = Production();
        using var client = Client(portal);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", "YWRtaW5AaW50ZXJuYWw6ZGVtbw==");
        using var answer = await client.GetAsync("/rest/who");

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
    }

    [Fact]
    public async Task BearerToken_OfTheAuthorityForUs_IsThatCaller()
    {
        await using var portal = Production();
        Assert.Equal(HttpStatusCode.OK, await AskAsync(portal, Token()));
        using var client = Client(portal);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token());
        Assert.Equal($"{Authority}|42|ada|Administrator", await client.GetStringAsync("/rest/who"));
    }

    [Fact]
    public async Task BearerToken_ThatIsNotForUs_IsRefused()
    {
        await using var portal = Production();
        using var other = RSA.Create(2048);

        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(portal, Token(audience: "another-api")));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(portal, Token(issuer: "https://evil.example")));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(portal, Token(key: new RsaSecurityKey(other) { KeyId = "test" })));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(portal, Token(expires: DateTime.UtcNow.AddMinutes(-5))));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(portal, Token(role: "strangers")));
    }

    [Theory]
    [InlineData("typ", "ID")]
    [InlineData("at_hash", "x")]
    [InlineData("c_hash", "x")]
    [InlineData("nonce", "x")]
    public async Task BearerToken_ThatIsAnIdToken_IsRefused(string claim, string value)
    {
        await using var portal = Production();

        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(portal, Token(more: new() { [claim] = value })));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(portal, Token(type: "at+jwt", more: new() { [claim] = value })));
    }

    [Theory]
    [InlineData("scope")]
    [InlineData("scp")]
    public async Task BearerToken_WithANonceAndAScope_IsAnAccessToken(string scope)
    {
        await using var portal = Production();

        Assert.Equal(HttpStatusCode.OK, await AskAsync(portal, Token(more: new() { ["nonce"] = "x", [scope] = "openid" })));
    }

    [Fact]
    public async Task DatabaseOfTheDemo_IsRefused_AndLeftAsItWas()
    {
        await using var demo = new PortalServer();
        using (var client = demo.Browser())
        {
            Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/healthz/ready")).StatusCode);
        }

        var (exitCode, errors) = await RunAsync(new(Settings) { ["ConnectionStrings:Portal"] = $"Data Source={demo.DatabaseFile}" });
        Assert.Equal(78, exitCode);
        Assert.Contains("opened by the Demo profile and cannot serve Production", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MissingSettings_EndTheProcess_WithSentencesAndNoStackTrace()
    {
        var (exitCode, errors) = await RunAsync(new() { ["Portal:Profile"] = "Production" });

        Assert.Equal(78, exitCode);
        Assert.Equal(3, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    private static PortalServer Production() => new(
        services => services.AddSingleton(WhoAmI.Rest).PostConfigure<JwtBearerOptions>(RestAuthentication.Scheme, options =>
        {
            var provider = new OpenIdConnectConfiguration { Issuer = Authority };
            provider.SigningKeys.Add(Key);
            options.ConfigurationManager = new Microsoft.IdentityModel.Protocols.StaticConfigurationManager<OpenIdConnectConfiguration>(provider);
        }),
        Settings);

    private static HttpClient Client(PortalServer portal) =>
        portal.CreateClient(new WebApplicationFactoryClientOptions { BaseAddress = new Uri("https://localhost"), AllowAutoRedirect = false });

    private static async Task<HttpStatusCode> AskAsync(PortalServer portal, string token)
    {
        using var client = Client(portal);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await client.GetAsync("/rest/who");
        return answer.StatusCode;
    }

    private static string Token(
        string issuer = Authority,
        string audience = "portal-api",
        string role = "pool-admins",
        SecurityKey? key = null,
        DateTime? expires = null,
        string? type = null,
        Dictionary<string, object>? more = null) =>
        new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = audience,
            Expires = expires ?? DateTime.UtcNow.AddMinutes(5),
            TokenType = type,
            Claims = new Dictionary<string, object>(more ?? []) { ["sub"] = "42", ["preferred_username"] = "ada", ["roles"] = new[] { role } },
            SigningCredentials = new SigningCredentials(key ?? Key, SecurityAlgorithms.RsaSha256),
        });

    private static async Task<(int ExitCode, string Errors)> RunAsync(Dictionary<string, string> settings)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.ArgumentList.Add(typeof(PortalServer).Assembly.Location.Replace("Portal.Tests.dll", "Portal.dll", StringComparison.Ordinal));
        foreach (var (key, value) in settings)
        {
            start.ArgumentList.Add($"--{key}={value}");
        }

        start.Environment.Remove("ASPNETCORE_URLS");
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = await process.StandardError.ReadToEndAsync(limit.Token);
            await output;
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, errors);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
