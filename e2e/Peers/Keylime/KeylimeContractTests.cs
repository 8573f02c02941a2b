using System.Globalization;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Keylime;
using Portal.Core.Attestation.Outside;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.E2E.Peers.Servers;

namespace Portal.E2E.Peers.Keylime;

/// <summary>The client against a verifier and a registrar, well and unwell.</summary>
public sealed class KeylimeContractTests : IAsyncLifetime
{
    private const string Id = "595979f2-07a9-56cb-9139-e38cc7bc92a1";
    private static readonly string Good = new('a', 64);

    private readonly SiteAuthority authority = new();
    private readonly KeylimeSite site = new();
    private readonly List<IDisposable> clients = [];
    private KeylimeServer verifier = null!;
    private KeylimeServer registrar = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static BoundHost Host { get; } = new(Guid.NewGuid(), Id);

    public async ValueTask InitializeAsync()
    {
        (verifier, registrar) = (new KeylimeServer(site, authority, isRegistrar: false), new KeylimeServer(site, authority, isRegistrar: true));
        await verifier.StartAsync(authority.Server());
        await registrar.StartAsync(authority.Server());
        site.Add(Id);
    }

    public async ValueTask DisposeAsync()
    {
        clients.ForEach(c => c.Dispose());
        await verifier.DisposeAsync();
        await registrar.DisposeAsync();
        authority.Dispose();
    }

    [Fact]
    public async Task Growth_IsTrust_AndALabelIsNot()
    {
        var client = Open();
        site.Verify();
        Assert.IsType<HostStatement.NothingNew>(await PollAsync(client));
        Assert.IsType<HostStatement.NothingNew>(await PollAsync(client));
        var before = DateTimeOffset.UtcNow;
        await PollAsync(client);
        site.Verify();

        var trusted = Assert.IsType<HostStatement.Trusted>(await PollAsync(client));

        Assert.InRange(trusted.VerifiedAt, before.AddSeconds(-1), DateTimeOffset.UtcNow);
        Assert.False(verifier.SawAuthorization);
        Assert.False(verifier.SawContentTypeWithoutBody);
    }

    [Fact]
    public async Task Mismatch_IsUntrusted_AndTheOldTagIsIgnoredAfterwards()
    {
        var client = Open();
        await PollAsync(client);
        site.Fail(Id, "pcr_validation.invalid_pcr_4");
        var finding = Assert.IsType<HostStatement.Untrusted>(await PollAsync(client)).Findings[0];
        Assert.Equal((4, FindingCode.ServerFoundMismatch), (finding.Pcr, finding.Code));

        site.Put(Id, "reactivate");
        Assert.IsType<HostStatement.NothingNew>(await PollAsync(client));
        site.Verify();
        Assert.IsType<HostStatement.Trusted>(await PollAsync(client));
    }

    [Fact]
    public async Task StoppedAndReactivated_StaysADeadEnd()
    {
        var client = Open();
        site.Verify();
        await PollAsync(client);
        site.Put(Id, "stop");
        site.Put(Id, "reactivate");
        site.Verify();
        Assert.Equal(FindingCode.ServerNotVerifying, Assert.IsType<HostStatement.Trouble>(await PollAsync(client)).Why.Code);
    }

    [Fact]
    public async Task Unreachable_IsNeverUntrusted()
    {
        var client = Open();
        (site.Agents[Id].State, site.Agents[Id].Word, site.Agents[Id].EventId) = (7, "FAIL", "internal.verifier.not_reachable");
        Assert.Equal(CheckOutcome.AgentUnreachable, Assert.IsType<HostStatement.Trouble>(await PollAsync(client)).Outcome);
    }

    [Fact]
    public async Task PushAgent_OnlyItsWordTells_AndFailStays()
    {
        var client = Open();
        site.Agents[Id].IsPush = true;
        await PollAsync(client);
        site.Verify();
        Assert.IsType<HostStatement.Trusted>(await PollAsync(client));
        site.Fail(Id, "");
        site.Verify();
        Assert.IsType<HostStatement.Untrusted>(await PollAsync(client));
        site.Agents[Id].Word = "TIMEOUT";
        Assert.Equal(CheckOutcome.AgentUnreachable, Assert.IsType<HostStatement.Trouble>(await PollAsync(client)).Outcome);
        site.Agents[Id].Word = "SPLENDID";
        Assert.Equal(FindingCode.UnknownWord, Assert.IsType<HostStatement.Trouble>(await PollAsync(client)).Why.Code);
    }

    [Fact]
    public async Task Ask_WaitsForEvidenceThatIsNew()
    {
        var client = Open();
        var asked = DateTimeOffset.UtcNow;
        var asking = client.AskAsync(Host, Ct);
        while (!asking.IsCompleted)
        {
            site.Verify();
            await Task.WhenAny(asking, Task.Delay(50, Ct));
        }

        Assert.InRange(Assert.IsType<HostStatement.Trusted>(await asking).VerifiedAt, asked.AddSeconds(-1), DateTimeOffset.UtcNow);
    }

    [Fact]
    public async Task Ask_ManyAtOnce_ShareTheQuestions()
    {
        var hosts = Enumerable.Range(0, 40).Select(i => new BoundHost(Guid.NewGuid(), string.Create(CultureInfo.InvariantCulture, $"agent-{i}"))).ToList();
        hosts.ForEach(h => site.Add(h.Name));
        var client = Open();
        var asking = Task.WhenAll(hosts.Select(h => client.AskAsync(h, Ct)));
        while (!asking.IsCompleted)
        {
            site.Verify();
            await Task.WhenAny(asking, Task.Delay(50, Ct));
        }

        Assert.All(await asking, s => Assert.IsType<HostStatement.Trusted>(s));
        Assert.InRange(verifier.Requests.Count, 1, 60);
    }

    [Fact]
    public async Task OldMinor_IsSpoken()
    {
        await using var old = new KeylimeServer(site, authority, isRegistrar: false) { Minor = 1 };
        await old.StartAsync(authority.Server());
        using var client = new KeylimeAdapter(TimeProvider.System).Open(old.Connection(authority, authority.Client()));
        await client.PollAsync([Host], Ct);
        site.Verify();
        Assert.IsType<HostStatement.Trusted>((await client.PollAsync([Host], Ct)).Statements[0]);
        Assert.Contains(old.Requests, r => r.StartsWith("GET /v2.1/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ServerClockAnHourOff_NeverMakesEvidenceYounger()
    {
        var client = Open();
        site.Ahead = TimeSpan.FromHours(1);
        site.Verify();
        await PollAsync(client);
        site.Verify();
        Assert.InRange(Assert.IsType<HostStatement.Trusted>(await PollAsync(client)).VerifiedAt, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow);

        site.Ahead = TimeSpan.FromHours(-1);
        site.Agents[Id].Success = 0;
        var other = Open();
        await other.PollAsync([Host], Ct);
        site.Verify();
        var said = Assert.IsType<HostStatement.Trusted>((await other.PollAsync([Host], Ct)).Statements[0]);
        Assert.InRange(said.VerifiedAt, DateTimeOffset.UtcNow.AddMinutes(-61), DateTimeOffset.UtcNow.AddMinutes(-59));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task WholeServerAnHourOff_IsToldAsSkew_AndNeverMakesEvidenceYounger(int hours)
    {
        var client = Open();
        (verifier.ClockAhead, site.Ahead) = (TimeSpan.FromHours(hours), TimeSpan.FromHours(hours));
        await PollAsync(client);
        site.Verify();

        var news = await client.PollAsync([Host], Ct);

        var verified = Assert.IsType<HostStatement.Trusted>(news.Statements[0]).VerifiedAt;
        Assert.InRange(verified, DateTimeOffset.UtcNow.AddMinutes(hours < 0 ? -61 : -1), DateTimeOffset.UtcNow.AddMinutes(hours < 0 ? -59 : 0));
        Assert.InRange(news.ClockSkew!.Value.TotalMinutes, (60 * hours) - 1, (60 * hours) + 1);
    }

    [Fact]
    public async Task SlowButAnswering_IsWaitedFor()
    {
        var client = Open();
        await PollAsync(client);
        site.Verify();
        verifier.Trouble = Trouble.Slow;
        Assert.IsType<HostStatement.Trusted>(await PollAsync(client));
    }

    [Fact]
    public async Task ServerReplacedByAnOlderOne_IsAskedForItsVersionAnew_AfterAnEmpty404()
    {
        var client = Open();
        await PollAsync(client);
        verifier.Minor = 3;
        site.Verify();

        Assert.IsType<HostStatement.Trusted>(await PollAsync(client));

        Assert.Contains("GET /v2.3/agents/", verifier.Requests);
        Assert.Equal(2, verifier.Requests.Count(r => r == "GET /version"));
    }

    [Fact]
    public async Task Recorded_AnswersOfARunningKeylime_AreUnderstood()
    {
        await using var recorded = new RecordedServer(isRegistrar: false);
        await using var registrar = new RecordedServer(isRegistrar: true);
        await recorded.StartAsync(authority.Server());
        await registrar.StartAsync(authority.Server());
        using var client = new KeylimeAdapter(TimeProvider.System).Open(recorded.Connection(authority, authority.Client(), registrar: registrar.Address));

        var said = (await client.PollAsync([new(Guid.NewGuid(), Recordings.Verified), new(Guid.NewGuid(), Recordings.Failed), new(Guid.NewGuid(), "nobody")], Ct)).Statements;
        Assert.IsType<HostStatement.NothingNew>(said[0]);
        Assert.Equal(4, Assert.IsType<HostStatement.Untrusted>(said[1]).Findings[0].Pcr);
        Assert.Equal(CheckOutcome.NotConfigured, Assert.IsType<HostStatement.Trouble>(said[2]).Outcome);

        var known = await client.AttestersAsync(Ct);
        Assert.Equal("11dedfd0-1395-55cd-b8c0-9911f0034398", Assert.Single(known, a => !a.IsEnrolled).Name);
        Assert.Equal(4, known.Count);
    }

    [Fact]
    public async Task WithoutCertificate_OrWithSomebodyElses_IsRefused()
    {
        using var nobody = new KeylimeAdapter(TimeProvider.System).Open(verifier.Connection(authority));
        var fault = await Assert.ThrowsAsync<ServerException>(() => nobody.PollAsync([Host], Ct));
        Assert.Equal(ServerFault.Refused, fault.Fault);
        Assert.Contains("mTLS certificate", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(nameof(Trouble.Hangs), ServerFault.Unreachable)]
    [InlineData(nameof(Trouble.HalfOpen), ServerFault.Unreachable)]
    [InlineData(nameof(Trouble.Cut), ServerFault.Unreachable)]
    [InlineData(nameof(Trouble.Html), ServerFault.Garbled)]
    [InlineData(nameof(Trouble.EmptyError), ServerFault.Failed)]
    [InlineData(nameof(Trouble.EmptyRefusal), ServerFault.Failed)]
    [InlineData(nameof(Trouble.Trickles), ServerFault.Unreachable)]
    public async Task Trouble_IsTheServers_AndSaysNothingOfHosts(string trouble, ServerFault fault)
    {
        var client = Open(TimeSpan.FromSeconds(2));
        await PollAsync(client);
        verifier.Trouble = Enum.Parse<Trouble>(trouble);
        Assert.Equal(fault, (await Assert.ThrowsAsync<ServerException>(() => PollAsync(client))).Fault);

        verifier.Trouble = Trouble.None;
        site.Verify();
        Assert.IsType<HostStatement.Trusted>(await PollAsync(client));
    }

    [Fact]
    public async Task OtherAuthority_Expired_OrWithoutAName_IsNotTheServer()
    {
        using var other = new SiteAuthority("Somebody else");
        using var mistaken = new KeylimeAdapter(TimeProvider.System).Open(verifier.Connection(other, authority.Client()));
        Assert.Equal(ServerFault.NotTheServer, (await Assert.ThrowsAsync<ServerException>(() => mistaken.PollAsync([Host], Ct))).Fault);

        await using var expired = new KeylimeServer(site, authority, isRegistrar: false);
        await expired.StartAsync(authority.Server(expired: true));
        using var late = new KeylimeAdapter(TimeProvider.System).Open(expired.Connection(authority, authority.Client()));
        Assert.Equal(ServerFault.NotTheServer, (await Assert.ThrowsAsync<ServerException>(() => late.PollAsync([Host], Ct))).Fault);

        await using var nameless = new KeylimeServer(site, authority, isRegistrar: false);
        await nameless.StartAsync(authority.Server(named: false));
        using var strict = new KeylimeAdapter(TimeProvider.System).Open(nameless.Connection(authority, authority.Client()));
        Assert.Equal(ServerFault.NotTheServer, (await Assert.ThrowsAsync<ServerException>(() => strict.PollAsync([Host], Ct))).Fault);
        using var lenient = new KeylimeAdapter(TimeProvider.System).Open(nameless.Connection(authority, authority.Client(), checksName: false));
        Assert.Single((await lenient.PollAsync([Host], Ct)).Statements);
    }

    [Fact]
    public async Task Check_TellsEveryStep()
    {
        var lines = new List<ServerCheckLine>();
        await foreach (var line in Open().CheckAsync(Ct))
        {
            lines.Add(line);
        }

        Assert.Equal(Enum.GetValues<ServerCheckStep>(), lines.Select(l => l.Step));
        Assert.All(lines, l => Assert.Equal((l.Step, ProbeResult.Good), (l.Step, l.Result)));
    }

    [Fact]
    public async Task Queue_IsWhoRegisteredAndIsNotVerified()
    {
        site.Add("waiting");
        site.Agents.TryRemove("waiting", out _);
        var all = await Open().AttestersAsync(Ct);
        Assert.Equal([("waiting", false)], all.Where(a => !a.IsEnrolled).Select(a => (a.Name, a.IsEnrolled)));
        Assert.Contains(all, a => a is { Name: Id, IsEnrolled: true });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AgentPolicy_IsChangedByRemovingAndEnrollingAnew(bool removesLater)
    {
        var client = Open();
        site.RemovesLater = removesLater;
        site.Agents[Id].Metadata = """{"owner":"the site"}""";
        var wanted = client.Wanted(Approved(BaselineKinds.Firmware, new PcrReference(0, [Good], [])), [Host]).Value.Single();
        Assert.NotEqual(wanted.Content, await client.ReadPolicyAsync(wanted.Key, Ct));

        await client.WritePolicyAsync(wanted.Key, wanted.Content, Ct);

        Assert.Equal(wanted.Content, await client.ReadPolicyAsync(wanted.Key, Ct));
        Assert.Contains("the site", site.Agents[Id].Metadata, StringComparison.Ordinal);
        site.Agents[Id].TpmPolicy = """{"mask": "0x0"}""";
        Assert.NotEqual(wanted.Content, await client.ReadPolicyAsync(wanted.Key, Ct));
    }

    [Fact]
    public async Task Control_OnlyWhoWasGivenUpOnNeedsIt_AndRemovalWaits()
    {
        var client = Open();
        var control = Assert.IsType<IAttesterControl>(client, exactMatch: false);
        Assert.False((await control.StandingAsync(Id, Ct))!.Needs);
        site.Fail(Id, "pcr_validation.invalid_pcr_4");
        Assert.True((await control.StandingAsync(Id, Ct))!.Needs);
        await control.ReactivateAsync(Id, Ct);
        Assert.Equal((3, 1), (site.Agents[Id].State, site.Agents[Id].Loops));

        site.RemovesLater = true;
        await control.RemoveAsync(Id, Ct);
        Assert.Null(await control.StandingAsync(Id, Ct));
    }

    [Fact]
    public async Task RuntimePolicy_IsPublished_ReadBack_AndGivenToTheAgent()
    {
        var client = Open();
        var revision = new ApprovedRevision(Guid.NewGuid(), Guid.NewGuid(), "files", 1, BaselineKinds.Runtime, BaselineContent.Empty with { Runtime = new RuntimeReference([new FileReference("/usr/bin/bash", [$"sha256:{Good}"])], [], ["^/tmp/"]) });
        var wanted = client.Wanted(new ApprovedSet(Guid.NewGuid(), 1, BaselineKinds.Runtime, [revision]), [Host]).Value;

        foreach (var policy in wanted)
        {
            await client.WritePolicyAsync(policy.Key, policy.Content, Ct);
            Assert.Equal(policy.Content, await client.ReadPolicyAsync(policy.Key, Ct));
        }

        Assert.True(site.Agents[Id].HasRuntimePolicy);
        var name = site.RuntimePolicies.Keys.Single();
        site.RuntimePolicies[name] = site.RuntimePolicies[name].Replace("/usr/bin/bash", "/usr/bin/evil", StringComparison.Ordinal);
        Assert.NotEqual(wanted[0].Content, await client.ReadPolicyAsync(wanted[0].Key, Ct));
        verifier.KeepsPolicies = true;
        await client.WritePolicyAsync(wanted[0].Key, wanted[0].Content, Ct);
        Assert.NotEqual(wanted[0].Content, await client.ReadPolicyAsync(wanted[0].Key, Ct));
    }

    [Fact]
    public async Task MeasuredBootPolicy_IsKeptUnderItsName()
    {
        var client = Open();
        await client.WritePolicyAsync("mb/gold", """{"has_secureboot": true}""", Ct);
        Assert.Equal("""{"has_secureboot":true}""", await client.ReadPolicyAsync("mb/gold", Ct));
        Assert.Equal([("mb/gold", KeptPolicyKind.MeasuredBoot)], (await Assert.IsType<IPolicyList>(client, exactMatch: false).PoliciesAsync(Ct)).Select(p => (p.Key, p.Kind)));
        await client.WritePolicyAsync("mb/gold", null, Ct);
        Assert.Null(await client.ReadPolicyAsync("mb/gold", Ct));
    }

    [Fact]
    public async Task TenThousandAgents_ComeInOneAnswer()
    {
        var hosts = Enumerable.Range(0, 10_000).Select(i => new BoundHost(Guid.NewGuid(), string.Create(CultureInfo.InvariantCulture, $"agent-{i}"))).ToList();
        hosts.ForEach(h => site.Add(h.Name));
        var client = Open();
        await client.PollAsync(hosts, Ct);
        site.Verify();
        Assert.Equal(10_000, (await client.PollAsync(hosts, Ct)).Statements.OfType<HostStatement.Trusted>().Count());
        Assert.Equal(2, verifier.Requests.Count(r => r.Contains("/agents/", StringComparison.Ordinal)));
    }

    private static ApprovedSet Approved(BaselineKinds kind, params PcrReference[] pcrs) => new(
        Guid.NewGuid(), 1, kind, [new ApprovedRevision(Guid.NewGuid(), Guid.NewGuid(), "base", 1, kind, new BaselineContent(PcrBanks.Sha256, [.. pcrs], [], ""))]);

    private static async Task<HostStatement> PollAsync(IServerClient client) => (await client.PollAsync([Host], Ct)).Statements[0];

    private IServerClient Open(TimeSpan? timeout = null)
    {
        var client = new KeylimeAdapter(TimeProvider.System).Open(verifier.Connection(authority, authority.Client(), timeout, registrar.Address));
        clients.Add(client);
        return client;
    }
}
