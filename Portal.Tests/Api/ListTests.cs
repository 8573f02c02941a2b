using System.Net;
using System.Text.Json;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class ListTests(DemoApi portal)
{
    private static readonly SemaphoreSlim Once = new(1);

    public static TheoryData<string, string[]> Searches => new()
    {
        { "search=name=list-*", ["list-a", "list-b", "list-C"] },
        { "search=name%20=%20list-a", ["list-a"] },
        { "search=NAME=LIST-A", ["list-a"] },
        { "search=name=list-*&case_sensitive=false", ["list-a", "list-b", "list-C"] },
        { "search=name=list-c&case_sensitive=true", [] },
        { "search=name=list-C&case_sensitive=true", ["list-C"] },
        { "search=name=list-*%20and%20name!=list-c&case_sensitive=true", ["list-a", "list-b", "list-C"] },
        { "search=list-&max=2", ["list-C", "list-a"] },
        { "search=list-&max=0", [] },
        { "search=list-&max=-1", ["list-a", "list-b", "list-C"] },
        { "search=name=list-*%20sortby%20name%20desc", ["list-b", "list-a", "list-C"] },
        { "search=name=list-*%20sortby%20memory%20desc&max=1", ["list-b"] },
        { "search=name=list-*%20page%202&max=2", ["list-b"] },
        { "search=name=list-*%20sortby%20name%20asc%20page%201&max=2&case_sensitive=true", ["list-C", "list-a"] },
        { "search=name=list-*%20and%20trust_level=trusted", ["list-b"] },
        { "search=name=list-*%20status=down%20trust_level!=trusted", ["list-a", "list-C"] },
        { "search=name=list-*%20status=wait_for_launch", [] },
        { "search=name=%22list-a%22", ["list-a"] },
        { "search=name=list%25", [] },
        { "search=name=%27;--", [] },
    };

    [Theory]
    [MemberData(nameof(Searches))]
    public async Task Vms_Searched_AreTheOnesAskedFor(string query, string[] expected)
    {
        await PrepareAsync();
        var found = (await portal.GetAsync($"/api/vms?{query}")).Xml;
        Assert.Equal("vms", found.Name.LocalName);
        var names = found.Elements("vm").Select(v => v.Element("name")!.Value);
        if (query.Contains("sortby", StringComparison.Ordinal))
        {
            Assert.Equal(expected, names);
        }
        else
        {
            Assert.Equal(expected.Order(StringComparer.OrdinalIgnoreCase), names.Order(StringComparer.OrdinalIgnoreCase));
        }

        var json = (await portal.GetAsync($"/api/vms?{query}", DemoApi.Json)).Json.GetProperty("vm");
        Assert.Equal((JsonValueKind.Array, expected.Length), (json.ValueKind, json.GetArrayLength()));
    }

    [Theory]
    [InlineData("/api/vms?search=colour=red", "search")]
    [InlineData("/api/vms?search=name=a%20or%20name=b", "search")]
    [InlineData("/api/vms?search=sortby%20colour", "search")]
    [InlineData("/api/vms?search=sortby", "search")]
    [InlineData("/api/vms?search=status=sideways", "search")]
    [InlineData("/api/vms?max=many", "max")]
    [InlineData("/api/vms?max=99999999999", "max")]
    [InlineData("/api/hosts?search=trust=golden", "search")]
    [InlineData("/api/clusters?search=colour=red", "search")]
    [InlineData("/api/templates?max=x", "max")]
    public async Task Lists_AskedWrongly_NameTheParameter(string path, string field)
    {
        var reply = await portal.GetAsync(path);
        Assert.Equal((HttpStatusCode.BadRequest, field), (reply.Status, reply.At("field")));
    }

    [Theory]
    [InlineData("/api/vms;max=1")]
    [InlineData("/api/vms;max=1;case_sensitive=false?search=web*")]
    [InlineData("/rhevm-api/vms;max=7?max=1")]
    [InlineData("/ovirt-engine/api;x=y/vms;max=1")]
    [InlineData("/api;x/vms/?max=1")]
    public async Task MatrixParameters_AreTakenLikeThoseOfTheQuery(string path)
    {
        var reply = await portal.GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, reply.Status);
        Assert.Single(reply.Xml.Elements("vm"));
    }

    [Theory]
    [InlineData("trust=untrusted", "untrusted")]
    [InlineData("trust=trusted and cluster=prod-a", "trusted")]
    [InlineData("status=up and trust=unknown", "unknown")]
    public async Task Hosts_SearchedByTrust_ShowIt(string search, string status)
    {
        var hosts = (await portal.GetAsync($"/api/hosts?search={Uri.EscapeDataString(search)}")).Xml.Elements("host").ToList();
        Assert.NotEmpty(hosts);
        Assert.All(hosts, h => Assert.Equal(status, h.Element("trust")!.Element("status")!.Value));
    }

    [Fact]
    public async Task Clusters_SearchedByName_AreFoundAndReadOneByOne()
    {
        var cluster = Assert.Single((await portal.GetAsync($"/api/clusters?search=name={portal.ClusterName.ToUpperInvariant()}")).Xml.Elements("cluster"));
        Assert.Equal(portal.Cluster.ToString(), cluster.Attribute("id")!.Value);
        Assert.Equal("true", cluster.Element("trusted_service")!.Value);
        Assert.Equal(cluster.ToString(), (await portal.GetAsync(cluster.Attribute("href")!.Value)).Xml.ToString());
        Assert.Empty((await portal.GetAsync($"/api/clusters?search=name={portal.ClusterName.ToUpperInvariant()}&case_sensitive=true")).Xml.Elements());
    }

    [Fact]
    public async Task Templates_BlankFirst_AreListedAndReadOneByOne()
    {
        var templates = (await portal.GetAsync("/api/templates", DemoApi.Json)).Json.GetProperty("template").EnumerateArray().ToList();
        Assert.Equal(("Blank", Guid.Empty.ToString()), (templates[0].GetProperty("name").GetString(), templates[0].GetProperty("id").GetString()));
        Assert.All(templates, t => Assert.Equal("ok", t.GetProperty("status").GetString()));
        Assert.Equal("Blank", (await portal.GetAsync($"/api/templates/{Guid.Empty}")).At("name"));
        Assert.Equal("template.not_found", (await portal.GetAsync("/api/templates/8d4a1b5e-0000-4000-8000-000000000001")).At("code"));
        Assert.Equal("cluster.not_found", (await portal.GetAsync("/api/clusters/x")).At("code"));
    }

    private async Task PrepareAsync()
    {
        await Once.WaitAsync(DemoApi.Ct);
        try
        {
            if (!(await portal.GetAsync("/api/vms?search=name=list-a")).Xml.HasElements)
            {
                await portal.CreateAsync("list-a");
                await portal.CreateAsync("list-b", "<trust_level>trusted</trust_level><cpu/><description/>");
                await portal.CreateAsync("list-C");
                await portal.SendAsync(HttpMethod.Put, $"/api/vms/{(await portal.GetAsync("/api/vms?search=list-b")).Xml.Element("vm")!.Attribute("id")!.Value}", $"<vm><memory>{256L << 20}</memory></vm>", DemoApi.Xml);
            }
        }
        finally
        {
            Once.Release();
        }
    }
}
