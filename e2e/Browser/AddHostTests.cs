using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portal.E2E.Browser;

/// <summary>Adding a host, on a portal that takes registrations, as far as the host key that a real sshd shows: WCAG 2.2 A and AA by axe, light and dark, at a desk and on a telephone.</summary>
public sealed class AddHostTests(Chromium chromium) : BrowserTest(chromium)
{
    private readonly string folder = Directory.CreateTempSubdirectory("portal-add-host-").FullName;
    private Process? sshd;
    private RunningPortal? portal;

    // The visits end before what they visit.
    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        try
        {
            await base.DisposeAsync();
        }
        finally
        {
            if (portal is not null)
            {
                await portal.DisposeAsync();
            }

            if (sshd is not null)
            {
                sshd.Kill();
                await sshd.WaitForExitAsync(CancellationToken.None);
                sshd.Dispose();
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task BothWays_KeepToWcag(string theme)
    {
        PublishedPortal.RequireOrSkip();
        if (!File.Exists("/usr/sbin/sshd"))
        {
            Assert.Skip("sshd is not installed (Debian package openssh-server).");
        }

        var (http, https, ssh) = (FreePort(), FreePort(), FreePort());
        sshd = await StartSshAsync(folder, ssh);
        portal = await RunningPortal.StartAsync(folder, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Portal__Simulation__Hosts"] = "2",
            ["Portal__Registrar__Enabled"] = "true",
            ["Portal__Registrar__HttpPort"] = http.ToString(CultureInfo.InvariantCulture),
            ["Portal__Registrar__HttpsPort"] = https.ToString(CultureInfo.InvariantCulture),
            ["Portal__Registrar__Networks__0"] = "127.0.0.0/8",
        });
        var sweep = new Sweep();
        var visit = await SignInAsync(portal.Address, "admin@internal", "/hosts/enrolment", dark: theme == "dark");
        await visit.Page.GetByRole(Microsoft.Playwright.AriaRole.Link, new() { Name = "Add host", Exact = true }).First.ClickAsync();
        await visit.ShowsAddressAsync("/hosts/add");
        await visit.Page.GetByLabel("Name", new() { Exact = true }).FillAsync("kvm-07");
        await visit.Page.GetByLabel("Address", new() { Exact = true }).FillAsync("127.0.0.1");
        await visit.Page.GetByLabel("Port", new() { Exact = true }).FillAsync(ssh.ToString(CultureInfo.InvariantCulture));
        await sweep.LookAsync(visit, "add a host");
        await visit.Button("Show its host key").ClickAsync();
        await Expect(visit.Main).ToContainTextAsync("SHA256:");
        await Expect(visit.Button("Prepare the host")).ToBeDisabledAsync();
        await visit.Page.Locator(".private-key > summary").ClickAsync();
        await sweep.LookAsync(visit, "add a host, its key shown");
        await visit.Page.GetByText("It is what the host itself shows").ClickAsync();
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync("wrong on purpose");
        await visit.Button("Show what it would do").ClickAsync();
        await Expect(visit.Main).ToContainTextAsync("does not let root in");
        await sweep.LookAsync(visit, "add a host, refused by it");

        await visit.Page.GetByText("By hand", new() { Exact = true }).First.ClickAsync();
        await visit.Button("Make a ticket").ClickAsync();
        await Expect(visit.Main).ToContainTextAsync("shown this once");
        await sweep.LookAsync(visit, "add a host by hand");
        await visit.GoAsync("/hosts/enrolment");
        await Expect(visit.Main).ToContainTextAsync("kvm-07");
        await sweep.LookAsync(visit, "enrolment, a host expected");
        sweep.AssertNoFaults();
    }

    private static async Task<Process> StartSshAsync(string folder, int port)
    {
        Directory.CreateDirectory("/run/sshd");
        using var keygen = Process.Start("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(folder, "hostkey")]);
        await keygen.WaitForExitAsync(TestContext.Current.CancellationToken);
        var sshd = Process.Start(new ProcessStartInfo("/usr/sbin/sshd", ["-D", "-e", "-f", "/dev/null", "-h", Path.Combine(folder, "hostkey"), "-o", string.Create(CultureInfo.InvariantCulture, $"Port={port}"), "-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "PermitRootLogin=no"]) { UseShellExecute = false, RedirectStandardError = true })!;
        sshd.BeginErrorReadLine();
        await Eventually.TrueAsync(async () =>
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }, "sshd to listen");
        return sshd;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
