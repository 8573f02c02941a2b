using System.Text.Json.Nodes;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Core.Operations;
using Portal.Tests.Attestation.Registration;
using Portal.Tests.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>Agents that wait at a registrar are enrolled with what is approved, once it is known whose TPM they have and that they hold its key.</summary>
public sealed class EnrolAttesterTests : IAsyncLifetime
{
    private const string Host = "kvm-a02";
    private const string Agent = "there-kvm-a02";

    private readonly TpmMaker maker = new();
    private readonly RegisteringHost host = new(Agent);
    private SitePool site = null!;
    private QuotingAgent agent = null!;

    public async ValueTask InitializeAsync()
    {
        site = await SitePool.StartAsync(SiteKind.Keylime);
        await site.PublishAsync();
        await site.VerifyAsync();
        agent = new QuotingAgent(site.Authority, host);
        await agent.StartAsync();
        host.Certificate = maker.Certify(host.CertifiedKey);
        Register();
        site.Site.Agents.TryRemove(Agent, out _);
    }

    public async ValueTask DisposeAsync()
    {
        await agent.DisposeAsync();
        await site.DisposeAsync();
        host.Dispose();
        maker.Dispose();
    }

    [Fact]
    public async Task Waiting_IsEnrolledWithWhatIsApproved_AndItsHostIsTrustedOnceItWasVerified()
    {
        await ListMakerAsync();
        var other = site.Site.Agents["there-kvm-a01"].TpmPolicy;

        Assert.Equal(OperationState.Succeeded, (await EnrolAsync()).State);

        var sent = Assert.Single(site.Keylime.Enrolments.Reverse().Take(1));
        var registered = site.Site.Registered[Agent];
        Assert.Equal(registered["aik_tpm"]!.GetValue<string>(), sent["ak_tpm"]!.GetValue<string>());
        Assert.Equal(registered["mtls_cert"]!.GetValue<string>(), sent["mtls_cert"]!.GetValue<string>());
        Assert.Equal(other, site.Site.Agents[Agent].TpmPolicy);
        Assert.Equal(["GET /version", "GET /v2.5/quotes/identity"], agent.Requests);

        await site.PublishAsync();
        await site.VerifyAsync();
        Assert.Equal((PublicationState.Verified, TrustStatus.Trusted), ((await site.PublicationAsync()).State, await site.StatusAsync(Host)));
    }

    [Fact]
    public async Task TpmNobodyVouchesFor_IsNotEnrolled()
    {
        var ended = await EnrolAsync();
        Assert.Equal("service.attester.endorsement", ended.FailureCode);
        await AssertNotEnrolledAsync();
    }

    [Theory]
    [InlineData("impostor")]
    [InlineData("replay")]
    [InlineData("certificate")]
    [InlineData("network")]
    [InlineData("push")]
    [InlineData("silent")]
    public async Task AgentThatDoesNotShowItsKey_IsNotEnrolled(string how)
    {
        await ListMakerAsync();
        using var impostor = new RegisteringHost(Agent);
        var said = await (how switch
        {
            "impostor" => SaidAsync(() => agent.Impostor = impostor),
            "replay" => SaidAsync(() => agent.Replays = true),
            "certificate" => SaidAsync(() => Register(r => r["mtls_cert"] = new RegisteringHost("x").ServerCertificate)),
            "network" => SaidAsync(() => Register(r => r["ip"] = "192.0.2.1")),
            "push" => SaidAsync(() => Register(r => (r["ip"], r["port"], r["mtls_cert"]) = (null, null, null))),
            _ => SaidAsync(() => agent.Trouble = E2E.Peers.Servers.Trouble.EmptyError),
        });

        Assert.Contains(
            how switch { "impostor" or "replay" => "did not show that it holds the key", "certificate" => "TLS failed", "network" => "in no network the portal may connect to", "push" => "only sends", _ => "did not answer" },
            said,
            StringComparison.Ordinal);
        await AssertNotEnrolledAsync();
    }

    [Fact]
    public async Task Unbound_IsNotEnrolled_BecauseNothingSaysWhatItMayBoot()
    {
        await ListMakerAsync();
        TrustedPool.Expect(await site.Pool.Get<BindHost>().ExecuteAsync(TrustedPool.Administrator, new(site.ServerId, (await site.Pool.HostAsync(Host)).Id, null), site.Ct));
        Assert.Equal("service.attester.unbound", (await EnrolAsync()).FailureCode);
        await AssertNotEnrolledAsync();
    }

    [Fact]
    public async Task PoliciesThatTheServerKeeps_AreNotKnownHere_SoItIsNotEnrolledWithoutAny()
    {
        await ListMakerAsync();
        await site.KeptByAsync(PolicyKeeper.Server);
        Assert.Equal("service.attester.kept_there", (await EnrolAsync()).FailureCode);
        await AssertNotEnrolledAsync();
    }

    [Fact]
    public async Task Enrolled_IsNotEnrolledTwice_AndWhoNeverRegisteredNotAtAll()
    {
        await ListMakerAsync();
        Assert.Equal("service.attester.enrolled", (await EnrolAsync("there-kvm-a01")).FailureCode);
        Assert.Equal("attester.not_found", (await EnrolAsync("nobody")).FailureCode);
        await AssertNotEnrolledAsync();
    }

    [Fact]
    public async Task EnrolledAndNeverVerified_IsNoSuccess()
    {
        await ListMakerAsync();
        site.Keylime.AgentsStaySilent = true;
        Assert.Equal("service.attester.not_verified", (await EnrolAsync()).FailureCode);
    }

    [Fact]
    public async Task WhoMayNot_IsRefused() =>
        Assert.Equal("access.denied", (await site.Pool.Get<ControlAttester>().EnrolAsync(TrustedPool.Operator, site.ServerId, Agent, site.Ct)).Refusal?.Code);

    private void Register(Action<JsonObject>? change = null)
    {
        var registration = JsonNode.Parse(host.Message().Span)!.AsObject();
        change?.Invoke(registration);
        site.Site.Registered[Agent] = registration;
    }

    private async Task<string> SaidAsync(Action before)
    {
        before();
        var ended = await EnrolAsync();
        Assert.Equal("service.attester.failed", ended.FailureCode);
        return ended.Failure!;
    }

    private async Task<Operation> EnrolAsync(string name = Agent)
    {
        var operation = TrustedPool.Expect(await site.Pool.Get<ControlAttester>().EnrolAsync(TrustedPool.Administrator, site.ServerId, name, site.Ct));
        return (await site.RunAsync(site.Pool.RunAsync(operation))).Operation;
    }

    private async Task AssertNotEnrolledAsync()
    {
        Assert.DoesNotContain(Agent, site.Site.Agents.Keys);
        await site.VerifyAsync();
        site.Pool.Time.Advance(TimeSpan.FromMinutes(10));
        Assert.NotEqual(TrustStatus.Trusted, await site.StatusAsync(Host));
    }

    private async Task ListMakerAsync()
    {
        var roots = site.Pool.Get<VendorRoots>();
        var root = TrustedPool.Expect(await roots.AddAsync(TrustedPool.Author, maker.RootPem, site.Ct));
        TrustedPool.Expect(await roots.AddAsync(TrustedPool.Author, maker.IssuerPem, site.Ct));
        TrustedPool.Expect(await roots.ConfirmAsync(TrustedPool.Approver, root.Id, site.Ct));
    }
}
