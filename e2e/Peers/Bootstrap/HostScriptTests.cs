using System.Diagnostics;
using Portal.E2E.Peers.Agents;

namespace Portal.E2E.Peers.Bootstrap;

/// <summary>The script the portal makes, run on machines: what it checks, does, leaves alone and takes back.</summary>
public sealed class HostScriptTests(BootstrapPortal portal) : IClassFixture<BootstrapPortal>, IAsyncLifetime
{
    private HostMachine machine = null!;

    public async ValueTask InitializeAsync()
    {
        PublishedPortal.RequireOrSkip();
        machine = await HostMachine.StartAsync();
        await machine.RunAsync(await portal.ScriptAsync(), "sh", "-c", "cat >/tmp/portal-host.sh");
    }

    public async ValueTask DisposeAsync()
    {
        if (machine is not null)
        {
            await machine.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("dash")]
    [InlineData("bash")]
    [InlineData("busybox sh")]
    public async Task InEveryShell_TryingChangesNothing_TwiceIsOnce_AndRemovingLeavesNoTrace(string shell)
    {
        var before = machine.Snapshot();

        var tried = await ScriptAsync(shell, "--dry-run");
        Assert.True(tried.ExitCode == 0, tried.Output);
        Assert.Contains("+ dnf -y install tpm2-tools keylime-agent-rust\n", tried.Output, StringComparison.Ordinal);
        Assert.Contains("    trusted_client_ca = \"/etc/keylime/portal-agents-ca.pem\"\n", tried.Output, StringComparison.Ordinal);
        Assert.Contains("+ systemctl restart keylime_agent.service\n", tried.Output, StringComparison.Ordinal);
        Assert.Contains("warning: there was no measured launch (Intel TXT, AMD SKINIT): PCR 17 is all f.", tried.Output, StringComparison.Ordinal);
        Assert.Equal(before, machine.Snapshot());

        var first = await ScriptAsync(shell);
        Assert.True(first.ExitCode == 0, first.Output);
        var prepared = machine.Snapshot();
        Assert.NotEqual(before, prepared);
        Assert.True(machine.Has("/var/standin/systemd/enabled") && machine.Has("/var/standin/systemd/active") && machine.Has("/var/standin/firewall/permanent-9002") && machine.Has("/var/standin/firewall/runtime-9002"));
        Assert.Contains("uuid = \"hash_ek\"\nip = \"0.0.0.0\"\nport = 9002\ncontact_ip = \"127.0.0.1\"\n", machine.Read("/etc/keylime/agent.conf.d/90-portal.conf"), StringComparison.Ordinal);
        Assert.StartsWith("-----BEGIN CERTIFICATE-----\n", machine.Read("/etc/keylime/portal-agents-ca.pem"), StringComparison.Ordinal);

        var second = await ScriptAsync(shell);
        Assert.True(second.ExitCode == 0, second.Output);
        Assert.DoesNotContain("+ ", second.Output, StringComparison.Ordinal);
        Assert.Equal(prepared, machine.Snapshot());

        var triedRemoval = await ScriptAsync(shell, "--remove", "--dry-run");
        Assert.True(triedRemoval.ExitCode == 0, triedRemoval.Output);
        Assert.Equal(prepared, machine.Snapshot());

        var removed = await ScriptAsync(shell, "--remove");
        Assert.True(removed.ExitCode == 0, removed.Output);
        Assert.Equal(before, machine.Snapshot());
        Assert.Equal((0, "nothing to remove: this script has done nothing here\n"), await ScriptAsync(shell, "--remove"));
    }

    [Theory]
    [InlineData("rm /dev/tpmrm0", 11, "there is no /dev/tpmrm0")]
    [InlineData("echo 1 >/sys/class/tpm/tpm0/tpm_version_major", 11, "the TPM is version 1;")]
    [InlineData("rm /sys/firmware/efi/efivars/*", 12, "Secure Boot is off")]
    [InlineData("rm /usr/bin/virsh", 13, "there is no libvirt here")]
    [InlineData("sed -i \"s/^http_port=.*/http_port=1/;s/^https_port=.*/https_port=1/\" /tmp/portal-host.sh", 14, "the portal does not answer at https://127.0.0.1:1/version")]
    [InlineData("printf '#!/bin/sh\\necho 100\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date", 15, "seconds away from the portal's")]
    [InlineData("echo ID=debian >/etc/os-release", 16, "has no package of keylime's agent")]
    [InlineData("printf 'ID=\"rhel\"\\nID_LIKE=\"fedora\"\\nVERSION_ID=\"8.10\"\\n' >/etc/os-release", 16, "has no package of keylime's agent")]
    [InlineData("touch /run/ostree-booted", 16, "layer keylime-agent-rust")]
    [InlineData("touch /run/dnf-fails", 17, "dnf could not install")]
    [InlineData("touch /run/agent-dies", 19, "the agent started and ended")]
    [InlineData("mkdir /run/portal-host.lock; echo 1 >/run/portal-host.lock/pid", 22, "another run of this script is at work here")]
    public async Task AFailedCheck_StopsWithOneSentence_AndLeavesNothing(string fault, int exitCode, string sentence)
    {
        await machine.DoAsync(fault);
        var before = machine.Snapshot();

        var ended = await ScriptAsync("dash");

        Assert.True(ended.ExitCode == exitCode, ended.Output);
        Assert.Contains(sentence, Assert.Single(ended.Output.Split('\n'), l => l.StartsWith("stopped: ", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Equal(before, machine.Snapshot());
    }

    [Fact]
    public async Task WhatWasThere_IsKept_AndPutBackByteByByte()
    {
        await machine.DoAsync("""
            mkdir -p /etc/keylime/agent.conf.d
            printf 'mine \000 own' >/etc/keylime/agent.conf.d/90-portal.conf; chmod 640 /etc/keylime/agent.conf.d/90-portal.conf; chown 65534:65534 /etc/keylime/agent.conf.d/90-portal.conf
            touch /var/standin/rpm/tpm2-tools /var/standin/systemd/enabled /var/standin/systemd/active /var/standin/firewall/permanent-9002
            """);
        var before = machine.Snapshot();

        Assert.Equal(0, (await ScriptAsync("dash")).ExitCode);
        Assert.NotEqual(before, machine.Snapshot());
        var removed = await ScriptAsync("busybox sh", "--remove");

        Assert.True(removed.ExitCode == 0, removed.Output);
        Assert.Equal(before, machine.Snapshot());
        Assert.DoesNotContain("tpm2-tools", removed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("firewall", removed.Output, StringComparison.Ordinal);
        Assert.EndsWith("restart\n", await machine.DoAsync("cat /run/standin.log"), StringComparison.Ordinal);
        Assert.Equal("65534:65534 640", (await machine.DoAsync("stat -c '%u:%g %a' /etc/keylime/agent.conf.d/90-portal.conf")).Trim());
    }

    [Fact]
    public async Task APackageOthersNeedByNow_Stays()
    {
        Assert.Equal(0, (await ScriptAsync("dash")).ExitCode);
        await machine.DoAsync("touch /run/needed-tpm2-tools");

        var removed = await ScriptAsync("dash", "--remove");

        Assert.True(removed.ExitCode == 0, removed.Output);
        Assert.Contains("warning: tpm2-tools stays: other packages need it by now", removed.Output, StringComparison.Ordinal);
        Assert.Equal((true, false), (machine.Has("/var/standin/rpm/tpm2-tools"), machine.Has("/var/standin/rpm/keylime-agent-rust")));
    }

    [Fact]
    public async Task KilledInTheMiddle_IsUndoneByRemoving()
    {
        var before = machine.Snapshot();
        await machine.DoAsync("touch /run/dnf-waits");
        var running = ScriptAsync("dash");
        await Eventually.TrueAsync(() => Task.FromResult(machine.Has("/run/standin.log")), "the package manager to be at work");

        await machine.DoAsync("kill -KILL $(cat /run/portal-host.lock/pid) $(cat /run/dnf.pid); rm /run/dnf-waits");
        await running;
        var removed = await ScriptAsync("dash", "--remove");

        Assert.True(removed.ExitCode == 0, removed.Output);
        Assert.Equal(before, machine.Snapshot());
    }

    [Theory]
    [InlineData("--contact", "x'; touch /tmp/owned; '")]
    [InlineData("--contact", "a\"b")]
    [InlineData("--contact", "a\nb")]
    [InlineData("--agent-id", "$(touch /tmp/owned)")]
    [InlineData("--agent-id", "")]
    [InlineData("--without", "tpm")]
    [InlineData("--frobnicate", "x")]
    public async Task HostileWords_AreRefused(string option, string value)
    {
        Assert.Equal(2, (await ScriptAsync("dash", option, value)).ExitCode);
        Assert.False(machine.Has("/tmp/owned"));
    }

    [Fact]
    public async Task ATicket_IsTakenOnce_StaysNowhere_AndTheRegistrationIsShownAsExpected()
    {
        await using var agent = await AgentHost.CreateAsync("agent-of-ticket");
        var made = await portal.Admin.PostAsync("enrolmenttickets", new { host = new { name = "kvm-ticket" }, cluster = new { name = "lab" } });
        Assert.True(made.Status == 201, made.ToString());
        var ticket = BootstrapPortal.Text(made.Body, "ticket");

        var ended = await TicketAsync(ticket, agent.Tpm.Connection);
        Assert.True(ended.ExitCode == 0, ended.Output);
        await agent.Tpm.TryAsync("tpm2_flushcontext", "--transient-object");
        Assert.DoesNotContain(ticket, ended.Output, StringComparison.Ordinal);
        var (found, where) = await machine.RunAsync("", "grep", "-rl", "--", ticket, "/etc/keylime", "/var/lib", "/run", "/tmp");
        Assert.True(found == 1, where);
        await agent.ListenAsync(BootstrapPortal.Text((await portal.Admin.GetAsync("agentauthority")).Body, "certificate"), TestContext.Current.CancellationToken);
        using var registrar = new HttpClient { BaseAddress = portal.Registrar };
        Assert.Equal(200, await agent.RegisterAsync(registrar, TestContext.Current.CancellationToken));

        var row = (await portal.Admin.GetAsync("attesters")).Body.GetProperty("attester").EnumerateArray().Single(a => BootstrapPortal.Text(a, "name") == "agent-of-ticket");
        Assert.Equal("kvm-ticket", BootstrapPortal.Text(row.GetProperty("expected_as").GetProperty("host")[0], "name"));
        Assert.Equal("waiting", BootstrapPortal.Text(row, "status"));

        Assert.Equal(0, (await ScriptAsync("dash", "--remove")).ExitCode);
        var before = machine.Snapshot();
        var again = await TicketAsync(ticket, agent.Tpm.Connection);
        Assert.True(again.ExitCode == 20, again.Output);
        Assert.Contains("stopped: the portal does not take this ticket", again.Output, StringComparison.Ordinal);
        Assert.Equal(before, machine.Snapshot());
    }

    [Fact]
    public async Task Shellcheck_FindsNothing()
    {
        if (!File.Exists("/usr/bin/shellcheck"))
        {
            Assert.Skip("shellcheck is not installed (Debian package shellcheck).");
        }

        using var check = Process.Start(new ProcessStartInfo("shellcheck", ["--shell=sh", "-"]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        await check.StandardInput.WriteAsync(await portal.ScriptAsync());
        check.StandardInput.Close();
        Assert.Equal("", await check.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        await check.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, check.ExitCode);
    }

    private Task<(int ExitCode, string Output)> ScriptAsync(string shell, params string[] arguments) =>
        machine.RunAsync("", [.. shell.Split(' '), "/tmp/portal-host.sh", .. arguments]);

    private Task<(int ExitCode, string Output)> TicketAsync(string ticket, string tpm) =>
        machine.RunAsync(ticket + "\n", "env", $"TPM2TOOLS_TCTI={tpm}", "dash", "/tmp/portal-host.sh", "--ticket");
}
