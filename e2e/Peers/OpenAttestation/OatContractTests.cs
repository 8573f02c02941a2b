using System.Globalization;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.OpenAttestation;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.E2E.Peers.Servers;

namespace Portal.E2E.Peers.OpenAttestation;

/// <summary>The client against servers of both dialects, well and unwell.</summary>
public sealed class OatContractTests : IAsyncLifetime
{
    private static readonly string Good = new('a', 64);
    private static readonly string Bad = new('b', 64);

    private readonly SiteAuthority authority = new();
    private readonly List<IAsyncDisposable> servers = [];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var server in servers)
        {
            await server.DisposeAsync();
        }

        authority.Dispose();
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Poll_EveryWord_BecomesWhatItMeans(bool first)
    {
        var server = await StartAsync(first);
        using var client = Open(server);
        var hosts = Hosts("good", "bad", "unknown", "slow", "waiting", "odd");
        server.Add("good");
        server.Add("bad").Level = "untrusted";
        server.Hosts["bad"].Differing[first ? 18 : 4] = (Bad, Good);
        server.Add("slow").Level = "timeout";
        server.Add("waiting").Level = "pending";
        server.Add("odd").Level = "superb";
        var asked = DateTimeOffset.UtcNow;

        var said = (await client.PollAsync(hosts, Ct)).Statements.ToDictionary(s => hosts.Single(h => h.HostId == s.HostId).Name);

        var good = Assert.IsType<HostStatement.Trusted>(said["good"]);
        Assert.InRange(good.VerifiedAt, asked.AddSeconds(-1), DateTimeOffset.UtcNow);
        var finding = Assert.Single(Assert.IsType<HostStatement.Untrusted>(said["bad"]).Findings);
        Assert.Equal(first ? (18, null, null) : (4, Bad, Good), (finding.Pcr!.Value, finding.Measured, finding.Expected));
        Assert.Equal(CheckOutcome.NotConfigured, Assert.IsType<HostStatement.Trouble>(said["unknown"]).Outcome);
        Assert.Equal(CheckOutcome.AgentUnreachable, Assert.IsType<HostStatement.Trouble>(said["slow"]).Outcome);
        Assert.Equal(CheckOutcome.Queued, Assert.IsType<HostStatement.Trouble>(said["waiting"]).Outcome);
        Assert.Equal(FindingCode.UnknownWord, Assert.IsType<HostStatement.Trouble>(said["odd"]).Why.Code);
        Assert.False(server.WasGivenAThreshold);
    }

    [Theory]
    [InlineData("2013-05-16T14:14:44.881+08:00", "2013-05-16T06:14:44.8810000Z")]
    [InlineData("2016-02-29T22:29:26.365+0000", "2016-02-29T22:29:26.3650000Z")]
    [InlineData("Sat May  3 13:05:38 2014", null)]
    [InlineData("2199-01-01T00:00:00.000+0000", null)]
    public async Task Stamp_OnlyEverMakesItOlder(string stamp, string? expected)
    {
        var server = await StartAsync(first: false);
        using var client = Open(server);
        server.Add("host").Stamp = stamp;
        var asked = DateTimeOffset.UtcNow;

        var said = Assert.IsType<HostStatement.Trusted>(await client.AskAsync(Hosts("host")[0], Ct));

        if (expected is null)
        {
            Assert.InRange(said.VerifiedAt, asked.AddSeconds(-1), DateTimeOffset.UtcNow);
        }
        else
        {
            Assert.Equal(DateTimeOffset.Parse(expected, CultureInfo.InvariantCulture), said.VerifiedAt);
        }
    }

    [Fact]
    public async Task FirstDialect_UntrustedOnceBecauseItsReportChanged_IsAskedOnceMore()
    {
        var server = await StartAsync(first: true);
        using var client = Open(server);
        server.Add("host").ReportChanged = true;

        Assert.IsType<HostStatement.Trusted>((await client.PollAsync(Hosts("host"), Ct)).Statements[0]);
    }

    [Fact]
    public async Task Why_ThatNeverComes_DelaysNobodyForLong_AndChangesNoVerdict()
    {
        var server = await StartAsync(first: false);
        using var client = Open(server);
        server.Add("good");
        var host = server.Add("bad");
        (host.Level, host.HidesWhy) = ("untrusted", true);

        var said = (await client.PollAsync(Hosts("good", "bad"), Ct)).Statements;

        Assert.Single(said.OfType<HostStatement.Trusted>());
        Assert.Equal(FindingCode.ServerFoundMismatch, Assert.Single(Assert.Single(said.OfType<HostStatement.Untrusted>()).Findings).Code);
    }

    [Fact]
    public async Task TenThousandHosts_AreAskedAboutInBatches()
    {
        var server = await StartAsync(first: false);
        using var client = Open(server);
        var hosts = Hosts([.. Enumerable.Range(0, 10_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"kvm-{i}"))]);
        foreach (var host in hosts)
        {
            server.Add(host.Name);
        }

        var news = await client.PollAsync(hosts, Ct);

        Assert.Equal(10_000, news.Statements.OfType<HostStatement.Trusted>().Count());
        Assert.Equal(157, server.Requests.Count(r => r.EndsWith("PollHosts", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(nameof(Trouble.Hangs))]
    [InlineData(nameof(Trouble.HalfOpen))]
    [InlineData(nameof(Trouble.Trickles))]
    [InlineData(nameof(Trouble.Cut))]
    [InlineData(nameof(Trouble.Html))]
    [InlineData(nameof(Trouble.EmptyError))]
    [InlineData(nameof(Trouble.EmptyRefusal))]
    public async Task Poll_OfAServerThatIsUnwell_SaysNothingOfHosts_AndIsWellAgainWithIt(string trouble)
    {
        var server = await StartAsync(first: false);
        using var client = new OatAdapter(new Hurried()).Open(server.Connection(authority, timeout: TimeSpan.FromSeconds(30)));
        server.Add("host");
        await client.PollAsync(Hosts("host"), Ct);
        server.Trouble = Enum.Parse<Trouble>(trouble);

        await Assert.ThrowsAsync<ServerException>(() => client.PollAsync(Hosts("host"), Ct));

        server.Trouble = Trouble.None;
        Assert.IsType<HostStatement.Trusted>((await client.PollAsync(Hosts("host"), Ct)).Statements[0]);
    }

    [Fact]
    public async Task Poll_OfASlowServer_IsWaitedFor()
    {
        var server = await StartAsync(first: true);
        using var client = Open(server);
        server.Add("host");
        server.Trouble = Trouble.Slow;
        Assert.IsType<HostStatement.Trusted>((await client.PollAsync(Hosts("host"), Ct)).Statements[0]);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, -1)]
    [InlineData(false, 1)]
    [InlineData(false, -1)]
    public async Task Poll_OfAServerAnHourOff_TellsTheSkew_AndNeverMakesEvidenceYounger(bool first, int hours)
    {
        var server = await StartAsync(first);
        using var client = Open(server);
        server.Add("host");
        server.ClockAhead = TimeSpan.FromHours(hours);

        var news = await client.PollAsync(Hosts("host"), Ct);

        var verified = Assert.IsType<HostStatement.Trusted>(news.Statements[0]).VerifiedAt;
        Assert.InRange(verified, DateTimeOffset.UtcNow.AddMinutes(hours < 0 ? -61 : -1), DateTimeOffset.UtcNow.AddMinutes(hours < 0 ? -59 : 0));
        Assert.InRange(news.ClockSkew!.Value.TotalMinutes, (60 * hours) - 1, (60 * hours) + 1);
    }

    [Theory]
    [InlineData(false, true, BaselineKinds.Firmware)]
    [InlineData(true, false, BaselineKinds.Hypervisor)]
    public async Task UntrustedWithAnEmptyReport_IsExplainedByItsParts(bool bios, bool vmm, BaselineKinds kind)
    {
        var server = await StartAsync(first: false);
        using var client = Open(server);
        (server.Add("host").Level, server.Hosts["host"].Parts) = ("untrusted", (bios, vmm));

        var finding = Assert.Single(Assert.IsType<HostStatement.Untrusted>((await client.PollAsync(Hosts("host"), Ct)).Statements[0]).Findings);

        Assert.Equal((kind, null), (finding.Kind, finding.Pcr));
        Assert.Contains(kind == BaselineKinds.Firmware ? "BIOS MLE" : "VMM MLE", finding.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UntrustedInBothParts_IsExplainedByBoth()
    {
        var server = await StartAsync(first: false);
        using var client = Open(server);
        (server.Add("host").Level, server.Hosts["host"].Parts) = ("untrusted", (false, false));

        var found = Assert.IsType<HostStatement.Untrusted>(await client.AskAsync(Hosts("host")[0], Ct)).Findings;

        Assert.Equal([BaselineKinds.Firmware, BaselineKinds.Hypervisor], found.Select(f => f.Kind));
    }

    [Fact]
    public async Task FirstDialect_ReportThatStaysAnother_IsExplainedAsThat()
    {
        var server = await StartAsync(first: true);
        using var client = Open(server);
        (server.Add("host").Level, server.Hosts["host"].ReportDiffers) = ("untrusted", true);

        var finding = Assert.Single(Assert.IsType<HostStatement.Untrusted>((await client.PollAsync(Hosts("host"), Ct)).Statements[0]).Findings);

        Assert.Contains("not the one it sent before", finding.Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(nameof(Trouble.Hangs), ServerFault.Unreachable)]
    [InlineData(nameof(Trouble.HalfOpen), ServerFault.Unreachable)]
    [InlineData(nameof(Trouble.Cut), ServerFault.Unreachable)]
    [InlineData(nameof(Trouble.Html), ServerFault.Garbled)]
    [InlineData(nameof(Trouble.EmptyError), ServerFault.Failed)]
    public async Task Trouble_IsTheServers_AndSaysNothingOfHosts(string trouble, ServerFault fault)
    {
        var server = await StartAsync(first: false);
        using var client = new OatAdapter(TimeProvider.System).Open(server.Connection(authority, timeout: TimeSpan.FromSeconds(2)));
        server.Add("host");
        server.Trouble = Enum.Parse<Trouble>(trouble);

        Assert.Equal(fault, (await Assert.ThrowsAsync<ServerException>(() => client.AttestersAsync(Ct))).Fault);

        server.Trouble = Trouble.None;
        Assert.Single(await client.AttestersAsync(Ct));
    }

    [Fact]
    public async Task OtherAuthority_OrExpired_IsNotTheServer()
    {
        using var other = new SiteAuthority("Somebody else");
        var server = await StartAsync(first: false);
        using var mistaken = new OatAdapter(TimeProvider.System).Open(server.Connection(other));
        Assert.Equal(ServerFault.NotTheServer, (await Assert.ThrowsAsync<ServerException>(() => mistaken.PollAsync(Hosts("host"), Ct))).Fault);

        var expired = new OatServer();
        servers.Add(expired);
        await expired.StartAsync(authority.Server(expired: true));
        using var late = Open(expired);
        Assert.Equal(ServerFault.NotTheServer, (await Assert.ThrowsAsync<ServerException>(() => late.PollAsync(Hosts("host"), Ct))).Fault);
    }

    [Fact]
    public async Task Check_TellsEveryStep_AndThatNobodyIsKeptOut()
    {
        var server = await StartAsync(first: true);
        server.ClockAhead = TimeSpan.FromHours(1);
        using var client = Open(server);

        var lines = new List<ServerCheckLine>();
        await foreach (var line in client.CheckAsync(Ct))
        {
            lines.Add(line);
        }

        Assert.Equal(Enum.GetValues<ServerCheckStep>(), lines.Select(l => l.Step));
        Assert.All(lines.Where(l => l.Step != ServerCheckStep.Clock), l => Assert.Equal((l.Step, ProbeResult.Good), (l.Step, l.Result)));
        Assert.Equal(ProbeResult.Wrong, lines.Single(l => l.Step == ServerCheckStep.Clock).Result);
        Assert.Contains("edit its white lists", lines.Single(l => l.Step == ServerCheckStep.Authorisation).Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WhiteLists_AreWrittenRowByRow_ReadBack_ChangedAndTakenAway(bool first)
    {
        var server = await StartAsync(first);
        using var client = Open(server);
        server.Add("host");
        var wanted = Wanted(client, (0, Good), (17, Good));

        foreach (var policy in wanted)
        {
            Assert.NotEqual(policy.Content, await client.ReadPolicyAsync(policy.Key, Ct));
            await client.WritePolicyAsync(policy.Key, policy.Content, Ct);
            Assert.Equal(policy.Content, await client.ReadPolicyAsync(policy.Key, Ct));
        }

        var changed = $"0={Bad}\n18={Good}";
        await client.WritePolicyAsync(wanted[0].Key, changed, Ct);
        Assert.Equal(changed, await client.ReadPolicyAsync(wanted[0].Key, Ct));
        await client.WritePolicyAsync(wanted[0].Key, null, Ct);
        Assert.Null(await client.ReadPolicyAsync(wanted[0].Key, Ct));
        Assert.Equal(0, server.WholeListsReplaced);
        Assert.Contains("BIOS_Name", server.Hosts["host"].Record.Keys);
        Assert.Equal("10.0.0.1", server.Hosts["host"].Record["IPAddress"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task LastWhiteList_TakesTheMakerWithIt_AndOnlyThen(bool first)
    {
        var server = await StartAsync(first);
        using var client = Open(server);
        var kinds = new[] { BaselineKinds.Firmware, BaselineKinds.Hypervisor };
        var set = new ApprovedSet(Guid.NewGuid(), 1, kinds[0] | kinds[1], [.. kinds.Select(k => Revision(k, new PcrReference(k == kinds[0] ? 0 : 17, [Good], [])))]);
        var (lists, other) = (client.Wanted(set, []).Value, Wanted(client, (1, Good))[0]);
        foreach (var list in lists.Append(other))
        {
            await client.WritePolicyAsync(list.Key, list.Content, Ct);
        }

        var listed = await Assert.IsType<IPolicyList>(client, exactMatch: false).PoliciesAsync(Ct);
        Assert.Equal(lists.Append(other).Select(l => l.Key).Order(StringComparer.Ordinal), listed.Select(l => l.Key).Order(StringComparer.Ordinal));

        server.Makers["Dell"] = true;
        Assert.Equal(3, server.Makers.Count);

        await client.WritePolicyAsync(lists[0].Key, null, Ct);
        Assert.Contains("Portal", server.Makers.Keys);
        await client.WritePolicyAsync(lists[1].Key, null, Ct);
        await client.WritePolicyAsync(other.Key, null, Ct);

        Assert.Equal(["Dell"], server.Makers.Keys);
        Assert.Empty(server.Lists);
    }

    [Fact]
    public async Task FailedUpdateThatSaysTrue_ReadsBackDifferent_AndSoDoesAnEditBehindOurBack()
    {
        var server = await StartAsync(first: false);
        using var client = Open(server);
        server.Add("host");
        var wanted = Wanted(client, (0, Good), (17, Good))[0];
        server.OnlySaysTrue = true;
        await client.WritePolicyAsync(wanted.Key, wanted.Content, Ct);
        Assert.NotEqual(wanted.Content, await client.ReadPolicyAsync(wanted.Key, Ct));

        server.OnlySaysTrue = false;
        await client.WritePolicyAsync(wanted.Key, wanted.Content, Ct);
        server.Lists.Values.First()["0"] = Bad.ToUpperInvariant();
        Assert.NotEqual(wanted.Content, await client.ReadPolicyAsync(wanted.Key, Ct));
    }

    [Fact]
    public void Wanted_WhatAWhiteListCannotSay_IsRefusedByName()
    {
        using var client = new OatAdapter(TimeProvider.System).Open(new ServerConnection(Guid.NewGuid(), "s", new Uri("https://127.0.0.1:1"), null, authority.Certificates, null, true, TimeSpan.FromSeconds(1)));
        var several = Revision(BaselineKinds.Firmware, new PcrReference(0, [Good, Bad], []));
        var optional = Revision(BaselineKinds.Firmware, new PcrReference(4, [], [new EventReference(1, [Good], "", Optional: true)]));
        var runtime = Revision(BaselineKinds.Runtime);
        foreach (var revision in new[] { several, optional, runtime })
        {
            var refusal = client.Wanted(new ApprovedSet(Guid.NewGuid(), 1, revision.Kind, [revision]), []).Refusal;
            Assert.Contains(revision.Title, refusal!.Sentence, StringComparison.Ordinal);
        }

        var fine = Revision(BaselineKinds.Firmware, new PcrReference(0, [Good], []));
        Assert.Contains("one firmware white list only", client.Wanted(new ApprovedSet(Guid.NewGuid(), 1, BaselineKinds.Firmware, [fine, fine]), []).Refusal!.Sentence, StringComparison.Ordinal);
    }

    private static IReadOnlyList<ServerPolicy> Wanted(IServerClient client, params (int Pcr, string Digest)[] rows)
    {
        var set = new ApprovedSet(Guid.NewGuid(), 1, BaselineKinds.Firmware, [Revision(BaselineKinds.Firmware, [.. rows.Select(r => new PcrReference(r.Pcr, [r.Digest], []))])]);
        return client.Wanted(set, Hosts("host")).Value;
    }

    private static ApprovedRevision Revision(BaselineKinds kind, params PcrReference[] pcrs) =>
        new(Guid.NewGuid(), Guid.NewGuid(), $"base: {kind}", 3, kind, new BaselineContent(PcrBanks.Sha256, [.. pcrs], [], ""));

    private static List<BoundHost> Hosts(params IEnumerable<string> names) => [.. names.Select(n => new BoundHost(Guid.NewGuid(), n))];

    private async Task<OatServer> StartAsync(bool first)
    {
        var server = new OatServer { IsFirst = first };
        servers.Add(server);
        await server.StartAsync(authority.Server());
        return server;
    }

    private IServerClient Open(OatServer server) => new OatAdapter(TimeProvider.System).Open(server.Connection(authority));

    /// <summary>A clock whose timers run out forty times as soon: what waits for a minute and a half is not waited for.</summary>
    private sealed class Hurried : TimeProvider
    {
        private const int Times = 40;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, dueTime > TimeSpan.Zero ? dueTime / Times : dueTime, period);
    }
}
