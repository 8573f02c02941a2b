using System.Security.Claims;
using Bunit;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;
using Microsoft.Extensions.DependencyInjection;
using Portal.Components.Baselines;
using Portal.Core.Access;
using Portal.Core.Baselines;
using Portal.Core.Inventory;
using Portal.Identity;
using Portal.Tests.Components;
using Portal.Tests.World;

namespace Portal.Tests.Identity;

/// <summary>What a page that is open may still do, and shows, once its session is over.</summary>
public sealed class SessionTests : PoolPageTest
{
    private const string Id = "5e55";

    private Sessions Sessions => Pool.Get<Sessions>();

    private DateTimeOffset Ends => Pool.Time.GetUtcNow() + TimeSpan.FromHours(10);

    [Fact]
    public async Task CommandOfAnOpenPage_AfterSignOutInAnotherTab_IsRefused_AndNothingIsDone()
    {
        var draft = await DraftAsync();
        As(TrustedPool.Author with { Session = Sessions.Of(Id, Ends) });
        var page = Open<BaselinePage>($"/baselines/{draft.BaselineId}", p => p.Add(b => b.Id, draft.BaselineId));
        var submit = Button(page, "Submit for review");

        await Sessions.EndAsync(Id, Ends, Pool.Ct);
        await submit.ClickAsync();

        page.WaitForElement("[data-code='access.session_over']");
        Assert.Equal(RevisionState.Draft, TrustedPool.Expect(await Pool.Get<BaselineDirectory>().ReadRevisionAsync(TrustedPool.Auditor, draft.RevisionId, Pool.Ct)).Revision.State);
        Assert.Contains("access.session_over: The session of sam is over", await Pool.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_WhenTheSessionsTimeIsUp_IsRefusedAtThatMoment()
    {
        var draft = await DraftAsync();
        var author = TrustedPool.Author with { Session = Sessions.Of(Id, Pool.Time.GetUtcNow() + TimeSpan.FromSeconds(1)) };
        Pool.Time.Advance(TimeSpan.FromSeconds(1));

        var outcome = await Pool.Get<SubmitRevision>().ExecuteAsync(author, new(draft.RevisionId), Pool.Ct);

        Assert.Equal("access.session_over", outcome.Refusal?.Code);
    }

    [Fact]
    public async Task OpenPage_AfterSignOutInAnotherTab_IsNobodysAtOnce()
    {
        using var services = Web();
        using var state = new SessionState(services.GetRequiredService<Microsoft.Extensions.Logging.ILoggerFactory>(), services);
        ((IHostEnvironmentAuthenticationStateProvider)state).SetAuthenticationState(Task.FromResult(new AuthenticationState(Somebody(Id))));
        Assert.NotNull((await state.GetAuthenticationStateAsync()).User.ToCaller());

        await Sessions.EndAsync("another", Ends, Pool.Ct);
        Assert.NotNull((await state.GetAuthenticationStateAsync()).User.ToCaller());
        await Sessions.EndAsync(Id, Ends, Pool.Ct);

        Assert.Null((await state.GetAuthenticationStateAsync()).User.ToCaller());
    }

    [Fact]
    public async Task OpenPage_WhenTheSessionsTimeIsUp_IsNobodysAtThatMoment()
    {
        using var services = Web();
        using var state = new SessionState(services.GetRequiredService<Microsoft.Extensions.Logging.ILoggerFactory>(), services);
        ((IHostEnvironmentAuthenticationStateProvider)state).SetAuthenticationState(Task.FromResult(new AuthenticationState(Somebody(Id))));

        Pool.Time.Advance(TimeSpan.FromHours(10));

        Assert.Null((await state.GetAuthenticationStateAsync()).User.ToCaller());
    }

    [Fact]
    public async Task SessionEndedByAnotherProcess_IsOverHereToo_UntilItWouldHaveEndedAnyway()
    {
        using var services = Web();
        var elsewhere = ActivatorUtilities.CreateInstance<Sessions>(services);
        await elsewhere.EndAsync(Id, Ends, Pool.Ct);

        Assert.True(await PortalSignIn.SessionIsOverAsync(Somebody(Id), services, Pool.Ct));
        Assert.False(await PortalSignIn.SessionIsOverAsync(Somebody("another"), services, Pool.Ct));
        Pool.Time.Advance(TimeSpan.FromHours(10));
        await Sessions.EndAsync("another", Ends, Pool.Ct);
        await using var db = Pool.Database();
        Assert.Equal("another", Assert.Single(db.EndedSessions).Id);
    }

    [Fact]
    public async Task CookieWithoutASession_IsOver()
    {
        using var services = Web();

        Assert.True(await PortalSignIn.SessionIsOverAsync(CallerClaims.Of(TrustedPool.Author.Person, [Role.Security], "test"), services, Pool.Ct));
    }

    private ServiceProvider Web() => new ServiceCollection()
        .AddLogging()
        .AddSingleton<TimeProvider>(Pool.Time)
        .AddSingleton(Sessions)
        .AddSingleton(Pool.Get<Microsoft.EntityFrameworkCore.IDbContextFactory<Core.Storage.PortalDbContext>>())
        .BuildServiceProvider();

    private ClaimsPrincipal Somebody(string session)
    {
        var principal = CallerClaims.Of(TrustedPool.Author.Person, [Role.Security], "test");
        var ends = Ends.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        ((ClaimsIdentity)principal.Identity!).AddClaims([new Claim(CallerClaims.Session, session), new Claim(CallerClaims.SessionEnds, ends)]);
        return principal;
    }

    private async Task<RevisionStanding> DraftAsync() => TrustedPool.Expect(await Pool.Get<CreateBaseline>().ExecuteAsync(
        TrustedPool.Author, new("lab hosts", BaselineKinds.Hypervisor, "", new BaselineContent(PcrBanks.Sha256, [new PcrReference(4, [new string('a', 64)], [])], [], "")), Pool.Ct));
}
