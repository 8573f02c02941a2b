using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.IdentityModel.JsonWebTokens;
using Portal.Core.Access;
using Portal.Profiles;

namespace Portal.Identity;

/// <summary>Marks an endpoint of the REST API for <see cref="RestGuard"/>.</summary>
public sealed class RestEndpoint
{
    internal static RestEndpoint Mark { get; } = new();
}

/// <summary>How scripts sign in: HTTP Basic with the demo users in Demo, bearer tokens of the provider in Production; never the browser's cookie.</summary>
public static class RestAuthentication
{
    /// <summary>The scheme of the REST API.</summary>
    public const string Scheme = "Rest";

    /// <summary>The realm old clients of the API know.</summary>
    public const string Realm = "RESTAPI";

    private static readonly AuthorizationPolicy Policy = new AuthorizationPolicyBuilder(Scheme)
        .RequireAuthenticatedUser()
        .RequireClaim(CallerClaims.Role)
        .Build();

    /// <summary>
    /// Authenticates by the REST scheme only, takes XML or JSON bodies of at most 1 MiB only, refuses requests another site's page makes.
    /// Put it on a route group; get the caller with <see cref="RestCaller"/>.
    /// </summary>
    public static TBuilder RequireRestCaller<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder =>
        builder.RequireAuthorization(Policy).WithMetadata(RestEndpoint.Mark).DisableAntiforgery();

    /// <summary>Who calls an endpoint that has <see cref="RequireRestCaller"/>.</summary>
    public static Caller RestCaller(this HttpContext context) =>
        context.User.ToCaller() ?? throw new InvalidOperationException("The endpoint lacks RequireRestCaller().");

    internal static void AddRestAuthentication(this AuthenticationBuilder authentication, PortalProfile profile)
    {
        if (profile.Identity is not { } settings)
        {
            authentication.AddScheme<AuthenticationSchemeOptions, BasicAuthentication>(Scheme, displayName: null, configureOptions: null);
            return;
        }

        authentication.AddJwtBearer(Scheme, options =>
        {
            options.Authority = settings.Authority;
            options.Audience = settings.Audience;
            options.RequireHttpsMetadata = true;
            options.MapInboundClaims = false;
            options.TokenValidationParameters.ValidateAudience = true;
            options.TokenValidationParameters.ClockSkew = TimeSpan.FromSeconds(30);
            options.Events = new JwtBearerEvents
            {
                OnTokenValidated = context =>
                {
                    if (context.SecurityToken is not JsonWebToken token || IsIdToken(token))
                    {
                        context.Fail("The token says who signed in to a page; it is no access token.");
                    }
                    else if (CallerClaims.FromProvider(context.Principal!, settings, Scheme) is { } person)
                    {
                        context.Principal = person;
                    }
                    else
                    {
                        context.Fail("The token names no issuer or no subject.");
                    }

                    return Task.CompletedTask;
                },
            };
        });
    }

    /// <summary>
    /// Whether a token is an ID token (OpenID Connect Core 1.0, sections 2 and 3.3.2.11), which proves a sign-in and grants nothing.
    /// The header type of RFC 9068 says that it is not; without it the marks of an ID token count.
    /// </summary>
    private static bool IsIdToken(JsonWebToken token)
    {
        if (token.Typ is { } type && (type.Equals("at+jwt", StringComparison.OrdinalIgnoreCase) || type.Equals("application/at+jwt", StringComparison.OrdinalIgnoreCase)))
        {
            return false;
        }

        var isMarked = token.TryGetPayloadValue<string>("typ", out var kind) && kind.Equals("ID", StringComparison.OrdinalIgnoreCase);
        return isMarked || Has("at_hash") || Has("c_hash") || (Has("nonce") && !Has("scope") && !Has("scp"));

        bool Has(string claim) => token.TryGetPayloadValue<object>(claim, out _);
    }
}
