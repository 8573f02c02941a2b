using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Operations;
using Portal.Core.Storage;

namespace Portal.Core.Attestation.Outside;

/// <summary>
/// Has attesters verified again that a server found not to match and gave up on, once what it compares them with is another. One at a time, and none
/// that an operation is about: told twice to verify an attester, Keylime does so twice at a time for ever.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="clients">Clients of servers.</param>
public sealed class AttesterRevival(IDbContextFactory<PortalDbContext> contexts, ServerClients clients) : IDisposable
{
    private readonly SemaphoreSlim turn = new(1, 1);

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();

    /// <summary>Tells the server to verify them again; how many were told.</summary>
    /// <exception cref="ServerException">The server failed us; some may have been told.</exception>
    internal async Task<int> ReviveAsync(Guid serverId, IReadOnlyList<string> names, CancellationToken ct)
    {
        if (await clients.OfAsync(serverId, ct) is not IAttesterControl control)
        {
            return 0;
        }

        using var alone = await AloneAsync(ct);
        await using var db = await contexts.CreateDbContextAsync(ct);
        var told = 0;
        foreach (var name in await control.MismatchedAsync(names, ct))
        {
            if (await OpenAsync(db, serverId, name, ct) is null && await control.StandingAsync(name, ct) is { Needs: true })
            {
                await control.ReactivateAsync(name, ct);
                told++;
            }
        }

        return told;
    }

    /// <summary>Waits until nobody else begins anything with an attester, and keeps others from it until disposed of.</summary>
    internal async Task<IDisposable> AloneAsync(CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        return new Turn(turn);
    }

    /// <summary>The operation on an attester that has not ended, if there is one.</summary>
    internal static async Task<Operation?> OpenAsync(PortalDbContext db, Guid serverId, string name, CancellationToken ct)
    {
        var open = await db.Operations.AsNoTracking()
            .Where(o => o.TargetId == serverId && (o.Kind == AttesterWork.Reactivate || o.Kind == AttesterWork.Remove || o.Kind == AttesterWork.Enrol))
            .Where(o => o.State == OperationState.Queued || o.State == OperationState.Running || o.State == OperationState.Undoing)
            .ToListAsync(ct);
        return open.Find(o => JsonSerializer.Deserialize<AttesterWork>(o.Data)?.Name == name);
    }

    private sealed class Turn(SemaphoreSlim turn) : IDisposable
    {
        public void Dispose() => turn.Release();
    }
}
