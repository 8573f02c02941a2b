using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Portal.E2E.Peers.Agents;

namespace Portal.E2E.Peers.Bootstrap;

/// <summary>The published portal prepares a machine over a real sshd: by steps, truthfully, whatever the other side does.</summary>
public sealed class PrepareHostTests(BootstrapPortal portal) : IClassFixture<BootstrapPortal>, IAsyncLifetime
{
    private const string Password = "Tr0ub4dor&3 'quoted\"";

    private HostMachine machine = null!;
    private string fingerprint = "";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        PublishedPortal.RequireOrSkip();
        machine = await HostMachine.StartAsync();
        await SetPasswordAsync("root");
        await machine.ListenAsync();
        fingerprint = await portal.FingerprintAsync(machine.SshPort);
    }

    public async ValueTask DisposeAsync()
    {
        if (machine is not null)
        {
            await machine.DisposeAsync();
        }
    }

    [Fact]
    public async Task Tried_Prepared_Registered_AndUndone()
    {
        await using var agent = await AgentHost.CreateAsync("agent-of-ssh");
        await machine.ListenAsync($"TPM2TOOLS_TCTI={agent.Tpm.Connection}");
        fingerprint = await portal.FingerprintAsync(machine.SshPort);
        Assert.Equal((await machine.DoAsync("ssh-keygen -lf /run/hostkey.pub")).Split(' ')[1], $"SHA256:{fingerprint}");
        var before = machine.Snapshot();

        var tried = await portal.PrepareAsync(Request("try"));
        AssertEnded("succeeded", tried);
        Assert.Contains("+ systemctl restart keylime_agent.service", BootstrapPortal.Output(tried));
        Assert.Equal(before, machine.Snapshot());

        var prepared = await portal.PrepareAsync(Request("prepare"));
        AssertEnded("succeeded", prepared);
        await agent.Tpm.TryAsync("tpm2_flushcontext", "--transient-object");
        Assert.True(machine.Has("/etc/keylime/agent.conf.d/90-portal.conf"));
        Assert.Contains("is shown as kvm-ssh; people still accept and enrol it.", prepared.GetRawText(), StringComparison.Ordinal);
        await agent.ListenAsync(BootstrapPortal.Text((await portal.Admin.GetAsync("agentauthority")).Body, "certificate"), Ct);
        using var registrar = new HttpClient { BaseAddress = portal.Registrar };
        Assert.Equal(200, await agent.RegisterAsync(registrar, Ct));
        var row = (await portal.Admin.GetAsync("attesters")).Body.GetProperty("attester").EnumerateArray().Single(a => BootstrapPortal.Text(a, "name") == "agent-of-ssh");
        Assert.Equal("kvm-ssh", BootstrapPortal.Text(row.GetProperty("expected_as").GetProperty("host")[0], "name"));
        Assert.Equal("two people to accept its endorsement key", BootstrapPortal.Text(row, "waits_for"));

        var undone = await portal.PrepareAsync(Request("undo"));
        AssertEnded("succeeded", undone);
        Assert.Equal(before, machine.Snapshot());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AUserWithSudo_PreparesToo_AndThePasswordIsNowhere(bool sudoAsks)
    {
        await machine.DoAsync("useradd -o -u 0 -M keeper");
        await SetPasswordAsync("keeper");
        if (sudoAsks)
        {
            await machine.RunAsync(Password, "sh", "-c", "cat >/run/sudo-password");
        }

        var prepared = await portal.PrepareAsync(Request("prepare", user: "keeper"));

        AssertEnded("succeeded", prepared);
        Assert.True(machine.Has("/etc/keylime/agent.conf.d/90-portal.conf"));
        AssertEnded("succeeded", await portal.PrepareAsync(Request("undo", user: "keeper")));
        Assert.DoesNotContain("Tr0ub4dor", prepared.GetRawText() + portal.Said, StringComparison.Ordinal);
        foreach (var file in Directory.EnumerateFiles(Path.GetDirectoryName(portal.Database)!, "*", SearchOption.AllDirectories))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            Assert.DoesNotContain("Tr0ub4dor", await reader.ReadToEndAsync(Ct), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ByPrivateKey_WithAPassphrase()
    {
        await machine.DoAsync("ssh-keygen -q -t ed25519 -N 'open sesame' -f /run/identity; cp /run/identity.pub /run/authorized");
        var key = await machine.DoAsync("cat /run/identity");

        var tried = await portal.PrepareAsync(Request("try", password: "", key: key, passphrase: "open sesame"));
        var without = await portal.Admin.PostAsync("hostpreparations", Request("try", password: "", key: key, passphrase: ""));
        var nonsense = await portal.Admin.PostAsync("hostpreparations", Request("try", password: "", key: "nonsense", passphrase: ""));

        AssertEnded("succeeded", tried);
        Assert.Equal((400, 400), (without.Status, nonsense.Status));
        Assert.Contains("needs a passphrase", without.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AWrongPassword_IsSaid_AndAFailedCheckIsTheHostsSentence()
    {
        AssertEnded("failed", await portal.PrepareAsync(Request("prepare", password: "guess")), "ssh.denied");
        await machine.DoAsync("rm /usr/bin/virsh");
        var before = machine.Snapshot();

        var stopped = await portal.PrepareAsync(Request("prepare"));

        AssertEnded("failed", stopped, "preparation.exit.13");
        Assert.Contains("there is no libvirt here", BootstrapPortal.Text(stopped, "reason"), StringComparison.Ordinal);
        Assert.Equal(before, machine.Snapshot());
    }

    [Fact]
    public async Task AnotherHostKey_IsRefusedUntilTheOldOneIsForgotten()
    {
        AssertEnded("succeeded", await portal.PrepareAsync(Request("try")));
        var (old, port) = (fingerprint, machine.SshPort);
        await machine.ListenAsync(port: port);

        var shown = await portal.Admin.PostAsync("hostpreparations/hostkey", new { address = "127.0.0.1", port });
        Assert.True(shown.Status == 409 && shown.ToString().Contains("shows another host key", StringComparison.Ordinal), shown.ToString());
        AssertEnded("failed", await portal.PrepareAsync(Request("prepare")), "ssh.host_key.changed");
        Assert.False(machine.Has("/run/standin.log"));

        Assert.Equal(200, (await portal.Admin.PostAsync("hostpreparations/forgetkey", new { address = "127.0.0.1", port })).Status);
        fingerprint = await portal.FingerprintAsync(port);
        Assert.NotEqual(old, fingerprint);
        AssertEnded("succeeded", await portal.PrepareAsync(Request("try")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("SSH-2.0-liar\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n")]
    public async Task WhatDoesNotSpeakSsh_IsGivenUp(string says)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var talking = TalkAsync(listener, says);

        var shown = await portal.Admin.PostAsync("hostpreparations/hostkey", new { address = "127.0.0.1", port = ((IPEndPoint)listener.LocalEndpoint).Port });

        Assert.True(shown.Status == 503 && shown.ToString().Contains("is not reached", StringComparison.Ordinal), shown.ToString());
        listener.Stop();
        await talking;
    }

    [Fact]
    public async Task AHostThatFloods_IsLeft()
    {
        await machine.DoAsync("touch /run/dnf-floods");
        try
        {
            var flooded = await portal.PrepareAsync(Request("prepare"));

            AssertEnded("failed", flooded, "ssh.flood");
            Assert.InRange(BootstrapPortal.Output(flooded).Count, 1, 2_002);
        }
        finally
        {
            await machine.DoAsync("rm /run/dnf-floods; while [ -e /run/portal-host.lock ]; do sleep 0.1; done");
        }

        // Nobody looked any more, and it went to its end.
        Assert.True(machine.Has("/etc/keylime/agent.conf.d/90-portal.conf"));
    }

    [Fact]
    public async Task Cancelled_TheHostUndoesWhatItDid()
    {
        var before = machine.Snapshot();
        await machine.DoAsync("touch /run/dnf-waits");
        var id = await portal.BeginAsync(Request("prepare"));
        await Eventually.TrueAsync(() => Task.FromResult(machine.Has("/run/dnf.pid")), "the package manager to be at work", () => portal.Said);

        Assert.Equal(202, (await portal.Admin.DeleteAsync($"hostpreparations/{id}")).Status);
        await Eventually.TrueAsync(async () => BootstrapPortal.Output((await portal.Admin.GetAsync($"hostpreparations/{id}")).Body).Contains("(the portal told the script to stop)"), "the script to be told");
        await machine.DoAsync("rm /run/dnf-waits");

        var ended = await portal.EndAsync(id);
        AssertEnded("cancelled", ended);
        Assert.Contains("stopped: it was told to stop", BootstrapPortal.Output(ended));
        Assert.Equal(before, machine.Snapshot());
    }

    [Fact]
    public async Task CancelledTooLate_TheHostIsPrepared_AndTheOperationSaysSo()
    {
        // A kill that finds nobody: as when the script ends at that very moment.
        await machine.DoAsync("touch /run/dnf-waits");
        var id = await portal.BeginAsync(Request("prepare"));
        await Eventually.TrueAsync(() => Task.FromResult(machine.Has("/run/dnf.pid")), "the package manager to be at work", () => portal.Said);
        await machine.DoAsync("mv /run/portal-host.lock/pid /run/pid");
        Assert.Equal(202, (await portal.Admin.DeleteAsync($"hostpreparations/{id}")).Status);
        await machine.DoAsync("rm /run/dnf-waits");

        AssertEnded("succeeded", await portal.EndAsync(id));
        Assert.True(machine.Has("/var/standin/systemd/active"));
    }

    [Fact]
    public async Task ThePortalKilledMidway_SaysThatItDoesNotKnow_AndTheHostGoesToItsEnd()
    {
        var before = machine.Snapshot();
        await machine.DoAsync("touch /run/dnf-waits");
        var id = await portal.BeginAsync(Request("prepare"));
        await Eventually.TrueAsync(() => Task.FromResult(machine.Has("/run/dnf.pid")), "the package manager to be at work", () => portal.Said);

        await portal.KillAndStartAsync();

        AssertEnded("failed", await portal.EndAsync(id), "preparation.interrupted");
        await machine.DoAsync("rm /run/dnf-waits; while [ -e /run/portal-host.lock ]; do sleep 0.1; done");
        Assert.True(machine.Has("/var/standin/systemd/active"));
        AssertEnded("succeeded", await portal.PrepareAsync(Request("prepare")));
        AssertEnded("succeeded", await portal.PrepareAsync(Request("undo")));
        Assert.Equal(before, machine.Snapshot());
    }

    [Fact]
    public async Task OnlyIntoListedNetworks_AndOnlyByWhoManagesHosts()
    {
        var outside = await portal.Admin.PostAsync("hostpreparations/hostkey", new { address = "192.0.2.7", port = 22 });
        Assert.True(outside.Status == 409 && outside.ToString().Contains("lies in no network", StringComparison.Ordinal), outside.ToString());
        foreach (var user in new[] { "security@internal", "operator@internal", "auditor@internal" })
        {
            using var rest = new RestClient(portal.Address, user);
            Assert.Equal(403, (await rest.PostAsync("hostpreparations/hostkey", new { address = "127.0.0.1", port = machine.SshPort })).Status);
            Assert.Equal(403, (await rest.PostAsync("hostpreparations", Request("try"))).Status);
            Assert.Equal(403, (await rest.PostAsync("enrolmenttickets", new { host = new { name = "kvm-x" }, cluster = new { name = "lab" } })).Status);
        }

        Assert.False(machine.Has("/run/standin.log"));
    }

    private static async Task TalkAsync(TcpListener listener, string says)
    {
        try
        {
            using var client = await listener.AcceptTcpClientAsync(Ct);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(says), Ct);
            while (await client.GetStream().ReadAsync(new byte[4096], Ct) > 0)
            {
                // It listens and says no more.
            }
        }
        catch (Exception fault) when (fault is SocketException or IOException)
        {
            // The portal left, or the listener stopped.
        }
    }

    private static void AssertEnded(string status, JsonElement ended, string code = "") =>
        Assert.True((status, code) == (BootstrapPortal.Text(ended, "status"), BootstrapPortal.Text(ended, "reason_code")), ended.GetRawText());

    private object Request(string mode, string user = "root", string password = Password, string key = "", string passphrase = "") => new
    {
        mode, user, password, private_key = key, passphrase, fingerprint, address = "127.0.0.1", port = machine.SshPort, host = new { name = "kvm-ssh" }, cluster = new { name = "lab" },
    };

    private async Task SetPasswordAsync(string user)
    {
        var (exitCode, output) = await machine.RunAsync(Password, "sh", "-c", $"hash=$(openssl passwd -6 -stdin) && sed -i \"s|^{user}:[^:]*:|{user}:$hash:|\" /etc/shadow && rm -f /etc/.pwd.lock");
        Assert.True(exitCode == 0, output);
    }
}
