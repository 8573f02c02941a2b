using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;

namespace Portal.Tests;

/// <summary>
/// The whole portal in this process, as Demo unless told otherwise, listening on a free loopback port with a database of its own.
/// <code>
/// await using var portal = new PortalServer();
/// using var page = await portal.SignInAsync("admin@internal");
/// using var rest = portal.RestClient("admin@internal");
/// </code>
/// </summary>
/// <param name="services">Services to add or replace.</param>
/// <param name="settings">Configuration to set.</param>
public class PortalServer(
    Action<IServiceCollection>? services = null,
    IReadOnlyDictionary<string, string>? settings = null) : WebApplicationFactory<Program>
{
    public const string Password = "demo";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("portal-test-");
    private bool started;

    /// <summary>Where the portal's database is.</summary>
    public string DatabaseFile => Path.Combine(folder.FullName, "portal.db");

    /// <summary>Where it listens.</summary>
    public Uri Address
    {
        get
        {
            if (!started)
            {
                UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
                StartServer();
                started = true;
            }

            return ClientOptions.BaseAddress;
        }
    }

    /// <summary>A browser without script: keeps cookies, and follows redirects if asked to.</summary>
    public HttpClient Browser(bool followRedirects = true, CookieContainer? cookies = null) =>
        new(new SocketsHttpHandler { CookieContainer = cookies ?? new CookieContainer(), AllowAutoRedirect = followRedirects, UseProxy = false }) { BaseAddress = Address };

    /// <summary>A browser whose user has signed in on the provider's page.</summary>
    public async Task<HttpClient> SignInAsync(string user, string password = Password, CookieContainer? cookies = null)
    {
        var browser = Browser(cookies: cookies);
        using var answer = await SendSignInAsync(browser, user, password);
        answer.EnsureSuccessStatusCode();
        return browser;
    }

    /// <summary>Opens the portal, is sent to the sign-in page, fills it in and sends it.</summary>
    public async Task<HttpResponseMessage> SendSignInAsync(HttpClient browser, string user, string password)
    {
        using var page = await browser.GetAsync("/");
        var form = await FormAsync(page);
        form["Form.UserName"] = user;
        form["Form.Password"] = password;
        return await browser.PostAsync(page.RequestMessage!.RequestUri, new FormUrlEncodedContent(form));
    }

    /// <summary>A script of a demo user, with HTTP Basic.</summary>
    public HttpClient RestClient(string user, string password = Password)
    {
        var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, UseProxy = false }) { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
        return client;
    }

    /// <summary>The fields of the first form of a page.</summary>
    public static async Task<Dictionary<string, string>> FormAsync(HttpResponseMessage page)
    {
        var document = await new HtmlParser().ParseDocumentAsync(await page.Content.ReadAsStringAsync());
        return document.QuerySelectorAll("form").First().QuerySelectorAll<IHtmlInputElement>("input")
            .ToDictionary(i => i.Name!, i => i.Value, StringComparer.Ordinal);
    }

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        builder.UseSetting("Serilog:MinimumLevel:Default", "Error");
        if (settings?.ContainsKey("Portal:Profile") != true)
        {
            // Most tests need no fleet; one that does sets the number.
            builder.UseSetting("Portal:Simulation:Hosts", "0");
        }

        builder.UseSetting("ConnectionStrings:Portal", $"Data Source={DatabaseFile}");
        foreach (var (key, value) in settings ?? new Dictionary<string, string>())
        {
            builder.UseSetting(key, value);
        }

        if (services is not null)
        {
            builder.ConfigureTestServices(services);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
        SqliteConnection.ClearAllPools();
        try
        {
            folder.Delete(recursive: true);
        }
        catch (IOException)
        {
            // A file still held elsewhere; the system cleans its temporary folder.
        }
    }
}

/// <summary>One demo for all tests of a class that leave it as it was; says who asks at <c>/who</c> and <c>/rest/who</c>.</summary>
public sealed class SharedDemo() : PortalServer(s => s.AddSingleton(Identity.WhoAmI.Page).AddSingleton(Identity.WhoAmI.Rest));
