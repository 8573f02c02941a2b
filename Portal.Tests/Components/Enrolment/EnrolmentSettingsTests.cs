using System.Security.Cryptography.X509Certificates;
using Bunit;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Components.Enrolment;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Tests.Attestation.Registration;
using Portal.Tests.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Components.Enrolment;

public sealed class EnrolmentSettingsTests : PoolPageTest
{
    private readonly TpmMaker maker = new("swtpm localca");

    public override async ValueTask InitializeAsync()
    {
        await StartPoolAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));
        Services.AddSingleton(Pool.Get<VendorRoots>());
        Services.AddSingleton(Pool.Get<RegistrationDirectory>());
        Services.AddSingleton(Pool.Get<AttesterMatches>());
        Services.AddSingleton(Pool.Get<ReplaceAgentAuthority>());
        Services.AddSingleton(Pool.Get<AgentAuthority>());
    }

    [Fact]
    public async Task AMaker_IsProposedHere_AndWaitsForASecondPerson()
    {
        As(TrustedPool.Author);
        var dialogs = Render<MudDialogProvider>();
        var section = Render<VendorRootsSection>();

        await section.Find("#maker-pem").InputAsync("nonsense");
        await section.Find("form").SubmitAsync();
        Assert.Contains("That is not one certificate in PEM.", Plain(section.Find(".form-error")), StringComparison.Ordinal);
        await section.Find("#maker-pem").InputAsync(maker.RootPem);
        await section.Find("form").SubmitAsync();

        section.WaitForAssertion(() => Assert.Equal(["Makes virtual TPMs", "Waits for a second person"], Texts(section, ".makers .tag")));
        var confirming = Button(section, "Confirm").ClickAsync();
        dialogs.WaitForElement(".confirm-text");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Confirm").ClickAsync();
        await confirming;
        section.WaitForElement("[data-code='vendor_root.own']");
        Assert.Contains("Waits for a second person", Texts(section, ".makers .tag"));
    }

    [Fact]
    public async Task ASecondPerson_ComparesTheFingerprintAndConfirms_AndOneRemoves()
    {
        var root = TrustedPool.Expect(await Pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.RootPem, Pool.Ct));
        As(TrustedPool.Administrator);
        var dialogs = Render<MudDialogProvider>();
        var section = Render<VendorRootsSection>();

        var confirming = Button(section, "Confirm").ClickAsync();
        var asked = Plain(dialogs.WaitForElement(".confirm-text"));
        Assert.EndsWith(root.Fingerprint, asked.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        await dialogs.FindAll("button").Single(b => Plain(b) == "Confirm").ClickAsync();
        await confirming;
        section.WaitForAssertion(() => Assert.Contains("Believed", Texts(section, ".makers .tag")));
        Assert.Equal("proposed by sam, confirmed by ada", Plain(section.Find(".makers .people")));
        var removing = Button(section, "Remove").ClickAsync();
        dialogs.WaitForElement(".confirm-text");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Remove").ClickAsync();
        await removing;

        section.WaitForAssertion(() => Assert.Empty(section.FindAll(".makers")));
    }

    [Fact]
    public async Task WhoMayNotChangeMakers_ReadsThem()
    {
        TrustedPool.Expect(await Pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.IssuerPem, Pool.Ct));
        As(TrustedPool.Auditor);

        var section = Render<VendorRootsSection>();

        Assert.Contains("Below a root", Texts(section, ".makers .tag"));
        Assert.Empty(section.FindAll("form, button:not([data-copy])"));
    }

    [Fact]
    public async Task TheCa_IsReplacedAfterAQuestion_AndTheOldOneStaysPublished()
    {
        var before = Certificates();
        As(TrustedPool.Administrator);
        var dialogs = Render<MudDialogProvider>();
        var section = Render<AgentsSection>();

        await ConfirmAsync("Replace CA…", "Publish next CA");
        var both = Certificates();
        await ConfirmAsync("Retire old CA…", "Retire old CA");

        Assert.Equal((1, 2), (before.Count, both.Count));
        Assert.Equal(before[0], both[0]);
        Assert.Equal(both[1], Assert.Single(Certificates()));
        var audit = await Pool.AuditAsync();
        Assert.Contains("agents.authority.made: ada published the next certificate authority", audit, StringComparison.Ordinal);
        Assert.Contains("agents.authority.retired: ada retired the certificate authority", audit, StringComparison.Ordinal);

        async Task ConfirmAsync(string button, string yes)
        {
            var asked = Button(section, button).ClickAsync();
            dialogs.WaitForElement(".confirm-text");
            await dialogs.FindAll("button").Single(b => Plain(b) == yes).ClickAsync();
            await asked;
        }
    }

    [Fact]
    public async Task TheCa_IsNotReplacedByWhoMayNot()
    {
        var before = Certificates();
        As(TrustedPool.Author);

        Assert.Empty(Render<AgentsSection>().FindAll("button"));
        Assert.Equal(RefusalKind.Forbidden, (await Pool.Get<ReplaceAgentAuthority>().PrepareAsync(TrustedPool.Author, Pool.Ct)).Refusal?.Kind);
        Assert.Equal(RefusalKind.Forbidden, (await Pool.Get<ReplaceAgentAuthority>().RetireAsync(TrustedPool.Author, Pool.Ct)).Refusal?.Kind);
        Assert.Equal("agents.authority.only", (await Pool.Get<ReplaceAgentAuthority>().RetireAsync(TrustedPool.Administrator, Pool.Ct)).Refusal?.Code);
        Assert.Equal(before, Certificates());
    }

    [Fact]
    public async Task TheIdentityOfAHost_SaysWhatItsRegistrationKnows_AndOthersNothing()
    {
        using var host = new RegisteringHost("3f7c");
        var id = TrustedPool.Expect(await host.RegisterAsync(Pool.Get<Registrar>())).Id;
        TrustedPool.Expect(await Pool.Get<AcceptAttester>().ExecuteAsync(TrustedPool.Author, id, null, Pool.Ct));
        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        TrustedPool.Expect(await Pool.Get<AcceptAttester>().ExecuteAsync(TrustedPool.Approver, id, null, Pool.Ct));
        var hostId = TrustedPool.Expect(await Pool.Get<EnrolRegistered>().ExecuteAsync(TrustedPool.Administrator, id, new("kvm-new", Pool.Cluster), Pool.Ct));
        As(TrustedPool.Auditor);

        var row = await Pool.Get<Core.Inventory.HostDirectory>().FindAsync(hostId, Pool.Ct);
        var identity = Render<RegisteredIdentity>(p => p.Add(c => c.Row, row!));
        var other = await Pool.Get<Core.Inventory.HostDirectory>().FindByNameAsync("kvm-a01", Pool.Ct);

        Assert.Equal(host.EndorsementHash, identity.Find("[data-copy]").GetAttribute("data-copy"));
        Assert.Equal(["Endorsement key", "EK certificate", "Agent", "Accepted"], Texts(identity, "dt"));
        Assert.StartsWith("10.0.0.7:9002 registered as 3f7c", Texts(identity, "dd").ElementAt(2), StringComparison.Ordinal);
        Assert.Equal("by sam and eve", Texts(identity, "dd").Last());
        Assert.Equal("", Render<RegisteredIdentity>(p => p.Add(c => c.Row, other!)).Markup.Trim());
    }

    private List<string> Certificates()
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPem(Pool.Get<AgentAuthority>().Published());
        return [.. all.Select(c => c.Thumbprint)];
    }

    protected override async ValueTask DisposeAsyncCore()
    {
        await base.DisposeAsyncCore();
        maker.Dispose();
    }
}
