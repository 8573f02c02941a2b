using System.Net;
using System.Xml.Linq;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class BaselinesTests(DemoApi portal)
{
    private const string Path = "/ovirt-engine/api/baselines";
    private const string Author = "security@internal";
    private const string Approver = "security2@internal";

    [Fact]
    public async Task Captured_IsApprovedByAnotherPerson_WhoNamesWhatTheyLookedAt()
    {
        var created = await CaptureAsync("rest-firmware", "firmware", Author);
        Assert.Equal((HttpStatusCode.Created, "draft", "1", "firmware"), (created.Status, created.At("status"), created.At("latest"), created.At("kind")));
        Assert.Equal($"{Path}/{created.Id}", created.Message.Headers.Location!.OriginalString);
        var hash = created.At("revisions/revision/content_hash")!;

        Assert.Equal("baseline.approve.state", Fault(await ActAsync(created.Id, "approve", Hash(hash), Approver)));
        var submitted = await ActAsync(created.Id, "submit", "", Author);
        Assert.Equal((HttpStatusCode.OK, "complete", "in_review"), (submitted.Status, submitted.At("status"), submitted.At("baseline/status")));

        Assert.Equal("baseline.approve.own", Fault(await ActAsync(created.Id, "approve", Hash(hash), Author)));
        Assert.Equal("baseline.approve.hash", Fault(await ActAsync(created.Id, "approve", "", Approver)));
        Assert.NotEqual(HttpStatusCode.OK, (await ActAsync(created.Id, "approve", Hash(new string('0', 64)), Approver)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await ActAsync(created.Id, "approve", Hash(hash), "operator@internal")).Status);

        var approved = await ActAsync(created.Id, "approve", Hash(hash), Approver);
        Assert.Equal((HttpStatusCode.OK, "approved", Approver), (approved.Status, approved.At("baseline/status"), approved.At("baseline/revisions/revision/approvers/person")));
        Assert.Contains("rest-firmware", (await portal.GetAsync(Path)).Xml.Elements("baseline").Select(b => b.Element("name")!.Value));

        var next = await CaptureAsync("rest-firmware", "firmware", Author);
        Assert.Equal((created.Id, "2", "draft"), (next.Id, next.At("latest"), next.At("status")));
        await ActAsync(next.Id, "submit", "", Author);
        var rejected = await ActAsync(next.Id, "reject", "<comment>not planned</comment>", Approver);
        Assert.Equal("rejected", rejected.At("baseline/status"));
    }

    [Theory]
    [InlineData("<host><name>kvm-a01</name></host><kind>firmware</kind>", "baseline.")]
    [InlineData("<name>rest-x</name><kind>firmware</kind>", "baseline.host")]
    [InlineData("<name>rest-x</name><host><name>nobody</name></host><kind>firmware</kind>", "vm.host.unknown")]
    [InlineData("<name>rest-x</name><host><name>kvm-a01</name></host><kind>both</kind>", "baseline.kind")]
    [InlineData("<name>rest-x</name><host><name>kvm-a01</name></host><kind>3</kind>", "baseline.kind")]
    public async Task Capture_OfWhatIsNot_IsRefusedAndNamesTheField(string body, string code)
    {
        var reply = await portal.PostAsync(Path, $"<baseline>{body}</baseline>", DemoApi.Xml, user: Author);

        Assert.Equal(HttpStatusCode.BadRequest, reply.Status);
        Assert.StartsWith(code, Fault(reply), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_ByWhoMayNot_IsForbidden() =>
        Assert.Equal(HttpStatusCode.Forbidden, (await CaptureAsync("rest-no", "firmware", "operator@internal")).Status);

    private Task<ApiReply> CaptureAsync(string name, string kind, string user) =>
        portal.PostAsync(Path, $"<baseline><name>{name}</name><kind>{kind}</kind><host><name>kvm-a01</name></host></baseline>", DemoApi.Xml, user: user);

    private Task<ApiReply> ActAsync(string id, string action, string body, string user) =>
        portal.PostAsync($"{Path}/{id}/{action}", $"<action>{body}</action>", DemoApi.Xml, user: user);

    private static string Hash(string hash) => $"<content_hash>{hash}</content_hash>";

    private static string Fault(ApiReply reply) => (reply.Xml.DescendantsAndSelf("fault").FirstOrDefault()?.Element("code") ?? new XElement("code", reply.Text)).Value;
}
