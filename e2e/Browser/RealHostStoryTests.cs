using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>
/// What the portal is for, on real hosts: a VM is created through the page and runs where its owner asked for trust; its host boots something nobody
/// approved, the portal notices and moves the VM away while it runs; the host gets nothing more until a second person approves what it booted.
/// </summary>
public sealed class RealHostStoryTests(Chromium chromium) : BrowserTest(chromium), IAsyncLifetime
{
    private const string Vm = "ledger";

    private RealPool? pool;

    private RealPool Pool => pool!;

    public async ValueTask InitializeAsync()
    {
        if (RealPool.Missing is { } missing)
        {
            Assert.Skip(missing);
        }

        pool = await RealPool.StartAsync(3, await File.ReadAllBytesAsync(Path.Combine(AppContext.BaseDirectory, "eventlog.bin"), Ct));
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        try
        {
            await base.DisposeAsync();
        }
        finally
        {
            if (pool is not null)
            {
                await pool.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task HostThatLosesTrust_LosesItsVmAlive_AndIsUsedAgainWhenASecondPersonApproves()
    {
        await ReactAsync("evacuate");
        await CreateInTheBrowserAsync();
        var first = await Pool.WhereRunsAsync(Vm);
        Assert.NotNull(first);

        var watcher = await SignInAsync(Pool.Portal.Address, "auditor@internal", $"/vms/{Vm}");
        await Expect(watcher.Main).ToContainTextAsync(first.Name);
        await first.Agent.Boot.MeasureAsync(4, "a boot entry nobody approved");
        await AttestInTheBrowserAsync(first.Name);

        // Noticed, and moved while it runs: libvirt itself says how it came there.
        var second = await Eventually.GetAsync(
            async () => await Pool.WhereRunsAsync(Vm) is { } host && host.Name != first.Name ? host : null, $"{Vm} to leave {first.Name}", () => Pool.Portal.Said);
        Assert.Contains("migrated", await second.Libvirt.VirshAsync("domstate", Vm, "--reason"), StringComparison.Ordinal);
        await Eventually.TrueAsync(async () => !(await first.Libvirt.DefinedAsync()).Contains(Vm), $"{first.Name} to forget {Vm}");
        await Expect(watcher.Main).ToContainTextAsync(second.Name);

        await AssertTakesNothingAsync(first.Name);
        await ApproveInTheBrowserAsync(first.Name);
        await AssertTakesAgainAsync(first);
    }

    private async Task ReactAsync(string reaction)
    {
        using var admin = Pool.Rest(RealPool.Administrator);
        var clusters = await RealPool.SucceedsAsync(admin.GetAsync("clusters"));
        var id = clusters.GetProperty("cluster").EnumerateArray().Single(c => c.GetProperty("name").GetString() == RealPool.Cluster).GetProperty("id").GetString();
        await RealPool.SucceedsAsync(admin.PutAsync($"clusters/{id}", new { reaction = new { on_trust_lost = reaction } }));
    }

    private async Task CreateInTheBrowserAsync()
    {
        var visit = await SignInAsync(Pool.Portal.Address, "operator@internal", $"/vms/new?cluster={RealPool.Cluster}");
        var page = visit.Page;
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync(Vm);
        await page.GetByLabel("Template").SelectOptionAsync(new SelectOptionValue { Label = RealPool.Template });
        await page.GetByRole(AriaRole.Radio, new() { Name = "Trusted" }).CheckAsync();
        await Expect(visit.Main).ToContainTextAsync("3 of 3 hosts");
        await visit.Button("Create and start").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = $"{Vm} runs on kvm-" })).ToBeVisibleAsync();
    }

    private async Task AttestInTheBrowserAsync(string host)
    {
        var visit = await SignInAsync(Pool.Portal.Address, "admin@internal", $"/hosts/{host}/attestation");
        await visit.Button("Attest now").ClickAsync();
        await Expect(visit.Main).ToContainTextAsync("Untrusted since");
        await Expect(visit.Main).ToContainTextAsync("PCR 4");
    }

    /// <summary>Neither when it is asked for by name nor when the pool fills up.</summary>
    private async Task AssertTakesNothingAsync(string host)
    {
        using var rest = Pool.Rest("operator@internal");
        var vm = (await rest.VmsAsync()).Single(v => v.Name == Vm);
        var refused = await rest.PostAsync($"vms/{vm.Id}/migrate", new { host = new { name = host } });
        Assert.True(refused.Status == 409, refused.ToString());
        for (var i = 0; i < 3; i++)
        {
            await RealPool.SucceedsAsync(rest.PostAsync("vms", new { name = $"more-{i}", cluster = new { name = RealPool.Cluster }, template = new { name = RealPool.Template }, trust_level = "trusted" }));
        }

        Assert.Empty(await Pool.Host(host).Libvirt.DefinedAsync());
    }

    private async Task ApproveInTheBrowserAsync(string host)
    {
        const string Baseline = "lab-hypervisor-next";
        var author = await SignInAsync(Pool.Portal.Address, RealPool.Author, $"/hosts/{host}/attestation");
        await author.Link("Capture as draft baseline").ClickAsync();
        await author.CaptureAsync(Baseline);
        await author.Button("Submit for review").ClickAsync();
        await Expect(author.Main).ToContainTextAsync("Waits for review since");

        var approver = await SignInAsync(Pool.Portal.Address, RealPool.Approver, new Uri(author.Page.Url).AbsolutePath);
        await approver.Button("Approve…").ClickAsync();
        var dialog = approver.Page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("1 would gain trust");
        await dialog.GetByLabel("Comment, for the record").FillAsync("Planned.");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Approve", Exact = true }).ClickAsync();
        await Expect(approver.Main).ToContainTextAsync("In force since");
    }

    private async Task AssertTakesAgainAsync(RealHost host)
    {
        using var rest = Pool.Rest("operator@internal");
        await rest.HostAsync(host.Name, h => h.Trust == "trusted", "trusted again");
        var vm = (await rest.VmsAsync()).Single(v => v.Name == Vm);
        await RealPool.SucceedsAsync(rest.PostAsync($"vms/{vm.Id}/migrate", new { host = new { name = host.Name } }));
        Assert.Equal(host.Name, (await Pool.WhereRunsAsync(Vm))?.Name);
    }
}
