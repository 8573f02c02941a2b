using Bunit;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Components.Enrolment;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Agents;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Attestation.BuiltIn.Registration;
using Portal.Extensions;
using Portal.Profiles;
using Portal.Tests.Attestation.Registration;
using Portal.Tests.Tpm;
using Portal.Tests.World;

namespace Portal.Tests.Components.Enrolment;

public sealed class EnrolmentPageTests : PoolPageTest
{
    private readonly TpmMaker maker = new();
    private readonly List<RegisteringHost> hosts = [];

    public override async ValueTask InitializeAsync()
    {
        await StartPoolAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([]));
        Services.AddSingleton(Pool.Get<RegistrationDirectory>());
        Services.AddSingleton(Pool.Get<AttesterMatches>());
        Services.AddSingleton(Pool.Get<AcceptAttester>());
        Services.AddSingleton(Pool.Get<DismissAttester>());
        Services.AddSingleton(Pool.Get<EnrolRegistered>());
        Services.AddSingleton(Pool.Get<AgentProbe>());
        Services.AddSingleton(Pool.Get<EnrolmentTickets>());
        Services.AddSingleton(Pool.Get<RegistrarFace>());
    }

    [Fact]
    public void NobodyRegistered_SaysWhichSettingsEnableIt()
    {
        var page = Page(TrustedPool.Administrator);

        Assert.Equal("This portal takes no registrations", page.Find(".empty-title").TextContent);
        Assert.Contains("Portal:Registrar:Enabled", Texts(page, "dt"));
    }

    [Fact]
    public void NobodyRegistered_WithTheRegistrarOn_SaysStepByStepHowAnAgentGetsHere()
    {
        var settings = new RegistrarSettings { Enabled = true, Address = "10.1.0.5", HttpPort = 18890 };
        settings.Networks.Add("10.1.0.0/16");
        Services.AddSingleton(new PortalProfile
        {
            Kind = ProfileKind.Demo,
            ConnectionString = "Data Source=portal.db",
            Identity = null,
            Simulation = new SimulationSettings(),
            DataProtection = new DataProtectionSettings(),
            Registrar = settings,
        });

        var page = Page(TrustedPool.Auditor);

        Assert.Equal(4, page.FindAll(".steps-how > li").Count);
        Assert.Contains("registrar_ip = \"10.1.0.5\"\nregistrar_port = 18890\n", page.Find(".config").TextContent.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Equal("/agents/authority.pem", page.Find(".steps-how a").GetAttribute("href"));
        Assert.Empty(page.FindAll(".alert"));
    }

    [Fact]
    public async Task Waiting_SaysWhatIsKnown_AndWhatItWaitsFor_AsItComes()
    {
        var page = Page(TrustedPool.Administrator);
        var host = await RegisterAsync("3f7c");

        await EventuallyAsync(page, () => page.Find(".enrolment tbody tr"));

        var row = Plain(page.Find(".enrolment tbody tr"));
        Assert.Contains("3f7c 10.0.0.7:9002, seen from 10.0.0.7", row, StringComparison.Ordinal);
        Assert.Contains("No certificate", row, StringComparison.Ordinal);
        Assert.Contains("two people to accept its endorsement key", row, StringComparison.Ordinal);
        Assert.Equal(host.EndorsementHash, page.Find(".enrolment tbody [data-copy]").GetAttribute("data-copy"));
        Assert.True(page.Find(".enrolment td.choose input").HasAttribute("disabled"));
        Assert.Equal(["Check", "Refuse", "Remove"], Texts(page, ".enrolment [role=menuitem]"));
    }

    [Fact]
    public async Task Accept_ShowsTheWholeHash_AndTheSecondTimeTheCoresSentence()
    {
        var host = await RegisterAsync("3f7c");
        var (page, dialogs) = PageWithDialogs(TrustedPool.Administrator);

        var accepted = Button(page, "Accept").ClickAsync();
        dialogs.WaitForElement(".hash-groups");
        Assert.Equal(host.EndorsementHash, string.Concat(dialogs.Find(".hash-groups").TextContent.Where(char.IsAsciiHexDigit)));
        await dialogs.FindAll("button").Single(b => Plain(b) == "I compared it: accept").ClickAsync();
        await accepted;
        page.WaitForAssertion(() => Assert.Contains("a second person to accept its endorsement key accepted by ada", Plain(page.Find(".enrolment tbody tr")), StringComparison.Ordinal));

        var again = Button(page, "Accept").ClickAsync();
        dialogs.WaitForElement(".hash-groups");
        Assert.Contains("Accepted by ada.", Plain(dialogs.Find(".mud-dialog-content")), StringComparison.Ordinal);
        await dialogs.FindAll("button").Single(b => Plain(b) == "I compared it: accept").ClickAsync();
        dialogs.WaitForElement("[data-code='attester.accept.own']");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Cancel").ClickAsync();
        await again;
    }

    [Fact]
    public async Task Incident_IsLoudAndFirst()
    {
        await BelieveAsync();
        await RegisterAsync("3f7c", certified: true);
        using var stranger = new RegisteringHost("3f7c") { SeenFrom = "10.9.9.9" };
        Assert.Equal("registration.incident", (await stranger.RegisterAsync(Pool.Get<Registrar>())).Refusal?.Code);

        var page = Page(TrustedPool.Auditor);

        var card = page.WaitForElement(".card-toned.tone-bad");
        Assert.Equal("Security incident: 3f7c", card.QuerySelector("h2")!.TextContent);
        Assert.Contains("It proved the key of another TPM under the name 3f7c", Plain(card), StringComparison.Ordinal);
        Assert.Contains("10.9.9.9", Plain(card), StringComparison.Ordinal);
        Assert.True(page.Markup.IndexOf("incident", StringComparison.Ordinal) < page.Markup.IndexOf("enrolment\"", StringComparison.Ordinal));
        Assert.Empty(card.QuerySelectorAll("button:not([data-copy])"));
    }

    [Fact]
    public async Task WhoMayNothing_ReadsWhoMay()
    {
        await RegisterAsync("3f7c");

        var page = Page(TrustedPool.Auditor);

        page.WaitForElement(".enrolment tbody tr");
        Assert.Empty(page.FindAll("main button:not([data-copy]), .enrolment button:not([data-copy]), .enrolment input, .page-head button"));
        Assert.Contains("Somebody with the role administrator or security accepts endorsement keys; an administrator enrols.", Texts(page, ".why"));
    }

    [Fact]
    public async Task Security_Accepts_ButEnrolsNothing()
    {
        await RegisterAsync("3f7c");

        var page = Page(TrustedPool.Author);

        page.WaitForElement(".enrolment tbody tr");
        Assert.Equal(["Accept"], Texts(page, ".enrolment button:not([data-copy])"));
    }

    [Fact]
    public async Task Several_AreEnrolledAtOnce_EachResultInWords()
    {
        await BelieveAsync();
        await RegisterAsync("kvm-r1", certified: true);
        await RegisterAsync("kvm-r2", certified: true);
        await RegisterAsync("kvm-r3");
        var (page, dialogs) = PageWithDialogs(TrustedPool.Administrator);

        page.WaitForElement(".enrolment tbody tr");
        await page.Find(".enrolment th.choose input").ChangeAsync(true);
        var enrolling = Button(page, "Enrol 2 selected").ClickAsync();
        dialogs.WaitForElement("#enrol-cluster");
        await dialogs.FindAll("input[type=text]").Single(i => i.GetAttribute("value") == "kvm-r2").InputAsync("not a name");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Enrol 2").ClickAsync();

        dialogs.WaitForAssertion(() => Assert.Equal("1 of 2 enrolled; 1 could not be.", Plain(dialogs.Find(".enrol-said"))));
        Assert.Equal("Enrolled kvm-r1 vouches for kvm-r1.", Plain(dialogs.Find(".enrol-result")));
        Assert.Contains("A name has letters", Plain(dialogs.Find(".form-error")), StringComparison.Ordinal);
        await dialogs.Find("input[type=text]").InputAsync("kvm-second");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Try 1 again").ClickAsync();
        dialogs.WaitForAssertion(() => Assert.Equal("2 of 2 enrolled.", Plain(dialogs.Find(".enrol-said"))));
        await dialogs.FindAll("button").Single(b => Plain(b) == "Close").ClickAsync();
        await enrolling;

        page.WaitForAssertion(() => Assert.Equal(["kvm-r1", "kvm-second"], Texts(page, ".enrolment td[data-label=Host] a").Order(StringComparer.Ordinal)));
        Assert.Single(page.FindAll(".enrolment[aria-label='Waiting registrations'] tbody tr"));
    }

    [Fact]
    public async Task Refuse_AsksFirst_AndSaysWhoRefused()
    {
        await RegisterAsync("3f7c");
        var (page, dialogs) = PageWithDialogs(TrustedPool.Administrator);

        page.WaitForElement(".enrolment tbody tr");
        var refusing = page.FindAll("[role=menuitem]").Single(b => Plain(b) == "Refuse").ClickAsync();
        dialogs.WaitForElement(".confirm-text");
        await dialogs.FindAll("button").Single(b => Plain(b) == "Refuse").ClickAsync();
        await refusing;

        page.WaitForAssertion(() => Assert.Equal("Refused by ada.", Plain(page.Find("td[data-label=Why]"))));
    }

    [Fact]
    public async Task Check_SaysEachStepInWords()
    {
        await RegisterAsync("3f7c");
        var (page, dialogs) = PageWithDialogs(TrustedPool.Administrator);

        page.WaitForElement(".enrolment tbody tr");
        var checking = page.FindAll("[role=menuitem]").Single(b => Plain(b) == "Check").ClickAsync();

        dialogs.WaitForAssertion(() => Assert.Equal(7, dialogs.FindAll(".probe li").Count));
        Assert.StartsWith("Network Wrong No network is listed, so the portal connects to no agent.", Texts(dialogs, ".probe li").ElementAt(1), StringComparison.Ordinal);
        Assert.Equal("Clock Not known Not reached.", Texts(dialogs, ".probe li").Last());
        await dialogs.FindAll("button").Single(b => Plain(b) == "Close").ClickAsync();
        await checking;
    }

    [Fact]
    public async Task ATicket_IsListedUntilItIsUsed_ThenTheRegistrationSaysWhoItIs()
    {
        var tickets = Pool.Get<EnrolmentTickets>();
        var made = TrustedPool.Expect(await tickets.CreateAsync(TrustedPool.Administrator, new("kvm-07", Pool.Cluster), EnrolmentTickets.Lifetime, Pool.Ct));
        TrustedPool.Expect(await tickets.CreateAsync(TrustedPool.Administrator, new("kvm-08", Pool.Cluster), EnrolmentTickets.Lifetime, Pool.Ct));
        var page = Page(TrustedPool.Administrator);
        Assert.Equal(["kvm-08", "kvm-07"], Texts(page, "[aria-label='Expected hosts'] tbody th"));

        var host = await RegisterAsync("3f7c");
        TrustedPool.Expect(await tickets.TakeAsync(made.Ticket, host.EndorsementHash, "10.0.0.7", Pool.Ct));
        await EventuallyAsync(page, () => Assert.Equal(["kvm-08"], Texts(page, "[aria-label='Expected hosts'] tbody th")));
        await EventuallyAsync(page, () => Assert.Equal("Expected as kvm-07 in " + Plain(page.Find("[aria-label='Expected hosts'] td")) + ", by a ticket of ada", Plain(page.Find("[aria-label='Waiting registrations'] .expected"))));
        Assert.Contains("two people to accept its endorsement key", Plain(page.Find("[aria-label='Waiting registrations'] tbody tr")), StringComparison.Ordinal);

        await page.Find("[aria-label='Withdraw the ticket for kvm-08']").ClickAsync();
        Assert.Empty(page.FindAll("[aria-label='Expected hosts']"));
    }

    [Fact]
    public async Task Overview_AndHosts_LeadHere_WithHowManyWait()
    {
        Services.AddEnrolmentFeature();
        var source = Assert.Single(Services.GetServices<AttentionSource>());
        Assert.Empty(await source.Find(Services, TrustedPool.Auditor, Pool.Ct));
        await RegisterAsync("3f7c");
        using var stranger = new RegisteringHost("3f7c");
        await stranger.RegisterAsync(Pool.Get<Registrar>());

        var lines = await source.Find(Services, TrustedPool.Auditor, Pool.Ct);
        var link = Render<WaitingAttesters>();

        Assert.Equal(["A TPM registered under another's name", "1 host waits to be enrolled"], lines.Select(l => l.What));
        Assert.All(lines, l => Assert.Equal("/hosts/enrolment", l.Href));
        Assert.Equal("1 incident and 1 waits to be enrolled", Plain(link.Find("a[href='/hosts/enrolment']")));
    }

    private IRenderedComponent<EnrolmentPage> Page(Caller caller)
    {
        As(caller);
        return Open<EnrolmentPage>("/hosts/enrolment");
    }

    private (IRenderedComponent<EnrolmentPage> Page, IRenderedComponent<MudDialogProvider> Dialogs) PageWithDialogs(Caller caller)
    {
        As(caller);
        var dialogs = Render<MudDialogProvider>();
        return (Open<EnrolmentPage>("/hosts/enrolment"), dialogs);
    }

    private async Task<RegisteringHost> RegisterAsync(string id, bool certified = false)
    {
        var host = new RegisteringHost(id);
        hosts.Add(host);
        host.Certificate = certified ? maker.Certify(host.CertifiedKey) : null;
        TrustedPool.Expect(await host.RegisterAsync(Pool.Get<Registrar>()));
        return host;
    }

    private async Task BelieveAsync()
    {
        var root = TrustedPool.Expect(await Pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.RootPem, Pool.Ct));
        TrustedPool.Expect(await Pool.Get<VendorRoots>().AddAsync(TrustedPool.Author, maker.IssuerPem, Pool.Ct));
        TrustedPool.Expect(await Pool.Get<VendorRoots>().ConfirmAsync(TrustedPool.Approver, root.Id, Pool.Ct));
    }

    protected override async ValueTask DisposeAsyncCore()
    {
        await base.DisposeAsyncCore();
        hosts.ForEach(h => h.Dispose());
        maker.Dispose();
    }
}
