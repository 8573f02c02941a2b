using System.Data.Common;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Changes;
using Portal.Core.Storage;

namespace Portal.Tests.World;

/// <summary>Some rooms of the core on a SQLite file of their own: a clock, a re-appraisal the test can look at, and a moment between look and write.</summary>
internal abstract class DatabaseBench : IAsyncDisposable
{
    private readonly string file = Path.Combine(Path.GetTempPath(), $"portal-{Guid.NewGuid():N}.db");
    private readonly ServiceProvider services;

    protected DatabaseBench(Action<IServiceCollection> rooms)
    {
        var connection = $"Data Source={file}";
        var collection = new ServiceCollection();
        collection.AddLogging();
        collection.AddPortalStorage(connection);
        collection.AddSingleton<IDbContextFactory<PortalDbContext>>(new Factory(connection, Moment));
        collection.AddSingleton<TimeProvider>(Time);
        collection.AddSingleton<IDataProtectionProvider>(Protection);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.AddAudit();
        rooms(collection);
        collection.AddSingleton<IReappraisal>(Reappraisal);
        services = collection.BuildServiceProvider();
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 10, 1, 8, 0, 0, TimeSpan.Zero));

    public EphemeralDataProtectionProvider Protection { get; } = new();

    public RecordedReappraisal Reappraisal { get; } = new();

    public Interruption Moment { get; } = new();

    public IDbContextFactory<PortalDbContext> Contexts => Get<IDbContextFactory<PortalDbContext>>();

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public async Task<T> QueryAsync<T>(Func<PortalDbContext, Task<T>> query)
    {
        await using var db = await Contexts.CreateDbContextAsync();
        return await query(db);
    }

    public Task AddAsync(params object[] rows) => QueryAsync(db =>
    {
        db.AddRange(rows);
        return db.SaveChangesAsync();
    });

    public Task<List<AuditEntry>> AuditAsync() => QueryAsync(db => db.AuditEntries.AsNoTracking().OrderBy(a => a.Id).ToListAsync());

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        SqliteConnection.ClearPool(new SqliteConnection($"Data Source={file}"));
        foreach (var path in new[] { file, file + "-wal", file + "-shm" })
        {
            File.Delete(path);
        }
    }

    private sealed class Factory(string connection, Interruption moment) : IDbContextFactory<PortalDbContext>
    {
        private readonly DbContextOptions<SqlitePortalDbContext> options = new DbContextOptionsBuilder<SqlitePortalDbContext>()
            .UseSqlite(connection)
            .AddInterceptors(SqlitePragmas.Instance, moment)
            .Options;

        public PortalDbContext CreateDbContext() => new SqlitePortalDbContext(options);
    }
}

/// <summary>Runs something once, right before the next transaction begins: after a command has looked and before it writes.</summary>
internal sealed class Interruption : DbTransactionInterceptor
{
    private Func<Task>? next;

    public void Once(Func<Task> action) => next = action;

    public override async ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result, CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref next, null) is { } action)
        {
            await action();
        }

        return result;
    }
}

internal sealed class RecordedReappraisal : IReappraisal
{
    public List<(IReadOnlyList<Guid> Clusters, ReappraisalCause Cause)> Requests { get; } = [];

    public Exception? Fault { get; set; }

    public Task RequestAsync(IReadOnlyList<Guid> clusterIds, ReappraisalCause cause, CancellationToken ct)
    {
        Requests.Add((clusterIds, cause));
        return Fault is null ? Task.CompletedTask : Task.FromException(Fault);
    }
}
