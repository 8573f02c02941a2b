using System.Collections.Immutable;
using System.Data.Common;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
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

namespace Portal.Tests.Baselines;

/// <summary>Baselines and audit on a SQLite file of their own, with a clock and a re-appraisal the test can look at.</summary>
internal sealed class Bench : IAsyncDisposable
{
    private readonly string file = Path.Combine(Path.GetTempPath(), $"portal-{Guid.NewGuid():N}.db");
    private readonly ServiceProvider services;

    private Bench()
    {
        var connection = $"Data Source={file}";
        var collection = new ServiceCollection();
        collection.AddLogging();
        collection.AddPortalStorage(connection);
        collection.AddSingleton<IDbContextFactory<PortalDbContext>>(new Factory(connection, Moment));
        collection.AddSingleton<TimeProvider>(Time);
        collection.AddSingleton<IDataProtectionProvider>(Protection);
        collection.AddSingleton<IChangeFeed, InProcessChangeFeed>();
        collection.AddSingleton<IReappraisal>(Reappraisal);
        collection.AddAudit();
        collection.AddBaselines();
        services = collection.BuildServiceProvider();
    }

    public static Caller Ann { get; } = Caller.With(new Person("idp", "ann", "Ann"), Role.Security);

    public static Caller Bob { get; } = Caller.With(new Person("idp", "bob", "Bob"), Role.Security);

    public static Caller Cid { get; } = Caller.With(new Person("idp", "cid", "Cid"), Role.Security);

    /// <summary>Another person who has Ann's subject and name at another provider.</summary>
    public static Caller OtherAnn { get; } = Caller.With(new Person("other-idp", "ann", "Ann"), Role.Security);

    public static Caller Admin { get; } = Caller.With(new Person("idp", "dan", "Dan"), Role.Administrator);

    public static Caller Auditor { get; } = Caller.With(new Person("idp", "eve", "Eve"), Role.Auditor);

    public static Caller Nobody { get; } = Caller.With(new Person("idp", "noone", "No One"));

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 10, 1, 8, 0, 0, TimeSpan.Zero));

    public EphemeralDataProtectionProvider Protection { get; } = new();

    public RecordedReappraisal Reappraisal { get; } = new();

    public Interruption Moment { get; } = new();

    public IDbContextFactory<PortalDbContext> Contexts => Get<IDbContextFactory<PortalDbContext>>();

    public static async Task<Bench> StartAsync()
    {
        var bench = new Bench();
        await using var db = await bench.Contexts.CreateDbContextAsync();
        await db.Database.EnsureCreatedAsync();
        return bench;
    }

    public T Get<T>()
        where T : notnull => services.GetRequiredService<T>();

    public async Task<T> QueryAsync<T>(Func<PortalDbContext, Task<T>> query)
    {
        await using var db = await Contexts.CreateDbContextAsync();
        return await query(db);
    }

    public async Task<Cluster> ClusterAsync(string name)
    {
        var cluster = Cluster.Create(name, TrustPolicy.Default);
        await QueryAsync(async db =>
        {
            db.Clusters.Add(cluster);
            return await db.SaveChangesAsync();
        });
        return cluster;
    }

    public async Task<Host> HostAsync(Cluster cluster, string name)
    {
        var host = new Host { Name = name, Address = "test:" + name, ClusterId = cluster.Id, Cpus = 4, Memory = 1L << 34 };
        await QueryAsync(async db =>
        {
            db.Hosts.Add(host);
            return await db.SaveChangesAsync();
        });
        return host;
    }

    public Task<long> PolicyRevisionAsync(Cluster cluster) =>
        QueryAsync(db => db.Clusters.Where(c => c.Id == cluster.Id).Select(c => c.PolicyRevision).SingleAsync());

    public Task<List<AuditEntry>> AuditAsync() => QueryAsync(db => db.AuditEntries.AsNoTracking().OrderBy(a => a.Id).ToListAsync());

    public Task<BaselineRevision> RevisionAsync(Guid id) => QueryAsync(db => db.BaselineRevisions.AsNoTracking().SingleAsync(r => r.Id == id));

    public Task<List<RevisionPerson>> PeopleAsync(Guid revisionId) =>
        QueryAsync(db => db.RevisionPersons.AsNoTracking().Where(p => p.RevisionId == revisionId).ToListAsync());

    public async Task<RevisionStanding> DraftAsync(Caller by, string name = "rhel9", BaselineContent? content = null, BaselineKinds kind = BaselineKinds.Hypervisor) =>
        (await Get<CreateBaseline>().ExecuteAsync(by, new(name, kind, "", content ?? Contents.Boot()), default)).Value;

    public async Task<RevisionStanding> InReviewAsync(Caller by, string name = "rhel9", BaselineContent? content = null)
    {
        var draft = await DraftAsync(by, name, content);
        return (await Get<SubmitRevision>().ExecuteAsync(by, new(draft.RevisionId), default)).Value;
    }

    public async Task<RevisionStanding> ApprovedAsync(Caller author, Caller approver, string name = "rhel9", BaselineContent? content = null)
    {
        var review = await InReviewAsync(author, name, content);
        return (await Get<ApproveRevision>().ExecuteAsync(approver, new(review.RevisionId, review.ContentHash), default)).Value;
    }

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        SqliteConnection.ClearPool(new SqliteConnection($"Data Source={file}"));
        foreach (var path in new[] { file, file + "-wal", file + "-shm" })
        {
            File.Delete(path);
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

    private sealed class Factory(string connection, Interruption moment) : IDbContextFactory<PortalDbContext>
    {
        private readonly DbContextOptions<SqlitePortalDbContext> options = new DbContextOptionsBuilder<SqlitePortalDbContext>()
            .UseSqlite(connection)
            .AddInterceptors(SqlitePragmas.Instance, moment)
            .Options;

        public PortalDbContext CreateDbContext() => new SqlitePortalDbContext(options);
    }
}

/// <summary>Contents to write baselines with.</summary>
internal static class Contents
{
    public const uint Application = 0x80000003;
    public const uint Separator = 0x00000004;

    /// <summary>A SHA-256 digest that differs by its number.</summary>
    public static string Digest(int number) => number.ToString("x64", System.Globalization.CultureInfo.InvariantCulture).Replace('0', 'a');

    public static BaselineContent Boot(params ReadOnlySpan<Guid> clusters) => Of([Whole(4, Digest(1))], clusters);

    public static BaselineContent Of(ImmutableArray<PcrReference> pcrs, params ReadOnlySpan<Guid> clusters) => new(PcrBanks.Sha256, pcrs, [.. clusters], "");

    public static PcrReference Whole(int pcr, params ReadOnlySpan<string> digests) => new(pcr, [.. digests], []);

    public static PcrReference Events(int pcr, params ReadOnlySpan<EventReference> events) => new(pcr, [], [.. events]);

    public static EventReference Event(int digest, string label = "", bool optional = false, uint type = Application) => new(type, [Digest(digest)], label, optional);
}
