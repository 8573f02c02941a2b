using System.Net;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Tests.Attestation.Outside;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class AttestationServicesTests(DemoApi portal) : IAsyncLifetime
{
    private const string Path = "/ovirt-engine/api/attestationservices";
    private const string Nowhere = "https://keylime.invalid:8881";
    private readonly List<string> made = [];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await using var db = portal.Database();
        await db.AttestationServers.Where(s => made.Contains(s.Name)).ExecuteDeleteAsync(DemoApi.Ct);
    }

    [Fact]
    public async Task List_BeginsWithTheVerifierOfOurOwn_WhichHasNoSettings()
    {
        var reply = await portal.GetAsync(Path);

        var ours = reply.Xml.Elements("attestation_service").First();
        Assert.Equal(("attestation_services", "builtin", ServiceSet.BuiltInId.ToString()), (reply.Xml.Name.LocalName, ours.Element("type")!.Value, ours.Attribute("id")!.Value));
        Assert.Contains(portal.ClusterName, ours.Element("clusters")!.Elements("cluster").Select(c => c.Element("name")!.Value));
        Assert.Null(ours.Element("address"));
        Assert.Equal((HttpStatusCode.Conflict, "service.builtin"), Fault(await portal.SendAsync(HttpMethod.Delete, $"{Path}/{ServiceSet.BuiltInId}", null, null)));
        Assert.Equal((HttpStatusCode.Conflict, "service.builtin"), Fault(await portal.SendAsync(HttpMethod.Put, $"{Path}/{ServiceSet.BuiltInId}", "<attestation_service/>", DemoApi.Xml)));
    }

    [Fact]
    public async Task Create_InXml_IsKept_AndItsKeyIsNeverGivenBack()
    {
        var reply = await CreateAsync("rest-kl");

        Assert.Equal(HttpStatusCode.Created, reply.Status);
        Assert.Equal($"{Path}/{reply.Id}", reply.Message.Headers.Location!.OriginalString);
        Assert.Equal(("keylime", Nowhere, "true", "10", "7"), (reply.At("type"), reply.At("address"), reply.At("check_name"), reply.At("poll_interval"), reply.At("timeout")));
        Assert.Equal(("true", "unknown"), (reply.At("has_private_key"), reply.At("health/status")));
        Assert.Equal(TestCertificates.Authority.Trim(), reply.At("authority")!.ReplaceLineEndings("\n").Trim());
        foreach (var text in new[] { reply.Text, (await portal.GetAsync($"{Path}/{reply.Id}")).Text, (await portal.GetAsync(Path, DemoApi.Json)).Text })
        {
            Assert.DoesNotContain("PRIVATE KEY", text, StringComparison.Ordinal);
            Assert.DoesNotContain("<private_key", text, StringComparison.Ordinal);
            Assert.DoesNotContain(KeyLine, text, StringComparison.Ordinal);
        }

        await using var db = portal.Database();
        var server = await db.AttestationServers.SingleAsync(s => s.Name == "rest-kl", DemoApi.Ct);
        Assert.DoesNotContain(KeyLine, System.Text.Encoding.Latin1.GetString(server.ProtectedKey!), StringComparison.Ordinal);
        var entries = await db.AuditEntries.Where(e => e.TargetId == server.Id).ToListAsync(DemoApi.Ct);
        Assert.Contains(entries, e => e.Event == "service.added");
        Assert.DoesNotContain(entries, e => $"{e.Sentence}{e.Detail}".Contains(KeyLine, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Create_InJson_IsTheSame()
    {
        made.Add("rest-json");
        var body = JsonSerializer.Serialize(new { name = "rest-json", type = "openattestation", address = "https://oat.invalid:8443", authority = TestCertificates.Authority, check_name = false, poll_interval = 60 });

        var reply = await portal.PostAsync(Path, body, DemoApi.Json);

        Assert.Equal(HttpStatusCode.Created, reply.Status);
        var service = reply.Json;
        Assert.Equal(("openattestation", "false", "60", "30", "false"), (Text("type"), Text("check_name"), Text("poll_interval"), Text("timeout"), Text("has_private_key")));
        Assert.False(service.TryGetProperty("registrar_address", out _));
        Assert.Equal(JsonValueKind.Array, service.GetProperty("clusters").GetProperty("cluster").ValueKind);

        string? Text(string name) => service.GetProperty(name).GetString();
    }

    [Theory]
    [InlineData("<type>guess</type>", "type", "service.type")]
    [InlineData("", "type", "service.type.required")]
    [InlineData("<type>builtin</type>", "type", "service.type")]
    [InlineData("<type>keylime</type><address>http://kl:8881</address>", "address", "service.address")]
    [InlineData("<type>keylime</type><address>https://kl:8881</address>", "registrar_address", "service.registrar")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address><registrar_address>https://oat:1</registrar_address>", "registrar_address", "service.registrar")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address><authority>none</authority>", "authority", "service.authority")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address>AUTHORITY<poll_interval>1</poll_interval>", "poll_interval", "service.interval")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address>AUTHORITY<timeout>99999999999</timeout>", "timeout", "service.timeout")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address>AUTHORITY<poll_interval>soon</poll_interval>", "poll_interval", "field.not_number")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address>AUTHORITY<check_name>maybe</check_name>", "check_name", "field.not_flag")]
    [InlineData("<type>openattestation</type><address>https://oat:8443</address>AUTHORITY<private_key>hunter2-the-secret</private_key>", "client_certificate", "service.client")]
    [InlineData("<type>keylime</type><address>https://kl:8881</address><registrar_address>https://kl:8891</registrar_address>AUTHORITY", "client_certificate", "service.client.missing")]
    public async Task Create_Wrong_IsRefusedByField_AndKeepsNothing(string fields, string field, string code)
    {
        var reply = await portal.PostAsync(Path, $"<attestation_service><name>rest-wrong</name>{fields.Replace("AUTHORITY", $"<authority>{TestCertificates.Authority}</authority>", StringComparison.Ordinal)}</attestation_service>");

        Assert.Equal((HttpStatusCode.BadRequest, code, field), (reply.Status, reply.At("code"), reply.At("field")));
        Assert.DoesNotContain("hunter2", reply.Text, StringComparison.Ordinal);
        await using var db = portal.Database();
        Assert.False(await db.AttestationServers.AnyAsync(s => s.Name == "rest-wrong", DemoApi.Ct));
    }

    [Fact]
    public async Task Change_OfPace_IsInForce_AndOfTheAddress_WaitsForSomebodyElse()
    {
        var id = (await CreateAsync("rest-moves")).Id;

        var paced = await PutAsync(id, "<poll_interval>20</poll_interval>");
        var moved = await PutAsync(id, "<address>https://elsewhere.invalid:8881</address>");

        Assert.Equal((HttpStatusCode.OK, "20", Nowhere), (paced.Status, paced.At("poll_interval"), paced.At("address")));
        Assert.Equal((HttpStatusCode.Accepted, Nowhere, "https://elsewhere.invalid:8881"), (moved.Status, moved.At("address"), moved.At("waiting_change/address")));
        var change = moved.Xml.Element("waiting_change")!.Attribute("id")!.Value;
        Assert.Equal((HttpStatusCode.BadRequest, "service.change.required"), Fault(await ActAsync(id, "confirm", "<action/>")));
        Assert.Equal((HttpStatusCode.Forbidden, "service.proposal.own"), Fault(await ActAsync(id, "confirm", Naming(change))));
        Assert.Equal((HttpStatusCode.NotFound, "service.proposal.not_found"), Fault(await ActAsync(id, "confirm", Naming(Guid.NewGuid().ToString()), "security@internal")));
        Assert.Equal((HttpStatusCode.OK, "complete"), Status(await ActAsync(id, "confirm", Naming(change), "security@internal")));
        var after = await portal.GetAsync($"{Path}/{id}");
        Assert.Equal(("https://elsewhere.invalid:8881", null), (after.At("address"), after.At("waiting_change/address")));
    }

    [Fact]
    public async Task Change_Rejected_ChangesNothing_AndOfTheType_IsRefused()
    {
        var id = (await CreateAsync("rest-stays")).Id;
        var change = (await PutAsync(id, "<check_name>false</check_name>")).Xml.Element("waiting_change")!.Attribute("id")!.Value;

        Assert.Equal((HttpStatusCode.OK, "complete"), Status(await ActAsync(id, "reject", Naming(change), "security@internal")));

        var after = await portal.GetAsync($"{Path}/{id}");
        Assert.Equal(("true", null), (after.At("check_name"), after.At("waiting_change/check_name")));
        Assert.Equal((HttpStatusCode.BadRequest, "service.type.fixed"), Fault(await PutAsync(id, "<type>openattestation</type>")));
    }

    [Fact]
    public async Task Test_AnswersEveryStep_WithWhatToDo()
    {
        var id = (await CreateAsync("rest-tested")).Id;

        var reply = await ActAsync(id, "test", "<action/>");

        Assert.Equal((HttpStatusCode.OK, "complete"), Status(reply));
        var lines = reply.Xml.Element("lines")!.Elements("line").ToList();
        Assert.Equal(Enum.GetNames<ServerCheckStep>().Select(s => s.ToLowerInvariant()), lines.Select(l => l.Element("step")!.Value));
        Assert.Contains(lines, l => l.Element("result")!.Value == "wrong" && l.Element("remedy")!.Value.Length > 0);
        Assert.Equal((HttpStatusCode.NotFound, "service.proposal.not_found"), Fault(await ActAsync(id, "test", "<action><as_proposed>true</as_proposed></action>")));
    }

    [Fact]
    public async Task Cluster_NamesItsServices_TighterAtOnce_LooserByTwo_AndAServiceInUseStays()
    {
        var service = (await CreateAsync("rest-named")).Id;
        await using var db = portal.Database();
        var cluster = Cluster.Create("rest-services", TrustPolicy.Default);
        db.Clusters.Add(cluster);
        await db.SaveChangesAsync(DemoApi.Ct);
        var path = $"/api/clusters/{cluster.Id}";
        try
        {
            var both = await ServicesAsync(path, $"<attestation_service id=\"{ServiceSet.BuiltInId}\"/><attestation_service id=\"{service}\" keeper=\"server\"/>");
            var one = await ServicesAsync(path, $"<attestation_service id=\"{service}\" keeper=\"server\"/>");

            Assert.Equal(HttpStatusCode.OK, both.Status);
            Assert.Equal([(ServiceSet.BuiltInId.ToString(), "portal"), (service, "server")], Named(both));
            Assert.Equal(HttpStatusCode.Accepted, one.Status);
            Assert.Equal([(ServiceSet.BuiltInId.ToString(), "portal"), (service, "server")], Named(one));
            Assert.Equal(service, Assert.Single(one.Xml.Element("waiting_policy")!.Element("attestation_services")!.Elements()).Attribute("id")!.Value);
            Assert.Equal((HttpStatusCode.Conflict, "service.named"), Fault(await portal.SendAsync(HttpMethod.Delete, $"{Path}/{service}", null, null)));
        }
        finally
        {
            await db.PolicyProposals.Where(p => p.ClusterId == cluster.Id).ExecuteDeleteAsync(DemoApi.Ct);
            await db.Clusters.Where(c => c.Id == cluster.Id).ExecuteDeleteAsync(DemoApi.Ct);
        }

        Assert.Equal(HttpStatusCode.OK, (await portal.SendAsync(HttpMethod.Delete, $"{Path}/{service}", null, null)).Status);
        Assert.Equal((HttpStatusCode.NotFound, "service.not_found"), Fault(await portal.GetAsync($"{Path}/{service}")));
    }

    [Fact]
    public async Task Bind_SaysWhatTheServiceCallsAHost_AndUnbindTakesItBack()
    {
        var service = (await CreateAsync("rest-binds")).Id;
        await using var db = portal.Database();
        var cluster = Cluster.Create("rest-bound", TrustPolicy.Default with { Services = new ServiceSet(new ServiceChoice(Guid.Parse(service), PolicyKeeper.Server)) });
        var host = new Host { Name = "rest-bound-1", Address = "none:rest-bound-1", ClusterId = cluster.Id, Cpus = 8, Memory = 64L << 30 };
        db.Clusters.Add(cluster);
        db.Hosts.Add(host);
        await db.SaveChangesAsync(DemoApi.Ct);
        try
        {
            Assert.Equal((HttpStatusCode.BadRequest, "service.name_there.required"), Fault(await ActAsync(service, "bind", $"<action><host id=\"{host.Id}\"/></action>")));
            Assert.Equal((HttpStatusCode.BadRequest, "service.host.required"), Fault(await ActAsync(service, "bind", "<action><name>there</name></action>")));
            Assert.Equal((HttpStatusCode.BadRequest, "service.host.name"), Fault(await ActAsync(service, "bind", $"<action><host id=\"{host.Id}\"/><name>a b</name></action>")));
            Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await ActAsync(service, "bind", $"<action><host id=\"{host.Id}\"/><name>there</name></action>", "operator@internal")));
            Assert.Equal((HttpStatusCode.OK, "complete"), Status(await ActAsync(service, "bind", $"<action><host id=\"{host.Id}\"/><name>there</name></action>")));
            Assert.Equal("1", (await portal.GetAsync($"{Path}/{service}")).At("clusters/cluster/bound_hosts"));
            Assert.Equal((HttpStatusCode.OK, "complete"), Status(await ActAsync(service, "unbind", $"<action><host id=\"{host.Id}\"/></action>")));
            Assert.Equal("0", (await portal.GetAsync($"{Path}/{service}")).At("clusters/cluster/bound_hosts"));

            var silent = await portal.GetAsync($"{Path}/{service}/attesters");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "service.failed"), Fault(silent));
            Assert.Equal(HttpStatusCode.NotFound, (await portal.GetAsync($"{Path}/nobody/attesters")).Status);
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "service.failed"), Fault(await portal.GetAsync($"{Path}/{service}/policies")));
            Assert.Equal(HttpStatusCode.NotFound, (await portal.GetAsync($"{Path}/nobody/policies")).Status);
        }
        finally
        {
            await db.Hosts.Where(h => h.Id == host.Id).ExecuteDeleteAsync(DemoApi.Ct);
            await db.Clusters.Where(c => c.Id == cluster.Id).ExecuteDeleteAsync(DemoApi.Ct);
        }
    }

    [Fact]
    public async Task AttesterActions_AnswerAtOnceWithTheJob()
    {
        var service = (await CreateAsync("rest-enrols")).Id;
        foreach (var action in new[] { "enrol", "reactivate", "remove" })
        {
            var begun = await ActAsync(service, $"attesters/{action}", $"<action><name>agent-{action}</name></action>");
            Assert.Equal((HttpStatusCode.Accepted, "pending"), Status(begun));
            var job = begun.Xml.Element("job")!.Attribute("id")!.Value;
            await using var db = portal.Database();
            Assert.Equal($"service.attester.{action}", (await db.Operations.SingleAsync(o => o.Id == Guid.Parse(job), DemoApi.Ct)).Kind);
            Assert.Equal((HttpStatusCode.BadRequest, "service.name_there.required"), Fault(await ActAsync(service, $"attesters/{action}", "<action/>")));
            Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await ActAsync(service, $"attesters/{action}", "<action><name>x</name></action>", "operator@internal")));
        }
    }

    [Theory]
    [InlineData("<description>new</description>", "cluster.services.required")]
    [InlineData("<attestation_services/>", "cluster.policy.services")]
    [InlineData("<attestation_services><attestation_service id=\"keylime\"/></attestation_services>", "cluster.services.id")]
    [InlineData("<attestation_services><attestation_service id=\"b0117000-0000-7000-8000-000000000001\" keeper=\"nobody\"/></attestation_services>", "cluster.services.keeper")]
    [InlineData("<attestation_services><attestation_service id=\"b0117000-0000-7000-8000-000000000001\"/><attestation_service id=\"b0117000-0000-7000-8000-000000000001\"/></attestation_services>", "cluster.services.twice")]
    public async Task Cluster_WrongServices_AreRefused(string body, string code)
    {
        var reply = await portal.SendAsync(HttpMethod.Put, $"/api/clusters/{portal.Cluster}", $"<cluster>{body}</cluster>", DemoApi.Xml);

        Assert.Equal((HttpStatusCode.BadRequest, code), (reply.Status, reply.At("code")));
        Assert.StartsWith("attestation_services", reply.At("field"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhoMayNot_Reads_AndChangesNothing()
    {
        var id = (await CreateAsync("rest-guarded")).Id;

        Assert.Equal(HttpStatusCode.OK, (await portal.GetAsync($"{Path}/{id}", user: "auditor@internal")).Status);
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await portal.PostAsync(Path, "<attestation_service/>", user: "operator@internal")));
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await portal.SendAsync(HttpMethod.Put, $"{Path}/{id}", "<attestation_service/>", DemoApi.Xml, user: "operator@internal")));
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await portal.SendAsync(HttpMethod.Delete, $"{Path}/{id}", null, null, user: "operator@internal")));
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await ActAsync(id, "test", "<action/>", "operator@internal")));
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), Fault(await portal.SendAsync(HttpMethod.Put, $"/api/clusters/{portal.Cluster}", "<cluster/>", DemoApi.Xml, user: "operator@internal")));
        Assert.Equal(HttpStatusCode.Unauthorized, (await portal.GetAsync(Path, user: "")).Status);
    }

    private static string KeyLine => TestCertificates.Client.PrivateKey.Split('\n')[1].Trim();

    private Task<ApiReply> CreateAsync(string name)
    {
        made.Add(name);
        return portal.PostAsync(Path, $"""
            <attestation_service><name>{name}</name><type>keylime</type><address>{Nowhere}</address><registrar_address>https://keylime.invalid:8891</registrar_address>
            <authority>{TestCertificates.Authority}</authority><client_certificate>{TestCertificates.Client.Certificate}</client_certificate><private_key>{TestCertificates.Client.PrivateKey}</private_key>
            <timeout>7</timeout></attestation_service>
            """);
    }

    private Task<ApiReply> PutAsync(string id, string fields) => portal.SendAsync(HttpMethod.Put, $"{Path}/{id}", $"<attestation_service>{fields}</attestation_service>", DemoApi.Xml);

    private Task<ApiReply> ActAsync(string id, string action, string body, string user = "admin@internal") => portal.PostAsync($"{Path}/{id}/{action}", body, user: user);

    private Task<ApiReply> ServicesAsync(string path, string services) =>
        portal.SendAsync(HttpMethod.Put, path, $"<cluster><attestation_services>{services}</attestation_services></cluster>", DemoApi.Xml);

    private static IEnumerable<(string? Id, string? Keeper)> Named(ApiReply reply) =>
        reply.Xml.Element("attestation_services")!.Elements().Select(e => (e.Attribute("id")?.Value, e.Attribute("keeper")?.Value));

    private static string Naming(string change) => $"<action><change id=\"{change}\"/></action>";

    private static (HttpStatusCode Status, string? Code) Fault(ApiReply reply) => (reply.Status, reply.At("code") ?? reply.At("fault/code"));

    private static (HttpStatusCode Status, string? Word) Status(ApiReply reply) => (reply.Status, reply.At("status"));
}
