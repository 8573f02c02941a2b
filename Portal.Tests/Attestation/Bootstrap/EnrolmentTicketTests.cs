using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Tests.Attestation.Registration;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Bootstrap;

public sealed class EnrolmentTicketTests : IAsyncLifetime
{
    private static readonly Caller Admin = TrustedPool.Administrator;
    private static readonly string SomeKey = new('a', 64);

    private TrustedPool pool = null!;

    private EnrolmentTickets Tickets => pool.Get<EnrolmentTickets>();

    public async ValueTask InitializeAsync() => pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Fact]
    public async Task ATicket_IsKeptOnlyAsHash_AndTakenOnce()
    {
        var made = TrustedPool.Expect(await CreateAsync("kvm-07"));

        Assert.Matches("^[A-Za-z0-9_-]{43}$", made.Ticket);
        Assert.DoesNotContain(made.Ticket, System.Text.Encoding.Latin1.GetString(await File.ReadAllBytesAsync(pool.DatabaseFile, pool.Ct)), StringComparison.Ordinal);
        await using var db = pool.Database();
        Assert.DoesNotContain(made.Ticket, string.Concat(await db.AuditEntries.Select(e => e.Sentence + e.Detail).ToListAsync(pool.Ct)), StringComparison.Ordinal);

        TrustedPool.Expect(await TakeAsync(made.Ticket, SomeKey.ToUpperInvariant()));
        Assert.Equal("ticket.refused", (await TakeAsync(made.Ticket, new string('b', 64))).Refusal?.Code);
        Assert.Equal((SomeKey, "10.0.0.7"), await db.EnrolmentTickets.Select(t => new ValueTuple<string?, string>(t.EndorsementHash, t.UsedFrom)).SingleAsync(pool.Ct));
    }

    [Fact]
    public async Task ManyAtOnce_OneIsTaken()
    {
        var made = TrustedPool.Expect(await CreateAsync("kvm-07"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => TakeAsync(made.Ticket, new string((char)('a' + (i % 6)), 64)))));

        Assert.Single(answers, a => a.Succeeded);
    }

    [Theory]
    [InlineData(23, true)]
    [InlineData(24, false)]
    public async Task ATicket_EndsWithItsTime(int hours, bool counts)
    {
        var made = TrustedPool.Expect(await CreateAsync("kvm-07"));
        pool.Time.Advance(TimeSpan.FromHours(hours));

        Assert.Equal(counts, (await TakeAsync(made.Ticket, SomeKey)).Succeeded);
        Assert.Equal(counts ? 1 : 0, (await Tickets.ListAsync(pool.Ct)).Count);
        await Tickets.ForgetAsync(pool.Ct);
        await using var db = pool.Database();
        Assert.Equal(counts ? 1 : 0, await db.EnrolmentTickets.CountAsync(pool.Ct));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("' OR 1=1 --")]
    public async Task WhatIsNoTicket_IsRefusedAlike(string ticket)
    {
        TrustedPool.Expect(await CreateAsync("kvm-07"));

        Assert.Equal("ticket.refused", (await TakeAsync(ticket, SomeKey)).Refusal?.Code);
        Assert.Equal("ticket.endorsement_hash", (await TakeAsync(ticket, "x")).Refusal?.Code);
    }

    [Fact]
    public async Task AWithdrawnTicket_CountsNoMore()
    {
        var made = TrustedPool.Expect(await CreateAsync("kvm-07"));
        TrustedPool.Expect(await Tickets.WithdrawAsync(Admin, made.Id, pool.Ct));

        Assert.Equal("ticket.refused", (await TakeAsync(made.Ticket, SomeKey)).Refusal?.Code);
        Assert.Equal("enrolment_ticket.not_found", (await Tickets.WithdrawAsync(Admin, made.Id, pool.Ct)).Refusal?.Code);
    }

    [Fact]
    public async Task OnlyWhoManagesHosts_MakesAndWithdraws()
    {
        var made = TrustedPool.Expect(await CreateAsync("kvm-07"));
        foreach (var caller in new[] { TrustedPool.Auditor, TrustedPool.Operator, TrustedPool.Author })
        {
            Assert.Equal("access.denied", (await Tickets.CreateAsync(caller, new("kvm-08", pool.Cluster), EnrolmentTickets.Lifetime, pool.Ct)).Refusal?.Code);
            Assert.Equal("access.denied", (await Tickets.WithdrawAsync(caller, made.Id, pool.Ct)).Refusal?.Code);
        }
    }

    [Fact]
    public async Task WhatIsWrong_IsRefused()
    {
        Assert.Equal("host.name.characters", (await CreateAsync("kvm 07")).Refusal?.Code);
        Assert.Equal("cluster.not_found", (await Tickets.CreateAsync(Admin, new("kvm-07", Guid.NewGuid()), EnrolmentTickets.Lifetime, pool.Ct)).Refusal?.Code);
        Assert.Equal("ticket.lifetime", (await Tickets.CreateAsync(Admin, new("kvm-07", pool.Cluster), EnrolmentTickets.LongestLifetime + TimeSpan.FromHours(1), pool.Ct)).Refusal?.Code);
        Assert.Equal("ticket.lifetime", (await Tickets.CreateAsync(Admin, new("kvm-07", pool.Cluster), TimeSpan.Zero, pool.Ct)).Refusal?.Code);
    }

    [Fact]
    public async Task ARegistration_ShowsAsExpected_ButIsNeitherAcceptedNorEnrolled()
    {
        using var host = new RegisteringHost("3f7c");
        using var other = new RegisteringHost("4a1d");
        var made = TrustedPool.Expect(await CreateAsync("kvm-07"));
        TrustedPool.Expect(await TakeAsync(made.Ticket, host.EndorsementHash));
        TrustedPool.Expect(await host.RegisterAsync(pool.Get<Registrar>()));
        TrustedPool.Expect(await other.RegisterAsync(pool.Get<Registrar>()));

        var rows = await pool.Get<RegistrationDirectory>().ListAsync(pool.Ct);

        var row = rows.Single(r => r.Attester.AgentId == "3f7c");
        Assert.Equal(("kvm-07", pool.Cluster, "ada", false), row.Expected.Select(e => (e.HostName, e.ClusterId, e.By, e.ReadByPortal)).Single());
        Assert.Equal((true, false, 0), (row.NeedsAcceptance, row.MayBeEnrolled, row.AcceptedBy.Count));
        Assert.Empty(rows.Single(r => r.Attester.AgentId == "4a1d").Expected);
        Assert.Equal("attester.not_accepted", (await pool.Get<EnrolRegistered>().ExecuteAsync(Admin, row.Attester.Id, new("kvm-07", pool.Cluster), pool.Ct)).Refusal?.Code);
    }

    private Task<Outcome<NewTicket>> CreateAsync(string host) => Tickets.CreateAsync(Admin, new(host, pool.Cluster), EnrolmentTickets.Lifetime, pool.Ct);

    private Task<Outcome<Done>> TakeAsync(string ticket, string key) => Tickets.TakeAsync(ticket, key, "10.0.0.7", pool.Ct);
}
