using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;
using Portal.Tests.World;
using Registered = Portal.Core.Attestation.BuiltIn.Registration.Registration;

namespace Portal.Tests.Attestation.Registration;

public sealed class EnrolRegisteredTests : IAsyncLifetime
{
    private static readonly Caller Admin = TrustedPool.Administrator;
    private static readonly Caller Second = TrustedPool.Approver;

    private readonly TpmMaker maker = new();
    private TrustedPool pool = null!;

    public async ValueTask InitializeAsync() => pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));

    public async ValueTask DisposeAsync()
    {
        await pool.DisposeAsync();
        maker.Dispose();
    }

    [Fact]
    public async Task ATpmNobodyVouchesFor_NeedsTwoPeople()
    {
        using var host = new RegisteringHost("3f7c");
        var id = await RegisterAsync(host);

        Assert.Equal("attester.not_accepted", (await EnrolAsync(id)).Refusal?.Code);
        TrustedPool.Expect(await AcceptAsync(Admin, id, host.EndorsementHash));
        Assert.Equal("attester.accept.own", (await AcceptAsync(Admin, id, host.EndorsementHash)).Refusal?.Code);
        Assert.Equal("attester.not_accepted", (await EnrolAsync(id)).Refusal?.Code);
        Assert.Equal("attester.accept.hash", (await AcceptAsync(Second, id, new string('0', 64))).Refusal?.Code);
        TrustedPool.Expect(await AcceptAsync(Second, id, host.EndorsementHash));

        var hostId = TrustedPool.Expect(await EnrolAsync(id));

        await using var db = pool.Database();
        var attester = await db.Attesters.SingleAsync(a => a.HostId == hostId, pool.Ct);
        Assert.Equal(host.AttestationArea, attester.AttestationKey);
        Assert.Equal("kvm-new", (await db.Hosts.SingleAsync(h => h.Id == hostId, pool.Ct)).Name);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ATpmItsMakerVouchesFor_IsEnrolledByOne_OnceTwoBelieveTheMaker(bool confirmed)
    {
        using var host = new RegisteringHost("3f7c");
        host.Certificate = maker.Certify(host.CertifiedKey);
        var root = TrustedPool.Expect(await pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.RootPem, pool.Ct));
        TrustedPool.Expect(await pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.IssuerPem, pool.Ct));
        Assert.Equal("vendor_root.own", (await pool.Get<VendorRoots>().ConfirmAsync(TrustedPool.Author, root.Id, pool.Ct)).Refusal?.Code);
        if (confirmed)
        {
            TrustedPool.Expect(await pool.Get<VendorRoots>().ConfirmAsync(Second, root.Id, pool.Ct));
        }

        var id = await RegisterAsync(host);
        var enrolled = await EnrolAsync(id);

        Assert.Equal(confirmed ? EndorsementVerdict.Valid : EndorsementVerdict.UnknownIssuer, (await FindAsync(id)).Origin.Verdict);
        Assert.Equal(confirmed ? null : "attester.not_accepted", enrolled.Refusal?.Code);
    }

    [Fact]
    public async Task ARemovedMaker_MakesWhatWaitsWaitForPeople()
    {
        using var host = new RegisteringHost("3f7c");
        host.Certificate = maker.Certify(host.CertifiedKey);
        await BelieveAsync();
        var id = await RegisterAsync(host);
        Assert.True((await FindAsync(id)).MayBeEnrolled);

        var root = (await pool.Get<VendorRoots>().ListAsync(pool.Ct)).Single(r => r.IsRoot);
        TrustedPool.Expect(await pool.Get<VendorRoots>().RemoveAsync(Second, root.Id, pool.Ct));

        Assert.False((await FindAsync(id)).MayBeEnrolled);
    }

    [Fact]
    public async Task AHostInstalledAnew_NeedsTwoPeopleThoughItsTpmIsKnown()
    {
        using var host = new RegisteringHost("3f7c");
        host.Certificate = maker.Certify(host.CertifiedKey);
        await BelieveAsync();
        var before = TrustedPool.Expect(await EnrolAsync(await RegisterAsync(host)));
        host.Reinstall();
        host.Id = "9999";

        var id = await RegisterAsync(host);
        Assert.True((await FindAsync(id)).Attester.Replaces);
        Assert.Equal("attester.not_accepted", (await EnrolAsync(id)).Refusal?.Code);
        TrustedPool.Expect(await AcceptAsync(Admin, id, host.EndorsementHash));
        TrustedPool.Expect(await AcceptAsync(Second, id, host.EndorsementHash));
        Assert.Equal("attester.host", (await EnrolAsync(id, "kvm-other")).Refusal?.Code);
        var after = TrustedPool.Expect(await EnrolAsync(id));

        Assert.Equal(before, after);
        await using var db = pool.Database();
        Assert.Equal(host.AttestationArea, (await db.Attesters.SingleAsync(a => a.HostId == after, pool.Ct)).AttestationKey);
        Assert.Equal(id, Assert.Single(await db.RegisteredAttesters.Select(r => r.Id).ToListAsync(pool.Ct)));
    }

    [Fact]
    public async Task AnEnrolledTpmThatDescribesItsKeyOtherwise_IsStillTheSameTpm()
    {
        using var host = new RegisteringHost("3f7c");
        host.Certificate = maker.Certify(host.CertifiedKey);
        await BelieveAsync();
        var enrolled = TrustedPool.Expect(await EnrolAsync(await RegisterAsync(host)));
        host.Reinstall();
        host.Id = "9999";
        host.EndorsementAttributes |= TpmObjectAttributes.UserWithAuth;

        var id = await RegisterAsync(host);

        var found = (await FindAsync(id)).Attester;
        Assert.Equal((true, enrolled), (found.Replaces, found.HostId));
        Assert.Equal("attester.not_accepted", (await EnrolAsync(id, "kvm-second")).Refusal?.Code);
    }

    [Fact]
    public async Task AHostWithAnotherTpmEnrolled_IsNotTakenOver()
    {
        await BelieveAsync();
        using var host = new RegisteringHost("3f7c");
        using var other = new RegisteringHost("77aa");
        host.Certificate = maker.Certify(host.CertifiedKey);
        other.Certificate = maker.Certify(other.CertifiedKey);
        TrustedPool.Expect(await EnrolAsync(await RegisterAsync(host)));

        var id = await RegisterAsync(other);

        Assert.Equal("attester.enrolled", (await EnrolAsync(id)).Refusal?.Code);
        Assert.Equal(RegistrationStatus.Waiting, (await FindAsync(id)).Attester.Status);
    }

    [Fact]
    public async Task ARefusedAttester_IsRefusedWhenItComesBack_UntilItIsRemoved()
    {
        using var host = new RegisteringHost("3f7c");
        var id = await RegisterAsync(host);
        TrustedPool.Expect(await pool.Get<DismissAttester>().RefuseAsync(Admin, id, pool.Ct));

        Assert.Equal("registration.refused", (await host.RegisterAsync(pool.Get<Registrar>())).Refusal?.Code);
        Assert.Equal("attester.not_waiting", (await AcceptAsync(Admin, id, null)).Refusal?.Code);
        TrustedPool.Expect(await pool.Get<DismissAttester>().RemoveAsync(Admin, id, pool.Ct));
        Assert.True((await host.RegisterAsync(pool.Get<Registrar>())).Succeeded);
    }

    [Fact]
    public async Task ARefusedTpm_IsRefusedWithANewKeyAndUnderAnotherNameToo()
    {
        using var host = new RegisteringHost("3f7c");
        var id = await RegisterAsync(host);
        TrustedPool.Expect(await pool.Get<DismissAttester>().RefuseAsync(Admin, id, pool.Ct));
        host.Reinstall();
        host.Id = "9999";

        Assert.Equal("registration.refused", (await host.RegisterAsync(pool.Get<Registrar>())).Refusal?.Code);
        Assert.Equal((id, 2), ((await FindAsync(id)).Attester.Id, (await FindAsync(id)).Attester.Count));
    }

    [Fact]
    public async Task WhoMayNot_IsToldSo()
    {
        using var host = new RegisteringHost("3f7c");
        var id = await RegisterAsync(host);

        Assert.Equal(RefusalKind.Forbidden, (await AcceptAsync(TrustedPool.Operator, id, null)).Refusal?.Kind);
        Assert.Equal(RefusalKind.Forbidden, (await pool.Get<EnrolRegistered>().ExecuteAsync(Second, id, new("kvm-new", pool.Cluster), pool.Ct)).Refusal?.Kind);
        Assert.Equal(RefusalKind.Forbidden, (await pool.Get<DismissAttester>().RemoveAsync(TrustedPool.Auditor, id, pool.Ct)).Refusal?.Kind);
        Assert.Equal(RefusalKind.Forbidden, (await pool.Get<VendorRoots>().AddAsync(TrustedPool.Operator, maker.RootPem, pool.Ct)).Refusal?.Kind);
    }

    private async Task BelieveAsync()
    {
        var root = TrustedPool.Expect(await pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.RootPem, pool.Ct));
        TrustedPool.Expect(await pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.IssuerPem, pool.Ct));
        TrustedPool.Expect(await pool.Get<VendorRoots>().ConfirmAsync(Second, root.Id, pool.Ct));
    }

    private async Task<Guid> RegisterAsync(RegisteringHost host) => TrustedPool.Expect(await host.RegisterAsync(pool.Get<Registrar>())).Id;

    private Task<Outcome<Done>> AcceptAsync(Caller caller, Guid id, string? hash) => pool.Get<AcceptAttester>().ExecuteAsync(caller, id, hash, pool.Ct);

    private Task<Outcome<Guid>> EnrolAsync(Guid id, string name = "kvm-new") => pool.Get<EnrolRegistered>().ExecuteAsync(Admin, id, new(name, pool.Cluster), pool.Ct);

    private async Task<Registered> FindAsync(Guid id) => (await pool.Get<RegistrationDirectory>().FindAsync(id, pool.Ct))!;
}
