using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Inventory;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Registration;

/// <summary>Which TPM is proposed for which host, and how it is replaced by another.</summary>
public sealed class AttesterMatchTests : IAsyncLifetime
{
    private const string Uuid = "4c4c4544-0042-3510-8052-b4c04f4d4e32";

    private static readonly Caller Admin = TrustedPool.Administrator;
    private static readonly Caller Second = TrustedPool.Approver;

    private TrustedPool pool = null!;

    public async ValueTask InitializeAsync() => pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));

    public async ValueTask DisposeAsync() => await pool.DisposeAsync();

    [Theory]
    [InlineData(Uuid, "10.9.9.9", MatchConfidence.Strong, "hardware UUID")]
    [InlineData("somebody", "10.0.0.1", MatchConfidence.Likely, "registered from 10.0.0.1")]
    [InlineData("kvm-x1", "10.9.9.9", MatchConfidence.Weak, "calls itself kvm-x1")]
    [InlineData("kvm-x1", "10.0.0.1", MatchConfidence.Strong, "registered from 10.0.0.1")]
    public async Task WhatAgrees_IsProposed_WithItsReasonAndConfidence(string agent, string from, MatchConfidence confidence, string reason)
    {
        var host = await HostAsync();
        using var tpm = new RegisteringHost(agent) { SeenFrom = from, Address = from };
        await RegisterAsync(tpm);
        var match = Assert.Single(await pool.Get<AttesterMatches>().ListAsync(pool.Ct));
        Assert.Equal((host.Id, confidence), (match.HostId, match.Confidence));
        Assert.Contains(match.Reasons, r => r.Contains(reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task NothingThatAgrees_IsNotProposed_AndTheExampleUuidOfKeylimeNamesNoMachine()
    {
        var host = await HostAsync(uuid: "d432fbb3-d2f1-4a97-9ef7-75bd81c00000");
        using var tpm = new RegisteringHost("d432fbb3-d2f1-4a97-9ef7-75bd81c00000") { SeenFrom = "10.9.9.9", Address = "10.9.9.9" };
        await RegisterAsync(tpm);
        Assert.Empty(await pool.Get<AttesterMatches>().OfHostAsync(host.Id, pool.Ct));
    }

    [Fact]
    public async Task Confirmed_BindsTheHostThereIs_KeepsItsAddresses_AndTheAuditHasTheReasons()
    {
        var host = await HostAsync();
        using var tpm = new RegisteringHost(Uuid) { SeenFrom = "10.0.0.1" };
        await EnrolAsync(tpm, host);
        await using var db = pool.Database();
        var row = await db.Hosts.SingleAsync(h => h.Id == host.Id, pool.Ct);
        Assert.Equal(("10.0.0.1", host.LibvirtUri), (row.Address, row.LibvirtUri));
        Assert.True(await db.Attesters.AnyAsync(a => a.HostId == host.Id, pool.Ct));
        Assert.Contains($"named by the hardware UUID of kvm-x1, {Uuid}. It registered from 10.0.0.1", await pool.AuditAsync(), StringComparison.Ordinal);
        Assert.Empty(await pool.Get<AttesterMatches>().ListAsync(pool.Ct));
    }

    [Fact]
    public async Task AnotherTpm_TakesASecondPerson_AndWhatTheOldOneProvedIsGone()
    {
        var host = await HostAsync();
        using var old = new RegisteringHost(Uuid) { SeenFrom = "10.0.0.1" };
        using var next = new RegisteringHost("kvm-x1") { SeenFrom = "10.0.0.1" };
        await EnrolAsync(old, host);
        await using var db = pool.Database();
        await db.Attestations.Where(a => a.HostId == host.Id).ExecuteDeleteAsync(pool.Ct);
        db.Attestations.Add(new HostAttestation { HostId = host.Id, Verdict = Verdict.Trusted, VerifiedAt = pool.Time.GetUtcNow(), ValidUntil = pool.Time.GetUtcNow().AddHours(1), EvidenceDigest = "aa", ResetCount = 7 });
        await db.SaveChangesAsync(pool.Ct);
        var id = await RegisterAsync(next);
        var replace = pool.Get<ReplaceAttester>();

        var proposal = TrustedPool.Expect(await replace.ProposeAsync(Admin, host.Id, id, pool.Ct));
        Assert.Equal("attester.replacement.waiting", (await replace.ProposeAsync(Admin, host.Id, id, pool.Ct)).Refusal?.Code);
        Assert.Equal("attester.replacement.own", (await replace.ConfirmAsync(Admin, host.Id, proposal, pool.Ct)).Refusal?.Code);
        Assert.Equal("access.denied", (await replace.ConfirmAsync(TrustedPool.Operator, host.Id, proposal, pool.Ct)).Refusal?.Code);
        Assert.Equal("attester.not_accepted", (await replace.ConfirmAsync(Second, host.Id, proposal, pool.Ct)).Refusal?.Code);
        await AcceptAsync(next, id);
        Assert.False((await replace.OfHostAsync(host.Id, pool.Ct))!.IsVoid);
        TrustedPool.Expect(await replace.ConfirmAsync(Second, host.Id, proposal, pool.Ct));

        Assert.Equal(next.AttestationArea, await db.Attesters.Where(a => a.HostId == host.Id).Select(a => a.AttestationKey).SingleAsync(pool.Ct));
        var row = await db.Attestations.AsNoTracking().SingleAsync(a => a.HostId == host.Id, pool.Ct);
        Assert.Equal((Verdict.None, null, null, null), (row.Verdict, row.VerifiedAt, row.EvidenceDigest, row.ResetCount));
        Assert.Equal(["kvm-x1"], await db.RegisteredAttesters.Where(r => r.HostId == host.Id).Select(r => r.AgentId).ToListAsync(pool.Ct));
        Assert.Contains("What that proved does not count any more", await pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replacement_AgainstAnAttesterThatChanged_IsVoid_AndMayBeRejected()
    {
        var host = await HostAsync();
        using var old = new RegisteringHost(Uuid);
        using var next = new RegisteringHost("another");
        await EnrolAsync(old, host);
        var id = await RegisterAsync(next);
        var replace = pool.Get<ReplaceAttester>();
        var proposal = TrustedPool.Expect(await replace.ProposeAsync(Admin, host.Id, id, pool.Ct));
        await using var db = pool.Database();
        await db.Attesters.Where(a => a.HostId == host.Id).ExecuteUpdateAsync(set => set.SetProperty(a => a.KeyName, "000b00"), pool.Ct);

        Assert.Equal("attester.replacement.void", (await replace.ConfirmAsync(Second, host.Id, proposal, pool.Ct)).Refusal?.Code);
        TrustedPool.Expect(await replace.RejectAsync(Second, host.Id, proposal, pool.Ct));
        Assert.Null(await replace.OfHostAsync(host.Id, pool.Ct));
    }

    [Fact]
    public async Task Replacement_OfNoAttester_IsRefused()
    {
        var host = await HostAsync();
        using var tpm = new RegisteringHost(Uuid);
        Assert.Equal("attester.replacement.none", (await pool.Get<ReplaceAttester>().ProposeAsync(Admin, host.Id, await RegisterAsync(tpm), pool.Ct)).Refusal?.Code);
    }

    private async Task<Host> HostAsync(string uuid = Uuid)
    {
        var host = new Host { Name = "kvm-x1", Address = "10.0.0.1", LibvirtUri = "qemu+tls://10.0.0.1/system", ClusterId = pool.Cluster, Cpus = 8, Memory = 1L << 34, Hardware = new HostHardware { Uuid = uuid.ToUpperInvariant() } };
        await using var db = pool.Database();
        db.Add(host);
        await db.SaveChangesAsync(pool.Ct);
        return host;
    }

    private async Task EnrolAsync(RegisteringHost tpm, Host host)
    {
        var id = await RegisterAsync(tpm);
        await AcceptAsync(tpm, id);
        Assert.Equal(host.Id, TrustedPool.Expect(await pool.Get<EnrolRegistered>().ExecuteAsync(Admin, id, new(host.Name, host.ClusterId), pool.Ct)));
    }

    private async Task AcceptAsync(RegisteringHost tpm, Guid id)
    {
        foreach (var person in new[] { Admin, Second })
        {
            TrustedPool.Expect(await pool.Get<AcceptAttester>().ExecuteAsync(person, id, tpm.EndorsementHash, pool.Ct));
        }
    }

    private async Task<Guid> RegisterAsync(RegisteringHost host) => TrustedPool.Expect(await host.RegisterAsync(pool.Get<Registrar>())).Id;
}
