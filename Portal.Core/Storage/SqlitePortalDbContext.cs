using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Portal.Core.Storage;

/// <summary>The context on SQLite: one file, write-ahead log.</summary>
/// <param name="options">Options.</param>
public sealed class SqlitePortalDbContext(DbContextOptions<SqlitePortalDbContext> options) : PortalDbContext(options)
{
    /// <inheritdoc/>
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<MicrosecondsConverter>();

    /// <summary>An instant as UTC microseconds since 1970: sorts, compares and indexes on SQLite as timestamptz does on PostgreSQL.</summary>
    private sealed class MicrosecondsConverter() : ValueConverter<DateTimeOffset, long>(
        instant => (instant.UtcTicks - UnixEpochTicks) / TimeSpan.TicksPerMicrosecond,
        microseconds => new DateTimeOffset((microseconds * TimeSpan.TicksPerMicrosecond) + UnixEpochTicks, TimeSpan.Zero))
    {
        private const long UnixEpochTicks = 621355968000000000;
    }
}

/// <summary>For the migrations tool only.</summary>
public sealed class SqliteDesignTimeFactory : IDesignTimeDbContextFactory<SqlitePortalDbContext>
{
    /// <inheritdoc/>
    public SqlitePortalDbContext CreateDbContext(string[] args) =>
        new(new DbContextOptionsBuilder<SqlitePortalDbContext>().UseSqlite().Options);
}
