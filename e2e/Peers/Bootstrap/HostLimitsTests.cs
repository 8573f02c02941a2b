using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Operations;
using Portal.E2E.Peers.Agents;

namespace Portal.E2E.Peers.Bootstrap;

/// <summary>A host that says nothing, or takes too long: it is left, and the operation says so. The limits here are seconds, where the portal's are minutes.</summary>
public sealed class HostLimitsTests(BootstrapPortal portal) : IClassFixture<BootstrapPortal>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ssh.silent", 2, 600)]
    [InlineData("ssh.slow", 600, 4)]
    public async Task AHostThatTakesTooLong_IsLeft(string code, int silence, int whole)
    {
        PublishedPortal.RequireOrSkip();
        await using var machine = await HostMachine.StartAsync();
        await machine.DoAsync("ssh-keygen -q -t ed25519 -N '' -f /run/identity; cp /run/identity.pub /run/authorized; touch /run/dnf-waits");
        await machine.ListenAsync();
        var limits = new PreparationLimits { Silence = TimeSpan.FromSeconds(silence), Whole = TimeSpan.FromSeconds(whole) };
        await using var pool = await AgentPool.StartAsync(new RegistrarFace("127.0.0.1", portal.Registrar.Port, 0, Enabled: true), limits);
        var prepare = pool.Get<PrepareHost>();
        var key = AgentPool.Expect(await prepare.FetchKeyAsync(AgentPool.Administrator, "127.0.0.1", machine.SshPort, Ct));
        var request = new PreparationRequest(PreparationMode.Prepare, "kvm-slow", pool.Cluster, "127.0.0.1", machine.SshPort, key.Shown.Fingerprint, []);
        var id = AgentPool.Expect(await prepare.StartAsync(AgentPool.Administrator, request, new SshCredentials("root", "", await machine.DoAsync("cat /run/identity")), Ct));

        await pool.Get<OperationRunner>().RunAsync(id, Ct);

        var view = (await pool.Get<OperationDirectory>().FindAsync(id, Ct))!;
        Assert.True((OperationState.Failed, code) == (view.Operation.State, view.Operation.FailureCode), view.Operation.Failure);
        Assert.Contains("+ dnf -y install tpm2-tools keylime-agent-rust", await pool.Get<PreparationOutput>().OfAsync(id, Ct));

        // It goes to its end all the same.
        await machine.DoAsync("rm /run/dnf-waits; while [ -e /run/portal-host.lock ]; do sleep 0.1; done");
        Assert.True(machine.Has("/var/standin/systemd/active"));
    }
}
