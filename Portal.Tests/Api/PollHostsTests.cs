using System.Net;
using System.Text;
using System.Text.Json;
using Portal.Api;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Tests.World;

namespace Portal.Tests.Api;

/// <summary>The question that schedulers of 2013 know.</summary>
public sealed class PollHostsTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Answers_AreEffectiveTrust_AndNothingElseIsTrusted()
    {
        await using var pool = await TrustedPool.StartAsync();
        await pool.Get<AttestationRounds>().RoundAsync(pool.Cluster, pool.Ct);
        var at = pool.Time.GetUtcNow();
        var address = (await pool.HostAsync("kvm-a02")).Address;
        Assert.Equal(["kvm-a01 trusted", $"{address} trusted", "nobody unknown"], await WordsAsync(pool, "kvm-a01", address, "nobody"));
        Assert.Equal(at, (await pool.Get<TrustAnswers>().OfAsync(["kvm-a01"], Ct))[0].VerifiedAt);

        TrustedPool.Expect(await pool.Get<SimulatedHostActions>().UpdateFirmwareAsync(TrustedPool.Administrator, (await pool.HostAsync("kvm-a01")).Id, reboot: true, Ct));
        await pool.AttestAsync("kvm-a01");
        Assert.Equal(["kvm-a01 untrusted"], await WordsAsync(pool, "kvm-a01"));

        await using (var db = pool.Database())
        {
            db.Clusters.Single(c => c.Id == pool.Cluster).PolicyRevision++;
            await db.SaveChangesAsync(Ct);
        }

        Assert.Equal(["kvm-a02 unknown"], await WordsAsync(pool, "kvm-a02"));
        pool.Time.Advance(DemoSeed.Policy.Lifetime);
        Assert.Equal(["kvm-a03 unknown"], await WordsAsync(pool, "kvm-a03"));
    }

    [Fact]
    public async Task Face_IsOffUntilEnabled()
    {
        await using var portal = new PortalServer();
        using var rest = portal.RestClient("admin@internal");
        var answer = await rest.PostAsync(PollHostsFace.Path, Body("""{"hosts":["x"]}"""), Ct);
        Assert.False(answer.IsSuccessStatusCode);
        Assert.DoesNotContain("trust_lvl", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Face_AnswersInTheShapeOldClientsRead_AndOnlyWhoSignsIn()
    {
        await using var portal = new PortalServer(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Portal:PollHosts:Enabled"] = "true", ["Portal:Simulation:Hosts"] = "2" });
        using var nobody = new HttpClient { BaseAddress = portal.Address };
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.PostAsync(PollHostsFace.Path, Body("""{"hosts":["x"]}"""), Ct)).StatusCode);

        using var rest = portal.RestClient("admin@internal");
        foreach (var body in (string[])["""{"count":1,"hosts":["nobody"]}""", """{"hosts":"nobody"}"""])
        {
            using var answer = JsonDocument.Parse(await (await rest.PostAsync(PollHostsFace.Path, Body(body), Ct)).Content.ReadAsStringAsync(Ct));
            var host = Assert.Single(answer.RootElement.GetProperty("hosts").EnumerateArray());
            Assert.Equal(("nobody", "unknown", "1970-01-01T00:00:00.000+0000"), (host.GetProperty("host_name").GetString(), host.GetProperty("trust_lvl").GetString(), host.GetProperty("vtime").GetString()));
        }

        foreach (var body in (string[])["{}", "[]", "no json", """{"hosts":7}""", """{"hosts":[""]}""", """{"hosts":[7]}"""])
        {
            var refused = await rest.PostAsync(PollHostsFace.Path, Body(body), Ct);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("error_message", await refused.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        }
    }

    private static StringContent Body(string json) => new(json, Encoding.UTF8, "application/json");

    private static async Task<List<string>> WordsAsync(TrustedPool pool, params string[] names) =>
        [.. (await pool.Get<TrustAnswers>().OfAsync(names, Ct)).Select(a => $"{a.Name} {(a.IsTrusted ? "trusted" : a.IsUntrusted ? "untrusted" : "unknown")}")];
}
