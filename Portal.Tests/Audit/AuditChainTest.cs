using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core.Audit;
using Portal.Tests.Baselines;

namespace Portal.Tests.Audit;

/// <summary>An audit to write into, seal and tamper with.</summary>
public abstract class AuditChainTest : IAsyncLifetime
{
    private Bench? bench;

    private protected Bench Bench => bench!;

    private protected AuditChain Chain => Bench.Get<AuditChain>();

    public async ValueTask InitializeAsync() => bench = await Baselines.Bench.StartAsync();

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return Bench.DisposeAsync();
    }

    private protected AuditChain Restarted(IDataProtectionProvider protection) =>
        new(Bench.Contexts, new AuditKey(Bench.Contexts, protection), Bench.Get<AuditLog>(), Bench.Time, NullLogger<AuditChain>.Instance);

    private protected AuditEntry Row(long id) => new()
    {
        Id = id,
        At = Bench.Time.GetUtcNow().AddTicks(7),
        Issuer = "idp",
        Subject = "ann",
        PersonName = "Ann",
        Event = "test.happened",
        Severity = AuditSeverity.Refusal,
        TargetKind = "host",
        TargetId = Guid.NewGuid(),
        TargetName = "kvm1",
        Sentence = "Something happened",
        Detail = "{}",
    };

    private protected Task WriteAsync(int count) => Bench.QueryAsync(async db =>
    {
        db.AuditEntries.AddRange(Enumerable.Range(0, count).Select(_ => Row(0)));
        return await db.SaveChangesAsync();
    });

    private protected async Task SealedAsync(int count)
    {
        await WriteAsync(count);
        await Chain.SealAsync(default);
    }

    private protected Task SqlAsync(string sql) => Bench.QueryAsync(db => db.Database.ExecuteSqlRawAsync(sql));

    private protected async Task<(ChainState State, long Rows)> StateAsync()
    {
        var found = await Chain.VerifyAsync(default);
        return (found.State, found.Rows);
    }
}
