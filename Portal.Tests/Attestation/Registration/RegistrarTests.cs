using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Audit;
using Portal.Core.Tpm;
using Portal.Tests.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Attestation.Registration;

public sealed class RegistrarTests : IAsyncLifetime
{
    private TrustedPool pool = null!;

    private Registrar Registrar => pool.Get<Registrar>();

    public async ValueTask InitializeAsync() => pool = await TrustedPool.StartAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Theory]
    [InlineData("rsa")]
    [InlineData("p256")]
    [InlineData("p384")]
    public async Task ATpmThatProvesItsKey_Waits(string kind)
    {
        using var host = new RegisteringHost("3f7c", kind switch
        {
            "rsa" => SoftwareEndorsement.Rsa(TpmAlgorithm.Sha256, 128),
            "p256" => SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP256, TpmAlgorithm.Sha256, 128),
            _ => SoftwareEndorsement.Ecc(ECCurve.NamedCurves.nistP384, TpmAlgorithm.Sha384, 256),
        });

        var row = TrustedPool.Expect(await host.RegisterAsync(Registrar));

        Assert.Equal((RegistrationStatus.Waiting, "3f7c", host.EndorsementHash, "10.0.0.7", 9002), (row.Status, row.AgentId, row.EndorsementHash, row.Address, row.Port));
        Assert.Equal("attester.registered", Assert.Single(await AuditAsync("attester.")).Event);
    }

    [Fact]
    public async Task ARegistrationNobodyProves_ChangesNothingAndAlarmsNobody()
    {
        using var host = new RegisteringHost("3f7c");

        Assert.True(Registrar.Register(AgentRegistration.Parse(host.Id, host.Message()).Value, host.SeenFrom).Succeeded);
        var refusal = (await Registrar.ActivateAsync(host.Id, new AgentActivation(new byte[48]), host.SeenFrom, pool.Ct)).Refusal!;

        Assert.Equal(("registration.unproved", RefusalKind.Forbidden), (refusal.Code, refusal.Kind));
        Assert.Empty(await RowsAsync());
        Assert.Empty(await AuditAsync("attester."));
    }

    [Fact]
    public async Task AnAnswer_CountsOnceFromWhereTheRegistrationCameAndNotForLong()
    {
        using var host = new RegisteringHost("3f7c");
        var answer = Ask();

        Assert.Equal("registration.unproved", (await Registrar.ActivateAsync(host.Id, answer, "10.0.0.8", pool.Ct)).Refusal?.Code);
        Assert.Equal("registration.unproved", (await Registrar.ActivateAsync("other", answer, host.SeenFrom, pool.Ct)).Refusal?.Code);
        Assert.True((await Registrar.ActivateAsync(host.Id, answer, host.SeenFrom, pool.Ct)).Succeeded);
        Assert.Equal("registration.unproved", (await Registrar.ActivateAsync(host.Id, answer, host.SeenFrom, pool.Ct)).Refusal?.Code);

        answer = Ask();
        pool.Time.Advance(PendingChallenges.AnswerWithin);
        Assert.Equal("registration.unproved", (await Registrar.ActivateAsync(host.Id, answer, host.SeenFrom, pool.Ct)).Refusal?.Code);

        AgentActivation Ask() => host.Answer(Registrar.Register(AgentRegistration.Parse(host.Id, host.Message()).Value, host.SeenFrom).Value)!;
    }

    [Fact]
    public async Task ATpmThatHasNotTheKeyItRegistered_CannotAnswer()
    {
        using var host = new RegisteringHost("3f7c");
        using var other = new RegisteringHost("3f7c");
        var foreign = Convert.ToBase64String(SoftwareTpm.Sized(other.AttestationArea));

        var challenge = Registrar.Register(AgentRegistration.Parse(host.Id, host.Message(m => m["aik_tpm"] = foreign)).Value, host.SeenFrom).Value;

        Assert.Null(host.Answer(challenge));
        Assert.Null(other.Answer(challenge));
        Assert.Empty(await RowsAsync());
    }

    [Fact]
    public async Task AnotherTpmUnderAKnownName_IsAnIncidentAndNothingIsOverwritten()
    {
        using var host = new RegisteringHost("3f7c");
        using var attacker = new RegisteringHost("3f7c") { SeenFrom = "10.0.0.99" };
        TrustedPool.Expect(await host.RegisterAsync(Registrar));
        var before = Assert.Single(await RowsAsync());

        var refusal = (await attacker.RegisterAsync(Registrar)).Refusal!;
        var again = (await attacker.RegisterAsync(Registrar)).Refusal!;

        Assert.Equal(("registration.incident", "registration.incident"), (refusal.Code, again.Code));
        var rows = await RowsAsync();
        Assert.Equivalent(before, rows.Single(r => r.Id == before.Id));
        var incident = Assert.Single(rows, r => r.Status == RegistrationStatus.Incident);
        Assert.Equal((attacker.EndorsementHash, 2), (incident.EndorsementHash, incident.Count));
        var told = Assert.Single(await AuditAsync("attester.incident"));
        Assert.Equal(AuditSeverity.Alarm, told.Severity);
        Assert.Contains("10.0.0.99", told.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AKnownTpmUnderAnothersName_IsAnIncidentFromWhereItCameThen_AndStaysWhatItWas()
    {
        using var host = new RegisteringHost("3f7c");
        using var other = new RegisteringHost("77aa") { SeenFrom = "10.0.0.8" };
        TrustedPool.Expect(await host.RegisterAsync(Registrar));
        TrustedPool.Expect(await other.RegisterAsync(Registrar));
        var before = await RowsAsync();
        (other.Id, other.SeenFrom) = ("3f7c", "10.0.0.99");

        Assert.Equal("registration.incident", (await other.RegisterAsync(Registrar)).Refusal?.Code);

        Assert.Equivalent(before, await RowsAsync());
        var told = Assert.Single(await AuditAsync("attester.incident"));
        Assert.StartsWith("From 10.0.0.99 another TPM", told.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnAgentThatStartsAgain_IsTheSameRowWithItsNewPlace()
    {
        using var host = new RegisteringHost("3f7c");
        var first = TrustedPool.Expect(await host.RegisterAsync(Registrar));
        host.Address = "10.0.0.8";
        pool.Time.Advance(TimeSpan.FromHours(1));

        var second = TrustedPool.Expect(await host.RegisterAsync(Registrar));

        Assert.Equal((first.Id, 2, "10.0.0.8", pool.Time.GetUtcNow()), (second.Id, second.Count, second.Address, second.LastSeenAt));
        Assert.Single(await RowsAsync());
        Assert.Single(await AuditAsync("attester.moved"));
    }

    [Fact]
    public async Task AWaitingTpmWithANewKey_WaitsWithTheNewOneOnly()
    {
        using var host = new RegisteringHost("3f7c");
        var first = TrustedPool.Expect(await host.RegisterAsync(Registrar));
        host.Reinstall();

        var second = TrustedPool.Expect(await host.RegisterAsync(Registrar));

        Assert.NotEqual(first.KeyName, second.KeyName);
        Assert.Equal((second.Id, false), Assert.Single((await RowsAsync()).Select(r => (r.Id, r.Replaces))));
    }

    [Fact]
    public async Task WhatWaitsInVain_IsForgottenAfterAWeek()
    {
        using var host = new RegisteringHost("3f7c");
        TrustedPool.Expect(await host.RegisterAsync(Registrar));

        pool.Time.Advance(Registrar.WaitsFor);
        Assert.Equal(0, await Registrar.ForgetAsync(pool.Ct));
        pool.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await Registrar.ForgetAsync(pool.Ct));
        Assert.Empty(await RowsAsync());
    }

    [Theory]
    [InlineData(RegistrationStatus.Waiting)]
    [InlineData(RegistrationStatus.Incident)]
    public async Task ASenderOfTooManyTpms_KeepsNobodyElseOut(RegistrationStatus status)
    {
        using var host = new RegisteringHost("3f7c");
        using var flood = new RegisteringHost("77aa") { SeenFrom = "10.0.0.99" };
        await using (var db = pool.Database())
        {
            db.RegisteredAttesters.AddRange(Enumerable.Range(0, Registrar.MostOfOneSender).Select(i => Row(i, "10.0.0.99", status)));
            await db.SaveChangesAsync(pool.Ct);
        }

        Assert.Equal(("registration.full", RefusalKind.Unavailable), (await flood.RegisterAsync(Registrar)).Refusal is { } full ? (full.Code, full.Kind) : default);
        Assert.True((await host.RegisterAsync(Registrar)).Succeeded);
        Assert.True(Registrar.MostOfOneSender < Registrar.MostWaiting && Registrar.MostOfOneSender < Registrar.MostKept);
    }

    [Fact]
    public void ASenderWithTooManyOpenRegistrations_KeepsNobodyElseOut()
    {
        using var host = new RegisteringHost("3f7c");
        for (var i = 0; i < PendingChallenges.MostOfOneSender; i++)
        {
            Assert.True(Register("10.0.0.99").Succeeded);
        }

        Assert.Equal(("registration.busy", RefusalKind.Unavailable), (Register("10.0.0.99").Refusal!.Code, Register("10.0.0.99").Refusal!.Kind));
        Assert.True(Register("10.0.0.7").Succeeded);
        pool.Time.Advance(PendingChallenges.AnswerWithin);
        Assert.True(Register("10.0.0.99").Succeeded);

        Outcome<AgentChallenge> Register(string sender) => Registrar.Register(AgentRegistration.Parse(host.Id, host.Message()).Value, sender);
    }

    [Fact]
    public async Task ATpmThatMovesAllTheTime_FillsNoAudit()
    {
        using var host = new RegisteringHost("3f7c");
        for (var i = 0; i < 3 * Registrar.TellsPerHour; i++)
        {
            host.Address = $"10.0.1.{i}";
            Assert.Equal(host.Address, TrustedPool.Expect(await host.RegisterAsync(Registrar)).Address);
        }

        Assert.Equal(Registrar.TellsPerHour, (await AuditAsync("attester.")).Count);
        pool.Time.Advance(TimeSpan.FromHours(1));
        host.Address = "10.0.2.1";
        TrustedPool.Expect(await host.RegisterAsync(Registrar));
        Assert.Equal(Registrar.TellsPerHour + 1, (await AuditAsync("attester.")).Count);
    }

    [Fact]
    public async Task ATpmThatMakesKeysAllTheTime_FillsNoAudit()
    {
        using var host = new RegisteringHost("3f7c");
        for (var i = 0; i < 2 * Registrar.TellsPerHour; i++)
        {
            host.Reinstall();
            TrustedPool.Expect(await host.RegisterAsync(Registrar));
        }

        Assert.Equal(Registrar.TellsPerHour, (await AuditAsync("attester.")).Count);
    }

    [Fact]
    public async Task AKnownTpmThatTakesAnothersNameAllTheTime_FillsNoAudit()
    {
        using var host = new RegisteringHost("3f7c");
        using var attacker = new RegisteringHost("77aa") { SeenFrom = "10.0.0.99" };
        TrustedPool.Expect(await host.RegisterAsync(Registrar));
        TrustedPool.Expect(await attacker.RegisterAsync(Registrar));
        attacker.Id = host.Id;
        for (var i = 0; i < 3 * Registrar.TellsPerHour; i++)
        {
            Assert.Equal("registration.incident", (await attacker.RegisterAsync(Registrar)).Refusal?.Code);
        }

        // Its own registration was the first.
        Assert.Equal(Registrar.TellsPerHour - 1, (await AuditAsync("attester.incident")).Count);
        Assert.Equal(["3f7c", "77aa"], (await RowsAsync()).Select(r => r.AgentId).Order());
    }

    private RegisteredAttester Row(int number, string seenFrom, RegistrationStatus status) => new()
    {
        AgentId = $"flood-{number}",
        EndorsementKey = [],
        EndorsementHash = $"{number:x64}",
        AttestationKey = [],
        KeyName = $"{number:x68}",
        Address = "",
        Port = 0,
        SeenFrom = seenFrom,
        FirstSeenAt = pool.Time.GetUtcNow(),
        LastSeenAt = pool.Time.GetUtcNow(),
        Status = status,
    };

    private async Task<List<RegisteredAttester>> RowsAsync()
    {
        await using var db = pool.Database();
        return await db.RegisteredAttesters.AsNoTracking().ToListAsync(pool.Ct);
    }

    private async Task<List<AuditEntry>> AuditAsync(string prefix)
    {
        await using var db = pool.Database();
        return await db.AuditEntries.AsNoTracking().Where(a => a.Event.StartsWith(prefix)).ToListAsync(pool.Ct);
    }
}
