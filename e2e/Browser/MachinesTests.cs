using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>The VM owner's question: where may this VM run, and does it?</summary>
public sealed class MachinesTests(Chromium chromium, DemoPortal demo) : BrowserTest(chromium)
{
    [Fact]
    public async Task NewVm_ThatRequiresTrust_ShowsWhyNotWhereAndRunsOnATrustedHostWithItsReceipt()
    {
        const string Name = "ledger-01";
        var visit = await SignInAsync(demo.Address, "operator@internal", "/vms/new");
        var page = visit.Page;
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync(Name);
        await page.GetByLabel("Cluster").SelectOptionAsync(new SelectOptionValue { Label = "prod-b (6 hosts)" });
        await page.GetByRole(AriaRole.Radio, new() { Name = "Trusted" }).CheckAsync();

        var refused = page.GetByRole(AriaRole.Table, new() { Name = "Hosts that cannot take it" });
        await Expect(refused.GetByRole(AriaRole.Row).Filter(new() { HasText = DemoPortal.FirmwareChanged })).ToContainTextAsync("ntrusted");
        await Expect(refused.GetByRole(AriaRole.Row).Filter(new() { HasText = DemoPortal.NotEnrolled })).ToContainTextAsync("enrolled");
        await Expect(visit.Main).ToContainTextAsync("4 of 6 hosts");

        // As one types, the answer changes.
        await page.GetByLabel("Memory in GiB").FillAsync("9000");
        await Expect(refused.GetByRole(AriaRole.Row).Filter(new() { HasText = "kvm-b01" })).ToContainTextAsync("emory");
        await page.GetByLabel("Memory in GiB").FillAsync("2");
        await Expect(visit.Main).ToContainTextAsync("4 of 6 hosts");
        await visit.Button("Create and start").ClickAsync();

        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = $"{Name} runs on kvm-b0" })).ToBeVisibleAsync();
        await AssertReceiptAsync(visit);
        await visit.Link($"Open {Name}").ClickAsync();
        await visit.ShowsAddressAsync($"/vms/{Name}");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("Up");
        await page.GetByRole(AriaRole.Link, new() { Name = "Placement" }).ClickAsync();
        await AssertReceiptAsync(visit);

        using var rest = demo.Rest("auditor@internal");
        var vm = Assert.Single(await rest.VmsAsync(), v => v.Name == Name);
        Assert.Equal(("up", "trusted"), (vm.Status, vm.TrustLevel));
        Assert.Contains(Assert.Single(await rest.HostsAsync(), h => h.Id == vm.HostId).Name, DemoPortal.TrustedHosts);
    }

    [Fact]
    public async Task NewVm_ThatNoHostCanTake_SaysWhyAndKeepsWhatWasTyped()
    {
        var visit = await SignInAsync(demo.Address, "operator@internal", "/vms/new?cluster=prod-a");
        await visit.Page.GetByLabel("Name", new() { Exact = true }).FillAsync("too-large");
        await visit.Page.GetByLabel("Memory in GiB").FillAsync("9000");
        await visit.Button("Create").ClickAsync();

        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "too-large was not created" })).ToBeVisibleAsync();
        await Expect(visit.Main).ToContainTextAsync("What to do:");
        await Expect(visit.Main).ToContainTextAsync("not enough memory");
        await visit.Button("Change the request").ClickAsync();
        await Expect(visit.Page.GetByLabel("Name", new() { Exact = true })).ToHaveValueAsync("too-large");
        await Expect(visit.Page.GetByLabel("Memory in GiB")).ToHaveValueAsync("9000");
    }

    [Theory]
    [InlineData("")]
    [InlineData("billing-db-01")]
    public async Task NewVm_WithANameThatCannotBe_SaysSoAtTheField(string name)
    {
        var visit = await SignInAsync(demo.Address, "operator@internal", "/vms/new");
        await visit.Page.GetByLabel("Name", new() { Exact = true }).FillAsync(name);
        await visit.Button("Create").ClickAsync();

        await Expect(visit.Page.GetByLabel("Name", new() { Exact = true })).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(visit.Page.Locator("#vm-name-notes").GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
    }

    private async Task AssertReceiptAsync(Visit visit)
    {
        await Expect(visit.Main).ToContainTextAsync("Verdict");
        await Expect(visit.Main).ToContainTextAsync("Evidence");
        await Expect(visit.Main).ToContainTextAsync("Nonce");
        await Expect(visit.Main).ToContainTextAsync("Policy revision");
    }
}
