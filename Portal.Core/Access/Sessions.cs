using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Storage;

namespace Portal.Core.Access;

/// <summary>
/// Who is signed in, as far as it can end early. The database says which sessions ended, to every replica and after a restart;
/// pages that are open in this process hear of it at once.
/// </summary>
/// <param name="contexts">The database.</param>
/// <param name="time">Our clock.</param>
public sealed class Sessions(IDbContextFactory<PortalDbContext> contexts, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, Session> live = new(StringComparer.Ordinal);

    /// <summary>The session a page is opened with; the same one for every page of a sign-in.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="ends">When it ends by itself.</param>
    public Session Of(string id, DateTimeOffset ends)
    {
        foreach (var (old, session) in live)
        {
            // By then the cookie is refused for its time alone.
            if (session.Ends <= time.GetUtcNow())
            {
                live.TryRemove(old, out _);
            }
        }

        return live.GetOrAdd(id, _ => new Session(id, ends, time));
    }

    /// <summary>Ends a session everywhere. Commands of pages that are open with it are refused from here on, whether or not the database could be told.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="ends">When it would have ended by itself.</param>
    /// <param name="ct">Cancels the wait for the database.</param>
    public async Task EndAsync(string id, DateTimeOffset ends, CancellationToken ct)
    {
        Of(id, ends).End();
        var now = time.GetUtcNow();
        await using var db = await contexts.CreateDbContextAsync(ct);
        await db.EndedSessions.Where(s => s.Ends <= now).ExecuteDeleteAsync(ct);
        if (!await db.EndedSessions.AnyAsync(s => s.Id == id, ct))
        {
            db.EndedSessions.Add(new EndedSession { Id = id, Ends = ends });
            await db.SaveChangesAsync(ct);
        }
    }

    /// <summary>Whether somebody signed out of a session, in this process or another.</summary>
    public async Task<bool> HasEndedAsync(string id, CancellationToken ct)
    {
        if (live.TryGetValue(id, out var session) && session.Ended.IsCancellationRequested)
        {
            return true;
        }

        await using var db = await contexts.CreateDbContextAsync(ct);
        return await db.EndedSessions.AnyAsync(s => s.Id == id, ct);
    }
}
