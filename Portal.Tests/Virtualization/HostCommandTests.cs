using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Evacuation;
using Portal.Core.Virtualization.Connecting;
using Portal.Core.Virtualization.Libvirt;
using Portal.Tests.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Virtualization;

/// <summary>Adding, changing, testing and removing hosts by their libvirt URI.</summary>
public sealed class HostCommandTests
{
    private const string Uri = "qemu+tls://kvm-01.example.com/system";

    private static readonly ConnectionWords Tls = new(Uri, TestCertificates.Authority);

    private static readonly HypervisorSignIn SignIn = new(TestCertificates.Client.Certificate, TestCertificates.Client.PrivateKey);

    [Fact]
    public async Task Add_ByTls_BeginsNotResponding_AndKeepsItsKeyProtected()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        var id = TrustedPool.Expect(await AddAsync(pool));

        var host = await pool.QueryAsync(db => db.Hosts.SingleAsync(h => h.Id == id));
        Assert.Equal((HostState.NonResponsive, AddHost.NotReachedYet, "kvm-01.example.com", Uri), (host.State, host.StateReason, host.Address, host.LibvirtUri));
        var row = await pool.QueryAsync(db => db.HypervisorConnections.SingleAsync(c => c.HostId == id));
        var secret = SignIn.PrivateKey.Split('\n')[1];
        Assert.DoesNotContain(secret, System.Text.Encoding.Latin1.GetString(row.ProtectedKey!), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, await pool.Pool.AuditAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, new AddHost.Input("x", Guid.Empty, Tls, SignIn).ToString(), StringComparison.Ordinal);
        Assert.Equal(SignIn.PrivateKey, (await pool.Pool.Get<IHypervisorSecrets>().OfAsync(id, pool.Ct)).PrivateKey);
        Assert.Contains("added the host kvm-01", await pool.Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("qemu+tcp://kvm/system", true, true, "host.libvirt_uri.invalid")]
    [InlineData("qemu+unix:///system?socket=/tmp/x", true, true, "host.libvirt_uri.invalid")]
    [InlineData("test:///default", true, true, "host.libvirt_uri.invalid")]
    [InlineData("qemu+tls://kvm/system?no_verify=1", true, true, "host.libvirt_uri.invalid")]
    [InlineData("sim:kvm-a01", true, true, "host.libvirt_uri.invalid")]
    [InlineData(Uri, false, true, "host.authority")]
    [InlineData(Uri, true, false, "host.client_certificate.missing")]
    [InlineData("qemu+ssh://portal@kvm/system", true, true, "host.ssh_host_key")]
    public async Task Add_WhatIsNotSafe_IsRefused(string uri, bool withAuthority, bool withSignIn, string code)
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        var outcome = await AddAsync(pool, words: new ConnectionWords(uri, withAuthority ? TestCertificates.Authority : ""), signIn: withSignIn ? SignIn : null);
        Assert.Equal(code, outcome.Refusal?.Code);
    }

    [Fact]
    public async Task Add_UnprotectedInALab_IsTaken()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false, more: s => s.AddSingleton(new LibvirtOptions { AllowsUnprotected = true }));
        var id = TrustedPool.Expect(await AddAsync(pool, words: new ConnectionWords("qemu+tcp://127.0.0.1:16001/system"), signIn: null));
        Assert.Equal("127.0.0.1", await pool.QueryAsync(db => db.Hosts.Where(h => h.Id == id).Select(h => h.Address).SingleAsync()));
    }

    [Fact]
    public async Task Add_ByAPinnedSshKey_ShowsItsFingerprint_AndNoOtherTextPassesForAKey()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        var words = new ConnectionWords("qemu+ssh://portal@kvm-02/system", SshHostKey: Key + " a comment");
        Assert.Equal("host.private_key", (await AddAsync(pool, words: words, signIn: new("", "no key"))).Refusal?.Code);
        Assert.Equal("host.ssh_host_key", (await AddAsync(pool, words: words with { SshHostKey = Key.Replace("ssh-ed25519", "ssh-rsa", StringComparison.Ordinal) })).Refusal?.Code);
        var id = TrustedPool.Expect(await AddAsync(pool, words: words, signIn: new("", SignIn.PrivateKey)));
        Assert.Equal(Key, (await pool.Pool.Get<HostConnections>().OfAsync(id, pool.Ct)).Words.SshHostKey);
        Assert.Equal("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", ConnectionRules.FingerprintOf(Key));
    }

    [Fact]
    public async Task Add_ANameOrUriThatIsThere_IsRefused()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        TrustedPool.Expect(await AddAsync(pool));
        Assert.Equal("host.name.taken", (await AddAsync(pool)).Refusal?.Code);
        Assert.Equal("host.libvirt_uri.taken", (await AddAsync(pool, name: "kvm-02")).Refusal?.Code);
    }

    [Fact]
    public async Task Edit_AnotherAddress_WaitsForASecondPerson()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        var id = TrustedPool.Expect(await AddAsync(pool));
        var moved = Tls with { LibvirtUri = "qemu+tls://elsewhere.example.com/system" };

        var change = TrustedPool.Expect(await EditAsync(pool, id, 1, moved));

        Assert.Equal(PolicyEffect.WaitsForSecondPerson, change.Effect);
        Assert.Equal(Uri, (await pool.QueryAsync(db => db.Hosts.SingleAsync(h => h.Id == id))).LibvirtUri);
        Assert.Equal("host.proposal.waiting", (await EditAsync(pool, id, 1, moved)).Refusal?.Code);
        var decide = pool.Pool.Get<DecideConnection>();
        Assert.Equal("host.proposal.own", (await decide.ConfirmAsync(TrustedPool.Administrator, id, change.ProposalId!.Value, pool.Ct)).Refusal?.Code);
        Assert.Equal("access.denied", (await decide.ConfirmAsync(TrustedPool.Operator, id, change.ProposalId.Value, pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await decide.ConfirmAsync(TrustedPool.Approver, id, change.ProposalId.Value, pool.Ct));
        var host = await pool.QueryAsync(db => db.Hosts.SingleAsync(h => h.Id == id));
        Assert.Equal((moved.LibvirtUri, HostState.NonResponsive, 2L), (host.LibvirtUri, host.State, (await pool.Pool.Get<HostConnections>().OfAsync(id, pool.Ct)).Version));
        Assert.Equal("host.proposal.not_found", (await decide.RejectAsync(TrustedPool.Approver, id, change.ProposalId.Value, pool.Ct)).Refusal?.Code);
    }

    [Fact]
    public async Task Edit_OfTheSignIn_IsAtOnce_AndVoidsAWaitingChange()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        var id = TrustedPool.Expect(await AddAsync(pool));
        var waiting = TrustedPool.Expect(await EditAsync(pool, id, 1, Tls with { LibvirtUri = "qemu+tls://elsewhere.example.com/system" }));
        var signed = TrustedPool.Expect(await EditAsync(pool, id, 1, null, SignIn, "kvm-renamed"));
        Assert.Equal(PolicyEffect.InForce, signed.Effect);
        Assert.Equal("host.proposal.void", (await pool.Pool.Get<DecideConnection>().ConfirmAsync(TrustedPool.Approver, id, waiting.ProposalId!.Value, pool.Ct)).Refusal?.Code);
        Assert.Equal("host.meanwhile", (await EditAsync(pool, id, 1, Tls)).Refusal?.Code);
        Assert.Equal("kvm-renamed", (await pool.QueryAsync(db => db.Hosts.SingleAsync(h => h.Id == id))).Name);
    }

    [Fact]
    public async Task Edit_OfAHostWithoutHypervisor_GivesItOne_AndOfASimulatedOneIsRefused()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        var agent = new Host { Name = "kvm-agent", Address = "agent:10.0.0.7", ClusterId = pool.Pool.Cluster, State = HostState.NonResponsive, Cpus = 0, Memory = 0 };
        await pool.QueryAsync(db =>
        {
            db.Add(agent);
            return db.SaveChangesAsync();
        });
        Assert.Equal("host.client_certificate.missing", (await EditAsync(pool, agent.Id, 0, Tls, name: agent.Name)).Refusal?.Code);
        Assert.Equal(PolicyEffect.InForce, TrustedPool.Expect(await EditAsync(pool, agent.Id, 0, Tls, SignIn, agent.Name)).Effect);
        var row = await pool.ReadAsync(agent);
        Assert.Equal((Uri, "agent:10.0.0.7"), (row.LibvirtUri, row.Address));
        var simulated = await pool.Pool.HostAsync("kvm-a01");
        Assert.Equal("host.not_libvirt", (await EditAsync(pool, simulated.Id, 0, Tls with { LibvirtUri = "qemu:///system" }, name: simulated.Name)).Refusal?.Code);
    }

    [Fact]
    public async Task Edit_ToAnotherTransport_TakesItsKeyOnlyAfterwards()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        var id = TrustedPool.Expect(await AddAsync(pool));
        Assert.Equal("host.sign_in.later", (await EditAsync(pool, id, 1, new ConnectionWords("qemu:///system"), SignIn)).Refusal?.Code);
        Assert.Equal(PolicyEffect.WaitsForSecondPerson, TrustedPool.Expect(await EditAsync(pool, id, 1, new ConnectionWords("qemu:///system"))).Effect);
    }

    [Fact]
    public async Task Remove_TakesMaintenanceOrAHostNeverReached_AndNoVms()
    {
        await using var pool = await WatchedPool.StartAsync();
        var remove = pool.Pool.Get<RemoveHost>();
        var never = TrustedPool.Expect(await AddAsync(pool));
        TrustedPool.Expect(await remove.ExecuteAsync(TrustedPool.Administrator, never, pool.Ct));
        Assert.Empty(await pool.QueryAsync(db => db.HypervisorConnections.ToListAsync()));

        var host = await pool.HostAsync("kvm-x1", HostState.Up);
        var vm = await pool.PlaceAsync("web-1", host);
        Assert.Equal("host.remove.state", (await remove.ExecuteAsync(TrustedPool.Administrator, host.Id, pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await pool.Pool.Get<ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, host.Id, pool.Ct));
        await pool.QueryAsync(db => db.Hosts.Where(h => h.Id == host.Id).ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.Maintenance)));
        Assert.Equal("host.remove.vms", (await remove.ExecuteAsync(TrustedPool.Administrator, host.Id, pool.Ct)).Refusal?.Code);
        Assert.Equal(1, await pool.QueryAsync(db => db.VirtualMachines.CountAsync(v => v.Id == vm.Id)));

        var attested = await pool.Pool.HostAsync("kvm-a01");
        TrustedPool.Expect(await pool.Pool.Get<ChangeHostState>().ToMaintenanceAsync(TrustedPool.Administrator, attested.Id, pool.Ct));
        await pool.QueryAsync(db => db.Hosts.Where(h => h.Id == attested.Id).ExecuteUpdateAsync(set => set.SetProperty(h => h.State, HostState.Maintenance)));
        TrustedPool.Expect(await remove.ExecuteAsync(TrustedPool.Administrator, attested.Id, pool.Ct));
        Assert.False(await pool.QueryAsync(db => db.Attesters.AnyAsync(a => a.HostId == attested.Id)));
    }

    [Fact]
    public async Task Commands_ByPeopleWhoMayNot_AreRefused()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false);
        foreach (var person in new[] { TrustedPool.Operator, TrustedPool.Auditor, TrustedPool.Author })
        {
            Assert.Equal("access.denied", (await AddAsync(pool, by: person)).Refusal?.Code);
            Assert.Equal("access.denied", (await pool.Pool.Get<RemoveHost>().ExecuteAsync(person, Guid.NewGuid(), pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await pool.Pool.Get<TestConnection>().TryAsync(person, null, Tls, SignIn, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await pool.Pool.Get<EditHost>().ExecuteAsync(person, new(Guid.NewGuid(), 0, "x", null), pool.Ct)).Refusal?.Code);
        }
    }

    [Fact]
    public async Task Test_TellsEveryStep_AlsoThoseNotReached()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false, more: s => s.AddSingleton<IHypervisorProbe>(new ScriptedProbe(new ProbedHypervisor("QEMU 7.2, libvirt 9.0", new(4, 1L << 33, new HostHardware(), [], []), null))));
        var test = pool.Pool.Get<TestConnection>();
        var good = TrustedPool.Expect(await test.TryAsync(TrustedPool.Administrator, null, new ConnectionWords("qemu:///system"), null, pool.Ct));
        Assert.Equal(Enum.GetValues<ConnectionStep>(), good.Select(l => l.Step));
        Assert.All(good, l => Assert.Equal(ConnectionStepResult.Good, l.Result));
        Assert.Contains("4 CPUs", good[^1].Sentence, StringComparison.Ordinal);

        var unknown = TrustedPool.Expect(await test.TryAsync(TrustedPool.Administrator, null, Tls with { LibvirtUri = "qemu+tls://nobody.invalid/system" }, SignIn, pool.Ct));
        Assert.Equal([ConnectionStepResult.Good, ConnectionStepResult.Wrong, ConnectionStepResult.NotKnown, ConnectionStepResult.NotKnown, ConnectionStepResult.NotKnown], unknown.Select(l => l.Result));
        var bad = TrustedPool.Expect(await test.TryAsync(TrustedPool.Administrator, null, new ConnectionWords("nonsense"), null, pool.Ct));
        Assert.Equal(ConnectionStepResult.Wrong, bad[0].Result);
    }

    [Fact]
    public async Task Test_OfAHostThatLetsNobodyIn_SaysWhy()
    {
        await using var pool = await WatchedPool.StartAsync(watch: false, more: s => s.AddSingleton<IHypervisorProbe>(new ScriptedProbe(new ProbedHypervisor(null, null, "The certificate has expired."))));
        var id = TrustedPool.Expect(await AddAsync(pool, words: new ConnectionWords("qemu:///system"), signIn: null));
        var lines = TrustedPool.Expect(await pool.Pool.Get<TestConnection>().ExecuteAsync(TrustedPool.Administrator, id, false, pool.Ct));
        Assert.Equal((ConnectionStepResult.Wrong, "The certificate has expired."), (lines[3].Result, lines[3].Sentence));
    }

    private static Task<Outcome<Guid>> AddAsync(WatchedPool pool, Caller? by = null, string name = "kvm-01", ConnectionWords? words = null, HypervisorSignIn? signIn = null) => pool.Pool.Get<AddHost>().ExecuteAsync(
        by ?? TrustedPool.Administrator, new(name, pool.Pool.Cluster, words ?? Tls, words is null ? signIn ?? SignIn : signIn), pool.Ct);

    private static Task<Outcome<HostChange>> EditAsync(WatchedPool pool, Guid id, long against, ConnectionWords? words, HypervisorSignIn? signIn = null, string name = "kvm-01") =>
        pool.Pool.Get<EditHost>().ExecuteAsync(TrustedPool.Administrator, new(id, against, name, words, signIn), pool.Ct);
}

/// <summary>Says of every hypervisor what a test gives it.</summary>
internal sealed class ScriptedProbe(ProbedHypervisor says) : IHypervisorProbe
{
    public Task<ProbedHypervisor> TryAsync(LibvirtAddress address, HypervisorCredentials credentials, CancellationToken ct) => Task.FromResult(says);
}
