using Microsoft.EntityFrameworkCore;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Core.Baselines;
using Portal.Core.Inventory;

namespace Portal.E2E.Peers.Agents;

/// <summary>A host with a running TPM whose kernel measures files, asked for its list over mutual TLS.</summary>
public sealed class RuntimeTests : IAsyncLifetime
{
    private AgentPool pool = null!;
    private AgentHost host = null!;
    private HttpClient registrar = null!;
    private Guid id;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>A host that was accepted by two people, its firmware approved, its files approved and required.</summary>
    public async ValueTask InitializeAsync()
    {
        pool = await AgentPool.StartAsync("127.0.0.0/8");
        registrar = RegistrarHandler.ClientOf(pool.Get<Registrar>());
        host = await AgentHost.CreateAsync("a");
        await host.ListenAsync(pool.Get<AgentAuthority>().Published(), Ct);
        await host.RegisterAsync(registrar, Ct);
        var registered = Assert.Single(await pool.Get<RegistrationDirectory>().ListAsync(Ct)).Attester.Id;
        foreach (var person in new[] { AgentPool.Author, AgentPool.Approver })
        {
            AgentPool.Expect(await pool.Get<AcceptAttester>().ExecuteAsync(person, registered, null, Ct));
        }

        var loader = await host.MeasureAsync(4, "shim");
        await StartKernelAsync();
        await pool.ApproveAsync("firmware", (4, loader));
        await pool.ApproveAsync("hypervisor", BaselineKinds.Hypervisor, new BaselineContent(PcrBanks.Sha256, [new PcrReference(4, [loader], [])], [], ""));
        id = AgentPool.Expect(await pool.Get<EnrolRegistered>().ExecuteAsync(AgentPool.Administrator, registered, new("kvm-a", pool.Cluster), Ct));
        var captured = AgentPool.Expect(await pool.Get<CaptureBaseline>().ExecuteAsync(AgentPool.Author, new(id, BaselineKinds.Runtime, "files"), Ct));
        await pool.ApproveAsync(captured);
        Assert.Equal(Verdict.Trusted, (await pool.AttestAsync(id)).Verdict);
        await RequireAsync();
    }

    public async ValueTask DisposeAsync()
    {
        registrar.Dispose();
        await pool.DisposeAsync();
        await host.DisposeAsync();
    }

    [Fact]
    public async Task WhatTheHostUses_IsFoundInItsTpmEntryByEntry_AndToldByPathAndDigest()
    {
        var row = await pool.AttestAsync(id);
        Assert.Equal((Verdict.Trusted, 4), (row.Verdict, host.AskedFrom[^1]));

        await host.Kernel.UseAsync("/usr/bin/qemu", "another qemu");
        row = await pool.AttestAsync(id);
        Assert.Equal((Verdict.Untrusted, "file not approved: /usr/bin/qemu"), (row.Verdict, row.Reason));
        Assert.Equal(4, host.AskedFrom[^1]);

        // Only a reboot forgets what was used.
        await host.Tpm.RebootAsync();
        await host.MeasureAsync(4, "shim");
        await StartKernelAsync();
        row = await pool.AttestAsync(id);
        Assert.Equal((Verdict.Trusted, ""), (row.Verdict, row.Reason));
        Assert.Equal(5, host.AskedFrom[^1]);
    }

    [Fact]
    public async Task AListThatHidesAnEntry_IsNotTheOneTheTpmVouchesFor()
    {
        await host.Kernel.UseAsync("/tmp/implant", "evil");
        host.Kernel.Forget(4);

        var row = await pool.AttestAsync(id);

        Assert.Equal((Verdict.Untrusted, "measurement list does not match PCR 10"), (row.Verdict, row.Reason));
        Assert.Equal([4, 0], Last(2));
    }

    [Fact]
    public async Task AFileWrittenWhileItIsUsed_IsToldAndNotTrusted()
    {
        await host.Kernel.UseWhileWrittenAsync("/var/lib/state.db");

        var row = await pool.AttestAsync(id);

        Assert.Equal((Verdict.Untrusted, "file changed while used: /var/lib/state.db"), (row.Verdict, row.Reason));
    }

    [Fact]
    public async Task AnotherBootLoaderBelow_IsWhatLeads_AndTheListStillBelongsToItsBoot()
    {
        await host.Tpm.RebootAsync();
        await host.MeasureAsync(4, "another shim");
        await StartKernelAsync();

        var row = await pool.AttestAsync(id);

        Assert.Equal((Verdict.Untrusted, "boot loader not approved (PCR 4)"), (row.Verdict, row.Reason));
        await using var db = pool.Database();
        Assert.Equal(4, (await db.Evidence.SingleAsync(e => e.Id == id, Ct)).Measurements);
    }

    private async Task StartKernelAsync()
    {
        await host.Kernel.StartAsync();
        foreach (var path in new[] { "/usr/lib/systemd/systemd", "/usr/bin/bash", "/usr/bin/qemu" })
        {
            await host.Kernel.UseAsync(path, path);
        }
    }

    private async Task RequireAsync()
    {
        await using var db = pool.Database();
        var cluster = await db.Clusters.AsNoTracking().SingleAsync(c => c.Id == pool.Cluster, Ct);
        var policy = cluster.Policy with { RequiredKinds = BaselineKinds.Firmware | BaselineKinds.Hypervisor | BaselineKinds.Runtime };
        AgentPool.Expect(await pool.Get<ChangeTrustPolicy>().ExecuteAsync(AgentPool.Administrator, new(pool.Cluster, policy, cluster.PolicyRevision), Ct));
    }

    private IEnumerable<int?> Last(int count) => host.AskedFrom.TakeLast(count);
}
