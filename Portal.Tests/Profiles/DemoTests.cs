using System.Net;

namespace Portal.Tests.Profiles;

public sealed class DemoTests(SharedDemo portal) : IClassFixture<SharedDemo>
{
    [Theory]
    [InlineData("localhost", HttpStatusCode.OK)]
    [InlineData("127.0.0.1:9", HttpStatusCode.OK)]
    [InlineData("[::1]:5080", HttpStatusCode.OK)]
    [InlineData("portal.example", HttpStatusCode.BadRequest)]
    [InlineData("localhost.evil.example", HttpStatusCode.BadRequest)]
    [InlineData("127.0.0.2", HttpStatusCode.BadRequest)]
    public async Task HostName_MustBeLoopback(string host, HttpStatusCode expected)
    {
        using var client = portal.Browser(followRedirects: false);
        client.DefaultRequestHeaders.Host = host;
        Assert.Equal(expected, (await client.GetAsync("/healthz/live")).StatusCode);
    }

    [Theory]
    [InlineData("Forwarded", "for=192.0.2.1")]
    [InlineData("X-Forwarded-For", "192.0.2.1")]
    [InlineData("X-Forwarded-Host", "localhost")]
    [InlineData("X-Forwarded-Proto", "https")]
    [InlineData("X-Original-Host", "localhost")]
    [InlineData("X-Real-IP", "192.0.2.1")]
    public async Task ForwardedRequest_IsRefused(string header, string value)
    {
        using var client = portal.Browser(followRedirects: false);
        client.DefaultRequestHeaders.TryAddWithoutValidation(header, value);
        using var answer = await client.GetAsync("/");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("proxy", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task EveryAnswer_CarriesTheSecurityHeaders()
    {
        using var client = portal.Browser();
        foreach (var path in new[] { "/", "/healthz/live", "/css/portal.css", "/nothing-here" })
        {
            using var answer = await client.GetAsync(path);
            var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
            Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
            Assert.Contains("connect-src 'self'", policy, StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("script-src 'self' 'unsafe", policy, StringComparison.Ordinal);
            Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
            Assert.Equal("same-origin", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
        }
    }

    [Theory]
    [InlineData("/css/portal.css", "text/css")]
    [InlineData("/js/portal.js", "text/javascript")]
    [InlineData("/icons/portal.svg", "image/svg+xml")]
    [InlineData("/fonts/inter-latin-wght-normal.woff2", "font/woff2")]
    [InlineData("/_content/MudBlazor/MudBlazor.min.css?v=9.12.0", "text/css")]
    public async Task StaticFiles_AreServed(string path, string type)
    {
        using var client = portal.Browser();
        using var answer = await client.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(type, answer.Content.Headers.ContentType!.MediaType);
        Assert.NotEmpty(await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task OurCss_IsCompressed()
    {
        using var client = portal.Browser();
        client.DefaultRequestHeaders.AcceptEncoding.ParseAdd("gzip");
        using var answer = await client.GetAsync("/css/portal.css");
        Assert.Equal("gzip", Assert.Single(answer.Content.Headers.ContentEncoding));
    }

    [Theory]
    [InlineData("/healthz/live")]
    [InlineData("/healthz/ready")]
    [InlineData("/metrics")]
    public async Task Operators_SeeHealthAndMetricsWithoutSigningIn(string path)
    {
        using var client = portal.Browser(followRedirects: false);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(path)).StatusCode);
    }

    [Fact]
    public async Task UnknownAddress_IsA404InOurStyle()
    {
        using var client = portal.Browser();
        using var answer = await client.GetAsync("/nothing-here");

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("There is nothing here", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnotherOrigin_MayNotPost()
    {
        using var client = portal.Browser();
        client.DefaultRequestHeaders.Add("Origin", "http://localhost:3000");
        Assert.Equal(HttpStatusCode.Forbidden, (await client.PostAsync("/sign-out", content: null)).StatusCode);
    }
}
