using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Portal.Components.Activity;
using Portal.Components.Settings;
using Portal.Core.Access;
using Portal.Core.Simulation;
using Portal.Profiles;
using Portal.Tests.World;

namespace Portal.Tests.Components.Settings;

public sealed class SettingsPageTests : PoolPageTest
{
    [Fact]
    public void Sections_AreAllThere_EachReachedFromTheSide()
    {
        var page = Page();

        Assert.Equal(["You", "This portal", "People and roles", "Attestation", "Storage", "Telemetry", "Simulation", "About"], Texts(page, ".settings-nav a"));
        Assert.Equal(page.FindAll(".settings-nav a").Select(a => a.GetAttribute("href")), page.FindAll(".settings-section").Select(s => $"settings#{s.Id}"));
    }

    [Fact]
    public void ProductionPortal_HasNoSimulationAndNamesNoDemoUsers()
    {
        var page = Page(isDemo: false);

        Assert.DoesNotContain("Simulation", Texts(page, ".settings-nav a"));
        Assert.DoesNotContain("admin@internal", page.Markup, StringComparison.Ordinal);
        Assert.Contains("https://idp.example, as client portal", Plain(page.Find("#portal")), StringComparison.Ordinal);
        Assert.Contains("groups", Plain(page.Find("#people")), StringComparison.Ordinal);
    }

    [Fact]
    public void Roles_MayWhatTheCoreLetsThem_CellByCell()
    {
        var page = Page();

        var roles = Enum.GetValues<Role>();
        var rows = page.FindAll(".matrix tbody tr");
        Assert.Equal(Enum.GetValues<Permission>().Length, rows.Count);
        foreach (var (row, permission) in rows.Zip(Enum.GetValues<Permission>()))
        {
            Assert.Equal(roles.Select(r => Permissions.Of(r).Contains(permission) ? "yes" : "no"), row.QuerySelectorAll("td .sr-only").Select(Plain));
        }
    }

    [Fact]
    public async Task You_AreSaidWithWhatYouMay_AndTheLinkShowsWhatYouDid()
    {
        var you = Caller.With(new Person("https://idp.example", "3f2b7c", "Grace Hopper"), Role.Administrator);
        TrustedPool.Expect(await Pool.Get<SimulatedHostActions>().GoSilentAsync(you, (await Pool.HostAsync("kvm-a01")).Id, Pool.Ct));
        var page = Page(you);

        Assert.Contains("Grace Hopper", Plain(page.Find("#you")), StringComparison.Ordinal);
        Assert.Equal(Enum.GetValues<Permission>().Count(you.May), page.FindAll("#you .sentences li").Count);
        var activity = Open<ActivityPage>("/" + page.FindAll("#you a").Single(a => Plain(a) == "in Activity").GetAttribute("href"));
        activity.WaitForAssertion(() => Assert.Contains("went silent", Plain(Assert.Single(activity.FindAll("tbody tr"))), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Attestation_CountsHostsThatDoNotAnswer_AndLeadsToThem()
    {
        TrustedPool.Expect(await Pool.Get<SimulatedHostActions>().GoSilentAsync(TrustedPool.Administrator, (await Pool.HostAsync("kvm-a02")).Id, Pool.Ct));
        Pool.Time.Advance(TimeSpan.FromSeconds(1));
        await Pool.AttestAsync("kvm-a02");

        var page = Page();

        Assert.Equal("1 host does not answer", Plain(page.WaitForElement("#attestation a[href='hosts?q=silent%3Dyes']")));
        Assert.Contains("prod-a", Texts(page, "#attestation tbody a"));
    }

    [Fact]
    public void Telemetry_SaysWhatIsNotReady()
    {
        Services.AddLogging().AddHealthChecks().AddCheck("database", () => HealthCheckResult.Unhealthy("gone"));

        var page = Page();

        page.WaitForAssertion(() => Assert.Contains("No database: unhealthy", Plain(page.Find("#telemetry")), StringComparison.Ordinal));
    }

    private IRenderedComponent<SettingsPage> Page(Caller? caller = null, bool isDemo = true)
    {
        Services.AddLogging().AddHealthChecks();
        Services.AddSingleton(new PortalProfile
        {
            Kind = isDemo ? ProfileKind.Demo : ProfileKind.Production,
            ConnectionString = $"Data Source={Pool.DatabaseFile}",
            Identity = isDemo ? null : new IdentitySettings { Authority = "https://idp.example", ClientId = "portal", RolesClaim = "groups" },
            Simulation = new SimulationSettings(),
            DataProtection = new DataProtectionSettings(),
        });
        Services.AddSettingsPages(isDemo);
        As(caller ?? TrustedPool.Auditor);
        return Open<SettingsPage>("/settings");
    }
}
