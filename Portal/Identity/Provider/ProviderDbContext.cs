using Microsoft.EntityFrameworkCore;

namespace Portal.Identity.Provider;

/// <summary>The embedded provider's own small database, apart from the portal's: users, keys, and OpenIddict's rows. Demo only.</summary>
/// <param name="options">Options.</param>
internal sealed class ProviderDbContext(DbContextOptions<ProviderDbContext> options) : DbContext(options)
{
    public DbSet<DemoUser> Users => Set<DemoUser>();

    public DbSet<ProviderKey> Keys => Set<ProviderKey>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOpenIddict();
        modelBuilder.Entity<DemoUser>().HasKey(u => u.Name);
        modelBuilder.Entity<ProviderKey>().HasKey(k => k.Use);
    }
}

/// <summary>A user of the embedded provider.</summary>
internal sealed class DemoUser
{
    /// <summary>The name to sign in with; also the key, in lower case.</summary>
    public required string Name { get; init; }

    public required string Subject { get; init; }

    /// <summary>Salted hash of the password, as ASP.NET Core Identity writes it.</summary>
    public required string PasswordHash { get; set; }

    /// <summary>Roles, separated by spaces.</summary>
    public required string Roles { get; set; }

    /// <summary>Wrong passwords since the last right one.</summary>
    public int Failures { get; set; }

    /// <summary>Until when no password is looked at, in seconds since 1970.</summary>
    public long LockedUntil { get; set; }
}

/// <summary>A key of the embedded provider, kept so that a restart ends no session.</summary>
internal sealed class ProviderKey
{
    /// <summary><c>signing</c> or <c>encryption</c>.</summary>
    public required string Use { get; init; }

    public required byte[] Material { get; init; }
}
