using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace Portal.Core.Storage;

/// <summary>Registers the database.</summary>
public static class PortalStorage
{
    private const int SecondsToWait = 5;

    /// <summary>Adds the portal's database on SQLite.</summary>
    /// <param name="services">The services.</param>
    /// <param name="connectionString">A SQLite connection string naming a file.</param>
    public static IServiceCollection AddPortalStorage(this IServiceCollection services, string connectionString)
    {
        // For SQLite the timeout is how long a command waits for another writer.
        var patient = new SqliteConnectionStringBuilder(connectionString) { DefaultTimeout = SecondsToWait }.ConnectionString;
        services.AddPooledDbContextFactory<SqlitePortalDbContext>(options => options
            .UseSqlite(patient)
            .AddInterceptors(SqlitePragmas.Instance));
        services.AddSingleton<IDbContextFactory<PortalDbContext>, Factory>();
        services.AddScoped<PortalDbContext>(provider => provider.GetRequiredService<IDbContextFactory<PortalDbContext>>().CreateDbContext());
        return services;
    }

    private sealed class Factory(IDbContextFactory<SqlitePortalDbContext> inner) : IDbContextFactory<PortalDbContext>
    {
        public PortalDbContext CreateDbContext() => inner.CreateDbContext();

        public async Task<PortalDbContext> CreateDbContextAsync(CancellationToken cancellationToken = default) =>
            await inner.CreateDbContextAsync(cancellationToken);
    }
}

/// <summary>Sets every SQLite connection to a write-ahead log, to wait for a writer, and to enforce foreign keys.</summary>
internal sealed class SqlitePragmas : DbConnectionInterceptor
{
    private const string Pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000; PRAGMA foreign_keys=ON;";

    public static SqlitePragmas Instance { get; } = new();

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
    {
        using var command = connection.CreateCommand();
        command.CommandText = Pragmas;
        command.ExecuteNonQuery();
    }

    public override async Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = Pragmas;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
