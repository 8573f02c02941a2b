using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Attestation;
using Portal.Core.Attestation.OpenAttestation;
using Portal.Core.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.OpenAttestation;

/// <summary>Polling an OpenAttestation server that fails in part, or cannot be asked once more.</summary>
public sealed class OatPollingTests : IAsyncLifetime
{
    private const string PollHosts = "POST /AttestationService/resources/PollHosts";

    /// <summary>What it says of a host, by the batch's names, whether it is the second question, and the name; null fails the whole batch.</summary>
    private Func<string, bool, string?> word = static (_, _) => "trusted";

    private AnsweringServer server = null!;
    private IServerClient client = null!;
    private bool isFirst;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        server = await AnsweringServer.StartAsync();
        server.Answer = Answer;
        client = new OatAdapter(TimeProvider.System).Open(server.Connection());
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task OneBatchFails_ItsHostsAreNotSpokenOf_AndTheOthersAre()
    {
        var hosts = Hosts(300);
        word = (name, _) => name == hosts[70].Name ? null : "trusted";

        var said = (await client.PollAsync(hosts, Ct)).Statements.ToDictionary(s => s.HostId);

        Assert.Equal(300, said.Count);
        Assert.Equal(64, said.Values.OfType<HostStatement.Trouble>().Count(t => t.Outcome == CheckOutcome.ServiceUnreachable));
        Assert.IsType<HostStatement.Trouble>(said[hosts[70].HostId]);
        Assert.All(hosts.Take(64).Concat(hosts.Skip(128)), h => Assert.IsType<HostStatement.Trusted>(said[h.HostId]));
    }

    [Fact]
    public async Task EveryBatchFails_TheServerDoes_AndIsNotAskedTenThousandTimes()
    {
        word = static (_, _) => null;

        await Assert.ThrowsAsync<ServerException>(() => client.PollAsync(Hosts(2000), Ct));

        Assert.InRange(server.Count(PollHosts), 1, 4);
    }

    [Fact]
    public async Task ServerDiesHalfWay_WhatItSaidBeforeCounts()
    {
        var hosts = Hosts(2000);
        word = (name, _) => string.CompareOrdinal(name, hosts[600].Name) > 0 ? null : "trusted";

        var said = (await client.PollAsync(hosts, Ct)).Statements;

        Assert.Equal(2000, said.Count);
        Assert.Equal(512 + 64, said.OfType<HostStatement.Trusted>().Count());
        Assert.InRange(server.Count(PollHosts), 12, 17);
    }

    [Fact]
    public async Task FirstHosts_AreToldOf_BeforeTheLastAreAskedAbout()
    {
        var hosts = Hosts(300);
        var (told, askedByThen) = (new List<Guid>(), 0);

        await client.PollAsync(
            hosts,
            early =>
            {
                told.AddRange(early.Select(s => s.HostId));
                askedByThen = server.Count(PollHosts);
                return Task.CompletedTask;
            },
            Ct);

        Assert.Equal(hosts.Take(256).Select(h => h.HostId), told);
        Assert.Equal((4, 5), (askedByThen, server.Count(PollHosts)));
    }

    [Fact]
    public async Task FirstDialect_WholeFleetUpdated_IsAskedOnceMore_AndNobodyIsUntrusted()
    {
        isFirst = true;
        word = static (_, again) => again ? "trusted" : "untrusted";

        var said = (await client.PollAsync(Hosts(200), Ct)).Statements;

        Assert.Equal(200, said.OfType<HostStatement.Trusted>().Count());
        Assert.Equal(8, server.Count(PollHosts));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("timeout")]
    [InlineData("unknown")]
    public async Task FirstDialect_NoSecondWord_IsUntrustedOnlyWhenCalledSoAgain(string? second)
    {
        isFirst = true;
        var hosts = Hosts(1);
        word = (_, again) => again ? second : "untrusted";

        Assert.Equal(CheckOutcome.Queued, Assert.IsType<HostStatement.Trouble>((await client.PollAsync(hosts, Ct)).Statements[0]).Outcome);
        Assert.IsType<HostStatement.Untrusted>((await client.PollAsync(hosts, Ct)).Statements[0]);

        word = static (_, _) => "trusted";
        Assert.IsType<HostStatement.Trusted>((await client.PollAsync(hosts, Ct)).Statements[0]);
        word = (_, again) => again ? second : "untrusted";
        Assert.IsType<HostStatement.Trouble>((await client.PollAsync(hosts, Ct)).Statements[0]);
    }

    [Fact]
    public async Task FirstDialect_UntrustedTwice_IsUntrustedAtOnce()
    {
        isFirst = true;
        word = static (_, _) => "untrusted";

        Assert.IsType<HostStatement.Untrusted>((await client.PollAsync(Hosts(1), Ct)).Statements[0]);
    }

    [Theory]
    [InlineData("IPAddress", "10.0.0.66")]
    [InlineData("AddOn_Connection_String", "intel:https://10.0.0.66:9999")]
    public async Task AgentOfAHost_ReachedElsewhere_IsNoticed(string member, string changed)
    {
        var key = Assert.Single(Assert.IsType<IPinsHosts>(client, exactMatch: false).Pinned([new BoundHost(Guid.NewGuid(), "kvm-000")])).Key;
        var before = await client.ReadPolicyAsync(key, Ct);
        Assert.NotNull(before);

        record[member] = changed;
        Assert.NotEqual(before, await client.ReadPolicyAsync(key, Ct));
        Assert.DoesNotContain("intel", await client.ReadPolicyAsync(key, Ct), StringComparison.Ordinal);
        if (member == "IPAddress")
        {
            await client.WritePolicyAsync(key, before, Ct);
            Assert.Equal(before, await client.ReadPolicyAsync(key, Ct));
        }
        else
        {
            await Assert.ThrowsAsync<ServerException>(() => client.WritePolicyAsync(key, before, Ct));
        }

        Assert.Null(await client.ReadPolicyAsync(key.Replace("kvm-000", "kvm-001", StringComparison.Ordinal), Ct));
    }

    private JsonNode record = new JsonObject { ["HostName"] = "kvm-000", ["IPAddress"] = "10.0.0.1", ["Port"] = 9999, ["AddOn_Connection_String"] = "" };

    private (int Status, string Body) Answer(string what, JsonNode? body)
    {
        if (what.StartsWith("PUT /AttestationService/resources/hosts", StringComparison.Ordinal))
        {
            record = body!.DeepClone();
            return (200, "true");
        }

        if (what.StartsWith("GET /AttestationService/resources/hosts?", StringComparison.Ordinal))
        {
            return (200, new JsonArray(record.DeepClone()).ToJsonString());
        }

        if (what != PollHosts)
        {
            return (200, isFirst ? """{"oem":[{"Name":"Portal"},{"Name":"Other"}]}""" : "[]");
        }

        var (names, again) = (body!["hosts"]!.AsArray().Select(n => n!.GetValue<string>()).ToList(), body["analysisType"] is not null);
        var words = names.ConvertAll(n => (host_name: n, trust_lvl: word(n, again)));
        return words.Exists(w => w.trust_lvl is null)
            ? (500, "")
            : (200, JsonSerializer.Serialize(new { hosts = words.Select(w => new { w.host_name, w.trust_lvl, vtime = DateTimeOffset.UtcNow.AddMinutes(1).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'+0000'", System.Globalization.CultureInfo.InvariantCulture) }) }));
    }

    private static List<BoundHost> Hosts(int count) => [.. Enumerable.Range(0, count).Select(i => new BoundHost(Guid.NewGuid(), FormattableString.Invariant($"kvm-{i:000}")))];
}
