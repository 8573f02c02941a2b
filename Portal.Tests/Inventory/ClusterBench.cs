using Microsoft.AspNetCore.DataProtection;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Attestation;
using Portal.Core.Audit;
using Portal.Core.Baselines;
using Portal.Core.Changes;
using Portal.Core.Inventory;
using Portal.Core.Storage;
using Portal.Tests.Baselines;

namespace Portal.Tests.Inventory;

/// <summary>Clusters and their policies on a SQLite file of their own, with a re-appraisal the test can look at and a moment between look and write.</summary>
internal sealed class ClusterBench : IAsyncDisposable
{
    private readonly string file = Path.Combine(Path.GetTempPath(), $"portal-{Guid.NewGuid():N}.db");
    private readonly ServiceProvider services;

    private ClusterBench()
    {
        var connection = $"Data Source={file}";
        var collection = new ServiceCollection();
        collection.AddLogging();
        collection.AddPortalStorage(connection);
        collection.AddSingleton<IDbContextFactory<PortalDbContext>>(new Factory(connection, Moment));
        collection.AddSingleton<TimeProvider>(Time);
        collection.AddSingleton<IDataProtectionProvider>(new EphemeralDataProtectionProvider());
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.AddAudit();
        collection.AddInventory();
        collection.AddBaselines();
        collection.AddAttestation();
        collection.AddSingleton<IReappraisal>(Reappraisal);
        services = collection.BuildServiceProvider();
        Get<IChangeFeed>().Subscribe(Heard.Add);
    }

    public static Caller Admin { get; } = Caller.With(new Person("idp", "dan", "Dan"), Role.Administrator);

    public static Caller Security { get; } = Caller.With(new Person("idp", "ann", "Ann"), Role.Security);

    public static Caller Operator { get; } = Caller.With(new Person("idp", "oli", "Oli"), Role.Operator);

    /// <summary>Another person who has Dan's subject and name at another provider.</summary>
    public static Caller OtherDan { get; } = Caller.With(new Person("other-idp", "dan", "Dan"), Role.Administrator);

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 10, 1, 8, 0, 0, TimeSpan.Zero));

    public Bench.RecordedReappraisal Reappraisal { get; } = new();

    public Bench.Interruption Moment { get; } = new();

    public List<Change> Heard { get; } = [];

    public static async Task<ClusterBench> StartAsync()
    {
        var bench = new ClusterBench();
        await bench.QueryAsync(db => db.Database.EnsureCreatedAsync());
        return bench;
    }

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public async Task<T> QueryAsync<T>(Func<PortalDbContext, Task<T>> query)
    {
        await using var db = await Get<IDbContextFactory<PortalDbContext>>().CreateDbContextAsync();
        return await query(db);
    }

    public Task AddAsync(params object[] rows) => QueryAsync(db =>
    {
        db.AddRange(rows);
        return db.SaveChangesAsync();
    });

    public async Task<Cluster> ClusterAsync(string name = "prod-a", TrustPolicy? policy = null)
    {
        var cluster = Cluster.Create(name, policy ?? TrustPolicy.Default);
        await AddAsync(cluster);
        return cluster;
    }

    public async Task<Host> HostAsync(Cluster cluster, string name = "kvm-a01")
    {
        var host = new Host { Name = name, Address = "test:" + name, ClusterId = cluster.Id, Cpus = 8, Memory = 1L << 36 };
        await AddAsync(host);
        return host;
    }

    public Task<Cluster> ReadAsync(Cluster cluster) => QueryAsync(db => db.Clusters.AsNoTracking().SingleAsync(c => c.Id == cluster.Id));

    public Task<PolicyProposal?> ProposalAsync(Cluster cluster) => QueryAsync(db => db.PolicyProposals.AsNoTracking().SingleOrDefaultAsync(p => p.ClusterId == cluster.Id));

    public Task<List<AuditEntry>> AuditAsync() => QueryAsync(db => db.AuditEntries.AsNoTracking().OrderBy(a => a.Id).ToListAsync());

    public async Task<Outcome<PolicyStanding>> ChangeAsync(Caller by, Cluster cluster, TrustPolicy wanted, long? against = null) =>
        await Get<ChangeTrustPolicy>().ExecuteAsync(by, new(cluster.Id, wanted, against ?? (await ReadAsync(cluster)).PolicyRevision), default);

    public Task<Outcome<PolicyStanding>> ConfirmAsync(Caller by, Cluster cluster, Guid proposal) => Get<ConfirmTrustPolicy>().ExecuteAsync(by, cluster.Id, proposal, default);

    public Task<Outcome<PolicyStanding>> RejectAsync(Caller by, Cluster cluster, Guid proposal) => Get<RejectTrustPolicy>().ExecuteAsync(by, cluster.Id, proposal, default);

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        SqliteConnection.ClearPool(new SqliteConnection($"Data Source={file}"));
        foreach (var path in new[] { file, file + "-wal", file + "-shm" })
        {
            File.Delete(path);
        }
    }

    private sealed class Factory(string connection, Bench.Interruption moment) : IDbContextFactory<PortalDbContext>
    {
        private readonly DbContextOptions<SqlitePortalDbContext> options = new DbContextOptionsBuilder<SqlitePortalDbContext>()
            .UseSqlite(connection)
            .AddInterceptors(SqlitePragmas.Instance, moment)
            .Options;

        public PortalDbContext CreateDbContext() => new SqlitePortalDbContext(options);
    }
}
