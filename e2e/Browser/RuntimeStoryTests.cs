using Microsoft.Playwright;

namespace Portal.E2E.Browser;

/// <summary>A cluster that wants to know what its hosts use while they run: a program nobody approved ends trust, a reboot brings it back.</summary>
public sealed class RuntimeStoryTests(Chromium chromium) : OwnPortalTest(chromium)
{
    private const string Host = "kvm-a01";
    private const string Baseline = "rhel9-files";

    [Fact]
    public async Task RuntimeBaseline_CapturedApprovedAndRequired_TellsWhichFileWasNotApproved()
    {
        await ApproveAsync(await CaptureAsync());
        var administrator = await SignInAsync(Portal.Address, "admin@internal", $"/hosts/{Host}/attestation");
        await administrator.Button("Attest now").ClickAsync();
        await Expect(administrator.Main).ToContainTextAsync("all approved");
        await RequireAsync(administrator);

        await administrator.GoAsync("/hosts");
        await administrator.ChooseAsync($"Actions on {Host}", "Run an unapproved program");
        await administrator.GoAsync($"/hosts/{Host}/attestation");
        await administrator.Button("Attest now").ClickAsync();
        await Expect(administrator.Main).ToContainTextAsync("It used a file that is not one you approved.");
        await Expect(administrator.Main.Locator(".files")).ToContainTextAsync("/usr/local/bin/tool-1");

        await administrator.GoAsync("/hosts");
        await administrator.ChooseAsync($"Actions on {Host}", "Reboot");
        await administrator.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Reboot" }).ClickAsync();
        await administrator.GoAsync($"/hosts/{Host}/attestation");
        await administrator.Button("Attest now").ClickAsync();
        await Expect(administrator.Main).ToContainTextAsync("This host booted what you approved.");
        await Expect(administrator.Main).ToContainTextAsync("Every file used matches");
    }

    private async Task<string> CaptureAsync()
    {
        var author = await SignInAsync(Portal.Address, "security@internal", $"/baselines/capture?host={Host}&kind=runtime");
        await author.CaptureAsync(Baseline);
        await Expect(author.Main).ToContainTextAsync("/usr/libexec/qemu-kvm");
        await author.Button("Edit").ClickAsync();
        await author.Page.GetByLabel("Patterns that fit", new() { Exact = false }).FillAsync("^/usr/");
        await Expect(author.Main).ToContainTextAsync("anything may run from there");
        await author.Page.GetByLabel("Patterns that fit", new() { Exact = false }).FillAsync("^/var/log/");
        await author.Button("Save draft").ClickAsync();
        await author.Button("Submit for review").ClickAsync();
        await Expect(author.Main).ToContainTextAsync("Waits for review since");
        return new Uri(author.Page.Url).AbsolutePath;
    }

    private async Task ApproveAsync(string review)
    {
        var approver = await SignInAsync(Portal.Address, "security2@internal", review);
        await approver.Button("Approve…").ClickAsync();
        await approver.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Approve", Exact = true }).ClickAsync();
        await Expect(approver.Main).ToContainTextAsync("In force since");
    }

    private static async Task RequireAsync(Visit administrator)
    {
        await administrator.GoAsync("/clusters/prod-a/policy");
        await administrator.Page.GetByLabel("Runtime", new() { Exact = false }).CheckAsync();
        await administrator.Button("Put it in force").ClickAsync();
        await Expect(administrator.Main).ToContainTextAsync("runtime");
        await administrator.ShowsAddressAsync("/clusters/prod-a");
    }
}
