using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Portal.Identity;

namespace Portal.Tests.Identity;

public sealed class SignInTests(SharedDemo demo) : IClassFixture<SharedDemo>
{
    [Theory]
    [InlineData("admin@internal", "Administrator")]
    [InlineData("operator@internal", "Operator")]
    [InlineData("security@internal", "Security")]
    [InlineData("security2@internal", "Security")]
    [InlineData("auditor@internal", "Auditor")]
    public async Task DemoUser_SignsInThroughTheProvider_AndIsWhoTheySay(string user, string role)
    {
        using var browser = await demo.SignInAsync(user);

        Assert.Equal($"urn:portal:demo|{user.Split('@')[0]}|{user}|{role}", await browser.GetStringAsync("/who"));
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    public async Task SignIn_WorksUnderEveryLoopbackName_AndIsTheSamePerson(string host)
    {
        using var browser = demo.Browser();
        browser.BaseAddress = new UriBuilder(demo.Address) { Host = host }.Uri;
        using var answer = await demo.SendSignInAsync(browser, "admin@internal", PortalServer.Password);

        Assert.Equal(host, answer.RequestMessage!.RequestUri!.Host);
        Assert.StartsWith("urn:portal:demo|admin|", await browser.GetStringAsync("/who"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cookies_AreHttpOnlyAndLax_AndNothingOfTheProtocolStaysInThem()
    {
        using var browser = await demo.SignInAsync("admin@internal");

        var types = await browser.GetStringAsync("/claims");
        Assert.Equal("iss name role session session_ends sub", types);

        using var fresh = demo.Browser(followRedirects: false);
        using var answer = await fresh.GetAsync("/");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.All(answer.Headers.GetValues("Set-Cookie"), cookie =>
        {
            Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("samesite=lax", cookie, StringComparison.OrdinalIgnoreCase);
        });
    }

    [Fact]
    public async Task FiveWrongPasswords_LockTheUser_OnThePageAndForScripts_UntilTheTimeIsOver()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var portal = new PortalServer(s => s.AddSingleton<TimeProvider>(time).AddSingleton(WhoAmI.Page).AddSingleton(WhoAmI.Rest));
        using var browser = portal.Browser();
        for (var i = 0; i < 5; i++)
        {
            using var wrong = await portal.SendSignInAsync(browser, "operator@internal", "wrong");
            Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
            Assert.Contains("The name or the password is wrong.", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        using var locked = await portal.SendSignInAsync(browser, "operator@internal", PortalServer.Password);
        Assert.Contains("Too many wrong passwords", await locked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var script = portal.RestClient("operator@internal");
        Assert.Equal(HttpStatusCode.Unauthorized, (await script.GetAsync("/rest/who")).StatusCode);
        using var other = portal.RestClient("admin@internal");
        Assert.Equal(HttpStatusCode.OK, (await other.GetAsync("/rest/who")).StatusCode);

        time.Advance(TimeSpan.FromMinutes(5) + TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.OK, (await script.GetAsync("/rest/who")).StatusCode);
    }

    [Fact]
    public async Task SignOut_EndsTheSessionHereAndAtTheProvider()
    {
        using var browser = await demo.SignInAsync("admin@internal");
        using var home = await browser.GetAsync("/");
        using var bye = await browser.PostAsync("/sign-out", new FormUrlEncodedContent(await PortalServer.FormAsync(home)));

        Assert.Equal("/signed-out", bye.RequestMessage!.RequestUri!.AbsolutePath);
        using var after = await browser.GetAsync("/who");
        Assert.Equal("/connect/sign-in", after.RequestMessage!.RequestUri!.AbsolutePath);
    }

    [Fact]
    public async Task SignOut_WithoutTheForm_ChangesNothing()
    {
        using var browser = await demo.SignInAsync("admin@internal");
        using var bye = await browser.PostAsync("/sign-out", new FormUrlEncodedContent([]));

        Assert.StartsWith("urn:portal:demo|admin|", await browser.GetStringAsync("/who"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_EndsAfterTenHours_HoweverBusy()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var portal = new PortalServer(s => s.AddSingleton<TimeProvider>(time).AddSingleton(WhoAmI.Page));
        using var browser = await portal.SignInAsync("admin@internal");
        for (var hour = 0; hour < 9; hour++)
        {
            time.Advance(TimeSpan.FromHours(1));
            Assert.StartsWith("urn:", await browser.GetStringAsync("/who"), StringComparison.Ordinal);
        }

        time.Advance(TimeSpan.FromHours(1.1));
        using var after = await browser.GetAsync("/who");
        Assert.NotEqual("/who", after.RequestMessage!.RequestUri!.AbsolutePath);
    }

    [Theory]
    [InlineData("/hosts?x=1", "/hosts?x=1")]
    [InlineData("//evil.example", "/")]
    [InlineData("/\\evil.example", "/")]
    [InlineData("https://evil.example", "/")]
    [InlineData("/a\r\nb", "/")]
    [InlineData("", "/")]
    [InlineData(null, "/")]
    public void ReturnAddress_IsOneOfOurs(string? asked, string given) => Assert.Equal(given, IdentityFeature.Local(asked));
}
