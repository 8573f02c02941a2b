using System.Net;

namespace Portal.Tests.Api;

[Collection(nameof(DemoApi))]
public sealed class AttestAllTests(DemoApi portal)
{
    [Theory]
    [InlineData("/ovirt-engine/api/hosts/attest")]
    [InlineData("/api/hosts/attest")]
    public async Task All_Completes_AndItsJobSaysWhatCameOfIt(string path)
    {
        var began = DateTimeOffset.UtcNow.AddSeconds(-1);
        var reply = await portal.PostAsync(path, "<action/>");

        Assert.Equal((HttpStatusCode.OK, "complete"), (reply.Status, reply.At("status")));
        var job = await portal.GetAsync(reply.Xml.Element("job")!.Attribute("href")!.Value);
        Assert.Equal(("finished", "100"), (job.At("status"), job.At("progress")));
        Assert.Contains("not enrolled", job.At("steps/step/progress_text"), StringComparison.Ordinal);
        Assert.True(DateTimeOffset.Parse(job.At("start_time")!, System.Globalization.CultureInfo.InvariantCulture) >= began);
        await using var db = portal.Database();
        Assert.DoesNotContain(db.Attestations.ToList(), a => a.CheckedAt < began);
    }

    [Fact]
    public async Task Cluster_Async_IsPending_AndTheJobCanBeRead()
    {
        var reply = await portal.PostAsync($"/api/clusters/{portal.Cluster}/attest", "<action><async>true</async></action>");

        Assert.Equal((HttpStatusCode.Accepted, "pending"), (reply.Status, reply.At("status")));
        var job = reply.Xml.Element("job")!;
        await DemoApi.UntilAsync(async () => (await portal.GetAsync(job.Attribute("href")!.Value)).At("status") == "finished");
        Assert.Contains(job.Attribute("id")!.Value, (await portal.GetAsync("/api/jobs")).Xml.Elements("job").Select(j => j.Attribute("id")!.Value));
        Assert.Equal((HttpStatusCode.Conflict, "operation.ended"), await FaultAsync($"{job.Attribute("href")!.Value}/cancel", "admin@internal"));
    }

    [Fact]
    public async Task Refusals_SayWhy()
    {
        Assert.Equal((HttpStatusCode.Forbidden, "access.denied"), await FaultAsync("/api/hosts/attest", "operator@internal"));
        Assert.Equal((HttpStatusCode.NotFound, "cluster.not_found"), await FaultAsync("/api/clusters/8d4a1b5e-0000-4000-8000-000000000001/attest", "admin@internal"));
        Assert.Equal((HttpStatusCode.NotFound, "cluster.not_found"), await FaultAsync("/api/clusters/nobody/attest", "admin@internal"));
        Assert.Equal((HttpStatusCode.NotFound, "operation.not_found"), await FaultAsync("/api/jobs/8d4a1b5e-0000-4000-8000-000000000001/cancel", "admin@internal"));
        Assert.Equal("job.not_found", (await portal.GetAsync("/api/jobs/nobody")).At("code"));
    }

    private async Task<(HttpStatusCode Status, string? Code)> FaultAsync(string path, string user)
    {
        var reply = await portal.PostAsync(path, "<action/>", user: user);
        return (reply.Status, reply.At("fault/code"));
    }
}
