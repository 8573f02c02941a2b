using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Portal.Core.Access;
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
        options.Events.OnValidatePrincipal = async context =>
        {
            if (await SessionIsOverAsync(context.Principal, context.HttpContext.RequestServices, context.HttpContext.RequestAborted))
            {
                context.RejectPrincipal();
            }
        };
        options.Events.OnSigningOut = EndSessionAsync;
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

    /// <summary>Whether its time is up, or somebody signed out of it.</summary>
    public static async Task<bool> SessionIsOverAsync(ClaimsPrincipal? principal, IServiceProvider services, CancellationToken ct) =>
        principal?.ToSession() is not var (id, ends)
        || services.GetRequiredService<TimeProvider>().GetUtcNow() >= ends
        || await services.GetRequiredService<Sessions>().HasEndedAsync(id, ct);

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

    /// <summary>Deleting the cookie here does not delete a copy of it elsewhere; the session itself ends.</summary>
    private static async Task EndSessionAsync(CookieSigningOutContext context)
    {
        if ((await context.HttpContext.AuthenticateAsync(Cookie)).Principal?.ToSession() is var (id, ends))
        {
            // Once asked for, it happens, whether or not the browser waits for the answer.
            await context.HttpContext.RequestServices.GetRequiredService<Sessions>().EndAsync(id, ends, CancellationToken.None);
        }
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
        ((ClaimsIdentity)person.Identity!).AddClaims([new Claim(CallerClaims.Session, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))), new Claim(CallerClaims.SessionEnds, ends)]);
        context.Principal = person;
        return Task.CompletedTask;
    }
}
