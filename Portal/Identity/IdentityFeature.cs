using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Components.Authorization;
using Portal.Identity;
using Portal.Identity.Provider;
using Portal.Profiles;

namespace Portal;

/// <summary>Who is asking: people by OpenID Connect, scripts by the REST scheme.</summary>
public static class IdentityFeature
{
    /// <summary>Adds sign-in, the REST scheme and, in Demo, a provider of our own.</summary>
    public static void AddIdentity(this WebApplicationBuilder builder, PortalProfile profile)
    {
        var services = builder.Services;
        var settings = profile.Identity ?? EmbeddedProvider.Settings;
        var authentication = services.AddAuthentication(options =>
        {
            options.DefaultScheme = PortalSignIn.Cookie;
            options.DefaultChallengeScheme = PortalSignIn.Provider;
            options.DefaultForbidScheme = PortalSignIn.Cookie;
        });
        authentication.AddCookie(PortalSignIn.Cookie, options => PortalSignIn.Configure(options, profile));
        authentication.AddOpenIdConnect(PortalSignIn.Provider, options => PortalSignIn.Configure(options, profile, settings));
        authentication.AddRestAuthentication(profile);
        if (profile.IsDemo)
        {
            authentication.AddEmbeddedProvider(profile);
        }

        services.AddAuthorizationBuilder().SetDefaultPolicy(new AuthorizationPolicyBuilder()
            .RequireAuthenticatedUser()
            .RequireClaim(CallerClaims.Role)
            .Build());
        services.AddScoped<AuthenticationStateProvider, SessionState>();
        services.AddAntiforgery(options =>
        {
            options.Cookie.Name = profile.IsDemo ? "portal-form" : "__Host-portal-form";
            options.Cookie.HttpOnly = true;
            options.Cookie.SameSite = SameSiteMode.Lax;
            options.Cookie.SecurePolicy = PortalSignIn.SecurePolicy(profile);
        });
    }

    /// <summary>Maps signing in and out and, in Demo, the provider's endpoints.</summary>
    public static void MapIdentity(this WebApplication app, PortalProfile profile)
    {
        app.MapGet("/sign-in", (string? returnUrl) => TypedResults.Challenge(new AuthenticationProperties { RedirectUri = Local(returnUrl) }, [PortalSignIn.Provider]))
            .AllowAnonymous();
        app.MapPost("/sign-out", SignOutAsync).AllowAnonymous().DisableAntiforgery();
        if (profile.IsDemo)
        {
            app.MapEmbeddedProvider();
        }
    }

    /// <summary>Only an address of our own is ever returned to.</summary>
    internal static string Local(string? address) =>
        address is ['/', not ('/' or '\\'), ..] or "/" && !address.Any(char.IsControl) ? address : "/";

    private static async Task<IResult> SignOutAsync(HttpContext context, IAntiforgery antiforgery)
    {
        // Checked here rather than by the middleware, so that a stale form leads somewhere.
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return TypedResults.Redirect("/");
        }

        return TypedResults.SignOut(new AuthenticationProperties { RedirectUri = "/signed-out" }, [PortalSignIn.Cookie, PortalSignIn.Provider]);
    }
}
