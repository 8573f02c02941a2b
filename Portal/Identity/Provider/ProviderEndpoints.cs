using System.Security.Claims;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Portal.Identity.Provider;

/// <summary>The endpoints where the provider meets people; the rest of the protocol is OpenIddict's.</summary>
internal static class ProviderEndpoints
{
    private const string Scheme = OpenIddictServerAspNetCoreDefaults.AuthenticationScheme;

    public static void MapEmbeddedProvider(this IEndpointRouteBuilder app)
    {
        app.MapMethods(EmbeddedProvider.AuthorizePath, [HttpMethods.Get], AuthorizeAsync).AllowAnonymous();
        app.MapMethods(EmbeddedProvider.EndSessionPath, [HttpMethods.Get], (Delegate)EndSessionAsync).AllowAnonymous();
    }

    /// <summary>Who is signed in here gets a code; everybody else signs in first.</summary>
    private static async Task<IResult> AuthorizeAsync(HttpContext context, DemoUsers users)
    {
        var request = context.GetOpenIddictServerRequest() ?? throw new InvalidOperationException("Not an OpenID Connect request.");
        var session = await context.AuthenticateAsync(EmbeddedProvider.Cookie);
        if (session.Principal?.FindFirst(Claims.Subject)?.Value is not { } subject
            || await users.FindAsync(subject, context.RequestAborted) is not { } user)
        {
            var back = context.Request.Path + context.Request.QueryString;
            return TypedResults.Challenge(new AuthenticationProperties { RedirectUri = back }, [EmbeddedProvider.Cookie]);
        }

        var identity = new ClaimsIdentity(Scheme, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, user.Person.Subject);
        identity.SetClaim(Claims.PreferredUsername, user.Person.Name);
        identity.SetClaims(EmbeddedProvider.Settings.RolesClaim, [.. user.Roles.Select(r => r.ToString())]);
        identity.SetScopes(request.GetScopes());
        identity.SetDestinations(static _ => [Destinations.IdentityToken]);
        return TypedResults.SignIn(new ClaimsPrincipal(identity), authenticationScheme: Scheme);
    }

    private static async Task<IResult> EndSessionAsync(HttpContext context)
    {
        await context.SignOutAsync(EmbeddedProvider.Cookie);
        return TypedResults.SignOut(new AuthenticationProperties { RedirectUri = "/signed-out" }, [Scheme]);
    }
}
