using System.Security.Claims;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;
using Portal.Core.Access;

namespace Portal.Identity;

/// <summary>
/// Ends what a page that stays open shows when its session is over: at once when its person signs out in this process or the session's time is
/// up, within a minute when they signed out elsewhere. Commands need not wait for it: the core refuses them as soon as the session is over.
/// </summary>
internal sealed class SessionState : RevalidatingServerAuthenticationStateProvider
{
    private readonly IServiceProvider services;
    private CancellationTokenRegistration ending;

    public SessionState(ILoggerFactory logs, IServiceProvider services)
        : base(logs)
    {
        this.services = services;
        AuthenticationStateChanged += Follow;
    }

    protected override TimeSpan RevalidationInterval => TimeSpan.FromMinutes(1);

    protected override async Task<bool> ValidateAuthenticationStateAsync(AuthenticationState authenticationState, CancellationToken cancellationToken) =>
        !await PortalSignIn.SessionIsOverAsync(authenticationState.User, services, cancellationToken);

    protected override void Dispose(bool disposing)
    {
        AuthenticationStateChanged -= Follow;
        ending.Dispose();
        base.Dispose(disposing);
    }

    private void Follow(Task<AuthenticationState> state)
    {
        ending.Dispose();
        if (state is { IsCompletedSuccessfully: true, Result.User: var user } && user.ToSession() is var (id, ends))
        {
            ending = services.GetRequiredService<Sessions>().Of(id, ends).Ended.Register(SignOut);
        }
    }

    private void SignOut() => SetAuthenticationState(Task.FromResult(new AuthenticationState(new ClaimsPrincipal(new ClaimsIdentity()))));
}
