using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Portal.Core.Access;
using Portal.Core.Storage;

namespace Portal.Core.Audit;

/// <summary>
/// Seals audit rows into a keyed chain after they were written, and verifies it. What it cannot show: a row altered before it was sealed (a
/// matter of seconds), rows forged by somebody who can act as the portal, and a whole database put back to an earlier state; for the last, the
/// newest seal also goes to the log with every verification.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="key">The chain's key.</param>
/// <param name="audit">Where a break is told.</param>
/// <param name="time">Our clock.</param>
/// <param name="log">Where seals and breaks are told too.</param>
public sealed partial class AuditChain(
    IDbContextFactory<PortalDbContext> contexts, AuditKey key, AuditLog audit, TimeProvider time, ILogger<AuditChain> log) : IDisposable
{
    internal const string HeadStamp = "audit.head";

    private const int Batch = 500;

    private readonly SemaphoreSlim sealing = new(1, 1);
    private readonly SemaphoreSlim verifying = new(1, 1);

    /// <summary>The outcome of the last verification in this process; null before the first.</summary>
    public ChainVerification? Last { get; private set; }

    /// <summary>Seals every row that is not sealed yet, in the order of ids, a batch per transaction. One at a time; a replica that lost a race goes on after the winner.</summary>
    /// <returns>How many rows were sealed; 0 also when the key or the head is lost, which <see cref="VerifyAsync"/> tells.</returns>
    public async Task<int> SealAsync(CancellationToken ct)
    {
        await sealing.WaitAsync(ct);
        try
        {
            if (await key.ReadAsync(create: true, ct) is not { } secret)
            {
                return 0;
            }

            for (var total = 0; ;)
            {
                var count = await SealBatchAsync(secret, ct);
                total += count;
                if (count < Batch)
                {
                    return total;
                }
            }
        }
        finally
        {
            sealing.Release();
        }
    }

    /// <summary>Verifies every sealed row from the first. Streams: memory does not grow with the audit, and sealing goes on meanwhile. A break is told once in the audit, as an alarm.</summary>
    public async Task<ChainVerification> VerifyAsync(CancellationToken ct)
    {
        await verifying.WaitAsync(ct);
        try
        {
            var found = await CheckAsync(ct);
            var isNews = Last is null ? !found.IsIntact : !found.IsIntact && Last.State != found.State;
            Last = found;
            if (isNews)
            {
                ChainBroken(log, found.State, found.BrokenAt);
                await audit.AppendAsync(Person.Portal, "audit.chain.broken", new AuditTarget("portal", null, "audit"), found.Sentence, AuditSeverity.Alarm, null, ct);
            }

            return found;
        }
        finally
        {
            verifying.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        sealing.Dispose();
        verifying.Dispose();
    }

    private async Task<int> SealBatchAsync(byte[] secret, CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        if (!await db.AuditEntries.AnyAsync(a => a.Sequence == null, ct))
        {
            // The usual case, and it takes no write lock.
            return 0;
        }

        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        var rows = await db.AuditEntries.Where(a => a.Sequence == null).OrderBy(a => a.Id).Take(Batch).ToListAsync(ct);
        var stored = await db.Stamps.AsNoTracking().FirstOrDefaultAsync(s => s.Name == HeadStamp, ct);
        var head = stored is null ? AuditHead.None : AuditHead.Parse(stored.Value, secret);
        if (head is null || (stored is null && await db.AuditEntries.AnyAsync(a => a.Sequence != null, ct)))
        {
            // Going on from a guess would hide that rows are missing.
            HeadLost(log);
            return 0;
        }

        foreach (var row in rows)
        {
            row.Sequence = head.Sequence + 1;
            row.Seal = AuditSeal.OfRow(secret, head.Sequence + 1, head.Seal, row);
            head = new AuditHead(head.Sequence + 1, row.Seal);
        }

        if (!await AdvanceAsync(db, stored?.Value, head.ToText(secret), ct))
        {
            // Another replica sealed meanwhile; its commit wakes us again.
            return 0;
        }

        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return rows.Count;
    }

    // First in the transaction, and only if the head is still the one the seals were computed from: of two replicas one goes on.
    private static async Task<bool> AdvanceAsync(PortalDbContext db, string? from, string to, CancellationToken ct)
    {
        if (from is null)
        {
            db.Stamps.Add(new DatabaseStamp { Name = HeadStamp, Value = to });
            return true;
        }

        return await db.Stamps
            .Where(s => s.Name == HeadStamp && s.Value == from)
            .ExecuteUpdateAsync(set => set.SetProperty(s => s.Value, to), ct) == 1;
    }

    private async Task<ChainVerification> CheckAsync(CancellationToken ct)
    {
        await using var db = await contexts.CreateDbContextAsync(ct);
        // Before the head: a place beyond a head read later was not sealed by us.
        var last = await db.AuditEntries.Where(a => a.Sequence != null).OrderByDescending(a => a.Sequence).Select(a => new { a.Id, a.Sequence }).FirstOrDefaultAsync(ct);
        if (await key.ReadAsync(create: false, ct) is not { } secret)
        {
            return Say(last is null && !await db.Stamps.AnyAsync(s => s.Name == AuditKey.Stamp || s.Name == HeadStamp, ct) ? ChainState.Intact : ChainState.KeyLost, 0);
        }

        var stored = await db.Stamps.AsNoTracking().FirstOrDefaultAsync(s => s.Name == HeadStamp, ct);
        var head = stored is null ? AuditHead.None : AuditHead.Parse(stored.Value, secret);
        if (head is null || (stored is null && last is not null))
        {
            return Say(ChainState.HeadLost, 0);
        }

        var rows = await RowsAsync(db, secret, head, ct);
        if (rows.IsIntact)
        {
            Verified(log, head.Sequence, Convert.ToHexStringLower(head.Seal));
            return last is not null && last.Sequence > head.Sequence ? Say(ChainState.Foreign, rows.Rows, last.Sequence, last.Id) : rows;
        }

        return rows;
    }

    private async Task<ChainVerification> RowsAsync(PortalDbContext db, byte[] secret, AuditHead head, CancellationToken ct)
    {
        var (place, seal) = (0L, AuditSeal.Start);
        await foreach (var row in Sealed(db, head.Sequence).AsAsyncEnumerable().WithCancellation(ct))
        {
            if (row.Sequence != place + 1)
            {
                // Places start at 1; one at or below zero was never given.
                return row.Sequence <= place
                    ? Say(ChainState.Foreign, place, row.Sequence, row.Id)
                    : Say(ChainState.Removed, place, place + 1);
            }

            var expected = AuditSeal.OfRow(secret, place + 1, seal, row);
            if (row.Seal is null || !CryptographicOperations.FixedTimeEquals(expected, row.Seal))
            {
                var elsewhere = await BelongsAsync(db, secret, place + 1, seal, head.Sequence, ct);
                return Say(elsewhere ? ChainState.Reordered : ChainState.Edited, place, place + 1, row.Id);
            }

            (place, seal) = (place + 1, row.Seal);
        }

        if (place < head.Sequence)
        {
            return Say(ChainState.Truncated, place, place + 1);
        }

        return CryptographicOperations.FixedTimeEquals(seal, head.Seal) ? Say(ChainState.Intact, place) : Say(ChainState.HeadLost, place);
    }

    // Whether some row elsewhere is the one sealed for this place: then rows changed places.
    private static async Task<bool> BelongsAsync(PortalDbContext db, byte[] secret, long place, byte[] before, long last, CancellationToken ct)
    {
        await foreach (var row in Sealed(db, last).AsAsyncEnumerable().WithCancellation(ct))
        {
            if (row.Sequence != place && row.Seal is not null && CryptographicOperations.FixedTimeEquals(AuditSeal.OfRow(secret, place, before, row), row.Seal))
            {
                return true;
            }
        }

        return false;
    }

    private static IQueryable<AuditEntry> Sealed(PortalDbContext db, long upTo) =>
        db.AuditEntries.AsNoTracking().Where(a => a.Sequence != null && a.Sequence <= upTo).OrderBy(a => a.Sequence);

    private ChainVerification Say(ChainState state, long rows, long? brokenAt = null, long? entryId = null) =>
        ChainVerification.Of(state, time.GetUtcNow(), rows, brokenAt, entryId);

    [LoggerMessage(111, LogLevel.Critical, "The audit chain is broken: {State} at place {Place}")]
    private static partial void ChainBroken(ILogger log, ChainState state, long? place);

    [LoggerMessage(112, LogLevel.Error, "The record of the newest audit seal is gone or was altered; nothing more is sealed")]
    private static partial void HeadLost(ILogger log);

    [LoggerMessage(113, LogLevel.Information, "The audit chain is intact up to place {Place}, seal {Seal}")]
    private static partial void Verified(ILogger log, long place, string seal);
}
