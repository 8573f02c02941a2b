using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class CreateTests(DemoApi portal)
{
    public static TheoryData<string> BasePaths => [.. DemoApi.BasePaths];

    [Theory]
    [MemberData(nameof(BasePaths))]
    public async Task Create_Trusted_IsPlacedOnAHostTrustedAtThatMoment(string basePath)
    {
        var name = $"trusted{basePath.Replace('/', '-')}";
        var reply = await portal.PostAsync(
            $"{basePath}/vms",
            $"<vm><name>{name}</name><cluster id=\"{portal.Cluster}\"/><template id=\"00000000-0000-0000-0000-000000000000\"/><trust_level>trusted</trust_level></vm>");

        Assert.Equal(HttpStatusCode.Created, reply.Status);
        Assert.Equal($"{basePath}/vms/{reply.Id}", reply.Message.Headers.Location!.OriginalString);
        Assert.Equal($"{basePath}/vms/{reply.Id}", reply.Xml.Attribute("href")!.Value);
        Assert.Equal("trusted", reply.At("trust_level"));
        Assert.StartsWith($"{basePath}/hosts/", reply.Xml.Element("host")!.Attribute("href")!.Value, StringComparison.Ordinal);
        await using var db = portal.Database();
        var vm = await db.VirtualMachines.SingleAsync(v => v.Name == name, DemoApi.Ct);
        var receipt = await db.Receipts.SingleAsync(r => r.VirtualMachineId == vm.Id, DemoApi.Ct);
        Assert.Equal(TrustLevel.Trusted, vm.TrustLevel);
        Assert.Equal(vm.HostId, receipt.HostId);
        Assert.Equal("Trusted", receipt.Verdict);
        Assert.InRange(receipt.At - receipt.VerifiedAt!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Create_InJson_TakesNumbersAsNumbersAndAnswersThemAsText()
    {
        var reply = await portal.PostAsync(
            "/api/vms",
            $$$"""{"name":"json-1","memory":134217728,"cpu":{"topology":{"sockets":2,"cores":"2","threads":1}},"trust_level":"trusted","cluster":{"id":"{{{portal.Cluster}}}"},"unheard":[[1],{"of":null}]}""",
            DemoApi.Json);

        Assert.Equal(HttpStatusCode.Created, reply.Status);
        Assert.Equal(DemoApi.Json, reply.Message.Content.Headers.ContentType!.MediaType);
        var vm = reply.Json;
        Assert.Equal("134217728", vm.GetProperty("memory").GetString());
        Assert.Equal("4", vm.GetProperty("cpu").GetProperty("topology").GetProperty("sockets").GetString());
        Assert.Equal("trusted", vm.GetProperty("trust_level").GetString());
        Assert.Equal("trusted", vm.GetProperty("custom_properties").GetProperty("custom_property")[0].GetProperty("value").GetString());
        Assert.Equal($"/api/vms/{vm.GetProperty("id").GetString()}/start", vm.GetProperty("actions").GetProperty("link")[0].GetProperty("href").GetString());
        Assert.InRange(DateTimeOffset.FromUnixTimeMilliseconds(vm.GetProperty("creation_time").GetInt64()), DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
    }

    [Fact]
    public async Task Create_WithWhatClientsLookFor_HasIt()
    {
        var vm = await portal.CreateAsync("complete");

        Assert.Equal("down", vm.At("status"));
        Assert.Equal("vnc", vm.At("display/type"));
        Assert.Equal("migratable", vm.At("placement_policy/affinity"));
        Assert.Equal("any", vm.At("trust_level"));
        Assert.Equal(portal.Cluster.ToString(), vm.Xml.Element("cluster")!.Attribute("id")!.Value);
        Assert.Equal(["start", "stop", "shutdown", "suspend", "reboot", "migrate"], vm.Xml.Element("actions")!.Elements("link").Select(l => l.Attribute("rel")!.Value));
        Assert.EndsWith("Z", vm.At("creation_time")!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<custom_properties><custom_property><name>trust_level</name><value>trusted</value></custom_property></custom_properties>")]
    [InlineData("<trust_level> Trusted </trust_level><custom_properties><custom_property><value>trusted</value><name>trust_level</name></custom_property><custom_property><name>other</name><value>x</value></custom_property></custom_properties>")]
    [InlineData("<trust_level><![CDATA[trusted]]></trust_level><os type=\"linux\"><boot/></os>")]
    public async Task Create_WithTheLevelAsCustomPropertyOrTwice_RequiresTrust(string level)
    {
        var vm = await portal.CreateAsync($"level-{Guid.NewGuid():N}", level);
        Assert.Equal("trusted", vm.At("trust_level"));
        Assert.Equal("trusted", vm.At("custom_properties/custom_property/value"));
    }

    [Fact]
    public async Task Create_WithClusterAndTemplateByName_FindsThem()
    {
        var reply = await portal.PostAsync("/api/vms", $"<vm><name>by-name</name><cluster><name>{portal.ClusterName}</name></cluster><template><name>Blank</name></template></vm>");
        Assert.Equal(HttpStatusCode.Created, reply.Status);
        Assert.Equal(portal.Cluster.ToString(), reply.Xml.Element("cluster")!.Attribute("id")!.Value);
    }

    [Fact]
    public async Task Create_WithMarkupInTheDescription_GivesItBackAsText()
    {
        var xml = await portal.CreateAsync("markup-xml", "<description>&lt;b&gt; &amp; \"x\" &#xD;&#xA; äö 😀</description>");
        Assert.Equal("<b> & \"x\" \r\n äö 😀", xml.At("description"));

        var json = await portal.PostAsync("/api/vms", $$$"""{"name":"markup-json","description":"<b>\u0001 &","cluster":{"id":"{{{portal.Cluster}}}"}}""", DemoApi.Json, accept: DemoApi.Xml);
        Assert.Equal(HttpStatusCode.Created, json.Status);
        Assert.Equal("<b>\uFFFD &", json.At("description"));
    }

    [Fact]
    public async Task Create_WithADuplicateName_IsRefused()
    {
        await portal.CreateAsync("twice");
        var before = await portal.CountsAsync();
        var reply = await portal.PostAsync("/api/vms", $"<vm><name>twice</name><cluster id=\"{portal.Cluster}\"/></vm>");

        Assert.Equal(HttpStatusCode.Conflict, reply.Status);
        Assert.Equal("vm.name.taken", reply.At("code"));
        Assert.Equal(before, await portal.CountsAsync());
    }

    [Theory]
    [InlineData(DemoApi.Xml)]
    [InlineData(DemoApi.Json)]
    public async Task Create_WithNoTrustedHost_CountsTheRefusedHostsByReason(string type)
    {
        var before = await portal.CountsAsync();
        var body = type == DemoApi.Xml
            ? $"<vm><name>homeless</name><cluster><name>{DemoApi.Untrusting}</name></cluster><trust_level>trusted</trust_level></vm>"
            : $$$"""{"name":"homeless","cluster":{"name":"{{{DemoApi.Untrusting}}}"},"trust_level":"trusted"}""";
        var reply = await portal.PostAsync("/api/vms", body, type, accept: DemoApi.Xml);

        Assert.Equal(HttpStatusCode.Conflict, reply.Status);
        Assert.Equal("placement.no_host", reply.At("code"));
        Assert.Contains("2 not enrolled", reply.At("detail"), StringComparison.Ordinal);
        var reason = Assert.Single(reply.Xml.Element("placement")!.Element("refused")!.Elements("reason"));
        Assert.Equal(("trust.not_enrolled", "2"), (reason.Element("code")!.Value, reason.Element("hosts")!.Value));
        Assert.Equal(("2", "Operation Failed"), (reply.At("placement/considered"), reply.At("reason")));
        var (vms, operations, receipts, memory) = await portal.CountsAsync();

        // The attempt is on record; nothing of it exists.
        Assert.Equal((before.Vms, before.Receipts, before.Memory), (vms, receipts, memory));
        Assert.Equal(before.Operations + 1, operations);
    }
}
