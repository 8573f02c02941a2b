using System.Net;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Api;
using Portal.Core.Attestation;
using Portal.Tests.World;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class VmTests(DemoApi portal)
{
    public static TheoryData<string> BasePaths => [.. DemoApi.BasePaths];

    [Theory]
    [MemberData(nameof(BasePaths))]
    public async Task Actions_InTheOrderOfALife_Complete(string basePath)
    {
        var id = (await portal.CreateAsync($"life{basePath.Replace('/', '-')}", "<trust_level>trusted</trust_level>", basePath)).Id;
        var vm = $"{basePath}/vms/{id}";

        await CompletesAsync($"{vm}/start", "<action><async>false</async></action>");
        Assert.Equal("up", (await portal.GetAsync(vm)).At("status"));
        await CompletesAsync($"{vm}/migrate", "<action/>");
        await CompletesAsync($"{vm}/stop", null);
        Assert.Equal("down", (await portal.GetAsync(vm)).At("status"));
        await CompletesAsync($"{vm}/start", "{}", DemoApi.Json);
        await CompletesAsync($"{vm}/shutdown", "<action/>");
        await DemoApi.UntilAsync(async () => (await portal.GetAsync(vm)).At("status") == "down");
        var deleted = await portal.SendAsync(HttpMethod.Delete, vm, null, null);
        Assert.Equal((HttpStatusCode.OK, ""), (deleted.Status, deleted.Text));
        Assert.Equal(HttpStatusCode.NotFound, (await portal.GetAsync(vm)).Status);
        Assert.Equal("vm.not_found", (await portal.SendAsync(HttpMethod.Delete, vm, null, null)).At("code"));
    }

    [Fact]
    public async Task Start_OfARunningVm_FailsInsideTheAction()
    {
        var vm = await RunningAsync("already-up");
        var xml = await portal.PostAsync($"{vm}/start", "<action/>");
        Assert.Equal(HttpStatusCode.Conflict, xml.Status);
        Assert.Equal(("action", "failed", "vm.state"), (xml.Xml.Name.LocalName, xml.At("status"), xml.At("fault/code")));

        var json = await portal.PostAsync($"{vm}/start", "{}", DemoApi.Json);
        Assert.Equal("vm.state", json.Json.GetProperty("fault").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Start_Async_AnswersAtOnce()
    {
        var id = (await portal.CreateAsync("later")).Id;
        var reply = await portal.PostAsync($"/api/vms/{id}/start", "<action><async>true</async></action>");

        Assert.Equal((HttpStatusCode.Accepted, "pending"), (reply.Status, reply.At("status")));
        await DemoApi.UntilAsync(async () => (await portal.GetAsync($"/api/vms/{id}")).At("status") == "up");
    }

    [Theory]
    [InlineData("<action><host><name>nowhere</name></host></action>", "vm.host.unknown", "host.name")]
    [InlineData("<action><host id=\"8d4a1b5e-0000-4000-8000-000000000001\"/></action>", "vm.host.unknown", "host.id")]
    [InlineData("<action><host id=\"&lt;\"/></action>", "vm.host.unknown", "host.id")]
    [InlineData("<action><async>maybe</async></action>", "field.not_flag", "async")]
    [InlineData("<vm/>", "body.root", "body")]
    [InlineData("<!DOCTYPE action []><action/>", "body.xml", "body")]
    public async Task Migrate_WithABadBody_FailsAndNamesTheField(string body, string code, string field)
    {
        var vm = await RunningAsync($"migrate-{Guid.NewGuid():N}");
        var before = await portal.CountsAsync();
        var reply = await portal.PostAsync($"{vm}/migrate", body);

        Assert.Equal(HttpStatusCode.BadRequest, reply.Status);
        Assert.Equal(("failed", code, field), (reply.At("status"), reply.At("fault/code"), reply.At("fault/field")));
        Assert.Equal(before, await portal.CountsAsync());
    }

    [Fact]
    public async Task Migrate_ToANamedHost_GoesThereOrSaysWhyNot()
    {
        var vm = await RunningAsync("mover", "<trust_level>trusted</trust_level>");
        await using var db = portal.Database();
        var hosts = await db.Hosts.Where(h => h.ClusterId == portal.Cluster).ToListAsync(DemoApi.Ct);
        var now = DateTimeOffset.UtcNow;
        var trusted = await db.Attestations.Where(a => a.Verdict == Verdict.Trusted && a.ValidUntil > now).Select(a => a.HostId).ToListAsync(DemoApi.Ct);
        var at = Guid.Parse((await portal.GetAsync(vm)).Xml.Element("host")!.Attribute("id")!.Value);
        var good = hosts.First(h => trusted.Contains(h.Id) && h.Id != at);
        var bad = hosts.First(h => !trusted.Contains(h.Id));

        await CompletesAsync($"{vm}/migrate", $"<action><host><name>{good.Name}</name></host></action>");
        Assert.Equal(good.Id.ToString(), (await portal.GetAsync(vm)).Xml.Element("host")!.Attribute("id")!.Value);
        var refused = await portal.PostAsync($"{vm}/migrate", $"<action><host id=\"{bad.Id}\"/></action>");
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Equal("placement.no_host", refused.At("fault/code"));
        Assert.Contains(refused.Xml.Element("fault")!.Element("placement")!.Element("refused")!.Elements("reason"), r => r.Element("code")!.Value.StartsWith("trust.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Delete_OfARunningVm_IsRefused()
    {
        var vm = await RunningAsync("undeletable");
        var reply = await portal.SendAsync(HttpMethod.Delete, vm, null, null);
        Assert.Equal((HttpStatusCode.Conflict, "vm.state"), (reply.Status, reply.At("code")));
        Assert.Equal("up", (await portal.GetAsync(vm)).At("status"));
    }

    [Theory]
    [InlineData("application/xml")]
    [InlineData("application/json")]
    public async Task Put_OfWhatWasGot_ChangesNothing(string type)
    {
        var id = (await portal.CreateAsync($"round-{type.Split('/')[1]}", "<description>a &lt;b&gt;</description><trust_level>trusted</trust_level><cpu><topology><cores>2</cores></topology></cpu>")).Id;
        var before = await portal.GetAsync($"/api/vms/{id}", type);
        var reply = await portal.SendAsync(HttpMethod.Put, $"/api/vms/{id}", before.Text, type, type);

        Assert.Equal(HttpStatusCode.OK, reply.Status);
        Assert.Equal(before.Text, reply.Text);
        Assert.Equal(before.Text, (await portal.GetAsync($"/api/vms/{id}", type)).Text);
    }

    [Fact]
    public async Task Put_WithSomeFields_ChangesThoseOnly()
    {
        var id = (await portal.CreateAsync("before", "<description>old</description>")).Id;
        var reply = await portal.SendAsync(HttpMethod.Put, $"/api/vms/{id}", $"<vm><name>after</name><memory>{128L << 20}</memory><cpu><topology><sockets>3</sockets></topology></cpu><trust_level>trusted</trust_level></vm>", DemoApi.Xml);

        Assert.Equal(("after", "old", "134217728", "3", "trusted"), (reply.At("name"), reply.At("description"), reply.At("memory"), reply.At("cpu/topology/sockets"), reply.At("trust_level")));
        var cores = await portal.SendAsync(HttpMethod.Put, $"/api/vms/{id}", "<vm><cpu><topology><cores>2</cores></topology></cpu></vm>", DemoApi.Xml);
        Assert.Equal("6", cores.At("cpu/topology/sockets"));
    }

    [Theory]
    [InlineData("<vm><name>-</name></vm>", HttpStatusCode.BadRequest, "vm.invalid")]
    [InlineData("<vm><memory>1</memory></vm>", HttpStatusCode.BadRequest, "vm.invalid")]
    [InlineData("<vm><trust_level>golden</trust_level></vm>", HttpStatusCode.BadRequest, "vm.trust_level.unknown")]
    [InlineData("<vm><cluster><name>nobody-enrolled</name></cluster></vm>", HttpStatusCode.BadRequest, "vm.cluster.fixed")]
    [InlineData("<vm><template><name>RHEL 9.6 server</name></template></vm>", HttpStatusCode.BadRequest, "vm.template.fixed")]
    [InlineData("<vm><cluster id=\"x\"/></vm>", HttpStatusCode.BadRequest, "vm.cluster.unknown")]
    [InlineData("<vm><name>web-01</name></vm>", HttpStatusCode.Conflict, "vm.name.taken")]
    [InlineData("<vm", HttpStatusCode.BadRequest, "body.xml")]
    public async Task Put_Bad_IsRefusedAndChangesNothing(string body, HttpStatusCode status, string code)
    {
        var id = (await portal.CreateAsync($"put-{Guid.NewGuid():N}")).Id;
        var before = await portal.GetAsync($"/api/vms/{id}");
        var reply = await portal.SendAsync(HttpMethod.Put, $"/api/vms/{id}", body, DemoApi.Xml);

        Assert.Equal((status, code), (reply.Status, reply.At("code")));
        Assert.Equal(before.Text, (await portal.GetAsync($"/api/vms/{id}")).Text);
    }

    [Fact]
    public async Task Put_RaisingTheLevelOfARunningVm_NeedsItsHostToQualify()
    {
        // The host's agent is silent: its verdict runs out and no round brings it back.
        await using var db = portal.Database();
        var silent = await db.Attestations.Where(a => a.Outcome == CheckOutcome.AgentUnreachable).Select(a => a.HostId).FirstAsync(DemoApi.Ct);
        var cluster = await db.Hosts.Where(h => h.Id == silent).Select(h => h.ClusterId).SingleAsync(DemoApi.Ct);
        var created = await portal.PostAsync("/api/vms", $"<vm><name>riser</name><cluster id=\"{cluster}\"/><memory>{64L << 20}</memory></vm>");
        var vm = $"/api/vms/{created.Id}";
        if (created.Xml.Element("host")!.Attribute("id")!.Value != silent.ToString())
        {
            await CompletesAsync($"{vm}/migrate", $"<action><host id=\"{silent}\"/></action>");
        }

        await CompletesAsync($"{vm}/start", "<action/>");
        Assert.Equal(silent.ToString(), (await portal.GetAsync(vm)).Xml.Element("host")!.Attribute("id")!.Value);
        var past = DateTimeOffset.UtcNow.AddSeconds(-1);
        await db.Attestations.Where(a => a.HostId == silent).ExecuteUpdateAsync(set => set.SetProperty(a => a.ValidUntil, past), DemoApi.Ct);

        var refused = await portal.SendAsync(HttpMethod.Put, vm, "<vm><trust_level>trusted</trust_level></vm>", DemoApi.Xml);
        Assert.Equal((HttpStatusCode.Conflict, "vm.trust_level.host"), (refused.Status, refused.At("code")));
        Assert.Equal("any", (await portal.GetAsync(vm)).At("trust_level"));
        await CompletesAsync($"{vm}/stop", null);
        var raised = await portal.SendAsync(HttpMethod.Put, vm, "<vm><trust_level>trusted</trust_level></vm>", DemoApi.Xml);
        Assert.Equal((HttpStatusCode.OK, "trusted"), (raised.Status, raised.At("trust_level")));
    }

    [Theory]
    [InlineData("PUT", "", "<vm/>")]
    [InlineData("DELETE", "", null)]
    [InlineData("POST", "/start", "<action/>")]
    [InlineData("POST", "/migrate", "<vm")]
    public async Task Commands_ByARoleThatMayNot_Get403(string method, string action, string? body)
    {
        var id = (await portal.CreateAsync($"mine-{Guid.NewGuid():N}")).Id;
        var reply = await portal.SendAsync(new HttpMethod(method), $"/api/vms/{id}{action}", body, body is null ? null : DemoApi.Xml, user: "auditor@internal");
        Assert.Equal(HttpStatusCode.Forbidden, reply.Status);
        Assert.Contains("access.denied", reply.Text, StringComparison.Ordinal);
        Assert.Equal("down", (await portal.GetAsync($"/api/vms/{id}", user: "auditor@internal")).At("status"));
    }

    [Theory]
    [InlineData("GET", "not-an-id", "")]
    [InlineData("PUT", "8d4a1b5e-0000-4000-8000-000000000001", "")]
    [InlineData("DELETE", "not-an-id", "")]
    [InlineData("POST", "not-an-id", "/start")]
    public async Task UnknownVm_Gets404(string method, string id, string action)
    {
        var reply = await portal.SendAsync(new HttpMethod(method), $"/api/vms/{id}{action}", null, null);
        Assert.Equal(HttpStatusCode.NotFound, reply.Status);
        Assert.Contains("vm.not_found", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_ThatRunOutOfPatience_Answer202AndTheWorkGoesOn()
    {
        var options = portal.Services.GetRequiredService<OvirtApiOptions>();
        var patience = options.Patience;
        var pause = portal.Services.GetRequiredService<ScriptedPause>();
        options.Patience = TimeSpan.Zero;
        try
        {
            // The hypervisor takes longer than anybody waits.
            var held = Hold();
            var created = await portal.PostAsync("/api/vms", $"<vm><name>slow</name><cluster id=\"{portal.Cluster}\"/><memory>{64L << 20}</memory></vm>");
            var vm = created.Message.Headers.Location!.OriginalString;
            Assert.Equal((HttpStatusCode.Accepted, $"/api/vms/{created.Id}", "wait_for_launch"), (created.Status, vm, created.At("status")));
            held.SetResult();
            await IsAsync(vm, "down");

            held = Hold();
            var started = await portal.PostAsync($"{vm}/start", null);
            Assert.Equal((HttpStatusCode.Accepted, "pending"), (started.Status, started.At("status")));
            held.SetResult();
            await IsAsync(vm, "up");
            held = Hold();
            Assert.Equal(HttpStatusCode.Accepted, (await portal.PostAsync($"{vm}/stop", null)).Status);
            held.SetResult();
            await IsAsync(vm, "down");

            // Clients take anything but 200 for a failed deletion.
            held = Hold();
            Assert.Equal(HttpStatusCode.OK, (await portal.SendAsync(HttpMethod.Delete, vm, null, null)).Status);
            held.SetResult();
            await DemoApi.UntilAsync(async () => (await portal.GetAsync(vm)).Status == HttpStatusCode.NotFound);
        }
        finally
        {
            options.Patience = patience;
            pause.At = (_, _) => Task.CompletedTask;
        }

        TaskCompletionSource Hold()
        {
            var until = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            pause.At = (_, _) => until.Task;
            return until;
        }

        // At rest: the status is there and no operation holds the VM.
        Task IsAsync(string vm, string status) => DemoApi.UntilAsync(async () =>
        {
            await using var db = portal.Database();
            var id = Guid.Parse(vm.Split('/')[^1]);
            return (await portal.GetAsync(vm)).At("status") == status && await db.VirtualMachines.AnyAsync(v => v.Id == id && v.OperationId == null, DemoApi.Ct);
        });
    }

    private async Task<string> RunningAsync(string name, string more = "")
    {
        var path = $"/api/vms/{(await portal.CreateAsync(name, more)).Id}";
        await CompletesAsync($"{path}/start", "<action/>");
        return path;
    }

    private async Task CompletesAsync(string path, string? body, string type = DemoApi.Xml)
    {
        var reply = await portal.PostAsync(path, body, type, accept: DemoApi.Xml);
        Assert.Equal((HttpStatusCode.OK, "complete"), (reply.Status, reply.At("status")));
    }
}
