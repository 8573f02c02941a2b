using System.Net;
using Microsoft.EntityFrameworkCore;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class HostsTests(DemoApi portal)
{
    [Fact]
    public async Task Attest_OfATrustedHost_CompletesWithItsNewTrust()
    {
        var host = await HostAsync("trust=trusted");
        var before = DateTimeOffset.UtcNow.AddSeconds(-1);
        var reply = await portal.PostAsync($"{host}/attest", "<action/>");

        Assert.Equal((HttpStatusCode.OK, "complete"), (reply.Status, reply.At("status")));
        Assert.Equal(("trusted", ""), (reply.At("host/trust/status"), reply.At("host/trust/reason")));
        var verified = DateTimeOffset.Parse(reply.At("host/trust/verified_at")!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(verified >= before);
        Assert.True(DateTimeOffset.Parse(reply.At("host/trust/valid_until")!, System.Globalization.CultureInfo.InvariantCulture) > verified);
    }

    [Fact]
    public async Task Attest_OfAnUntrustedHost_CompletesAndSaysWhy()
    {
        var reply = await portal.PostAsync($"{await HostAsync("trust=untrusted")}/attest", null);
        Assert.Equal(("complete", "untrusted"), (reply.At("status"), reply.At("host/trust/status")));
        Assert.NotEmpty(reply.At("host/trust/reason")!);
    }

    [Fact]
    public async Task Attest_OfAHostNobodyEnrolled_Fails()
    {
        var reply = await portal.PostAsync($"{await HostAsync("name=lone-1")}/attest", null);
        Assert.Equal((HttpStatusCode.Conflict, "failed", "attest.not_enrolled"), (reply.Status, reply.At("status"), reply.At("fault/code")));
    }

    [Fact]
    public async Task Attest_ByAnOperator_Gets403()
    {
        var reply = await portal.PostAsync($"{await HostAsync("trust=trusted")}/attest", "<action/>", user: "operator@internal");
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), (reply.Status, reply.At("fault/code")));
    }

    [Fact]
    public async Task Attest_OfNoHost_Gets404()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await portal.PostAsync("/api/hosts/8d4a1b5e-0000-4000-8000-000000000001/attest", null)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await portal.PostAsync("/api/hosts/nobody/attest", null)).Status);
        Assert.Equal("host.not_found", (await portal.GetAsync("/api/hosts/nobody")).At("code"));
    }

    [Fact]
    public async Task DeactivateAndActivate_SetAsideAndTakeBack()
    {
        var host = await HostAsync("name=lone-2");
        Assert.Equal("complete", (await portal.PostAsync($"{host}/deactivate", "<action/>")).At("status"));
        Assert.Equal("maintenance", (await portal.GetAsync(host)).At("status"));
        Assert.Equal("complete", (await portal.PostAsync($"{host}/activate", "{}", DemoApi.Json, accept: DemoApi.Xml)).At("status"));
        Assert.Equal("up", (await portal.GetAsync(host)).At("status"));
    }

    [Fact]
    public async Task Host_Document_SaysWhatClientsRead()
    {
        var host = (await portal.GetAsync(await HostAsync("trust=trusted"))).Xml;
        await using var db = portal.Database();
        var row = await db.Hosts.SingleAsync(h => h.Id == Guid.Parse(host.Attribute("id")!.Value), DemoApi.Ct);

        Assert.Equal(row.Name, host.Element("name")!.Value);
        Assert.Equal(row.Hardware.SerialNumber, host.Element("hardware_information")!.Element("serial_number")!.Value);
        Assert.Equal(row.ClusterId.ToString(), host.Element("cluster")!.Attribute("id")!.Value);
        Assert.Contains(host.Element("actions")!.Elements("link"), l => l.Attribute("rel")!.Value == "attest");
    }

    private async Task<string> HostAsync(string search) =>
        (await portal.GetAsync($"/api/hosts?max=1&search={Uri.EscapeDataString(search)}")).Xml.Element("host")!.Attribute("href")!.Value;
}
