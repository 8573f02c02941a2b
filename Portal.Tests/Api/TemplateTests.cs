using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Portal.Tests.Api;

/// <summary>Templates over REST, and what VMs have of them.</summary>
[Collection(nameof(DemoApi))]
public sealed class TemplateTests(DemoApi portal)
{
    [Theory]
    [InlineData(DemoApi.Xml)]
    [InlineData(DemoApi.Json)]
    public async Task Life_CreateGetPutDelete(string type)
    {
        var name = $"Tpl {type.Split('/')[1]}";
        var body = type == DemoApi.Xml
            ? $"<template><name>{name}</name><memory>{512L << 20}</memory><cpu><topology><sockets>2</sockets></topology></cpu><disk>{5L << 30}</disk><storage><pool>default</pool><image>debian.qcow2</image></storage><bios><type>q35_secure_boot</type></bios><tpm_enabled>true</tpm_enabled><network>lab</network></template>"
            : $$"""{"name":"{{name}}","memory":{{512L << 20}},"cpu":{"topology":{"sockets":2} },"disk":{{5L << 30}},"storage":{"pool":"default","image":"debian.qcow2"},"bios":{"type":"q35_secure_boot"},"tpm_enabled":true,"network":"lab"}""";
        var created = await portal.PostAsync("/api/templates", body, type, DemoApi.Xml);

        Assert.Equal(HttpStatusCode.Created, created.Status);
        var path = $"/api/templates/{created.Id}";
        Assert.Equal(path, created.Message.Headers.Location!.OriginalString);
        Assert.Equal(
            ("debian.qcow2", "q35_secure_boot", "q35", "true", "lab", "2"),
            (created.At("storage/image"), created.At("bios/type"), created.At("custom_emulated_machine"), created.At("tpm_enabled"), created.At("network"), created.At("cpu/topology/sockets")));

        var same = await portal.GetAsync(path, type);
        Assert.Equal(same.Text, (await portal.SendAsync(HttpMethod.Put, path, same.Text, type, type)).Text);
        var changed = await portal.SendAsync(HttpMethod.Put, path, "<template><bios><type>i440fx_sea_bios</type></bios><storage><image/></storage></template>", DemoApi.Xml);
        Assert.Equal(("i440fx_sea_bios", "pc", "", name), (changed.At("bios/type"), changed.At("custom_emulated_machine"), changed.At("storage/image"), changed.At("name")));
        Assert.Equal(HttpStatusCode.OK, (await portal.SendAsync(HttpMethod.Delete, path, null, null)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await portal.GetAsync(path)).Status);
        Assert.Equal("template.not_found", (await portal.SendAsync(HttpMethod.Delete, path, null, null)).At("code"));
    }

    [Theory]
    [InlineData("<template/>", "template.invalid", "name")]
    [InlineData("<template><name>x</name><bios><type>coreboot</type></bios></template>", "vm.bios.unknown", "bios.type")]
    [InlineData("<template><name>x</name><storage><pool/><image>a</image></storage></template>", "vm.image.without_pool", "storage.pool")]
    [InlineData("<template><name>x</name><vm id=\"8d4a1b5e-0000-4000-8000-000000000001\"/></template>", "template.vm", "vm")]
    [InlineData("<template><name>x</name><tpm_enabled>perhaps</tpm_enabled></template>", "field.not_flag", "tpm_enabled")]
    [InlineData("<template><name>x</name><disk>1</disk></template>", "template.invalid", "disk")]
    [InlineData("<template><name>x</name><custom_emulated_machine>pc</custom_emulated_machine><bios><type>q35_secure_boot</type></bios></template>", "vm.firmware.board", "bios.type")]
    public async Task Post_Bad_IsRefusedAndNamesTheField(string body, string code, string field)
    {
        var reply = await portal.PostAsync("/api/templates", body);

        Assert.Equal((HttpStatusCode.BadRequest, code, field), (reply.Status, reply.At("code"), reply.At("field")));
    }

    [Fact]
    public async Task Blank_IsNeitherRenamedNorDeleted_AndOneInUseStays()
    {
        var blank = $"/api/templates/{Template.Blank}";
        Assert.Equal("template.blank", (await portal.SendAsync(HttpMethod.Put, blank, "<template><name>Void</name></template>", DemoApi.Xml)).At("code"));
        Assert.Equal("template.blank", (await portal.SendAsync(HttpMethod.Delete, blank, null, null)).At("code"));
        var made = await portal.PostAsync("/api/templates", "<template><name>used</name></template>");
        await portal.CreateAsync("from-used", $"<template id=\"{made.Id}\"/>");

        var refused = await portal.SendAsync(HttpMethod.Delete, $"/api/templates/{made.Id}", null, null);

        Assert.Equal((HttpStatusCode.Conflict, "template.in_use"), (refused.Status, refused.At("code")));
    }

    [Theory]
    [InlineData("POST", "", "<template><name>x</name></template>")]
    [InlineData("PUT", "/00000000-0000-0000-0000-000000000000", "<template")]
    [InlineData("DELETE", "/00000000-0000-0000-0000-000000000000", null)]
    public async Task Commands_ByARoleThatMayNot_Get403(string method, string path, string? body)
    {
        var reply = await portal.SendAsync(new HttpMethod(method), $"/api/templates{path}", body, body is null ? null : DemoApi.Xml, user: "operator@internal");

        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), (reply.Status, reply.At("code")));
    }

    [Fact]
    public async Task StorageThatOnlySomeHostsHave_ComesAsAWarning()
    {
        await using var db = portal.Database();
        var hosts = await db.Hosts.Where(h => h.Address.StartsWith("none:")).Select(h => h.Id).ToListAsync(DemoApi.Ct);
        db.HostPools.AddRange(
            new HostPool { HostId = hosts[0], Name = "default", Kind = "dir", IsShared = false, Capacity = 1, Available = 1, Volumes = "[\"a.qcow2\",\"debian.qcow2\"]" },
            new HostPool { HostId = hosts[1], Name = "default", Kind = "dir", IsShared = false, Capacity = 1, Available = 1 });
        await db.SaveChangesAsync(DemoApi.Ct);
        try
        {
            var some = await portal.PostAsync("/api/templates", "<template><name>some</name><storage><pool>default</pool><image>a.qcow2</image></storage></template>");
            var none = await portal.PostAsync("/api/templates", "<template><name>none</name><storage><pool>gold</pool></storage></template>");

            Assert.Equal(HttpStatusCode.Created, some.Status);
            Assert.StartsWith("1 of the 2 hosts with storage pool default", some.At("warnings/warning"), StringComparison.Ordinal);
            Assert.Equal((HttpStatusCode.BadRequest, "template.pool.unknown"), (none.Status, none.At("code")));
        }
        finally
        {
            await db.HostPools.Where(p => hosts.Contains(p.HostId)).ExecuteDeleteAsync(DemoApi.Ct);
            portal.Services.GetRequiredService<IChangeFeed>().Publish(Change.Of(ChangeTopic.Host));
        }
    }

    [Fact]
    public async Task Vm_TakesWhatItDoesNotSayFromTheTemplate_AndTheRestFromTheDocument()
    {
        var template = await portal.PostAsync("/api/templates", "<template><name>vm fields</name><storage><pool>fast</pool><image>debian.qcow2</image></storage><bios><type>q35_ovmf</type></bios><tpm_enabled>true</tpm_enabled><network>lab</network></template>");
        var vm = await portal.CreateAsync("fields", $"<template id=\"{template.Id}\"/><disk>{3L << 30}</disk><tpm_enabled>false</tpm_enabled><high_availability><enabled>true</enabled><priority>80</priority></high_availability>");

        Assert.Equal(
            ("fast", "debian.qcow2", "q35_ovmf", "lab", "false"),
            (vm.At("storage/pool"), vm.At("storage/image"), vm.At("bios/type"), vm.At("network"), vm.At("tpm_enabled")));
        Assert.Equal(("3221225472", "true", "80"), (vm.At("disk"), vm.At("high_availability/enabled"), vm.At("high_availability/priority")));
        var path = $"/api/vms/{vm.Id}";
        var changed = await portal.SendAsync(HttpMethod.Put, path, "<vm><bios><type>q35_sea_bios</type></bios><high_availability><priority>10</priority></high_availability><network/></vm>", DemoApi.Xml);
        Assert.Equal(("q35_sea_bios", "10", "true", ""), (changed.At("bios/type"), changed.At("high_availability/priority"), changed.At("high_availability/enabled"), changed.At("network")));
        Assert.Equal("vm.storage.fixed", (await portal.SendAsync(HttpMethod.Put, path, "<vm><storage><pool>slow</pool></storage></vm>", DemoApi.Xml)).At("code"));
        Assert.Equal("vm.disk.fixed", (await portal.SendAsync(HttpMethod.Put, path, "<vm><disk>1</disk></vm>", DemoApi.Xml)).At("code"));
        Assert.Equal(("vm.invalid", "high_availability.priority"), (
            (await portal.SendAsync(HttpMethod.Put, path, "<vm><high_availability><priority>101</priority></high_availability></vm>", DemoApi.Xml)).At("code"),
            (await portal.SendAsync(HttpMethod.Put, path, "<vm><high_availability><priority>-99999999999</priority></high_availability></vm>", DemoApi.Xml)).At("field")));
    }

    [Fact]
    public async Task SuspendRebootAndStart_InTheOrderOfALife_Complete()
    {
        var vm = $"/api/vms/{(await portal.CreateAsync("napper", "<trust_level>trusted</trust_level>")).Id}";
        await CompletesAsync($"{vm}/start");
        await CompletesAsync($"{vm}/reboot");
        await CompletesAsync($"{vm}/suspend");
        Assert.Equal("paused", (await portal.GetAsync(vm)).At("status"));
        Assert.Equal("vm.state", (await portal.PostAsync($"{vm}/reboot", "<action/>")).At("fault/code"));
        await CompletesAsync($"{vm}/migrate");
        Assert.Equal("paused", (await portal.GetAsync(vm)).At("status"));
        await CompletesAsync($"{vm}/start");
        Assert.Equal("up", (await portal.GetAsync(vm)).At("status"));
    }

    [Theory]
    [InlineData("?detach_only=true", null, true)]
    [InlineData(";detach_only=true", null, true)]
    [InlineData("", "<action><detach_only>true</detach_only></action>", true)]
    [InlineData("?detach_only=false", null, false)]
    [InlineData("", null, false)]
    public async Task Delete_DetachOnly_KeepsTheDisk(string parameter, string? body, bool keeps)
    {
        var name = $"detach-{Guid.NewGuid():N}";
        var id = (await portal.CreateAsync(name)).Id;

        var deleted = await portal.SendAsync(HttpMethod.Delete, $"/api/vms/{id}{parameter}", body, body is null ? null : DemoApi.Xml);

        Assert.Equal(HttpStatusCode.OK, deleted.Status);
        await using var db = portal.Database();
        var told = await db.AuditEntries.Where(a => a.Event == "vm.deleted" && a.Sentence.Contains(name)).Select(a => a.Sentence).SingleAsync(DemoApi.Ct);
        Assert.EndsWith(keeps ? "its disk stays in storage pool default." : "with its disk.", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("?detach_only=maybe", null, "field.not_flag")]
    [InlineData("", "<action", "body.xml")]
    public async Task Delete_ThatCannotBeRead_DeletesNothing(string parameter, string? body, string code)
    {
        var vm = $"/api/vms/{(await portal.CreateAsync($"kept-{Guid.NewGuid():N}")).Id}";

        var reply = await portal.SendAsync(HttpMethod.Delete, $"{vm}{parameter}", body, body is null ? null : DemoApi.Xml);

        Assert.Equal((HttpStatusCode.BadRequest, code), (reply.Status, reply.At("code")));
        Assert.Equal("down", (await portal.GetAsync(vm)).At("status"));
    }

    [Theory]
    [InlineData("", GuestFirmware.Bios, "cluster_default")]
    [InlineData("pc-i440fx-7.2", GuestFirmware.Bios, "i440fx_sea_bios")]
    [InlineData("pc-q35-7.2", GuestFirmware.Bios, "q35_sea_bios")]
    [InlineData("", GuestFirmware.Uefi, "q35_ovmf")]
    [InlineData("q35", GuestFirmware.SecureBoot, "q35_secure_boot")]
    [InlineData("pc", GuestFirmware.Uefi, null)]
    [InlineData("virt", GuestFirmware.Bios, null)]
    public void Bios_Word_IsOvirts(string machineType, GuestFirmware firmware, string? word) => Assert.Equal(word, BiosWords.Of(machineType, firmware));

    private async Task CompletesAsync(string path)
    {
        var reply = await portal.PostAsync(path, "<action/>");
        Assert.True(reply.Status is HttpStatusCode.OK, reply.Text);
        Assert.Equal("complete", reply.At("status"));
    }
}
