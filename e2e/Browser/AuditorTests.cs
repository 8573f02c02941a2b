using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>An auditor reads everything and changes nothing.</summary>
public sealed class AuditorTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    private const string Auditor = "auditor@internal";

    [Theory]
    [InlineData("/vms", "New virtual machine")]
    [InlineData("/clusters", "New cluster")]
    [InlineData("/baselines", "Capture from a host")]
    [InlineData("/hosts/kvm-a05/attestation", "Attest now")]
    public async Task Page_AsAuditor_OffersNothingThatChanges(string path, string action)
    {
        var visit = await SignInAsync(demo.Address, Auditor, path);
        await visit.Page.WaitForLoadStateAsync(LoadState.NetworkIdle);

        await Expect(visit.Main.GetByText(action, new() { Exact = true })).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Commands_AsAuditor_AreRefusedWhateverThePageOffers()
    {
        using var rest = demo.Rest(Auditor);
        var (host, vm) = ((await rest.HostsAsync())[0], (await rest.VmsAsync())[0]);

        Assert.Equal(403, (await rest.PostAsync($"hosts/{host.Id}/attest", new { })).Status);
        Assert.Equal(403, (await rest.PostAsync($"hosts/{host.Id}/deactivate", new { })).Status);
        Assert.Equal(403, (await rest.PostAsync($"vms/{vm.Id}/stop", new { })).Status);
        Assert.Equal(403, (await rest.DeleteAsync($"vms/{vm.Id}")).Status);
    }
}
