using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Bootstrap;

public sealed class PrepareHostTests : IAsyncLifetime
{
    private static readonly Caller Admin = TrustedPool.Administrator;

    private TrustedPool pool = null!;

    private PrepareHost Prepare => pool.Get<PrepareHost>();

    public async ValueTask InitializeAsync() => pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([IPNetwork.Parse("127.0.0.0/8")], new("10.1.0.5", 8890, 8891, Enabled: true)));

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Fact]
    public async Task OnlyWhoManagesHosts_MayAnyOfIt()
    {
        foreach (var caller in new[] { TrustedPool.Auditor, TrustedPool.Operator, TrustedPool.Author })
        {
            Assert.Equal("access.denied", (await Prepare.FetchKeyAsync(caller, "127.0.0.1", 22, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await Prepare.ForgetKeyAsync(caller, "127.0.0.1", 22, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await Prepare.StartAsync(caller, Request(), Credentials(), pool.Ct)).Refusal?.Code);
        }

        Assert.Equal(0, await CountAsync());
    }

    [Theory]
    [InlineData("192.0.2.7", 22, "ssh.network")]
    [InlineData("-oProxyCommand=touch", 22, "ssh.address")]
    [InlineData("127.0.0.1; reboot", 22, "ssh.address")]
    [InlineData("", 22, "ssh.address")]
    [InlineData("127.0.0.1", 0, "ssh.port")]
    [InlineData("127.0.0.1", 65536, "ssh.port")]
    [InlineData("127.0.0.1", 1, "ssh.unreachable")]
    public async Task AKeyIsFetched_OnlyFromWhereItMay(string address, int port, string code) =>
        Assert.Equal(code, (await Prepare.FetchKeyAsync(Admin, address, port, pool.Ct)).Refusal?.Code);

    [Theory]
    [InlineData("", "secret1", "", "ssh.user")]
    [InlineData("root; reboot", "secret1", "", "ssh.user")]
    [InlineData("-l", "secret1", "", "ssh.user")]
    [InlineData("root", "", "", "ssh.credentials")]
    [InlineData("root", "", "nonsense", "ssh.private_key")]
    [InlineData("root", "", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "ssh.private_key")]
    public async Task CredentialsThatCannotBe_AreRefused_AndWiped(string user, string password, string key, string code)
    {
        var credentials = new SshCredentials(user, password, key);

        Assert.Equal(code, (await Prepare.StartAsync(Admin, Request(), credentials, pool.Ct)).Refusal?.Code);

        Assert.All(credentials.Password.ToArray(), b => Assert.Equal(0, b));
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task WhatIsWrong_IsRefused_BeforeAnythingBegins()
    {
        Assert.Equal("host.name.characters", await StartAsync(Request() with { HostName = "kvm 07" }));
        Assert.Equal("cluster.not_found", await StartAsync(Request() with { ClusterId = Guid.NewGuid() }));
        Assert.Equal("preparation.without", await StartAsync(Request() with { Without = ["tpm'; reboot; '"] }));
        Assert.Equal("ssh.address", await StartAsync(Request() with { Address = "$(reboot)" }));
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task AConfirmedKey_IsPinned_AndAnotherIsRefusedUntilItIsForgotten()
    {
        Assert.Null(await StartAsync(Request()));

        Assert.Equal("ssh.host_key.changed", await StartAsync(Request() with { Fingerprint = "BBBB" }));
        Assert.Null(await StartAsync(Request() with { Address = "LOCALHOST", Fingerprint = "BBBB" }));
        TrustedPool.Expect(await Prepare.ForgetKeyAsync(Admin, "127.0.0.1", 2222, pool.Ct));
        Assert.Null(await StartAsync(Request() with { Fingerprint = "BBBB" }));
        await using var db = pool.Database();
        Assert.Equal(3, await db.AuditEntries.CountAsync(e => e.Event == "ssh.host_key.confirmed", pool.Ct));
        Assert.Single(await db.AuditEntries.Where(e => e.Event == "ssh.host_key.forgotten").ToListAsync(pool.Ct));
    }

    [Fact]
    public async Task WithoutItsCredentials_AnOperationEnds_SayingThatNothingBegan()
    {
        var id = TrustedPool.Expect(await Prepare.StartAsync(Admin, Request(), Credentials(), pool.Ct));
        // As after a crash: the record is there, the credentials are not.
        pool.Time.Advance(TimeSpan.FromHours(2));

        await pool.RunAsync(id);

        var view = (await pool.Get<OperationDirectory>().FindAsync(id, pool.Ct))!;
        Assert.Equal((OperationState.Failed, "preparation.not_begun"), (view.Operation.State, view.Operation.FailureCode));
    }

    [Fact]
    public async Task CancelledBeforeItBegan_ItIsCancelled_AndTheCredentialsAreGone()
    {
        var id = TrustedPool.Expect(await Prepare.StartAsync(Admin, Request(), Credentials(), pool.Ct));
        Assert.Equal("access.denied", (await pool.Get<OperationDirectory>().CancelAsync(TrustedPool.Operator, id, pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await pool.Get<OperationDirectory>().CancelAsync(Admin, id, pool.Ct));

        await pool.RunAsync(id);

        Assert.Equal(OperationState.Cancelled, (await pool.Get<OperationDirectory>().FindAsync(id, pool.Ct))!.Operation.State);
        Assert.Null(pool.Get<IPreparationsUnderWay>().Lines(id));
    }

    [Fact]
    public void Credentials_SayNothingOfThemselves() => Assert.DoesNotContain("secret1", Credentials().ToString(), StringComparison.Ordinal);

    private async Task<string?> StartAsync(PreparationRequest request) => (await Prepare.StartAsync(Admin, request, Credentials(), pool.Ct)).Refusal?.Code;

    private async Task<int> CountAsync()
    {
        await using var db = pool.Database();
        return await db.Operations.CountAsync(o => o.Kind == PreparationOutput.OperationKind, pool.Ct) + await db.SshHostKeys.CountAsync(pool.Ct);
    }

    private static SshCredentials Credentials() => new("root", "secret1");

    private PreparationRequest Request() => new(PreparationMode.Prepare, "kvm-07", pool.Cluster, "127.0.0.1", 2222, "AAAA", []);
}
