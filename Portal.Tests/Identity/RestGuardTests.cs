using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Portal.Identity;

namespace Portal.Tests.Identity;

public sealed class RestGuardTests(SharedDemo portal) : IClassFixture<SharedDemo>
{
    [Fact]
    public async Task Basic_WithADemoUser_IsThatCaller()
    {
        using var rest = portal.RestClient("auditor@internal");
        Assert.Equal("urn:portal:demo|auditor|auditor@internal|Auditor", await rest.GetStringAsync("/rest/who"));
    }

    [Theory]
    [InlineData("admin@internal", "wrong")]
    [InlineData("nobody@internal", "demo")]
    [InlineData("admin@internal", "")]
    public async Task Basic_WithWrongCredentials_Gets401InTheRealm(string user, string password)
    {
        using var rest = portal.RestClient(user, password);
        using var answer = await rest.GetAsync("/rest/who");

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Basic realm=\"RESTAPI\", charset=\"UTF-8\"", answer.Headers.WwwAuthenticate.ToString());
        Assert.Equal("fault", XDocument.Parse(await answer.Content.ReadAsStringAsync()).Root!.Name.LocalName);
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic !!!")]
    [InlineData("Basic bm9jb2xvbg==")]
    [InlineData("Bearer abc")]
    public async Task MalformedCredentials_Get401(string header)
    {
        using var rest = portal.RestClient("admin@internal");
        rest.DefaultRequestHeaders.Authorization = null;
        rest.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header);
        Assert.Equal(HttpStatusCode.Unauthorized, (await rest.GetAsync("/rest/who")).StatusCode);
    }

    [Fact]
    public async Task TheBrowsersCookie_IsNotAccepted()
    {
        using var browser = await portal.SignInAsync("admin@internal");
        using var answer = await browser.GetAsync("/rest/who");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Theory]
    [InlineData("Sec-Fetch-Site", "cross-site", HttpStatusCode.Forbidden)]
    [InlineData("Sec-Fetch-Site", "same-site", HttpStatusCode.Forbidden)]
    [InlineData("Sec-Fetch-Site", "same-origin", HttpStatusCode.OK)]
    [InlineData("Sec-Fetch-Site", "none", HttpStatusCode.OK)]
    [InlineData("Origin", "https://evil.example", HttpStatusCode.Forbidden)]
    [InlineData("Origin", "null", HttpStatusCode.Forbidden)]
    [InlineData("Origin", "self", HttpStatusCode.OK)]
    public async Task AnotherSitesPage_IsRefused_EvenWithGoodCredentials(string header, string value, HttpStatusCode expected)
    {
        using var rest = portal.RestClient("admin@internal");
        rest.DefaultRequestHeaders.Add(header, value == "self" ? portal.Address.GetLeftPart(UriPartial.Authority) : value);
        Assert.Equal(expected, (await rest.GetAsync("/rest/who")).StatusCode);
    }

    [Theory]
    [InlineData("application/xml", HttpStatusCode.OK)]
    [InlineData("application/xml; charset=utf-8", HttpStatusCode.OK)]
    [InlineData("text/xml", HttpStatusCode.OK)]
    [InlineData("application/json", HttpStatusCode.OK)]
    [InlineData("text/plain", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/x-www-form-urlencoded", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("multipart/form-data; boundary=x", HttpStatusCode.UnsupportedMediaType)]
    [InlineData(null, HttpStatusCode.UnsupportedMediaType)]
    public async Task Body_MustSayItIsXmlOrJson(string? contentType, HttpStatusCode expected)
    {
        using var rest = portal.RestClient("admin@internal");
        using var body = new ByteArrayContent(Encoding.UTF8.GetBytes("<vm/>"));
        body.Headers.ContentType = contentType is null ? null : MediaTypeHeaderValue.Parse(contentType);
        Assert.Equal(expected, (await rest.PostAsync("/rest/echo", body)).StatusCode);
    }

    [Fact]
    public async Task NoBody_NeedsNoContentType()
    {
        using var rest = portal.RestClient("admin@internal");
        Assert.Equal("0", await (await rest.PostAsync("/rest/echo", content: null)).Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(RestGuard.MaxBody, false, HttpStatusCode.OK)]
    [InlineData(RestGuard.MaxBody + 1, false, HttpStatusCode.RequestEntityTooLarge)]
    [InlineData(RestGuard.MaxBody + 1, true, HttpStatusCode.RequestEntityTooLarge)]
    public async Task Body_LongerThanOneMebibyte_IsRefused(long length, bool chunked, HttpStatusCode expected)
    {
        using var rest = portal.RestClient("admin@internal");
        rest.DefaultRequestHeaders.ExpectContinue = true;
        rest.DefaultRequestHeaders.TransferEncodingChunked = chunked ? true : null;
        using var body = new ByteArrayContent(new byte[length]);
        body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        Assert.Equal(expected, (await rest.PostAsync("/rest/echo", body)).StatusCode);
    }

    [Fact]
    public async Task Fault_IsJson_WhereTheClientAsksForIt()
    {
        using var rest = portal.RestClient("admin@internal", "wrong");
        rest.DefaultRequestHeaders.Accept.ParseAdd("application/json");
        using var answer = await rest.GetAsync("/rest/who");

        using var fault = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal("Not signed in", fault.RootElement.GetProperty("reason").GetString());
        Assert.NotEmpty(fault.RootElement.GetProperty("detail").GetString()!);
    }
}
