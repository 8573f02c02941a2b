using System.Net;
using Microsoft.Extensions.DependencyInjection;

namespace Portal.Tests.Identity;

/// <summary>Signing out ends the session itself: whoever kept a copy of its cookie is asked to sign in.</summary>
public sealed class SignOutTests(SharedDemo demo) : IClassFixture<SharedDemo>
{
    [Fact]
    public async Task OldCookie_AfterSignOut_IsRefusedAtOnce()
    {
        var cookies = new CookieContainer();
        using var browser = await demo.SignInAsync("admin@internal", cookies: cookies);
        using var thief = Thief(demo, cookies);
        Assert.StartsWith("urn:portal:demo|admin|", await thief.GetStringAsync("/who"), StringComparison.Ordinal);

        await SignOutAsync(browser);

        using var after = await thief.GetAsync("/who");
        Assert.Equal(HttpStatusCode.Redirect, after.StatusCode);
    }

    [Fact]
    public async Task SignOut_EndsNoOtherSessionOfThePerson()
    {
        using var here = await demo.SignInAsync("admin@internal");
        using var elsewhere = await demo.SignInAsync("admin@internal");

        await SignOutAsync(here);

        Assert.StartsWith("urn:portal:demo|admin|", await elsewhere.GetStringAsync("/who"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OldCookie_AfterSignOutAndARestart_IsStillRefused()
    {
        var folder = Directory.CreateTempSubdirectory("portal-sign-out-");
        try
        {
            var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["ConnectionStrings:Portal"] = $"Data Source={Path.Combine(folder.FullName, "portal.db")}" };
            var (kept, ended) = (new CookieContainer(), new CookieContainer());
            await using (var before = Start(settings))
            {
                using var stays = await before.SignInAsync("admin@internal", cookies: kept);
                using var leaves = await before.SignInAsync("operator@internal", cookies: ended);
                ended = Copy(before, ended);
                await SignOutAsync(leaves);
            }

            await using var again = Start(settings);
            using var same = Thief(again, kept);
            using var thief = Thief(again, ended);
            Assert.StartsWith("urn:portal:demo|admin|", await same.GetStringAsync("/who"), StringComparison.Ordinal);
            using var refused = await thief.GetAsync("/who");
            Assert.Equal(HttpStatusCode.Redirect, refused.StatusCode);
        }
        finally
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            folder.Delete(recursive: true);
        }
    }

    private static PortalServer Start(Dictionary<string, string> settings) => new(s => s.AddSingleton(WhoAmI.Page), settings);

    private static async Task SignOutAsync(HttpClient browser)
    {
        using var home = await browser.GetAsync("/");
        using var bye = await browser.PostAsync("/sign-out", new FormUrlEncodedContent(await PortalServer.FormAsync(home)));
        Assert.Equal("/signed-out", bye.RequestMessage!.RequestUri!.AbsolutePath);
    }

    /// <summary>Somebody with a copy of the cookies.</summary>
    private static HttpClient Thief(PortalServer portal, CookieContainer cookies) =>
        new(new SocketsHttpHandler { CookieContainer = Copy(portal, cookies), AllowAutoRedirect = false, UseProxy = false }) { BaseAddress = portal.Address };

    private static CookieContainer Copy(PortalServer portal, CookieContainer cookies)
    {
        var copy = new CookieContainer();
        copy.Add(portal.Address, cookies.GetCookies(portal.Address));
        return copy;
    }
}
