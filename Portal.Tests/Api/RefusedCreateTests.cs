using System.Net;

namespace Portal.Tests.Api;

/// <summary>Bad requests: a fault that names the field, and nothing created.</summary>
[Collection(nameof(DemoApi))]
public sealed class RefusedCreateTests(DemoApi portal)
{
    /// <summary>Body, where C is the cluster; code; field.</summary>
    public static TheoryData<string, string, string> BadXml => new()
    {
        { "<vm><name>n</name><cluster id=\"C\"/><trust_level>golden</trust_level></vm>", "vm.trust_level.unknown", "trust_level" },
        { "<vm><name>n</name><cluster id=\"C\"/><trust_level/></vm>", "vm.trust_level.unknown", "trust_level" },
        { "<vm><name>n</name><cluster id=\"C\"/><trust_level>1</trust_level></vm>", "vm.trust_level.unknown", "trust_level" },
        { "<vm><name>n</name><cluster id=\"C\"/><trust_level>any</trust_level><custom_properties><custom_property><name>trust_level</name><value>trusted</value></custom_property></custom_properties></vm>", "vm.trust_level.ambiguous", "trust_level" },
        { "<vm><name>n</name><cluster id=\"C\"/><custom_properties><custom_property><name>trust_level</name><value>no</value></custom_property></custom_properties></vm>", "vm.trust_level.unknown", "custom_properties.trust_level" },
        { "<vm><name>n</name><cluster id=\"C\"/><trust_level>any</trust_level><trust_level>trusted</trust_level></vm>", "field.twice", "trust_level" },
        { "<vm><name>n</name><cluster id=\"8d4a1b5e-0000-4000-8000-000000000001\"/></vm>", "vm.cluster.unknown", "cluster.id" },
        { "<vm><name>n</name><cluster id=\"&lt;x&gt;\"/></vm>", "vm.cluster.unknown", "cluster.id" },
        { "<vm><name>n</name><cluster><name>nowhere</name></cluster></vm>", "vm.cluster.unknown", "cluster.name" },
        { "<vm><name>n</name><cluster id=\"C\"><name>nowhere</name></cluster></vm>", "vm.cluster.ambiguous", "cluster" },
        { "<vm><name>n</name><cluster id=\"C\"><id>C</id></cluster></vm>", "field.twice", "cluster.id" },
        { "<vm><name>n</name></vm>", "vm.cluster.required", "cluster.id" },
        { "<vm><name>n</name><cluster/></vm>", "vm.cluster.required", "cluster.id" },
        { "<vm><name>n</name><cluster id=\"C\"/><template id=\"8d4a1b5e-0000-4000-8000-000000000001\"/></vm>", "vm.template.unknown", "template.id" },
        { "<vm><cluster id=\"C\"/></vm>", "vm.name.required", "name" },
        { "<vm><name/><cluster id=\"C\"/></vm>", "vm.invalid", "name" },
        { "<vm><name>a &lt;b&gt;</name><cluster id=\"C\"/></vm>", "vm.invalid", "name" },
        { "<vm><name>a</name><name>b</name><cluster id=\"C\"/></vm>", "field.twice", "name" },
        { "<vm><name><first>a</first></name><cluster id=\"C\"/></vm>", "field.not_text", "name" },
        { "<vm><name>n</name><cluster id=\"C\"/><memory>-1</memory></vm>", "vm.invalid", "memory" },
        { "<vm><name>n</name><cluster id=\"C\"/><memory>1 GiB</memory></vm>", "field.not_number", "memory" },
        { "<vm><name>n</name><cluster id=\"C\"/><memory>99999999999999999999</memory></vm>", "field.not_number", "memory" },
        { "<vm><name>n</name><cluster id=\"C\"/><cpu><topology><cores>0</cores></topology></cpu></vm>", "vm.cpu.range", "cpu.topology.cores" },
        { "<vm><name>n</name><cluster id=\"C\"/><cpu><topology><cores>512</cores><sockets>512</sockets><threads>512</threads></topology></cpu></vm>", "vm.invalid", "cpu.topology" },
        { "<vm><name>n", "body.xml", "body" },
        { "<vm><name>n</name></vm><vm/>", "body.xml", "body" },
        { "<virtual_machine/>", "body.root", "body" },
        { "<vm>&unknown;</vm>", "body.xml", "body" },
        { "<!DOCTYPE vm SYSTEM \"file:///etc/passwd\"><vm><name>n</name></vm>", "body.xml", "body" },
        { "<!DOCTYPE vm [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><vm><name>&c;</name></vm>", "body.xml", "body" },
        { "", "vm.name.required", "name" },
    };

    public static TheoryData<string, string, string> BadJson => new()
    {
        { """{"name":"n","cluster":{"id":"C"},"trust_level":"golden"}""", "vm.trust_level.unknown", "trust_level" },
        { """{"name":"n","cluster":{"id":"C"},"trust_level":1}""", "vm.trust_level.unknown", "trust_level" },
        { """{"name":"n","cluster":{"id":"C"},"trust_level":["any","trusted"]}""", "field.twice", "trust_level" },
        { """{"name":"n","cluster":{"id":"C"},"trust_level":"any","custom_properties":{"custom_property":[{"name":"trust_level","value":"trusted"}]}}""", "vm.trust_level.ambiguous", "trust_level" },
        { """{"name":"n","cluster":{"id":"x"}}""", "vm.cluster.unknown", "cluster.id" },
        { """{"name":"n","cluster":null}""", "vm.cluster.required", "cluster.id" },
        { """{"cluster":{"id":"C"}}""", "vm.name.required", "name" },
        { """{"name":null,"cluster":{"id":"C"}}""", "vm.name.required", "name" },
        { """{"name":"","cluster":{"id":"C"}}""", "vm.invalid", "name" },
        { """{"name":{"first":"n"},"cluster":{"id":"C"}}""", "field.not_text", "name" },
        { """{"name":[["n"]],"cluster":{"id":"C"}}""", "field.not_text", "name" },
        { """{"name":"n","cluster":{"id":"C"},"memory":-1}""", "vm.invalid", "memory" },
        { """{"name":"n","cluster":{"id":"C"},"memory":1e9}""", "field.not_number", "memory" },
        { """{"name":"n","name":"m","cluster":{"id":"C"}}""", "body.json", "body" },
        { """{"name":"\ud800","cluster":{"id":"C"}}""", "body.json", "body" },
        { """{"name":"n",""", "body.json", "body" },
        { """["n"]""", "body.root", "body" },
        { """{"vm":{"name":"n"}}""", "vm.name.required", "name" },
    };

    [Theory]
    [MemberData(nameof(BadXml))]
    public Task Xml_Bad_IsRefusedAndNamesTheField(string body, string code, string field) => RefusesAsync(body, DemoApi.Xml, code, field);

    [Theory]
    [MemberData(nameof(BadJson))]
    public Task Json_Bad_IsRefusedAndNamesTheField(string body, string code, string field) => RefusesAsync(body, DemoApi.Json, code, field);

    [Fact]
    public Task Xml_NestedTooDeep_IsRefused() => RefusesAsync(Nested("<a>", 40, "</a>", "<vm>", "</vm>"), DemoApi.Xml, "body.too_large", "body");

    [Fact]
    public Task Xml_NestedAHundredThousandDeep_IsRefused() => RefusesAsync(Nested("<a>", 100_000, "</a>", "<vm>", "</vm>"), DemoApi.Xml, "body.too_large", "body");

    [Fact]
    public Task Json_NestedTooDeep_IsRefused() => RefusesAsync(Nested("{\"a\":", 40, "}", "", "1"), DemoApi.Json, "body.json", "body");

    [Fact]
    public Task Xml_WithTooManyElements_IsRefused() => RefusesAsync($"<vm>{string.Concat(Enumerable.Repeat("<a/>", 20_000))}</vm>", DemoApi.Xml, "body.too_large", "body");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Body_OneByteTooLong_Gets413(bool chunked)
    {
        var before = await portal.CountsAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/vms") { Content = new ByteArrayContent(new byte[(1 << 20) + 1]) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", DemoApi.Xml);
        request.Headers.ExpectContinue = true;
        request.Headers.TransferEncodingChunked = chunked ? true : null;
        var reply = await portal.SendAsync(request);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, reply.Status);
        Assert.Equal("body.too_long", reply.At("code"));
        Assert.Equal(before, await portal.CountsAsync());
    }

    [Fact]
    public async Task Body_JustShortEnough_IsRead()
    {
        var body = $"<vm><name>n</name><!--{new string('x', (1 << 20) - 30)}--></vm>";
        Assert.Equal(1 << 20, body.Length);
        Assert.Equal("vm.cluster.required", (await portal.PostAsync("/api/vms", body)).At("code"));
    }

    [Theory]
    [InlineData("application/xml; charset=utf-16", "utf-16", "vm.cluster.required")]
    [InlineData("application/xml; charset=\"iso-8859-1\"", "iso-8859-1", "vm.cluster.required")]
    [InlineData("application/xml; charset=utf-8", "iso-8859-1", "body.encoding")]
    [InlineData("application/json; charset=utf-8", "iso-8859-1", "body.encoding")]
    [InlineData("application/xml; charset=utf-7", "utf-8", "body.content_type")]
    [InlineData("application/xml; charset=nonsense", "utf-8", "body.content_type")]
    [InlineData("text/plain", "utf-8", "body.content_type")]
    [InlineData("application/x-www-form-urlencoded", "utf-8", "body.content_type")]
    public async Task Body_InAnEncoding_IsReadOrRefusedForIt(string type, string encoding, string code)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/vms")
        {
            Content = new ByteArrayContent(System.Text.Encoding.GetEncoding(encoding).GetBytes("<vm><name>n</name><description>ä</description></vm>")),
        };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        var reply = await portal.SendAsync(request);

        Assert.Equal(code, reply.At("code"));
        Assert.Equal(code == "body.content_type" ? HttpStatusCode.UnsupportedMediaType : HttpStatusCode.BadRequest, reply.Status);
    }

    [Theory]
    [InlineData("auditor@internal")]
    [InlineData("security@internal")]
    public async Task Create_ByARoleThatMayNot_Gets403BeforeTheBodyIsLookedAt(string user)
    {
        var before = await portal.CountsAsync();
        var reply = await portal.PostAsync("/api/vms", "<vm>", user: user);

        Assert.Equal(HttpStatusCode.Forbidden, reply.Status);
        Assert.Equal("access.denied", reply.At("code"));
        Assert.Equal(before, await portal.CountsAsync());
    }

    [Fact]
    public async Task Create_WithoutCredentials_Gets401WithAFault()
    {
        var before = await portal.CountsAsync();
        var reply = await portal.PostAsync("/rhevm-api/vms", $"<vm><name>n</name><cluster id=\"{portal.Cluster}\"/></vm>", user: "");

        Assert.Equal(HttpStatusCode.Unauthorized, reply.Status);
        Assert.Contains("realm=\"RESTAPI\"", reply.Header("WWW-Authenticate"), StringComparison.Ordinal);
        Assert.Equal("fault", reply.Xml.Name.LocalName);
        Assert.Equal(before, await portal.CountsAsync());
    }

    private static string Nested(string open, int times, string close, string before, string after) =>
        before + string.Concat(Enumerable.Repeat(open, times)) + (after == "1" ? "1" : "") + string.Concat(Enumerable.Repeat(close, times)) + (after == "1" ? "" : after);

    private async Task RefusesAsync(string body, string type, string code, string field)
    {
        var before = await portal.CountsAsync();
        var sent = body.Replace("\"C\"", $"\"{portal.Cluster}\"", StringComparison.Ordinal).Replace(">C<", $">{portal.Cluster}<", StringComparison.Ordinal);
        var reply = await portal.PostAsync("/api/vms", sent, type, accept: DemoApi.Xml);

        Assert.Equal(HttpStatusCode.BadRequest, reply.Status);
        Assert.Equal((code, field), (reply.At("code"), reply.At("field")));
        Assert.Contains(field, reply.At("detail"), StringComparison.Ordinal);
        Assert.NotEmpty(reply.At("reason")!);
        Assert.Equal(before, await portal.CountsAsync());
        var json = await portal.PostAsync("/api/vms", sent, type, accept: DemoApi.Json);
        Assert.Equal(reply.At("detail"), json.Json.GetProperty("detail").GetString());
    }
}
