using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Portal.Profiles;

namespace Portal.Identity;

/// <summary>How people sign in: OpenID Connect (authorization code, PKCE) into a cookie, the same in Demo and Production.</summary>
internal static class PortalSignIn
{
    public const string Cookie = CookieAuthenticationDefaults.AuthenticationScheme;
    public const string Provider = OpenIdConnectDefaults.AuthenticationScheme;

    private static readonly TimeSpan SessionLength = TimeSpan.FromHours(10);
    private static readonly TimeSpan IdleLength = TimeSpan.FromHours(2);

    public static void Configure(CookieAuthenticationOptions options, PortalProfile profile)
    {
        options.Cookie.Name = profile.IsDemo ? "portal" : "__Host-portal";
        options.Cookie.HttpOnly = true;
        options.Cookie.SameSite = SameSiteMode.Lax;
        options.Cookie.SecurePolicy = SecurePolicy(profile);
        options.ExpireTimeSpan = IdleLength;
        options.SlidingExpiration = true;
        options.AccessDeniedPath = "/access-denied";
        options.Events.OnValidatePrincipal = context =>
        {
            var now = context.HttpContext.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
            if (SessionIsOver(context.Principal, now))
            {
                context.RejectPrincipal();
            }

            return Task.CompletedTask;
        };
    }

    public static void Configure(OpenIdConnectOptions options, PortalProfile profile, IdentitySettings settings)
    {
        options.SignInScheme = Cookie;
        options.ClientId = settings.ClientId;
        options.ClientSecret = settings.ClientSecret.Length > 0 ? settings.ClientSecret : null;
        options.Authority = settings.Authority;
        options.ResponseType = OpenIdConnectResponseType.Code;
        options.ResponseMode = OpenIdConnectResponseMode.Query;
        options.UsePkce = true;
        options.MapInboundClaims = false;
        options.GetClaimsFromUserInfoEndpoint = true;
        options.CallbackPath = "/signed-in";
        options.SignedOutCallbackPath = "/signed-out-callback";
        options.SignedOutRedirectUri = "/signed-out";
        options.RemoteSignOutPath = "/signed-out-remotely";
        options.Scope.Clear();
        foreach (var scope in settings.Scopes.Prepend("profile").Prepend("openid").Distinct(StringComparer.Ordinal))
        {
            options.Scope.Add(scope);
        }

        // The issuer is half of who a person is; userinfo claims vanish unless mapped.
        options.ClaimActions.Remove("iss");
        foreach (var claim in new[] { settings.RolesClaim, settings.NameClaim }.Distinct(StringComparer.Ordinal))
        {
            options.ClaimActions.MapJsonKey(claim, claim);
        }

        options.TokenValidationParameters.NameClaimType = CallerClaims.Name;
        options.TokenValidationParameters.RoleClaimType = CallerClaims.Role;
        foreach (var cookie in new[] { options.NonceCookie, options.CorrelationCookie })
        {
            cookie.SameSite = SameSiteMode.Lax;
            cookie.HttpOnly = true;
            cookie.SecurePolicy = SecurePolicy(profile);
        }

        options.Events.OnRedirectToIdentityProvider = OnlyWherePeopleLook;
        options.Events.OnRedirectToIdentityProviderForSignOut = context =>
        {
            context.ProtocolMessage.ClientId = context.Options.ClientId;
            return Task.CompletedTask;
        };
        options.Events.OnTokenValidated = KeepWhatSigningOutNeeds;
        options.Events.OnTicketReceived = context => TakeOver(context, settings);
        options.Events.OnRemoteFailure = context =>
        {
            // A reused or expired link, or the provider said no. The details are in the log.
            context.Response.Redirect("/sign-in-failed");
            context.HandleResponse();
            return Task.CompletedTask;
        };
    }

    public static bool SessionIsOver(ClaimsPrincipal? principal, DateTimeOffset now) =>
        !long.TryParse(principal?.FindFirst(CallerClaims.SessionEnds)?.Value, System.Globalization.CultureInfo.InvariantCulture, out var ends)
        || now.ToUnixTimeSeconds() >= ends;

    public static CookieSecurePolicy SecurePolicy(PortalProfile profile) =>
        profile.IsDemo ? CookieSecurePolicy.SameAsRequest : CookieSecurePolicy.Always;

    /// <summary>Sends a page to the provider; tells a script 401 instead.</summary>
    private static Task OnlyWherePeopleLook(RedirectContext context)
    {
        var request = context.Request;
        if (!HttpMethods.IsGet(request.Method) || request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase))
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.HandleResponse();
        }

        return Task.CompletedTask;
    }

    private static Task KeepWhatSigningOutNeeds(TokenValidatedContext context)
    {
        if (context.TokenEndpointResponse?.IdToken is { } idToken)
        {
            context.Properties!.StoreTokens([new AuthenticationToken { Name = "id_token", Value = idToken }]);
        }

        return Task.CompletedTask;
    }

    private static Task TakeOver(TicketReceivedContext context, IdentitySettings settings)
    {
        if (CallerClaims.FromProvider(context.Principal!, settings, Provider) is not { } person)
        {
            context.Fail("The provider named no issuer or no subject.");
            return Task.CompletedTask;
        }

        var now = context.HttpContext.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
        var ends = (now + SessionLength).ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        ((ClaimsIdentity)person.Identity!).AddClaim(new Claim(CallerClaims.SessionEnds, ends));
        context.Principal = person;
        return Task.CompletedTask;
    }
}
