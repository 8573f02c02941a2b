using Bunit;
using Microsoft.EntityFrameworkCore;
using Portal.Components.AttestationServices;
using Portal.Core.Attestation.Outside;
using Portal.Tests.Attestation.Outside;
using Portal.Tests.World;

namespace Portal.Tests.Components.AttestationServices;

public sealed class ServiceEditPageTests : ServicePageTest
{
    [Fact]
    public async Task Add_KeepsIt_AndOpensItsPage()
    {
        As(TrustedPool.Administrator);
        var page = Open<ServiceEditPage>("/settings/services/new");
        await FillAsync(page);

        Assert.Equal("CN=Test authority", Plain(page.Find(".certificate dd")));
        await page.Find("form").SubmitAsync();

        await using var db = Pool.Database();
        var server = await db.AttestationServers.SingleAsync(Pool.Ct);
        Assert.Equal(("kl", ServiceType.Keylime, "https://kl.example.com:8881", true), (server.Name, server.Type, server.Address, server.ChecksName));
        Assert.NotNull(server.ProtectedKey);
        Assert.EndsWith($"/settings/services/{server.Id}", Navigation.Uri, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("#service-name", "no spaces", "letters a to z")]
    [InlineData("#service-address", "http://kl", "The address is https")]
    [InlineData("#service-registrar", "", "needs the address of its registrar")]
    [InlineData("#service-authority", "nonsense", "certificates in PEM")]
    [InlineData("#service-key", "nonsense", "do not belong together")]
    [InlineData("#service-poll", "1", "every 2 seconds")]
    [InlineData("#service-timeout", "", "1 to 300 seconds")]
    public async Task Wrong_IsRefusedAtItsField_AndStaysAsTyped(string field, string typed, string said)
    {
        As(TrustedPool.Administrator);
        var page = Open<ServiceEditPage>("/settings/services/new");
        await FillAsync(page);
        await page.Find(field).InputAsync(typed);

        await page.Find("form").SubmitAsync();

        page.WaitForAssertion(() => Assert.Contains(Texts(page, ".form-notes .form-error"), error => error.Contains(said, StringComparison.Ordinal)));
        Assert.Equal("kl", field == "#service-name" ? "kl" : page.Find("#service-name").GetAttribute("value"));
        await using var db = Pool.Database();
        Assert.False(await db.AttestationServers.AnyAsync(Pool.Ct));
    }

    [Fact]
    public async Task Change_OfPace_IsSaved_AndOfTheNameCheck_IsProposed()
    {
        var id = await AddAsync();
        As(TrustedPool.Administrator);
        var page = Open<ServiceEditPage>($"/settings/services/{id}/edit", ("Id", id));
        Assert.Equal("", page.Find("#service-key").TextContent);
        Assert.Equal("Save", Plain(page.Find("button[type=submit]")));
        await page.Find("#service-poll").InputAsync("20");

        await page.Find("#service-names").ChangeAsync(false);
        Assert.Contains("So the name check waits until somebody else with the role administrator or security confirms it", Plain(page.Find(".where")), StringComparison.Ordinal);
        Assert.Equal("Propose it to a second person", Plain(page.Find("button[type=submit]")));
        await page.Find("form").SubmitAsync();

        var row = await Pool.Get<ServiceDirectory>().FindAsync(id, Pool.Ct);
        Assert.Equal((20, true, false), (row!.Server!.PollSeconds, row.Server.ChecksName, row.Proposal!.ChecksName));
        Assert.True(row.HasKey);
    }

    [Fact]
    public void WhoMayNot_CannotSubmit()
    {
        As(TrustedPool.Operator);
        var page = Open<ServiceEditPage>("/settings/services/new");

        Assert.NotNull(page.Find("[data-code='access.denied']"));
        Assert.True(page.Find("button[type=submit]").HasAttribute("disabled"));
    }

    private static async Task FillAsync(IRenderedComponent<ServiceEditPage> page)
    {
        await page.Find("#service-name").InputAsync("kl");
        await page.Find("#service-address").InputAsync("https://kl.example.com:8881");
        await page.Find("#service-registrar").InputAsync("https://kl.example.com:8891");
        await page.Find("#service-authority").InputAsync(TestCertificates.Authority);
        await page.Find("#service-certificate").InputAsync(TestCertificates.Client.Certificate);
        await page.Find("#service-key").InputAsync(TestCertificates.Client.PrivateKey);
    }
}
