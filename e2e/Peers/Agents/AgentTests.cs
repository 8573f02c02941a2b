using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Tpm;

namespace Portal.E2E.Peers.Agents;

/// <summary>Hosts with running TPMs register themselves, are enrolled, and are asked over mutual TLS.</summary>
public sealed class AgentTests : IAsyncLifetime
{
    private readonly string makers = Directory.CreateTempSubdirectory("portal-makers-").FullName;
    private readonly List<AgentHost> hosts = [];
    private readonly List<(int Pcr, string Digest)> firmware = [];
    private AgentPool pool = null!;
    private HttpClient registrar = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        pool = await AgentPool.StartAsync("127.0.0.0/8");
        registrar = RegistrarHandler.ClientOf(pool.Get<Registrar>());
    }

    public async ValueTask DisposeAsync()
    {
        registrar.Dispose();
        await pool.DisposeAsync();
        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }

        Directory.Delete(makers, recursive: true);
    }

    [Fact]
    public async Task ThreeHosts_RegisterAreEnrolledAndTrusted_AndWhatHappensToThemIsSeen()
    {
        var (a, b, c) = (await HostAsync("a"), await HostAsync("b"), await HostAsync("c"));
        foreach (var host in hosts)
        {
            Assert.Equal(200, await host.RegisterAsync(registrar, Ct));
        }

        Assert.All(await pool.Get<RegistrationDirectory>().ListAsync(Ct), r => Assert.Equal((EndorsementVerdict.UnknownIssuer, false), (r.Origin.Verdict, r.MayBeEnrolled)));
        await BelieveMakersAsync();
        Assert.All(await pool.Get<RegistrationDirectory>().ListAsync(Ct), r => Assert.Equal((EndorsementVerdict.VirtualTpm, true), (r.Origin.Verdict, r.MayBeEnrolled)));
        await pool.ApproveAsync("rack firmware", [.. firmware]);

        var (hostA, hostB, hostC) = (await EnrolAsync(a), await EnrolAsync(b), await EnrolAsync(c));

        await using var db = pool.Database();
        Assert.Equal([Verdict.Trusted, Verdict.Trusted, Verdict.Trusted], await db.Attestations.Select(r => r.Verdict).ToListAsync(Ct));

        // Something else was booted.
        await b.MeasureAsync(4, "another boot loader");
        var row = await pool.AttestAsync(hostB);
        Assert.Equal(Verdict.Untrusted, row.Verdict);
        Assert.Contains("PCR 4", row.Reason, StringComparison.Ordinal);

        // A reboot with the approved things is no failure, and another boot.
        var before = (await pool.AttestAsync(hostA)).ResetCount;
        await a.Tpm.RebootAsync();
        await BootAsync(a);
        row = await pool.AttestAsync(hostA);
        Assert.Equal((Verdict.Trusted, true), (row.Verdict, row.ResetCount > before));

        // The state of one TPM carried to another host.
        c.Answering = a.Tpm;
        row = await pool.AttestAsync(hostC);
        Assert.Equal((Verdict.Untrusted, "its quote is not signed by the enrolled key"), (row.Verdict, row.Reason));
        c.Answering = c.Tpm;
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(hostC)).Verdict);

        // Another TPM under the name of an enrolled one.
        c.Id = "a";
        Assert.Equal(403, await c.RegisterAsync(registrar, Ct));
        Assert.Single(await db.AuditEntries.Where(e => e.Event == "attester.incident").ToListAsync(Ct));
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(hostA)).Verdict);
    }

    [Fact]
    public async Task AnAgentInTrouble_IsSilentOrUntrusted_AndComesBackByItself()
    {
        var host = await HostAsync("a");
        await host.RegisterAsync(registrar, Ct);
        await BelieveMakersAsync();
        await pool.ApproveAsync("rack firmware", [.. firmware]);
        var id = await EnrolAsync(host);

        foreach (var garbage in new[] { "nonsense", "{}", "{\"results\":{\"quote\":\"r::\"}}", "{\"results\":{\"quote\":\"rAAAA:AAAA:AAAA\"}}", new string('x', KeylimeAgentChannel.LongestAnswer + 1) })
        {
            host.Instead = context => context.Response.WriteAsync(garbage, context.RequestAborted);
            Assert.Equal((Verdict.Untrusted, CheckOutcome.ProtocolError), await AskAsync(id));
            host.Instead = null;
            Assert.Equal((Verdict.Trusted, CheckOutcome.Ok), await AskAsync(id));
        }

        host.Instead = context =>
        {
            context.Response.StatusCode = StatusCodes.Status500InternalServerError;
            return Task.CompletedTask;
        };
        Assert.Equal((Verdict.Trusted, CheckOutcome.TpmError), await AskAsync(id));
        host.Instead = context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        Assert.Equal((Verdict.Trusted, CheckOutcome.AgentUnreachable), await AskAsync(id));
        host.Instead = null;
        await host.FallSilentAsync();
        var row = await pool.AttestAsync(id);
        Assert.Equal((Verdict.Trusted, CheckOutcome.AgentUnreachable), (row.Verdict, row.Outcome));
        Assert.Contains("silent", row.Reason, StringComparison.Ordinal);

        // Another authority than ours is let in: the portal is not.
        await host.ListenAsync(new AgentHostAuthority().Pem, Ct);
        Assert.Equal((Verdict.Trusted, CheckOutcome.AgentUnreachable), await AskAsync(id));
        await host.FallSilentAsync();
        await host.ListenAsync(pool.Get<AgentAuthority>().Published(), Ct);
        Assert.Equal((Verdict.Trusted, CheckOutcome.Ok), await AskAsync(id));
    }

    [Fact]
    public async Task AKilledAgent_BecomesStaleThenUnknown_NeverUntrusted_AndComesBackByItself()
    {
        var host = await HostAsync("a");
        await host.RegisterAsync(registrar, Ct);
        await BelieveMakersAsync();
        await pool.ApproveAsync("rack firmware", [.. firmware]);
        var id = await EnrolAsync(host);
        var seen = new List<TrustStatus> { await TurnAsync(id) };
        await host.FallSilentAsync();

        foreach (var pause in new[] { TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(10), TimeSpan.FromHours(1), TimeSpan.FromHours(24) })
        {
            pool.Clock.Forward(pause);
            seen.Add(await TurnAsync(id));
        }

        Assert.Equal([TrustStatus.Trusted, TrustStatus.Trusted, TrustStatus.Stale, TrustStatus.Stale, TrustStatus.Unknown], seen);
        await using var db = pool.Database();
        Assert.DoesNotContain(await db.AttestationTransitions.Select(t => t.Verdict).ToListAsync(Ct), verdict => verdict == Verdict.Untrusted);
        await host.ListenAsync(pool.Get<AgentAuthority>().Published(), Ct);
        pool.Clock.Forward(Cadence.LongestPause * 2);
        Assert.Equal(TrustStatus.Trusted, await TurnAsync(id));
    }

    [Fact]
    public async Task TheAuthorityIsReplaced_WithoutAHostBeingLost()
    {
        var host = await HostAsync("a");
        await host.RegisterAsync(registrar, Ct);
        await BelieveMakersAsync();
        await pool.ApproveAsync("rack firmware", [.. firmware]);
        var id = await EnrolAsync(host);
        var (replace, authority) = (pool.Get<ReplaceAgentAuthority>(), pool.Get<AgentAuthority>());
        var old = authority.Published();

        AgentPool.Expect(await replace.PrepareAsync(AgentPool.Administrator, Ct));
        Assert.Equal((Verdict.Trusted, CheckOutcome.Ok), await AskAsync(id));
        await host.FallSilentAsync();
        await host.ListenAsync(authority.Published(), Ct);
        AgentPool.Expect(await replace.RetireAsync(AgentPool.Administrator, Ct));
        Assert.Equal((Verdict.Trusted, CheckOutcome.Ok), await AskAsync(id));

        // An agent that was not given the new one lets nobody in any more: that says nothing against the host.
        await host.FallSilentAsync();
        await host.ListenAsync(old, Ct);
        Assert.Equal((Verdict.Trusted, CheckOutcome.AgentUnreachable), await AskAsync(id));
    }

    [Fact]
    public async Task AnAgentOutsideTheListedNetworks_IsNotConnectedTo()
    {
        await using var narrow = await AgentPool.StartAsync("10.0.0.0/8");
        var host = await HostAsync("a");
        var asked = false;
        host.Instead = context =>
        {
            asked = true;
            return Task.CompletedTask;
        };
        using var client = RegistrarHandler.ClientOf(narrow.Get<Registrar>());
        Assert.Equal(200, await host.RegisterAsync(client, Ct));
        var row = Assert.Single(await narrow.Get<RegistrationDirectory>().ListAsync(Ct));
        AgentPool.Expect(await narrow.Get<AcceptAttester>().ExecuteAsync(AgentPool.Author, row.Attester.Id, row.Attester.EndorsementHash, Ct));
        AgentPool.Expect(await narrow.Get<AcceptAttester>().ExecuteAsync(AgentPool.Approver, row.Attester.Id, row.Attester.EndorsementHash, Ct));
        var id = AgentPool.Expect(await narrow.Get<EnrolRegistered>().ExecuteAsync(AgentPool.Administrator, row.Attester.Id, new("kvm-a", narrow.Cluster), Ct));

        var attested = await narrow.AttestAsync(id);

        Assert.Equal((CheckOutcome.AgentUnreachable, false), (attested.Outcome, asked));
        Assert.Contains("lies in no network the portal may connect to", attested.Findings, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnUnrestrictedKey_IsRefusedWhenItRegisters()
    {
        var host = await HostAsync("a");
        await host.Tpm.RunAsync("tpm2_createprimary", "-C", "o", "-c", "primary.ctx");
        await host.Tpm.RunAsync("tpm2_create", "-C", "primary.ctx", "-G", "rsa2048:rsassa-sha256", "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "-u", "ak.pub", "-r", "ak.priv");

        Assert.Equal(400, await host.RegisterAsync(registrar, Ct));
        Assert.Empty(await pool.Get<RegistrationDirectory>().ListAsync(Ct));
    }

    private async Task<AgentHost> HostAsync(string id)
    {
        var host = await AgentHost.CreateAsync(id, makers);
        hosts.Add(host);
        await BootAsync(host);
        await host.ListenAsync(pool.Get<AgentAuthority>().Published(), Ct);
        return host;
    }

    /// <summary>The firmware and the boot loader of all hosts here.</summary>
    private async Task BootAsync(AgentHost host)
    {
        var measured = new[] { (0, await host.MeasureAsync(0, "firmware")), (4, await host.MeasureAsync(4, "boot loader")) };
        if (firmware.Count == 0)
        {
            firmware.AddRange(measured);
        }
    }

    private async Task BelieveMakersAsync()
    {
        var roots = pool.Get<VendorRoots>();
        foreach (var file in new[] { "swtpm-localca-rootca-cert.pem", "issuercert.pem" })
        {
            var added = AgentPool.Expect(await roots.AddAsync(AgentPool.Author, await File.ReadAllTextAsync(Path.Combine(makers, file), Ct), Ct));
            if (added.IsRoot)
            {
                AgentPool.Expect(await roots.ConfirmAsync(AgentPool.Approver, added.Id, Ct));
            }
        }
    }

    private async Task<Guid> EnrolAsync(AgentHost host)
    {
        var row = (await pool.Get<RegistrationDirectory>().ListAsync(Ct)).Single(r => r.Attester.AgentId == host.Id);
        return AgentPool.Expect(await pool.Get<EnrolRegistered>().ExecuteAsync(AgentPool.Administrator, row.Attester.Id, new($"kvm-{host.Id}", pool.Cluster), Ct));
    }

    /// <summary>Lets the scheduler look whose turn it is, waits until the host was asked if it is its turn, and says what people see.</summary>
    private async Task<TrustStatus> TurnAsync(Guid id)
    {
        var began = pool.Clock.GetUtcNow();
        var due = await pool.Get<AttestationRounds>().TurnAsync(pool.Cluster, Ct);
        await using var db = pool.Database();
        HostAttestation row;
        for (var deadline = Environment.TickCount64 + 30_000; (row = await db.Attestations.AsNoTracking().SingleAsync(a => a.HostId == id, Ct)).CheckedAt < began && due > 0;)
        {
            Assert.True(Environment.TickCount64 < deadline, "It was not asked.");
            await Task.Delay(50, Ct);
        }

        return HostTrust.Of(row, pool.Clock.GetUtcNow()).Status;
    }

    private async Task<(Verdict Verdict, CheckOutcome Outcome)> AskAsync(Guid id)
    {
        var row = await pool.AttestAsync(id);
        return (row.Verdict, row.Outcome);
    }
}
