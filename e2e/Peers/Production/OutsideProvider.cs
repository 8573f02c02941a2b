using System.Collections.Immutable;
using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Portal.E2E.Peers.Production;

/// <summary>An OpenID Connect provider of which the portal knows the address, its own name and secret there, and nothing else. Whoever comes is signed in as <see cref="Subject"/>.</summary>
internal sealed class OutsideProvider : IAsyncDisposable
{
    public const string ClientId = "portal";
    public const string ClientSecret = "known to the provider and the portal";
    public const string Subject = "0d2a";
    public const string Name = "ada.lovelace";

    private readonly WebApplication app;

    private OutsideProvider(WebApplication app) => this.app = app;

    /// <summary>What the provider calls the person's roles; told by userinfo alone.</summary>
    public ImmutableArray<string> Roles { get; set; } = [];

    /// <summary>Where it is.</summary>
    public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single().Replace("127.0.0.1", "localhost", StringComparison.Ordinal));

    /// <summary>Its certificate, for a portal that is to trust it, in PEM.</summary>
    public required string CertificateFile { get; init; }

    public static async Task<OutsideProvider> StartAsync(string folder, CancellationToken ct)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=sso.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var file = Path.Combine(folder, "sso.pem");
        await File.WriteAllTextAsync(file, certificate.ExportCertificatePem(), ct);

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        OutsideProvider? provider = null;
        builder.Services.AddOpenIddict().AddServer(options => Configure(options, () => provider!));
        builder.Services.AddAuthentication();
        var app = builder.Build();
        app.UseAuthentication();
        provider = new OutsideProvider(app) { CertificateFile = file };
        await app.StartAsync(ct);
        return provider;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private static void Configure(OpenIddictServerBuilder options, Func<OutsideProvider> provider)
    {
        options.SetAuthorizationEndpointUris("authorize").SetTokenEndpointUris("token").SetUserInfoEndpointUris("userinfo");
        options.AllowAuthorizationCodeFlow().RequireProofKeyForCodeExchange();
        options.RegisterScopes(Scopes.OpenId, Scopes.Profile);
        options.AddEphemeralEncryptionKey().AddEphemeralSigningKey();
        options.EnableDegradedMode().UseAspNetCore();
        options.AddEventHandler<ValidateAuthorizationRequestContext>(handler => handler.UseInlineHandler(context =>
        {
            if (context.ClientId != ClientId)
            {
                context.Reject(Errors.InvalidClient, "No such client.");
            }

            return default;
        }));
        options.AddEventHandler<ValidateTokenRequestContext>(handler => handler.UseInlineHandler(context =>
        {
            if (context.ClientId != ClientId || context.ClientSecret != ClientSecret)
            {
                context.Reject(Errors.InvalidClient, "Not that client's secret.");
            }

            return default;
        }));
        options.AddEventHandler<HandleAuthorizationRequestContext>(handler => handler.UseInlineHandler(context =>
        {
            var person = new ClaimsIdentity("outside", Claims.Name, Claims.Role);
            person.SetClaim(Claims.Subject, Subject).SetClaim(Claims.PreferredUsername, Name);
            person.SetScopes(context.Request.GetScopes());
            person.SetDestinations(static _ => [Destinations.AccessToken, Destinations.IdentityToken]);
            context.SignIn(new ClaimsPrincipal(person));
            return default;
        }));
        options.AddEventHandler<HandleUserInfoRequestContext>(handler => handler.UseInlineHandler(context =>
        {
            context.Claims["roles"] = new OpenIddictParameter([.. provider().Roles]);
            return default;
        }));
    }
}
