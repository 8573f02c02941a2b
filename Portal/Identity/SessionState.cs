using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;

namespace Portal.Identity;

/// <summary>Ends the session of a page that stays open when the session itself is over.</summary>
/// <param name="logs">Logs.</param>
/// <param name="time">The clock.</param>
internal sealed class SessionState(ILoggerFactory logs, TimeProvider time) : RevalidatingServerAuthenticationStateProvider(logs)
{
    protected override TimeSpan RevalidationInterval => TimeSpan.FromMinutes(1);

    protected override Task<bool> ValidateAuthenticationStateAsync(AuthenticationState authenticationState, CancellationToken cancellationToken) =>
        Task.FromResult(!PortalSignIn.SessionIsOver(authenticationState.User, time.GetUtcNow()));
}
