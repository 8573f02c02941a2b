using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using Portal.Profiles;

namespace Portal.Identity.Provider;

/// <summary>The OpenID Connect provider inside the demo. The portal signs in with it as with any other.</summary>
internal static class EmbeddedProvider
{
    /// <summary>The same on every port and host name, so that a person stays the same person.</summary>
    public const string Issuer = "urn:portal:demo";

    public const string ClientId = "portal";
    public const string Cookie = "Provider";
    public const string AuthorizePath = "/connect/authorize";
    public const string TokenPath = "/connect/token";
    public const string EndSessionPath = "/connect/end-session";
    public const string SignInPath = "/connect/sign-in";

    private const string Backchannel = "http://provider.internal/";

    /// <summary>How the portal knows this provider.</summary>
    public static IdentitySettings Settings { get; } = new() { Authority = Backchannel, ClientId = ClientId };

    public static void AddEmbeddedProvider(this AuthenticationBuilder authentication, PortalProfile profile)
    {
        var services = authentication.Services;
        services.AddDbContextFactory<ProviderDbContext>(options => options
            .UseSqlite($"Data Source={profile.Beside("identity.db")};Default Timeout=10")
            .UseOpenIddict());
        services.AddSingleton<DemoUsers>();
        services.AddSingleton<ProviderKeys>();
        services.AddSingleton<IConfigureOptions<OpenIddictServerOptions>>(provider => provider.GetRequiredService<ProviderKeys>());
        services.AddHostedService<ProviderStart>();
        services.AddHostedService<TokenPruning>();
        services.AddSingleton<LoopbackBackchannel>();
        services.AddOptions<OpenIdConnectOptions>(PortalSignIn.Provider).Configure<LoopbackBackchannel>(PointHere);

        authentication.AddCookie(Cookie, options =>
        {
            options.Cookie.Name = "portal-provider";
            options.Cookie.HttpOnly = true;
            options.Cookie.SameSite = SameSiteMode.Lax;
            options.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            options.LoginPath = SignInPath;
            options.ReturnUrlParameter = "returnUrl";
            options.ExpireTimeSpan = TimeSpan.FromHours(1);
        });

        services.AddOpenIddict()
            .AddCore(core => core.UseEntityFrameworkCore().UseDbContext<ProviderDbContext>())
            .AddServer(server =>
            {
                server.SetIssuer(Issuer);
                server.SetAuthorizationEndpointUris(AuthorizePath.TrimStart('/'));
                server.SetTokenEndpointUris(TokenPath.TrimStart('/'));
                server.SetEndSessionEndpointUris(EndSessionPath.TrimStart('/'));
                server.AllowAuthorizationCodeFlow().RequireProofKeyForCodeExchange();
                server.RegisterScopes("profile");
                server.SetAuthorizationCodeLifetime(TimeSpan.FromMinutes(1));
                server.SetAccessTokenLifetime(TimeSpan.FromMinutes(5));
                server.UseAspNetCore()
                    .DisableTransportSecurityRequirement()
                    .EnableAuthorizationEndpointPassthrough()
                    .EnableEndSessionEndpointPassthrough();
            });
    }

    /// <summary>The browser goes to the provider under the name it already uses; the server talks to itself.</summary>
    private static void PointHere(OpenIdConnectOptions options, LoopbackBackchannel backchannel)
    {
        options.RequireHttpsMetadata = false;
        options.BackchannelHttpHandler = backchannel;
        options.TokenValidationParameters.ValidIssuer = Issuer;
        var before = options.Events.OnRedirectToIdentityProvider;
        options.Events.OnRedirectToIdentityProvider = context =>
        {
            context.ProtocolMessage.IssuerAddress = Here(context.Request) + AuthorizePath;
            return before(context);
        };
        var beforeSignOut = options.Events.OnRedirectToIdentityProviderForSignOut;
        options.Events.OnRedirectToIdentityProviderForSignOut = context =>
        {
            context.ProtocolMessage.IssuerAddress = Here(context.Request) + EndSessionPath;
            return beforeSignOut(context);
        };
    }

    private static string Here(HttpRequest request) => $"{request.Scheme}://{request.Host}";
}
