namespace Portal.E2E.Peers.Rest;

public sealed class NoTrustedHostTests
{
    [Fact]
    public async Task Post_OfATrustedVmWhenNoHostIsTrusted_IsAnswered409WithCountsByReason()
    {
        PublishedPortal.RequireOrSkip();
        Curl.RequireOrSkip();
        var folder = Directory.CreateTempSubdirectory("portal-no-trust-").FullName;
        // Of two hosts the second reboots with other firmware; the first is put into quarantine here.
        await using var portal = await RunningPortal.StartAsync(folder, new Dictionary<string, string> { ["Portal__Simulation__Hosts"] = "2", ["Portal__Simulation__Clusters"] = "1" });
        using var rest = new RestClient(portal.Address, "admin@internal");
        await rest.HostAsync("kvm-a02", h => h.Trust == "untrusted", "untrusted");
        var first = await rest.HostAsync("kvm-a01", h => h.Trust == "trusted", "trusted");
        Assert.Equal(200, (await rest.PostAsync($"hosts/{first.Id}/quarantine", new { })).Status);

        var answer = await Curl.RunAsync(
            "-u", "operator@internal:demo",
            "-H", "Content-type: application/xml",
            "-d", "<vm><name>unplaceable</name><cluster><name>prod-a</name></cluster><trust_level>trusted</trust_level></vm>",
            new Uri(portal.Address, "/ovirt-engine/api/vms").ToString());

        Assert.Equal(409, answer.Status);
        Assert.Equal("placement.no_host", answer.Text("code"));
        var placement = answer.Xml.Element("placement")!;
        Assert.Equal("2", placement.Element("considered")!.Value);
        Assert.Equal(
            [("quarantine", "1"), ("trust.untrusted", "1")],
            placement.Descendants("reason").Where(r => r.HasElements).Select(r => (r.Element("code")!.Value, r.Element("hosts")!.Value)).Order());
        Assert.DoesNotContain(await rest.VmsAsync(), v => v.Name == "unplaceable");
        Directory.Delete(folder, recursive: true);
    }
}
