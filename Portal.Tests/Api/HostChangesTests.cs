using System.Net;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;
using Portal.Tests.Attestation.Outside;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class HostChangesTests(DemoApi portal) : IAsyncLifetime
{
    private const string Hosts = "/ovirt-engine/api/hosts";

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await using var db = portal.Database();
        await db.Hosts.Where(h => h.Name.StartsWith("rest-kvm")).ExecuteDeleteAsync(DemoApi.Ct);
    }

    [Fact]
    public async Task Create_InXml_ShowsTheWay_AndNeverTheKey()
    {
        var reply = await portal.PostAsync(Hosts, $"""
            <host><name>rest-kvm-1</name><address>10.255.0.1</address><libvirt_uri>qemu+tls://rest-kvm-1.invalid/system</libvirt_uri><cluster id="{portal.Cluster}"/>
            <authority>{TestCertificates.Authority}</authority><client_certificate>{TestCertificates.Client.Certificate}</client_certificate><private_key>{TestCertificates.Client.PrivateKey}</private_key></host>
            """);
        Assert.Equal(HttpStatusCode.Created, reply.Status);
        Assert.Equal($"{Hosts}/{reply.Id}", reply.Message.Headers.Location!.OriginalString);
        Assert.Equal(("10.255.0.1", "non_responsive", "qemu+tls://rest-kvm-1.invalid/system", "true"), (reply.At("address"), reply.At("status"), reply.At("libvirt_uri"), reply.At("has_private_key")));
        Assert.NotEmpty(reply.At("status_detail")!);
        foreach (var text in new[] { reply.Text, (await portal.GetAsync($"{Hosts}/{reply.Id}")).Text, (await portal.GetAsync(Hosts, DemoApi.Json)).Text })
        {
            Assert.DoesNotContain("PRIVATE KEY", text, StringComparison.Ordinal);
            Assert.DoesNotContain("<private_key", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Create_InJson_ThenMoved_WaitsForASecondPerson_AndIsConfirmed()
    {
        var body = JsonSerializer.Serialize(new { name = "rest-kvm-2", libvirt_uri = "qemu+tcp://127.0.0.1:1/system", cluster = new { id = portal.Cluster } });
        var created = await portal.PostAsync(Hosts, body, DemoApi.Json);
        Assert.Equal(HttpStatusCode.Created, created.Status);
        var host = $"{Hosts}/{created.Json.GetProperty("id").GetString()}";

        var moved = await portal.SendAsync(HttpMethod.Put, host, "<host><libvirt_uri>qemu+tcp://127.0.0.1:2/system</libvirt_uri></host>", DemoApi.Xml);
        Assert.Equal((HttpStatusCode.Accepted, "qemu+tcp://127.0.0.1:1/system", "qemu+tcp://127.0.0.1:2/system"), (moved.Status, moved.At("libvirt_uri"), moved.At("waiting_change/libvirt_uri")));
        var change = moved.Xml.Element("waiting_change")!.Attribute("id")!.Value;
        var action = $"<action><change id=\"{change}\"/></action>";
        Assert.Equal("host.proposal.own", (await portal.PostAsync($"{host}/confirm", action)).At("fault/code"));
        Assert.Equal("host.change.required", (await portal.PostAsync($"{host}/confirm", "<action/>", user: "security@internal")).At("fault/code"));
        Assert.Equal("complete", (await portal.PostAsync($"{host}/confirm", action, user: "security@internal")).At("status"));
        Assert.Equal("qemu+tcp://127.0.0.1:2/system", (await portal.GetAsync(host)).At("libvirt_uri"));

        Assert.Equal("complete", (await portal.SendAsync(HttpMethod.Delete, host, null, null)).At("status"));
        Assert.Equal(HttpStatusCode.NotFound, (await portal.GetAsync(host)).Status);
    }

    [Theory]
    [InlineData("<host><name>rest-kvm-3</name><libvirt_uri>qemu:///system</libvirt_uri></host>", "host.cluster.required")]
    [InlineData("<host><name>rest kvm</name><libvirt_uri>qemu:///system</libvirt_uri>{0}</host>", "host.name.characters")]
    [InlineData("<host><name>rest-kvm-3</name><libvirt_uri>qemu+tls://x/system?no_verify=1</libvirt_uri>{0}</host>", "host.libvirt_uri.invalid")]
    [InlineData("<host><name>rest-kvm-3</name><libvirt_uri>qemu+tls://x/system</libvirt_uri>{0}</host>", "host.authority")]
    public async Task Create_WhatIsWrong_IsNamed(string body, string code)
    {
        var reply = await portal.PostAsync(Hosts, body.Replace("{0}", $"<cluster id=\"{portal.Cluster}\"/>", StringComparison.Ordinal));
        Assert.Equal((HttpStatusCode.BadRequest, code), (reply.Status, reply.At("code")));
    }

    [Fact]
    public async Task Changes_ByPeopleWhoMayNot_Get403()
    {
        Assert.Equal(HttpStatusCode.Forbidden, (await portal.PostAsync(Hosts, "<host/>", user: "operator@internal")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await portal.SendAsync(HttpMethod.Delete, $"{Hosts}/{Guid.NewGuid()}", null, null, user: "auditor@internal")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await portal.PostAsync($"{Hosts}/{Guid.NewGuid()}/test", "<action/>", user: "operator@internal")).Status);
    }

    [Fact]
    public async Task Test_TellsTheSteps()
    {
        await using var db = portal.Database();
        var host = await db.Hosts.FirstAsync(h => h.Name == "lone-1", DemoApi.Ct);
        var reply = await portal.PostAsync($"{Hosts}/{host.Id}/test", "<action/>");
        Assert.Equal(("complete", "address"), (reply.At("status"), reply.At("lines/line/step")));
    }

    [Fact]
    public async Task UnmanagedVms_AreListed_AndAdoptingWhatCannotBeAskedIsRefused()
    {
        var id = Guid.NewGuid();
        await using var db = portal.Database();
        var host = new Host { Name = "rest-kvm-9", Address = "none:rest", ClusterId = portal.Cluster, State = HostState.NonResponsive, Cpus = 1, Memory = 1L << 30 };
        db.AddRange(host, new ForeignMachine { HostId = host.Id, Id = id, Name = "legacy", Cpus = 2, Memory = 1L << 30, Status = VirtualMachineStatus.Up, FirstSeenAt = DateTimeOffset.UtcNow });
        await db.SaveChangesAsync(DemoApi.Ct);
        var list = await portal.GetAsync($"{Hosts}/{host.Id}/unmanagedvms");
        Assert.Equal(("unmanaged_vms", "legacy", "up"), (list.Xml.Name.LocalName, list.At("unmanaged_vm/name"), list.At("unmanaged_vm/status")));
        var path = $"{Hosts}/{host.Id}/unmanagedvms/{id}";
        Assert.Equal("legacy", (await portal.GetAsync(path, DemoApi.Json)).Json.GetProperty("name").GetString());
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "machine.host_silent"), Fault(await portal.PostAsync($"{path}/adopt", "<action/>")));
        Assert.Equal("vm.trust_level", (await portal.PostAsync($"{path}/adopt", "<action><trust_level>some</trust_level></action>")).At("fault/code"));
        Assert.Equal("host_attester", (await portal.GetAsync($"{Hosts}/{host.Id}/attester")).Xml.Name.LocalName);
    }

    private static (HttpStatusCode, string?) Fault(ApiReply reply) => (reply.Status, reply.At("fault/code"));
}
