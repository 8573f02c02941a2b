using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>The whole point, by four people at four browsers: a host is rebooted with a kernel nobody approved, and trusted again when what it booted is.</summary>
public sealed class ApprovalStoryTests(Chromium chromium) : OwnPortalTest(chromium)
{
    private const string Host = "kvm-a02";
    private const string Baseline = "rhel9-next-kernel";

    [Fact]
    public async Task KernelUpdate_CapturedAndApprovedByASecondPerson_MakesTheHostTrustedOnAPageThatStaysOpen()
    {
        var watcher = await SignInAsync(Portal.Address, "auditor@internal", "/hosts");
        await Expect(watcher.Row(Host)).ToContainTextAsync("Trusted");
        await watcher.Page.EvaluateAsync("window.neverReloaded = true");

        await UpdateKernelAsync();
        await Expect(watcher.Row(Host)).ToContainTextAsync("Untrusted");

        var (author, review) = await CaptureAndSubmitAsync();
        await AssertOwnApprovalIsRefusedAsync(author);
        await Expect(watcher.Row(Host)).ToContainTextAsync("Untrusted");

        await ApproveAsync(review);
        await Expect(watcher.Row(Host).GetByText("Trusted", new() { Exact = true })).ToBeVisibleAsync();
        Assert.True(await watcher.Page.EvaluateAsync<bool>("window.neverReloaded === true"));
        await Expect(author.Main).ToContainTextAsync("In force since");
    }

    private async Task UpdateKernelAsync()
    {
        var administrator = await SignInAsync(Portal.Address, "admin@internal", "/hosts");
        await administrator.ChooseAsync($"Actions on {Host}", "Update kernel and reboot");
        var question = administrator.Page.GetByRole(AriaRole.Dialog);
        await Expect(question).ToContainTextAsync("gets the next kernel, which nobody approved");
        await question.GetByRole(AriaRole.Button, new() { Name = "Update kernel and reboot" }).ClickAsync();
        using var rest = new RestClient(Portal.Address, "auditor@internal");
        await rest.HostAsync(Host, h => h.Trust == "untrusted", "untrusted");
        await administrator.GoAsync($"/hosts/{Host}/attestation");
        await Expect(administrator.Main).ToContainTextAsync("is not one you approved.");
    }

    private async Task<(Visit Author, string Review)> CaptureAndSubmitAsync()
    {
        var author = await SignInAsync(Portal.Address, "security@internal", $"/hosts/{Host}/attestation");
        await author.Link("Capture as draft baseline").ClickAsync();
        await Expect(author.Main).ToContainTextAsync("This host is untrusted");
        await author.CaptureAsync(Baseline);
        await author.Button("Submit for review").ClickAsync();
        await Expect(author.Main).ToContainTextAsync("Waits for review since");
        return (author, new Uri(author.Page.Url).AbsolutePath);
    }

    private async Task AssertOwnApprovalIsRefusedAsync(Visit author)
    {
        await Expect(author.Main.Locator("[data-code='baseline.approve.own']")).ToContainTextAsync($"security@internal wrote or edited {Baseline} rev. 1 and cannot approve it. Ask somebody of the security team who did not edit it.");
        await Expect(author.Button("Approve…")).ToHaveCountAsync(0);
    }

    private async Task ApproveAsync(string review)
    {
        var approver = await SignInAsync(Portal.Address, "security2@internal", review);
        await approver.Button("Approve…").ClickAsync();
        var dialog = approver.Page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("1 would gain trust");
        await Expect(dialog).ToContainTextAsync(Host);
        await dialog.GetByLabel("Comment, for the record").FillAsync("The update of this week, as planned.");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Approve", Exact = true }).ClickAsync();
        await Expect(approver.Main).ToContainTextAsync("In force since");
        await Expect(approver.Main).ToContainTextAsync("approved by security2@internal: “The update of this week, as planned.”");
    }
}
