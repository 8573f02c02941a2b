using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Hosts;
using Portal.Components.Hosts.Connecting;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Inventory;
using Portal.Core.Virtualization;
using Portal.Core.Virtualization.Connecting;
using Portal.Tests.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Components.Hosts;

/// <summary>The way to a host's hypervisor on its pages, and machines found there.</summary>
public sealed class ConnectionTests : HostPoolPageTest
{
    private static readonly ConnectionWords Tls = new("qemu+tls://kvm-01.example.com/system", TestCertificates.Authority);

    [Fact]
    public async Task Typing_ShowsWhatTheAddressNeeds_AndWhatIsWrongWithIt()
    {
        await PagesAsync();
        var page = Render<ConnectLibvirt>(p => p.Add(c => c.HostName, "kvm-01").Add(c => c.ClusterId, Pool.Cluster));
        Assert.NotEmpty(page.FindAll("#libvirt-authority"));

        await page.Find("#libvirt-uri").InputAsync("qemu+tls://kvm-01/system?no_verify=1");
        Assert.Contains("verification cannot be turned off", page.Find("#libvirt-uri-notes").TextContent, StringComparison.Ordinal);
        await page.Find("#libvirt-uri").InputAsync("qemu+ssh://portal@kvm-01/system");
        Assert.NotEmpty(page.FindAll("#libvirt-hostkey"));
        Assert.Empty(page.FindAll("#libvirt-authority"));
        await page.Find("#libvirt-hostkey").InputAsync("nonsense");
        Assert.Equal("true", page.Find("#libvirt-hostkey").GetAttribute("aria-invalid"));
    }

    [Fact]
    public async Task Add_LeadsToTheHost_WhoseCardShowsTheWay()
    {
        await PagesAsync();
        var form = Render<ConnectLibvirt>(p => p.Add(c => c.HostName, "kvm-01").Add(c => c.ClusterId, Pool.Cluster));
        await form.Find("#libvirt-uri").InputAsync(Tls.LibvirtUri);
        await form.Find("#libvirt-authority").InputAsync(TestCertificates.Authority);
        await form.FindAll("button").Single(b => b.TextContent.Contains("Add the host", StringComparison.Ordinal)).ClickAsync();
        Assert.Contains("without a client certificate", form.Markup, StringComparison.Ordinal);
        await form.Find("#libvirt-certificate").InputAsync(TestCertificates.Client.Certificate);
        await form.Find("#libvirt-key").InputAsync(TestCertificates.Client.PrivateKey);
        await form.FindAll("button").Single(b => b.TextContent.Contains("Add the host", StringComparison.Ordinal)).ClickAsync();

        Assert.EndsWith("/hosts/kvm-01", Navigation.Uri, StringComparison.Ordinal);
        var page = Open<HostPage>("/hosts/kvm-01", ("Key", "kvm-01"));
        page.WaitForAssertion(() => Assert.Contains(Tls.LibvirtUri, page.Markup, StringComparison.Ordinal));
        Assert.Contains(AddHost.NotReachedYet, page.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE KEY", page.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnotherAddress_IsProposedOnTheEditPage_AndShownOnTheHostsPage()
    {
        await PagesAsync();
        await AddAsync();
        var edit = Open<ConnectionPage>("/hosts/kvm-01/connection", ("Key", "kvm-01"));
        edit.WaitForAssertion(() => Assert.Equal(Tls.LibvirtUri, edit.Find("#libvirt-uri").GetAttribute("value")));
        Assert.Contains("Save", edit.Find("button[type=submit]").TextContent, StringComparison.Ordinal);
        await edit.Find("#libvirt-uri").InputAsync("qemu+tls://elsewhere.example.com/system");
        Assert.Contains("Propose it to a second person", edit.Find("button[type=submit]").TextContent, StringComparison.Ordinal);
        await edit.Find("form").SubmitAsync();

        var page = Open<HostPage>("/hosts/kvm-01", ("Key", "kvm-01"));
        page.WaitForAssertion(() => Assert.Contains("waits for a second person", page.Markup, StringComparison.Ordinal));
        Assert.Contains("qemu+tls://elsewhere.example.com/system", page.Find(".server-changes").TextContent, StringComparison.Ordinal);
        Assert.Contains(page.FindAll("button"), b => b.TextContent.Contains("Withdraw", StringComparison.Ordinal));
        Assert.DoesNotContain(page.FindAll("button"), b => b.TextContent.Trim() == "Confirm");
    }

    [Fact]
    public async Task Test_OnTheHostsPage_ShowsEveryStep()
    {
        await PagesAsync();
        await AddAsync(new ConnectionWords("qemu+tls://nobody.invalid/system", TestCertificates.Authority));
        var page = Open<HostPage>("/hosts/kvm-01", ("Key", "kvm-01"));
        page.WaitForAssertion(() => Assert.Contains(page.FindAll("button"), b => b.TextContent.Trim() == "Test"));
        await page.FindAll("button").Single(b => b.TextContent.Trim() == "Test").ClickAsync();
        page.WaitForAssertion(() => Assert.Equal(5, page.FindAll(".probe li").Count));
        Assert.Contains("nobody.invalid is not known", page.Find(".probe").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MachinesFoundThere_AreListed_AndAdoptedWithAChosenLevel()
    {
        await PagesAsync();
        var host = new Host { Name = "kvm-x1", Address = "10.0.0.1", LibvirtUri = "test:///x1", ClusterId = Pool.Cluster, Cpus = 8, Memory = 8L << 30 };
        var machine = WatchedPool.Foreign("legacy");
        await using var db = Pool.Database();
        db.AddRange(host, new ForeignMachine { HostId = host.Id, Id = machine.Definition.Id, Name = "legacy", Cpus = 2, Memory = 4L << 30, Status = VirtualMachineStatus.Up, FirstSeenAt = Pool.Time.GetUtcNow() });
        await db.SaveChangesAsync(Pool.Ct);
        Pool.Get<ScriptedHypervisor>().Of(host).Domains[machine.Definition.Id] = machine;

        var page = Open<HostPage>("/hosts/kvm-x1/vms", ("Key", "kvm-x1"), ("Tab", "vms"));
        page.WaitForAssertion(() => Assert.Contains("Found on this host", page.Markup, StringComparison.Ordinal));
        await page.Find("[aria-label='Adopt legacy']").ClickAsync();
        await page.FindAll("input[name=adopt-level]")[1].ChangeAsync(new() { Value = "on" });
        await page.FindAll("button").Single(b => b.TextContent.Trim() == "Adopt it").ClickAsync();
        page.WaitForAssertion(() => Assert.NotNull(page.Find("[data-code='vm.trust_level.host']")));
        await page.FindAll("input[name=adopt-level]")[0].ChangeAsync(new() { Value = "on" });
        await page.FindAll("button").Single(b => b.TextContent.Trim() == "Adopt it").ClickAsync();
        await RunOperationsAsync();

        Assert.Equal(host.Id, (await Pool.VmAsync("legacy"))!.HostId);
        await EventuallyAsync(page, () => Assert.DoesNotContain("Found on this host", page.Markup, StringComparison.Ordinal));
    }

    private async Task PagesAsync()
    {
        await StartAsync(hosts: 1, approve: false, enrol: false, more: services =>
        {
            services.AddAgentRegistration([]);
            services.AddSingleton<ScriptedHypervisor>();
            services.AddSingleton<IHypervisor>(p => p.GetRequiredService<ScriptedHypervisor>());
        });
        Services.AddSingleton(Pool.Get<PrepareHost>());
    }

    private async Task AddAsync(ConnectionWords? words = null) => TrustedPool.Expect(await Pool.Get<AddHost>().ExecuteAsync(
        TrustedPool.Administrator, new("kvm-01", Pool.Cluster, words ?? Tls, new HypervisorSignIn(TestCertificates.Client.Certificate, TestCertificates.Client.PrivateKey)), Pool.Ct));
}
