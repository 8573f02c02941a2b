using System.Net;
using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Enrolment;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Attestation.BuiltIn.Bootstrap;
using Portal.Core.Operations;
using Portal.Tests.World;

namespace Portal.Tests.Components.Enrolment;

public sealed class AddHostTests : PoolPageTest
{
    private RegistrarFace face = new("10.1.0.5", 8890, 8891, Enabled: true);

    public override ValueTask InitializeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task WhoMayNotManageHosts_ReadsWhoMay()
    {
        var page = await PageAsync(TrustedPool.Author);

        Assert.Contains("You may not add hosts", Plain(page.Find(".alert")), StringComparison.Ordinal);
        Assert.Empty(page.FindAll("input, button"));
    }

    [Fact]
    public async Task APortalThatTakesNoRegistrations_SaysWhatEnablesIt()
    {
        face = RegistrarFace.None;

        var page = await PageAsync(TrustedPool.Administrator);

        Assert.NotNull(page.Find("[data-code='bootstrap.registrar.off']"));
    }

    [Fact]
    public async Task ByHand_ShowsTheScriptsHash_AndATicketOnce()
    {
        var page = await PageAsync(TrustedPool.Administrator);
        await page.FindAll("input[type=radio]")[1].ChangeAsync(new() { Value = "on" });

        var script = TrustedPool.Expect(await Pool.Get<HostScripts>().MakeAsync(TrustedPool.Administrator, new(), Pool.Ct));
        Assert.Equal(script.Sha256, page.Find(".by-hand [data-copy]").GetAttribute("data-copy"));
        Assert.True(Button(page, "Make a ticket").HasAttribute("disabled"));
        await page.Find("#host-name").InputAsync("kvm-07");
        await Button(page, "Make a ticket").ClickAsync();

        Assert.Contains("Ticket for kvm-07, shown this once:", Plain(page.Find(".by-hand")), StringComparison.Ordinal);
        var ticket = page.FindAll(".by-hand [data-copy]")[2].GetAttribute("data-copy")!;
        TrustedPool.Expect(await Pool.Get<EnrolmentTickets>().TakeAsync(ticket, new string('a', 64), "10.0.0.7", Pool.Ct));

        // It is for one host: another name takes it away.
        await page.Find("#host-name").InputAsync("kvm-08");
        Assert.DoesNotContain(ticket, page.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AWrongName_IsRefusedInWords()
    {
        var page = await PageAsync(TrustedPool.Administrator);
        await page.FindAll("input[type=radio]")[1].ChangeAsync(new() { Value = "on" });
        await page.Find("#host-name").InputAsync("kvm 07");
        await Button(page, "Make a ticket").ClickAsync();

        Assert.NotNull(page.Find("[data-code='host.name.characters']"));
    }

    [Fact]
    public async Task OverSsh_AsksForNothingSecret_BeforeTheKeyIsShown()
    {
        var page = await PageAsync(TrustedPool.Administrator);
        await page.Find("#ssh-address").InputAsync("192.0.2.7");
        Assert.Empty(page.FindAll("input[type=password]"));

        await Button(page, "Show its host key").ClickAsync();

        page.WaitForElement("[data-code='ssh.network']");
        Assert.Empty(page.FindAll("input[type=password]"));
    }

    [Fact]
    public async Task APreparation_IsFoundAgainByItsAddress_WithItsStepsAndItsEnd()
    {
        var page = await PageAsync(TrustedPool.Administrator);
        var request = new PreparationRequest(PreparationMode.Prepare, "kvm-07", Pool.Cluster, "127.0.0.1", 1, "AAAA", []);
        var id = TrustedPool.Expect(await Pool.Get<PrepareHost>().StartAsync(TrustedPool.Administrator, request, new SshCredentials("root", "secret1"), Pool.Ct));

        Navigation.NavigateTo($"/hosts/add?operation={id}");
        page.WaitForAssertion(() => Assert.Equal(3, page.FindAll(".step").Count));
        await Pool.RunAsync(id);

        await EventuallyAsync(page, () => Assert.NotNull(page.Find("[data-code='ssh.unreachable']")));
        await using var db = Pool.Database();
        var row = await db.Operations.SingleAsync(o => o.Id == id, Pool.Ct);
        Assert.DoesNotContain("secret1", row.Data + row.Steps + row.Failure + row.Title, StringComparison.Ordinal);
        Assert.Null(Pool.Get<IPreparationsUnderWay>().Lines(id));
    }

    [Fact]
    public async Task AnotherOperation_IsNoPreparation()
    {
        var page = await PageAsync(TrustedPool.Administrator);

        Navigation.NavigateTo($"/hosts/add?operation={Guid.NewGuid()}");

        page.WaitForAssertion(() => Assert.Contains("This preparation is not known any more", page.Markup, StringComparison.Ordinal));
    }

    private async Task<IRenderedComponent<AddHost>> PageAsync(Caller caller)
    {
        await StartPoolAsync(1, approve: false, enrol: false, more: s => s.AddAgentRegistration([IPNetwork.Parse("127.0.0.0/8")], face));
        Services.AddSingleton(Pool.Get<RegistrarFace>());
        Services.AddSingleton(Pool.Get<EnrolmentTickets>());
        Services.AddSingleton(Pool.Get<HostScripts>());
        Services.AddSingleton(Pool.Get<PrepareHost>());
        Services.AddSingleton(Pool.Get<PreparationOutput>());
        As(caller);
        return Open<AddHost>("/hosts/add");
    }
}
