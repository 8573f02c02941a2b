using Bunit;
using Microsoft.EntityFrameworkCore;
using Portal.Components.Attestation;
using Portal.Core.Access;
using Portal.Core.Inventory;
using Portal.Core.Simulation;
using Portal.Core.Simulation.Attesters;
using Portal.Tests.World;

namespace Portal.Tests.Components.Attestation;

/// <summary>Each state of a host says in one sentence what is, why, and what to do.</summary>
public sealed class AttestationTabTests : HostPoolPageTest
{
    [Fact]
    public async Task Trusted_NamesTheBaselinesThatMatch()
    {
        await StartAsync(hosts: 1);

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Equal("This host booted what you approved.", tab.Find("#verdict").TextContent.Trim()));
        Assert.Contains("Firmware matches", tab.Find(".verdict").TextContent, StringComparison.Ordinal);
        Assert.Equal(2, tab.FindAll(".verdict-why a").Count);
        Assert.Contains("17–22Measured launch (Intel TXT)did not take place", string.Concat(tab.FindAll(".pcrs tbody tr").Last().Children.Select(c => c.TextContent.Trim())), StringComparison.Ordinal);
        Assert.All(tab.FindAll(".pcrs tbody tr"), r => Assert.DoesNotContain("first difference", r.TextContent, StringComparison.Ordinal));
        Assert.Contains("by ada", tab.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Untrusted_OtherBootLoader_LeadsToTheFirstEventThatDiffers()
    {
        await StartAsync(hosts: 2);
        await Act(a => a.UpdateBootLoaderAsync(TrustedPool.Administrator, Id("kvm-a01"), reboot: true, Pool.Ct));
        await Pool.AttestAsync("kvm-a01");

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Equal("The boot loader is not one you approved.", tab.Find("#verdict").TextContent.Trim()));
        Assert.Contains("PCR 4", tab.Find(".verdict").TextContent, StringComparison.Ordinal);
        Assert.Equal("4", Assert.Single(tab.FindAll(".pcrs tr.first")).QuerySelector("th")!.TextContent);
        var first = Assert.Single(tab.FindAll(".events tr.first"));
        Assert.Contains("grubx64.efi", first.TextContent, StringComparison.Ordinal);
        Assert.Contains($"#{first.Id}", tab.FindAll(".verdict-facts a").Select(a => a.GetAttribute("href")![a.GetAttribute("href")!.IndexOf('#', StringComparison.Ordinal)..]));
        Assert.Contains("Compare with kvm-a02", tab.Find(".verdict .bar").TextContent, StringComparison.Ordinal);
        Assert.Contains("esetCount", tab.Find(".happened").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Untrusted_UnapprovedProgramRan_NamesTheFileAndListsIt()
    {
        await StartAsync(hosts: 1);
        await Pool.RequireRuntimeAsync("kvm-a01");
        await Act(a => a.RunProgramAsync(TrustedPool.Administrator, Id("kvm-a01"), Pool.Ct));
        await Pool.AttestAsync("kvm-a01");

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Equal("It used a file that is not one you approved.", tab.Find("#verdict").TextContent.Trim()));
        Assert.Contains("as the host says at /usr/local/bin/tool-1 (PCR 10, entry 41)", tab.Find(".verdict").TextContent, StringComparison.Ordinal);
        Assert.Contains("see files", Assert.Single(tab.FindAll(".pcrs tr.first")).TextContent, StringComparison.Ordinal);
        Assert.Contains("/usr/local/bin/tool-1", Assert.Single(tab.FindAll(".files tbody tr")).TextContent, StringComparison.Ordinal);
        Assert.Contains("42 entries found in the quoted PCR 10", tab.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Untrusted_MoreRevokedSignatures_ListsThem()
    {
        await StartAsync(hosts: 1);
        await Act(a => a.UpdateRevocationsAsync(TrustedPool.Administrator, Id("kvm-a01"), reboot: true, Pool.Ct));
        await Pool.AttestAsync("kvm-a01");

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Equal(3, tab.FindAll(".variable-change li").Count));
        Assert.Contains("(dbx): 3 entries added to those approved. What was approved there is shown by an earlier log of this host.", Squeeze(tab.Find(".variable-change").TextContent), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Untrusted_TwoHostsAlike_NamesTheOther()
    {
        await StartAsync(hosts: 2);
        foreach (var host in (string[])["kvm-a01", "kvm-a02"])
        {
            await Act(a => a.UpdateBootLoaderAsync(TrustedPool.Administrator, Id(host), reboot: true, Pool.Ct));
            await Pool.AttestAsync(host);
        }

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Contains("1 other host shows the same: kvm-a02.", Squeeze(tab.Find(".verdict").TextContent), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Untrusted_FailedCheck_SaysWhichCheck_AndThatTheValuesProveNothing()
    {
        await StartAsync(hosts: 1);
        Pool.Get<SimulatedAttesterChannel>().Inject("kvm-a01", Fault.SignatureBitFlip);
        await Pool.AttestAsync("kvm-a01");

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Equal("Its quote is not signed by the enrolled key.", tab.Find("#verdict").TextContent.Trim()));
        Assert.Contains("These values prove nothing", tab.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("matches", tab.Find(".pcrs").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Untrusted_NoBaselineApproved_SaysThatThereIsNothingToCompareWith()
    {
        await StartAsync(Role.Security, hosts: 1, approve: false);

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Contains("there is nothing to compare it with", tab.Find("#verdict").TextContent, StringComparison.Ordinal));
        Assert.Contains("Capture as draft baseline", tab.Find(".verdict .bar").TextContent, StringComparison.Ordinal);
        Assert.All(tab.FindAll(".pcrs tbody tr").SkipLast(1), r => Assert.Contains("not covered", r.TextContent, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Silent_ThenStale_ThenUnknown_SaysSinceWhen()
    {
        await StartAsync(hosts: 1);
        await Act(a => a.GoSilentAsync(TrustedPool.Administrator, Id("kvm-a01"), Pool.Ct));
        Pool.Time.Advance(TimeSpan.FromMinutes(1));
        await Pool.AttestAsync("kvm-a01");

        var tab = await OpenAsync("kvm-a01");
        tab.WaitForAssertion(() => Assert.Contains("it stays trusted until", tab.Find(".verdict").TextContent, StringComparison.Ordinal));

        Pool.Time.SetUtcNow((await Pool.RowAsync("kvm-a01")).ValidUntil!.Value);
        await Pool.AttestAsync("kvm-a01");
        tab = await OpenAsync("kvm-a01");
        tab.WaitForAssertion(() => Assert.Equal("This host was trusted; no new evidence has come since.", tab.Find("#verdict").TextContent.Trim()));
        Assert.Contains("silence moves nobody", tab.Find(".verdict").TextContent, StringComparison.Ordinal);

        Pool.Time.SetUtcNow((await Pool.RowAsync("kvm-a01")).ForgetAt!.Value);
        tab = await OpenAsync("kvm-a01");
        tab.WaitForAssertion(() => Assert.Equal("Nobody can say any more: its last evidence is too old.", tab.Find("#verdict").TextContent.Trim()));
    }

    [Fact]
    public async Task NeverEnrolled_OffersToEnrol_AndShowsTheKeyAfterwards()
    {
        await StartAsync(hosts: 1, enrol: false);
        await Pool.AttestAsync("kvm-a01");
        var tab = await OpenAsync("kvm-a01");
        tab.WaitForAssertion(() => Assert.Equal("Nobody can say what this host booted: it is not enrolled.", tab.Find("#verdict").TextContent.Trim()));

        await tab.FindAll("button").Single(b => b.TextContent == "Enrol kvm-a01").ClickAsync(new());
        Pool.Time.Advance(TimeSpan.FromSeconds(2));

        tab.WaitForAssertion(() => Assert.Equal("This host booted what you approved.", tab.Find("#verdict").TextContent.Trim()));
        Assert.Contains("TPM name", tab.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Auditor_IsOfferedNoChange_ButTheEvidence()
    {
        await StartAsync(Role.Auditor, hosts: 2);

        var tab = await OpenAsync("kvm-a01");

        tab.WaitForAssertion(() => Assert.Equal(["Compare with kvm-a02", "Evidence bundle"], tab.FindAll(".verdict .bar > *").Select(b => b.TextContent.Trim())));
    }

    [Fact]
    public async Task Log_FiltersByPcrTextAndDifference()
    {
        await StartAsync(hosts: 1);
        await Act(a => a.UpdateBootLoaderAsync(TrustedPool.Administrator, Id("kvm-a01"), reboot: true, Pool.Ct));
        await Pool.AttestAsync("kvm-a01");
        var tab = await OpenAsync("kvm-a01");
        tab.WaitForAssertion(() => Assert.NotEmpty(tab.FindAll(".events tbody tr")));

        tab.Find("input[aria-label='Search the boot log']").Input("grubx64");
        Assert.All(tab.FindAll(".events tbody tr"), r => Assert.Contains("grubx64", r.TextContent, StringComparison.Ordinal));

        tab.Find("input[aria-label='Search the boot log']").Input("");
        tab.Find("select[aria-label=PCR]").Change("7");
        Assert.All(tab.FindAll(".events tbody tr"), r => Assert.Equal("7", r.QuerySelector("td")!.TextContent));

        tab.Find("select[aria-label=PCR]").Change("");
        tab.Find(".inline-check input").Change(true);
        Assert.Single(tab.FindAll(".events tbody tr"));
    }

    [Fact]
    public async Task Comparison_NamesWhatOnlyOneOfThemMeasured()
    {
        await StartAsync(hosts: 2);
        await Act(a => a.UpdateBootLoaderAsync(TrustedPool.Administrator, Id("kvm-a01"), reboot: true, Pool.Ct));
        await Pool.AttestAsync("kvm-a01");

        var tab = await OpenAsync("kvm-a01", "?with=kvm-a02");

        tab.WaitForAssertion(() => Assert.Contains("What only one of them measured", tab.Markup, StringComparison.Ordinal));
        Assert.Equal(2, tab.FindAll(".side-list li").Count);
        Assert.All(tab.FindAll(".side-list li"), l => Assert.Contains("grubx64.efi", l.TextContent, StringComparison.Ordinal));
    }

    private async Task<IRenderedComponent<AttestationTab>> OpenAsync(string host, string query = "")
    {
        var row = await Pool.Get<HostDirectory>().FindByNameAsync(host, Pool.Ct);
        return Open<AttestationTab>($"/hosts/{host}/attestation{query}", (nameof(AttestationTab.Row), row!));
    }

    private async Task Act(Func<SimulatedHostActions, Task<Portal.Core.Outcome<Portal.Core.Done>>> act) => TrustedPool.Expect(await act(Pool.Get<SimulatedHostActions>()));

    private Guid Id(string host)
    {
        using var db = Pool.Database();
        return db.Hosts.AsNoTracking().Single(h => h.Name == host).Id;
    }

    private static string Squeeze(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
