using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;

namespace Portal.Identity.Provider;

/// <summary>Prepares the provider's database before anything listens: schema, keys, users, and the portal as its one client.</summary>
internal sealed class ProviderStart(
    IServiceScopeFactory scopes,
    IDbContextFactory<ProviderDbContext> database,
    ProviderKeys keys,
    DemoUsers users) : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        await using (var db = await database.CreateDbContextAsync(cancellationToken))
        {
            await db.Database.EnsureCreatedAsync(cancellationToken);
            await db.Database.ExecuteSqlRawAsync("PRAGMA journal_mode=WAL", cancellationToken);
        }

        await keys.SeedAsync(cancellationToken);
        await users.SeedAsync(cancellationToken);
        await SeedClientAsync(cancellationToken);
    }

    /// <summary>A public client with PKCE: what runs in the same process needs no secret. As a native client its loopback ports are free.</summary>
    private async Task SeedClientAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var applications = scope.ServiceProvider.GetRequiredService<IOpenIddictApplicationManager>();
        if (await applications.FindByClientIdAsync(EmbeddedProvider.ClientId, ct) is not null)
        {
            return;
        }

        var client = new OpenIddictApplicationDescriptor
        {
            ApplicationType = OpenIddictConstants.ApplicationTypes.Native,
            ClientId = EmbeddedProvider.ClientId,
            ClientType = OpenIddictConstants.ClientTypes.Public,
            ConsentType = OpenIddictConstants.ConsentTypes.Implicit,
            DisplayName = "Trusted pools",
            Permissions =
            {
                OpenIddictConstants.Permissions.Endpoints.Authorization,
                OpenIddictConstants.Permissions.Endpoints.Token,
                OpenIddictConstants.Permissions.Endpoints.EndSession,
                OpenIddictConstants.Permissions.GrantTypes.AuthorizationCode,
                OpenIddictConstants.Permissions.ResponseTypes.Code,
                OpenIddictConstants.Permissions.Scopes.Profile,
            },
            Requirements = { OpenIddictConstants.Requirements.Features.ProofKeyForCodeExchange },
        };
        foreach (var host in new[] { "localhost", "127.0.0.1", "[::1]" })
        {
            foreach (var scheme in new[] { "http", "https" })
            {
                client.RedirectUris.Add(new Uri($"{scheme}://{host}/signed-in"));
                client.PostLogoutRedirectUris.Add(new Uri($"{scheme}://{host}/signed-out-callback"));
            }
        }

        await applications.CreateAsync(client, ct);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
