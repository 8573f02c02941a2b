using Microsoft.Extensions.Time.Testing;
using Portal.Core.Attestation.Keylime;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Keylime;

/// <summary>Agents that are registered and wait for enrolment.</summary>
public sealed class WaitingAgentsTests
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 11, 24, 5, 0, 0, TimeSpan.Zero));
    private readonly List<string> asked = [];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task LookedAtAgain_TheRegistrarIsNotAskedForEachOfThemAgain_UntilTheyAreOld()
    {
        var addresses = new RegisteredAddresses(AskAsync, time);
        Assert.Equal([("a", "10.0.0.1"), ("b", "10.0.0.1")], await addresses.OfAsync(["a", "b"], Ct));

        Assert.Equal([("a", "10.0.0.1"), ("c", "10.0.0.1")], await addresses.OfAsync(["a", "c"], Ct));
        Assert.Equal(["a", "b", "c"], asked);

        time.Advance(TimeSpan.FromMinutes(11));
        await addresses.OfAsync(["a"], Ct);
        Assert.Equal(["a", "b", "c", "a"], asked);
    }

    [Fact]
    public async Task Many_AreListed_AndAskedAboutLittleByLittle()
    {
        var ids = Enumerable.Range(0, 100).Select(i => FormattableString.Invariant($"agent-{i:000}")).ToList();
        var addresses = new RegisteredAddresses(AskAsync, time);

        var first = await addresses.OfAsync(ids, Ct);
        Assert.Equal((100, RegisteredAddresses.MostAsked), (first.Count, first.Count(f => f.Address.Length > 0)));

        Assert.All(await addresses.OfAsync(ids, Ct), f => Assert.Equal("10.0.0.1", f.Address));
        Assert.Equal(100, asked.Count);
    }

    [Fact]
    public async Task OneThatDidNotFinishRegistering_IsNotListed()
    {
        var addresses = new RegisteredAddresses(AskAsync, time);

        Assert.Equal([("a", "10.0.0.1")], await addresses.OfAsync(["a", "unfinished"], Ct));
    }

    [Fact]
    public async Task ThePage_AsksOncePerAgent()
    {
        await using var server = await AnsweringServer.StartAsync();
        server.Answer = static (what, _) => (200, what switch
        {
            "GET /version" => """{"code":200,"status":"Success","results":{"current_version":"2.6","supported_versions":["2.6"]}}""",
            "GET /v2.6/agents/?bulk=true" => """{"code":200,"status":"Success","results":{}}""",
            "GET /v2.6/agents/" => """{"code":200,"status":"Success","results":{"uuids":["a","b"]}}""",
            _ => """{"code":200,"status":"Success","results":{"ek_tpm":"","aik_tpm":"","ip":"10.0.0.1","port":9002}}""",
        });
        using var client = new KeylimeAdapter(TimeProvider.System).Open(server.Connection(withRegistrar: true));

        Assert.Equal(["a", "b"], (await client.AttestersAsync(Ct)).Select(a => a.Name));
        Assert.Equal(["a", "b"], (await client.AttestersAsync(Ct)).Select(a => a.Name));

        Assert.Equal((1, 1), (server.Count("GET /v2.6/agents/a"), server.Count("GET /v2.6/agents/b")));
    }

    private Task<KeylimeRegistration?> AskAsync(string id, CancellationToken ct)
    {
        lock (asked)
        {
            asked.Add(id);
        }

        return Task.FromResult(id == "unfinished" ? null : new KeylimeRegistration(id, "", "", "", "", "10.0.0.1", 9002));
    }
}
