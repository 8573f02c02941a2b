using System.Net;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class RootTests(DemoApi portal)
{
    public static TheoryData<string> BasePaths => [.. DemoApi.BasePaths];

    [Theory]
    [MemberData(nameof(BasePaths))]
    public async Task Root_LinksLeadSomewhere_BelowTheBaseTheClientUsed(string basePath)
    {
        var root = await portal.GetAsync(basePath);
        Assert.Equal(HttpStatusCode.OK, root.Status);
        var links = root.Xml.Elements("link").ToDictionary(l => l.Attribute("rel")!.Value, l => l.Attribute("href")!.Value);
        foreach (var rel in new[] { "vms", "hosts", "clusters", "templates" })
        {
            Assert.Equal($"{basePath}/{rel}", links[rel]);
            Assert.Equal($"{basePath}/{rel}?search={{query}}", links[$"{rel}/search"]);
            var list = await portal.GetAsync(links[rel]);
            Assert.Equal((HttpStatusCode.OK, rel), (list.Status, list.Xml.Name.LocalName));
            var first = list.Xml.Elements().First();
            Assert.StartsWith($"{basePath}/{rel}/", first.Attribute("href")!.Value, StringComparison.Ordinal);
            Assert.Equal(first.Attribute("id")!.Value, (await portal.GetAsync(first.Attribute("href")!.Value)).Id);
        }

        Assert.Equal("4", root.At("product_info/version/major"));
        Assert.Equal($"{basePath}/templates/{Guid.Empty}", root.Xml.Element("special_objects")!.Element("blank_template")!.Attribute("href")!.Value);
        Assert.True(int.Parse(root.At("summary/hosts/total")!, System.Globalization.CultureInfo.InvariantCulture) >= 6);
        Assert.Contains($"<{basePath}/vms>; rel=\"vms\"", root.Header("Link"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Root_InJson_HasNoWrapperAndListsLinks()
    {
        var root = (await portal.GetAsync("/api", DemoApi.Json)).Json;
        Assert.Equal("vms", root.GetProperty("link")[0].GetProperty("rel").GetString());
        Assert.True(root.GetProperty("time").GetInt64() > 1_600_000_000_000);
    }

    [Fact]
    public async Task Root_ByHeadAndOptions_AnswersWithoutABody()
    {
        var head = await portal.SendAsync(HttpMethod.Head, "/ovirt-engine/api", null, null);
        Assert.Equal((HttpStatusCode.OK, ""), (head.Status, head.Text));
        Assert.NotEmpty(head.Header("Link"));
        var options = await portal.SendAsync(HttpMethod.Options, "/ovirt-engine/api", null, null);
        Assert.Equal(HttpStatusCode.OK, options.Status);
        Assert.Contains("GET", options.Message.Content.Headers.Allow);
    }

    [Fact]
    public async Task Root_Unauthenticated_Gets401AndNoRedirect()
    {
        foreach (var path in DemoApi.BasePaths)
        {
            var reply = await portal.GetAsync(path, user: "");
            Assert.Equal(HttpStatusCode.Unauthorized, reply.Status);
            Assert.Equal("fault", reply.Xml.Name.LocalName);
        }
    }

    [Fact]
    public async Task TheBrowsersCookie_IsNoWayIn()
    {
        using var browser = await portal.SignInAsync("admin@internal");
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("/api/vms", DemoApi.Ct)).StatusCode);
    }

    [Fact]
    public async Task AnotherSitesPage_IsRefused() =>
        Assert.Equal(HttpStatusCode.Forbidden, (await portal.GetAsync("/api/vms", null, "admin@internal", ("Sec-Fetch-Site", "cross-site"))).Status);

    [Theory]
    [InlineData("4", HttpStatusCode.OK)]
    [InlineData("3", HttpStatusCode.BadRequest)]
    [InlineData("5", HttpStatusCode.BadRequest)]
    [InlineData("four", HttpStatusCode.BadRequest)]
    public async Task Version_OtherThan4_IsRefused(string version, HttpStatusCode status) =>
        Assert.Equal(status, (await portal.GetAsync("/api/vms", null, "admin@internal", ("Version", version))).Status);

    [Fact]
    public async Task Version_Unsupported_CreatesNothing()
    {
        var before = await portal.CountsAsync();
        var reply = await portal.SendAsync(HttpMethod.Post, "/api/vms", $"<vm><name>v3</name><cluster id=\"{portal.Cluster}\"/></vm>", DemoApi.Xml, null, "admin@internal", ("Version", "3"));
        Assert.Equal((HttpStatusCode.BadRequest, "Version"), (reply.Status, reply.At("field")));
        Assert.Equal(before, await portal.CountsAsync());
    }

    [Theory]
    [InlineData(null, "application/xml")]
    [InlineData("*/*", "application/xml")]
    [InlineData("application/*", "application/xml")]
    [InlineData("text/xml", "application/xml")]
    [InlineData("application/json", "application/json")]
    [InlineData("application/xml;q=0.5, application/json", "application/json")]
    [InlineData("application/json;q=0.5, application/xml;q=0.6", "application/xml")]
    [InlineData("application/json;q=0, */*", "application/xml")]
    [InlineData("application/xml;q=0, */*", "application/json")]
    [InlineData("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml")]
    [InlineData("application/json; charset=utf-8", "application/json")]
    [InlineData("text/html", null)]
    [InlineData("nonsense", "application/xml")]
    public async Task Accept_ChoosesTheForm(string? accept, string? expected)
    {
        var reply = await portal.GetAsync("/api", accept);
        Assert.Equal(expected is null ? HttpStatusCode.NotAcceptable : HttpStatusCode.OK, reply.Status);
        Assert.Equal(expected ?? DemoApi.Xml, reply.Message.Content.Headers.ContentType!.MediaType);
        Assert.Equal("utf-8", reply.Message.Content.Headers.ContentType.CharSet);
    }

    [Fact]
    public async Task CorrelationId_IsAnswered_AndOneThatCouldHarmIsNot()
    {
        Assert.Equal("deploy-7", (await portal.GetAsync("/api", null, "admin@internal", ("Correlation-Id", "deploy-7"))).Header("Correlation-Id"));
        Assert.True(Guid.TryParse((await portal.GetAsync("/api", null, "admin@internal", ("Correlation-Id", "a b; c"))).Header("Correlation-Id"), out _));
        Assert.True(Guid.TryParse((await portal.GetAsync("/api", user: "")).Header("Correlation-Id"), out _));
    }

    [Theory]
    [InlineData("GET", "/api/networks")]
    [InlineData("POST", "/api")]
    [InlineData("PATCH", "/api/vms")]
    [InlineData("DELETE", "/api/vms")]
    [InlineData("POST", "/api/networks")]
    public async Task Nothing_There_Gets404InTheFormAskedFor(string method, string path)
    {
        var reply = await portal.SendAsync(new HttpMethod(method), path, null, null, DemoApi.Json);
        Assert.Equal(HttpStatusCode.NotFound, reply.Status);
        Assert.Equal("api.not_found", reply.Json.GetProperty("code").GetString());
    }
}
