using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Libvirt;
using Portal.E2E.Peers.Outside;
using Host = Portal.Core.Inventory.Host;

namespace Portal.E2E.Peers.Libvirt;

/// <summary>Hosts reached by TLS and by SSH: only what is pinned is talked to, and no key stays on disk.</summary>
public sealed class ProtectedConnectionTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tls_WithThePinnedAuthority_Works_AndEveryOtherWayIsRefused()
    {
        using var authority = new ServerAuthority();
        using var stranger = new ServerAuthority("another authority");
        using var own = authority.Client();
        using var strangers = stranger.Client();
        await using var lab = await LibvirtLab.StartAsync(0, LibvirtLab.Options with { OpenDeadline = TimeSpan.FromSeconds(30) });
        var keys = Directory.CreateDirectory($"{lab.Folder}/keys").FullName;
        using (var served = authority.Server("127.0.0.1"))
        {
            await File.WriteAllTextAsync($"{keys}/ca.pem", authority.Certificate.ExportCertificatePem(), Ct);
            await File.WriteAllTextAsync($"{keys}/cert.pem", served.ExportCertificatePem(), Ct);
            await File.WriteAllTextAsync($"{keys}/key.pem", Key(served), Ct);
        }

        await LibvirtDaemon.RunAsync("chmod", "-R", "a+rX", keys);
        var port = LibvirtDaemon.FreePort();
        await using var daemon = new LibvirtDaemon($"{lab.Folder}/tls", "tlshost", 60_000)
        {
            TlsPort = port,
            Configuration = $"ca_file = \"{keys}/ca.pem\"\ncert_file = \"{keys}/cert.pem\"\nkey_file = \"{keys}/key.pem\"\nauth_tls = \"none\"\n",
        };
        await daemon.StartAsync();

        // Test daemons are sessions', which production does not take: the address is parsed as a lab's.
        var right = new HypervisorCredentials(1, authority.Certificate.ExportCertificatePem(), own.ExportCertificatePem(), Key(own), "");
        var uri = string.Create(CultureInfo.InvariantCulture, $"qemu+tls://127.0.0.1:{port}/session");
        var told = await ToldAsync(lab, uri, right);
        Assert.True(told.Answers, told.Sentence + daemon.Log);

        Assert.Contains("ertificate", await RefusedAsync(lab, uri, right with { Authority = stranger.Certificate.ExportCertificatePem() }), StringComparison.Ordinal);
        await RefusedAsync(lab, uri, right with { ClientCertificate = strangers.ExportCertificatePem(), PrivateKey = Key(strangers) });
        Assert.Contains("No authority is pinned", await RefusedAsync(lab, uri, right with { Authority = "" }), StringComparison.Ordinal);
        Assert.Contains("no certificate and key", await RefusedAsync(lab, uri, right with { PrivateKey = "" }), StringComparison.Ordinal);
        await NoKeyIsLeftAsync();
    }

    [Fact]
    public async Task Ssh_WithThePinnedHostKey_Works_AndAnotherKeyIsRefused()
    {
        LibvirtDaemon.RequireOrSkip();
        if (Environment.UserName != "root" || !File.Exists("/usr/sbin/sshd"))
        {
            Assert.Skip("A system daemon behind an sshd needs root and the Debian package openssh-server.");
        }

        await using var lab = await LibvirtLab.StartAsync(0, LibvirtLab.Options with { OpenDeadline = TimeSpan.FromSeconds(30) });
        var folder = Directory.CreateDirectory($"{lab.Folder}/ssh").FullName;
        foreach (var name in new[] { "hostkey", "key", "other" })
        {
            await LibvirtDaemon.RunAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", $"{folder}/{name}");
        }

        var port = LibvirtDaemon.FreePort();
        using var machine = Process.Start(new ProcessStartInfo("unshare", ["--mount", "--uts", "sh", Path.Combine(AppContext.BaseDirectory, "Libvirt", "sshhost.sh"), folder, port.ToString(CultureInfo.InvariantCulture)])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
        }) ?? throw new InvalidOperationException("unshare did not start.");
        try
        {
            await Eventually.TrueAsync(() => ListensAsync(port, folder), "sshd and libvirtd to answer", () => File.ReadAllText($"{folder}/log"));
            var right = new HypervisorCredentials(1, "", "", await File.ReadAllTextAsync($"{folder}/key", Ct), await File.ReadAllTextAsync($"{folder}/hostkey.pub", Ct));
            var uri = string.Create(CultureInfo.InvariantCulture, $"qemu+ssh://root@127.0.0.1:{port}/system");

            var told = await ToldAsync(lab, uri, right);
            Assert.True(told.Answers, told.Sentence + await File.ReadAllTextAsync($"{folder}/log", Ct));
            await RefusedAsync(lab, uri, right with { SshHostKey = await File.ReadAllTextAsync($"{folder}/other.pub", Ct) });
            await RefusedAsync(lab, uri, right with { PrivateKey = await File.ReadAllTextAsync($"{folder}/other", Ct) });
            Assert.Contains("not pinned", await RefusedAsync(lab, uri, right with { SshHostKey = "" }), StringComparison.Ordinal);
            await NoKeyIsLeftAsync();
        }
        finally
        {
            machine.StandardInput.Close();
            await machine.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static string Key(X509Certificate2 certificate) => certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();

    private static async Task<bool> ListensAsync(int port, string folder)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, Ct);
            return File.Exists($"{folder}/ready");
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<ConnectionEvent> ToldAsync(LibvirtLab lab, string uri, HypervisorCredentials credentials)
    {
        var host = new Host { Name = $"host-{Guid.NewGuid():N}", Address = "127.0.0.1", LibvirtUri = uri, ClusterId = Guid.Empty, Cpus = 1, Memory = 1 };
        lab.Secrets.Keep(host.Id, credentials);
        await lab.AddAsync(host);
        var (told, _) = await lab.HearAsync<ConnectionEvent>(e => e.HostId == host.Id, "the connection to be told of");
        if (told.Answers)
        {
            Assert.NotNull(await lab.Hypervisor.ListAsync(host.Endpoint, Ct));
            Assert.NotNull(await lab.Hypervisor.DescribeAsync(host.Endpoint, Ct));
        }

        return told;
    }

    private static async Task<string> RefusedAsync(LibvirtLab lab, string uri, HypervisorCredentials credentials)
    {
        var told = await ToldAsync(lab, uri, credentials);
        Assert.False(told.Answers);
        return told.Sentence;
    }

    /// <summary>Refused hosts are tried again and again, and keys lie there for as long as that takes.</summary>
    private static Task NoKeyIsLeftAsync() =>
        Eventually.TrueAsync(() => Task.FromResult(!Directory.EnumerateDirectories("/dev/shm", $"portal-libvirt-{Environment.ProcessId}-*").Any()), "keys to be taken away");
}
