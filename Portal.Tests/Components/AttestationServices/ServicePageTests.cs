using Bunit;
using Microsoft.EntityFrameworkCore;
using MudBlazor;
using Portal.Components.AttestationServices;
using Portal.Core.Access;
using Portal.Core.Attestation.Outside;
using Portal.Core.Inventory;
using Portal.Tests.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

public sealed class ServicePageTests : ServicePageTest
{
    [Fact]
    public async Task Section_ListsEveryService_WithHealthClustersAndWhatWaits()
    {
        var id = await AddAsync();
        await ProposeAddressAsync(id);
        As(TrustedPool.Auditor);

        var section = Render<ServicesSection>();

        Assert.Equal(["Built-in verifier", "keylime-a"], Texts(section, "tbody th a"));
        Assert.Equal("keylime-a Change waits for a second person Keylime https://keylime.example.com:8881 No cluster names it none", Plain(section.FindAll("tbody tr")[1]));
        Assert.Contains("prod-a", Texts(section, "tbody td a"));
        Assert.DoesNotContain("Add a service", Texts(section, "a"));
    }

    [Fact]
    public async Task Page_SaysHowItIsKnown_AndNeverTheKey_WithThePermanentNotice()
    {
        var id = await AddAsync();

        var page = Page(id);

        Assert.Contains("https://keylime.example.com:8891", Plain(page.Find(".service")), StringComparison.Ordinal);
        Assert.Equal(["CN=Test authority", "CN=portal"], page.FindAll(".certificate").Select(c => Plain(c.QuerySelector("dd")!)));
        Assert.DoesNotContain("PRIVATE KEY", page.Markup, StringComparison.Ordinal);
        Assert.Contains("Its private key is kept encrypted and is never shown.", page.Markup, StringComparison.Ordinal);
        Assert.Contains("measured_boot_evaluate = once", Plain(page.Find(".alert")), StringComparison.Ordinal);
        Assert.Equal("No cluster names it", Plain(page.Find("h1 .tag")));
    }

    [Fact]
    public void Page_OfTheVerifierOfOurOwn_HasNothingToChange()
    {
        var page = Page(ServiceSet.BuiltInId);

        Assert.StartsWith("Built-in verifier", Plain(page.Find("h1")), StringComparison.Ordinal);
        Assert.DoesNotContain("Change", Texts(page, "button, a"));
        Assert.Contains("2 of 2 enrolled", Plain(page.Find(".service-clusters")), StringComparison.Ordinal);
    }

    [Fact]
    public void Page_OfNoService_LeadsBack()
    {
        Assert.Equal("All services", Plain(Page(Guid.NewGuid()).Find(".empty a")));
    }

    [Fact]
    public async Task Health_OfAServerThatIsDown_SaysWhyAndWhatToDo_AndThatNothingMoves()
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id);
        await BindAsync(id, "kvm-a01", "there-1");
        await VerifyAsync(id);
        var page = Page(id);
        Assert.Equal("Answers", Plain(page.Find("h1 .tag")));

        Script.IsDown = true;
        await PollAsync(id);
        await PollAsync(id);

        await EventuallyAsync(page, () => Assert.Equal("Down", Plain(page.Find("h1 .tag"))));
        var alarm = Plain(page.Find(".service .alert.tone-bad"));
        Assert.StartsWith("Nothing listens where keylime-a should. Start it.", alarm, StringComparison.Ordinal);
        Assert.EndsWith("No virtual machine is moved because of it.", alarm, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Test_ShowsEveryStep_WithItsRemedy()
    {
        var id = await AddAsync();
        Script.IsDown = true;
        var page = Page(id);
        var dialogs = Render<MudDialogProvider>();

        var testing = Button(page, "Test connection").ClickAsync();

        dialogs.WaitForElement(".probe li");
        Assert.Equal(Enum.GetValues<ServerCheckStep>().Length, dialogs.FindAll(".probe li").Count);
        Assert.Equal("Port Wrong Nothing listens there. Start it.", Texts(dialogs, ".probe li").ElementAt(1));
        Assert.Equal("Question Not known Not reached.", Texts(dialogs, ".probe li").Last());
        await dialogs.FindAll("button").Single(b => Plain(b) == "Close").ClickAsync();
        await testing;
    }

    [Fact]
    public async Task Proposal_IsNotConfirmedByWhoMadeIt_ButByAnother_AndThenIsInForce()
    {
        var id = await AddAsync();
        await ProposeAddressAsync(id);
        var own = Page(id, TrustedPool.Author);
        Assert.DoesNotContain("Confirm", Texts(own, ".card-toned button"));
        Assert.Contains("Withdraw", Texts(own, ".card-toned button"));

        var page = Page(id, TrustedPool.Administrator);
        Assert.Equal("Address https://keylime.example.com:8881 https://elsewhere.example.com:8881", Plain(page.Find(".policy-changes tbody tr")));
        await ConfirmAsync(Render<MudDialogProvider>(), page, "Confirm", "Confirm");

        page.WaitForAssertion(() => Assert.Empty(page.FindAll(".card-toned")));
        Assert.Contains("at https://elsewhere.example.com:8881", Plain(page.Find(".sub")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Remove_AsksFirst_AndIsNotOfferedWhileAClusterNamesIt()
    {
        var (named, free) = (await AddAsync(), await AddAsync("keylime-b"));
        await NameBesideOursAsync(named);
        Assert.Contains("Remove… Clusters name it still: let them name other services first.", Texts(Page(named), "[role=menuitem][aria-disabled]"));
        var page = Page(free);

        await ConfirmAsync(Render<MudDialogProvider>(), page, "Remove…", "Remove");

        Assert.EndsWith("/settings#services", Navigation.Uri, StringComparison.Ordinal);
        Assert.Null(await Pool.Get<ServiceDirectory>().FindAsync(free, Pool.Ct));
    }

    [Fact]
    public async Task Publication_ThatDrifted_IsSaid_AndPublishedAgainFromHere()
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id, PolicyKeeper.Portal);
        await using (var db = Pool.Database())
        {
            var cluster = await db.Clusters.SingleAsync(c => c.Id == Pool.Cluster, Pool.Ct);
            db.Publications.Add(new Publication
            {
                ClusterId = cluster.Id,
                ServerId = id,
                State = PublicationState.Drifted,
                PolicyRevision = cluster.PolicyRevision,
                Sentence = "A policy is not what was written.",
                Remedy = "Find out who changed it, then publish again.",
                CheckedAt = Pool.Time.GetUtcNow(),
            });
            await db.SaveChangesAsync(Pool.Ct);
        }

        var page = Page(id);
        var said = Plain(page.Find(".publication"));
        Assert.StartsWith("Changed behind our back", said, StringComparison.Ordinal);
        Assert.Contains("Find out who changed it, then publish again.", said, StringComparison.Ordinal);

        await Button(page, "Publish again").ClickAsync();

        Assert.Contains("?operation=", Navigation.Uri, StringComparison.Ordinal);
        await RunOperationsAsync();
        Assert.NotEmpty(Script.Policies);
    }

    [Fact]
    public async Task WhoMayNot_SeesItAll_AndHasNoButtons()
    {
        var id = await AddAsync();
        await NameBesideOursAsync(id);
        Script["kvm-a01"] = Doing.Well;

        var page = Page(id, TrustedPool.Auditor);

        page.WaitForElement(".attesters");
        // Who may only read may have it read again, and nothing more.
        page.WaitForAssertion(() => Assert.Equal(["Ask again", "Ask for its policies again"], page.FindAll("button:not([data-copy])").Select(Plain)));
    }

    private IRenderedComponent<ServicePage> Page(Guid id, Caller? caller = null)
    {
        As(caller ?? TrustedPool.Administrator);
        return Open<ServicePage>($"/settings/services/{id}", ("Id", id));
    }

    private async Task ProposeAddressAsync(Guid id) =>
        TrustedPool.Expect(await Pool.Get<EditServer>().ExecuteAsync(TrustedPool.Author, new(id, 1, ServedPool.Words("keylime-a", "https://elsewhere.example.com:8881")), Pool.Ct));
}
