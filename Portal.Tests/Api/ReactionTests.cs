using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Inventory;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class ReactionTests(DemoApi portal)
{
    private static string Id(ApiReply reply) => reply.Xml.Attribute("id")!.Value;

    [Fact]
    public async Task Cluster_ReactionAndMigration_AreReadAndChangedInXmlAndJson()
    {
        var cluster = await NewClusterAsync("reacts");

        var xml = await PutAsync(cluster, "<cluster><reaction><on_trust_lost>evacuate</on_trust_lost><fallback>pause</fallback><max_migrations>3</max_migrations><react_after>30</react_after><guard><share>50</share><hosts>4</hosts><window>600</window></guard></reaction></cluster>");
        Assert.Equal(HttpStatusCode.OK, xml.Status);
        Assert.Equal(("evacuate", "pause", "3", "30"), (xml.At("reaction/on_trust_lost"), xml.At("reaction/fallback"), xml.At("reaction/max_migrations"), xml.At("reaction/react_after")));
        Assert.Equal(("50", "4", "600", "0"), (xml.At("reaction/guard/share"), xml.At("reaction/guard/hosts"), xml.At("reaction/guard/window"), xml.At("reaction/release_after")));

        var json = await portal.SendAsync(HttpMethod.Put, cluster, """{"migration":{"mode":"peer_to_peer","copy_storage":false,"timeout":120},"reaction":{"release_after":60}}""", DemoApi.Json, accept: DemoApi.Xml);
        Assert.Equal(HttpStatusCode.OK, json.Status);
        Assert.Equal(("peer_to_peer", "false", "120"), (json.At("migration/mode"), json.At("migration/copy_storage"), json.At("migration/timeout")));
        Assert.Equal(("evacuate", "60"), (json.At("reaction/on_trust_lost"), json.At("reaction/release_after")));
        var read = (await portal.GetAsync(cluster, DemoApi.Json)).Json;
        Assert.Equal("evacuate", read.GetProperty("reaction").GetProperty("on_trust_lost").GetString());
    }

    [Theory]
    [InlineData("<reaction><on_trust_lost>panic</on_trust_lost></reaction>", "field.not_choice", "reaction.on_trust_lost")]
    [InlineData("<reaction><max_migrations>many</max_migrations></reaction>", "field.not_number", "reaction.max_migrations")]
    [InlineData("<reaction><max_migrations>0</max_migrations></reaction>", "cluster.reaction.at_once", "reaction.max_migrations")]
    [InlineData("<reaction><guard><hosts>99999999999</hosts></guard></reaction>", "cluster.reaction.guard_hosts", "reaction.guard.hosts")]
    [InlineData("<reaction><react_after>-5</react_after></reaction>", "cluster.reaction.react_after", "reaction.react_after")]
    [InlineData("<migration><mode>teleport</mode></migration>", "field.not_choice", "migration.mode")]
    [InlineData("<reaction><fallback>pause</fallback></reaction><migration><timeout>1</timeout></migration>", "cluster.migration.timeout", "migration.timeout")]
    public async Task Cluster_WrongSetting_IsRefusedNamingTheField(string body, string code, string field)
    {
        var before = (await portal.GetAsync($"/api/clusters/{portal.Cluster}")).Text;

        var reply = await PutAsync($"/api/clusters/{portal.Cluster}", $"<cluster>{body}</cluster>");

        Assert.Equal((HttpStatusCode.BadRequest, code, field), (reply.Status, reply.At("code"), reply.At("field")));
        Assert.Equal(before, (await portal.GetAsync($"/api/clusters/{portal.Cluster}")).Text);
    }

    [Fact]
    public async Task Quarantine_ByHand_ShowsInTheHostAndIsRefusedReleaseWhileNotTrusted()
    {
        var host = (await portal.GetAsync("/api/hosts?max=1&search=name%3Dlone-1")).Xml.Element("host")!.Attribute("href")!.Value;
        Assert.Equal("false", (await portal.GetAsync(host)).At("quarantined"));

        Assert.Equal("complete", (await portal.PostAsync($"{host}/quarantine", "<action/>")).At("status"));
        var shown = await portal.GetAsync(host);
        Assert.Equal("true", shown.At("quarantined"));
        Assert.NotNull(shown.At("quarantined_since"));
        Assert.Equal("lone-1", (await portal.GetAsync("/api/hosts?search=reaction%3Dquarantine")).At("host/name"));
        var refused = await portal.PostAsync($"{host}/release", null);
        Assert.Equal((HttpStatusCode.Conflict, "host.release.untrusted"), (refused.Status, refused.At("fault/code")));
        var denied = await portal.PostAsync($"{host}/quarantine", "<action/>", user: "operator@internal");
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), (denied.Status, denied.At("fault/code")));
        await using var db = portal.Database();
        await db.Hosts.Where(h => h.Name == "lone-1").ExecuteUpdateAsync(set => set.SetProperty(h => h.QuarantinedSince, (DateTimeOffset?)null), DemoApi.Ct);
    }

    [Fact]
    public async Task Reaction_Held_ShowsInTheHostAndGoesOnOrIsDismissed()
    {
        await using var db = portal.Database();
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Name == "lone-2", DemoApi.Ct);
        var path = $"/api/hosts/{host.Id}";
        var nothing = await portal.PostAsync($"{path}/reaction/continue", "<action/>");
        Assert.Equal((HttpStatusCode.Conflict, "reaction.not_held"), (nothing.Status, nothing.At("fault/code")));
        var cluster = await portal.PostAsync($"/api/clusters/{host.ClusterId}/reaction/dismiss", "<action/>");
        Assert.Equal((HttpStatusCode.Conflict, "reaction.not_waiting"), (cluster.Status, cluster.At("fault/code")));
        Assert.Equal(HttpStatusCode.Forbidden, (await portal.PostAsync($"{path}/reaction/dismiss", "<action/>", user: "operator@internal")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await portal.PostAsync("/api/hosts/nobody/reaction/dismiss", "<action/>")).Status);
    }

    [Fact]
    public async Task Deactivate_WithVms_MovesThemAndCompletesOrIsPending()
    {
        var trusted = (await portal.GetAsync("/api/hosts?search=trust%3Dtrusted")).Xml.Elements("host").First(h => h.Element("status")!.Value == "up" && h.Element("cluster")!.Attribute("id")!.Value == portal.Cluster.ToString());
        var (path, id) = (trusted.Attribute("href")!.Value, Guid.Parse(trusted.Attribute("id")!.Value));
        var vm = await portal.CreateAsync("drained", $"<placement_policy><hosts><host id=\"{id}\"/></hosts></placement_policy>");
        await portal.PostAsync($"/api/vms/{Id(vm)}/migrate", $"<action><host id=\"{id}\"/></action>");

        var reply = await portal.PostAsync($"{path}/deactivate", "<action><async>true</async></action>");
        Assert.Contains(reply.At("status"), new[] { "pending", "complete" });
        await DemoApi.UntilAsync(async () => (await portal.GetAsync(path)).At("status") == "maintenance");
        await using var db = portal.Database();
        Assert.False(await db.VirtualMachines.AnyAsync(v => v.HostId == id && v.Status != VirtualMachineStatus.Down, DemoApi.Ct));

        Assert.Equal("complete", (await portal.PostAsync($"{path}/deactivate", "<action/>")).At("status"));
        Assert.Equal("complete", (await portal.PostAsync($"{path}/activate", "<action/>")).At("status"));
        var back = await portal.GetAsync(path);
        Assert.Equal(("up", "trusted"), (back.At("status"), back.At("trust/status")));
    }

    private Task<ApiReply> PutAsync(string path, string body) => portal.SendAsync(HttpMethod.Put, path, body, DemoApi.Xml, DemoApi.Xml);

    private async Task<string> NewClusterAsync(string name) =>
        (await portal.PostAsync("/api/clusters", $"<cluster><name>{name}</name></cluster>")).Xml.Attribute("href")!.Value;
}
