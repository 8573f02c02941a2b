using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Outside;

/// <summary>Adding, changing, testing and removing servers.</summary>
public sealed class ServerCommandTests
{
    [Theory]
    [InlineData("http://keylime:8881", "service.address")]
    [InlineData("https://user:pw@keylime:8881", "service.address")]
    [InlineData("https://keylime:8881/v2", "service.address")]
    [InlineData("keylime", "service.address")]
    public async Task Address_IsHttpsWithHostAndPort(string address, string code)
    {
        await using var served = await ServedPool.StartAsync();
        var outcome = await served.Pool.Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(ServedPool.Words("other", address), TestCertificates.Client), served.Ct);
        Assert.Equal((code, "address"), (outcome.Refusal?.Code, outcome.Refusal?.Field));
    }

    [Fact]
    public async Task Keylime_NeedsAClientCertificate_AndOneThatFits()
    {
        await using var served = await ServedPool.StartAsync();
        var none = await served.Pool.Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(ServedPool.Words("other"), null), served.Ct);
        var odd = await served.Pool.Get<AddServer>().ExecuteAsync(TrustedPool.Administrator, new(ServedPool.Words("other"), new ClientIdentity(TestCertificates.Authority, TestCertificates.Client.PrivateKey)), served.Ct);
        Assert.Equal(("service.client.missing", "service.client"), (none.Refusal?.Code, odd.Refusal?.Code));
    }

    [Fact]
    public async Task PrivateKey_IsKeptProtected_AndToldNowhere()
    {
        await using var served = await ServedPool.StartAsync();
        var secret = TestCertificates.Client.PrivateKey.Split('\n')[1];
        await using var db = served.Pool.Database();
        var server = await db.AttestationServers.SingleAsync(served.Ct);
        Assert.NotNull(server.ProtectedKey);
        Assert.DoesNotContain(secret, System.Text.Encoding.UTF8.GetString(server.ProtectedKey), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, await served.Pool.AuditAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, new AddServer.Input(ServedPool.Words("x"), TestCertificates.Client).ToString(), StringComparison.Ordinal);
        using var usable = served.Pool.Get<ServerSecrets>().Open(server.ClientCertificate, server.ProtectedKey);
        Assert.True(usable.HasPrivateKey);
    }

    [Fact]
    public async Task AnotherAddress_TakesASecondPerson_AndVoidsWhatTheOtherSaid()
    {
        await using var served = await ServedPool.StartAsync();
        await served.VerifyAsync();
        var moved = ServedPool.Words("keylime-a", "https://elsewhere.example.com:8881");

        var change = TrustedPool.Expect(await served.Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(served.ServerId, 1, moved), served.Ct));
        Assert.Equal(PolicyEffect.WaitsForSecondPerson, change.Effect);
        Assert.Equal("https://keylime.example.com:8881", (await RowAsync(served)).Address);
        var own = await served.Pool.Get<DecideServerChange>().ConfirmAsync(TrustedPool.Author, served.ServerId, change.ProposalId!.Value, served.Ct);
        Assert.Equal("service.proposal.own", own.Refusal?.Code);

        TrustedPool.Expect(await served.Pool.Get<DecideServerChange>().ConfirmAsync(TrustedPool.Approver, served.ServerId, change.ProposalId.Value, served.Ct));
        Assert.Equal("https://elsewhere.example.com:8881", (await RowAsync(served)).Address);
        Assert.Equal(Portal.Core.Operations.OperationState.Failed, (await CreateWhileAwayAsync(served)).Operation.State);
    }

    [Fact]
    public async Task Pace_ChangesAtOnce_AndVoidsAWaitingChange()
    {
        await using var served = await ServedPool.StartAsync();
        var moved = TrustedPool.Expect(await served.Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(served.ServerId, 1, ServedPool.Words("keylime-a", "https://elsewhere.example.com:8881")), served.Ct));
        TrustedPool.Expect(await served.Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(served.ServerId, 1, ServedPool.Words("keylime-a") with { PollSeconds = 20 }), served.Ct));

        var late = await served.Pool.Get<DecideServerChange>().ConfirmAsync(TrustedPool.Approver, served.ServerId, moved.ProposalId!.Value, served.Ct);

        Assert.Equal("service.proposal.void", late.Refusal?.Code);
        Assert.Equal(20, (await RowAsync(served)).PollSeconds);
    }

    [Fact]
    public async Task Remove_WhileAClusterNamesIt_IsRefused()
    {
        await using var served = await ServedPool.StartAsync();
        Assert.Equal("service.named", (await served.Pool.Get<RemoveServer>().ExecuteAsync(TrustedPool.Administrator, served.ServerId, served.Ct)).Refusal?.Code);
        await served.NameAsync(ServiceSet.BuiltIn);
        TrustedPool.Expect(await served.Pool.Get<RemoveServer>().ExecuteAsync(TrustedPool.Administrator, served.ServerId, served.Ct));
        await using var db = served.Pool.Database();
        Assert.Empty(await db.HostsOnServers.ToListAsync(served.Ct));
    }

    [Fact]
    public async Task Commands_ByPeopleWhoMayNot_AreRefused()
    {
        await using var served = await ServedPool.StartAsync();
        foreach (var person in new[] { TrustedPool.Operator, TrustedPool.Auditor })
        {
            Assert.Equal(RefusedCode, (await served.Pool.Get<AddServer>().ExecuteAsync(person, new(ServedPool.Words("x"), TestCertificates.Client), served.Ct)).Refusal?.Code);
            Assert.Equal(RefusedCode, (await served.Pool.Get<EditServer>().ExecuteAsync(person, new(served.ServerId, 1, ServedPool.Words("x")), served.Ct)).Refusal?.Code);
            Assert.Equal(RefusedCode, (await served.Pool.Get<RemoveServer>().ExecuteAsync(person, served.ServerId, served.Ct)).Refusal?.Code);
            Assert.Equal(RefusedCode, (await served.Pool.Get<TestServer>().ExecuteAsync(person, served.ServerId, false, served.Ct)).Refusal?.Code);
            Assert.Equal(RefusedCode, (await served.Pool.Get<BindHost>().ExecuteAsync(person, new(served.ServerId, Guid.NewGuid(), "x"), served.Ct)).Refusal?.Code);
        }
    }

    [Fact]
    public async Task Test_TellsEveryStep_AlsoThoseNotReached()
    {
        await using var served = await ServedPool.StartAsync();
        served.Script.IsDown = true;
        var lines = TrustedPool.Expect(await served.Pool.Get<TestServer>().ExecuteAsync(TrustedPool.Administrator, served.ServerId, false, served.Ct));
        Assert.Equal(Enum.GetValues<ServerCheckStep>(), lines.Select(l => l.Step));
        Assert.Equal([ProbeResult.Good, ProbeResult.Wrong, ProbeResult.NotKnown], lines.Take(3).Select(l => l.Result));
    }

    [Fact]
    public async Task Services_FewerOrOthersOrKeptThere_AreLooser_MoreAreNot()
    {
        await using var served = await ServedPool.StartAsync(keeper: PolicyKeeper.Portal);
        var ours = ServiceSet.BuiltIn;
        var (portal, server) = (new ServiceSet(new ServiceChoice(served.ServerId)), new ServiceSet(new ServiceChoice(served.ServerId, PolicyKeeper.Server)));
        var both = new ServiceSet([.. ours, .. portal]);

        Assert.True(ours.IsLoosenedBy(portal));
        Assert.True(both.IsLoosenedBy(ours));
        Assert.True(portal.IsLoosenedBy(server));
        Assert.False(ours.IsLoosenedBy(both));
        Assert.False(server.IsLoosenedBy(portal));
        Assert.Equal(both, ServiceSet.Parse(both.ToText()));
        Assert.Throws<FormatException>(() => ServiceSet.Parse("nonsense"));
        Assert.Throws<ArgumentException>(() => new ServiceSet([.. ours, .. ours]));
    }

    private static string RefusedCode => "access.denied";

    private static async Task<Portal.Core.Operations.OperationView> CreateWhileAwayAsync(ServedPool served)
    {
        served.Script.IsDown = true;
        return await served.Pool.CreateAsync("vm");
    }

    private static async Task<AttestationServer> RowAsync(ServedPool served)
    {
        await using var db = served.Pool.Database();
        return await db.AttestationServers.AsNoTracking().SingleAsync(s => s.Id == served.ServerId, served.Ct);
    }
}
